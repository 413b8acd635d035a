"""Sends a server what nobody should: pictures, texts, messages, tensors and headers that are broken on purpose.

    inputs.py [--count 100000] [--seed 1] [--callers 4] [--program target/release/wildwarden] [--json FILE]

Five kinds in equal parts, each made by a seeded generator, so that a run can be repeated: pictures of every format with bytes changed,
cut, doubled and swapped, beside a title; titles of any characters, from lone marks to kilobytes of one letter; ClassifyRequest and
ModelInfer messages whose bytes were changed on the wire; calls with headers of any names, sizes and deadlines. Of each kind it prints the
codes that came back and the longest time. Ends with 1 where the server died, a code came that the kind does not allow, or a call took a
second or more. Needs grpcio-tools and Pillow.
"""

import argparse
import collections
import io
import json
import random
import sys
import threading
import time
from pathlib import Path

import grpc
from PIL import Image

from goodput import ROOT, Server

sys.path.insert(0, str(ROOT / "proto"))
FORMATS = ("*.jpg", "*.png", "*.webp", "*.gif", "*.bmp", "*.tif")
CLASSIFY, INFER = "/wildwarden.v1.RiskService/Classify", "/inference.GRPCInferenceService/ModelInfer"
ANSWERED = {"OK", "INVALID_ARGUMENT"}
# What the kinds may be answered. A message that names another model is not found; a deadline may be one that nobody can keep.
ALLOWED = {
    "pictures": ANSWERED,
    "texts": ANSWERED,
    "messages": ANSWERED,
    "tensors": ANSWERED | {"NOT_FOUND"},
    "headers": ANSWERED | {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"},
}
SLOW = 1.0  # seconds


def small(path: Path) -> bytes:
    """A fixture, as a picture of at most 200 pixels where that keeps its format: 100,000 of them have to be looked at."""
    content = path.read_bytes()
    if len(content) <= 40_000:
        return content
    picture = Image.open(io.BytesIO(content))
    if getattr(picture, "n_frames", 1) > 1:
        return content
    kind = picture.format
    picture.thumbnail((200, 200))
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def changed(rng: random.Random, content: bytes) -> bytes:
    """One to eight changes: of bits, bytes, sizes, order."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not data:
            break
        # Headers decide more than what comes after them.
        at = min(len(data) - 1, int(rng.expovariate(1 / 60))) if rng.random() < 0.6 else rng.randrange(len(data))
        span = rng.choice((1, 2, 4, 8, 64))
        match rng.randrange(7):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + span] = rng.randbytes(span)
            case 2:
                data[at : at + span] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * span
            case 3:
                del data[at : at + span]
            case 4:
                data[at:at] = data[at : at + span]
            case 5:
                del data[at:]
            case _:
                other = rng.randrange(len(data))
                data[at : at + span], data[other : other + span] = data[other : other + span], data[at : at + span]
    return bytes(data)


def odd_text(rng: random.Random) -> str:
    """Words and marks of many scripts in no order, or one of them many times."""
    pools = ("象牙犀牛角穿山甲鳞片 手串108", "ivory RHINO horn\t\n\r", "\u200b\u200d\u202e\u2066\ufeff\u00ad", "🐘🦏👨‍👩‍👧🏴\u20e3", "e\u0301\u0327\u0489\u20dd", "ﷺ𝓲𝓿𝓸𝓻𝔂ⅳ㋀", "\0\x01\x7f\u0085\u2028", "&amp;&#x8C61;<b>%20", "אבגابت")
    if rng.random() < 0.1:
        return rng.choice("".join(pools)) * rng.choice((1, 100, 5000, 20000))
    return "".join(chr(code) for code in (ord(rng.choice(rng.choice(pools))) if rng.random() < 0.9 else rng.choice((rng.randrange(1, 0xD800), rng.randrange(0xE000, 0x110000))) for _ in range(rng.choice((1, 5, 40, 400)))))


def odd_headers(rng: random.Random) -> list[tuple[str, str | bytes]]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-_."
    found = []
    for _ in range(rng.choice((0, 1, 5, 30))):
        name = "x-" + "".join(rng.choices(letters, k=rng.choice((1, 10, 60))))
        if rng.random() < 0.3:
            found.append((f"{name}-bin", rng.randbytes(rng.choice((0, 1, 50)))))
        else:
            found.append((name, "".join(rng.choices([chr(code) for code in range(32, 127)], k=rng.choice((0, 1, 20, 100)))).strip()))
    for name in ("authorization", "accept-language", "traceparent", "x-request-id"):
        if rng.random() < 0.2:
            found.append((name, "".join(rng.choices([chr(code) for code in range(33, 127)], k=rng.choice((0, 5, 200))))))
    return found


class Kinds:
    """What is sent: a path, bytes, headers, and a deadline in seconds."""

    def __init__(self, rng: random.Random, risk, oip) -> None:
        images = ROOT / "tests/fixtures/images"
        paths = sorted(path for kind in FORMATS for path in images.rglob(kind) if path.parent.name != "hostile")
        self.pictures = [small(path) for path in paths] + [path.read_bytes() for path in sorted((images / "hostile").iterdir()) if path.stat().st_size < 100_000]
        self.rng, self.risk = rng, risk
        listing = risk.ClassifyRequest(request_id="a", listing_id="b", title="象牙手串", description="ivory", images=[risk.Image(image_id="c", content=self.pictures[0])])
        listing.options.explain_text = True
        self.listing = listing.SerializeToString()
        tensor = oip.ModelInferRequest(model_name="ivory", inputs=[oip.ModelInferRequest.InferInputTensor(name="embedding", datatype="FP32", shape=[1, 1280])], raw_input_contents=[bytes(4 * 1280)])
        self.tensor = tensor.SerializeToString()

    def make(self, kind: str) -> tuple[str, bytes, list, float]:
        rng, risk = self.rng, self.risk
        match kind:
            case "pictures":
                content = changed(rng, rng.choice(self.pictures))
                return CLASSIFY, risk.ClassifyRequest(title="象牙", images=[risk.Image(content=content)]).SerializeToString(), [], 30
            case "texts":
                return CLASSIFY, risk.ClassifyRequest(title=odd_text(rng), description=odd_text(rng) if rng.random() < 0.3 else "").SerializeToString(), [], 30
            case "messages":
                return CLASSIFY, changed(rng, self.listing), [], 30
            case "tensors":
                return INFER, changed(rng, self.tensor), [], 30
            case _:
                return CLASSIFY, risk.ClassifyRequest(title="象牙").SerializeToString(), odd_headers(rng), rng.choice((30, 30, 0.001, 0.01, 0.1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    risk, oip = (grpc.protos(file) for file in ("wildwarden/v1/risk.proto", "inference/grpc_service.proto"))
    kinds = Kinds(random.Random(options.seed), risk, oip)
    server = Server(options.program, SCHEDULER_MAX_WAIT_MS="20000", CACHE_IMAGES="0")
    before = server.resident_mib()
    codes = {kind: collections.Counter() for kind in ALLOWED}
    longest = dict.fromkeys(ALLOWED, 0.0)
    wrong: list[dict] = []
    making, left = threading.Lock(), iter(range(options.count))
    names = list(ALLOWED)

    def call(channel: grpc.Channel) -> None:
        while True:
            with making:
                number = next(left, None)
                if number is None:
                    return
                kind = names[number % len(names)]
                path, content, metadata, deadline = kinds.make(kind)
            begin = time.monotonic()
            try:
                channel.unary_unary(path)(content, metadata=metadata, timeout=deadline)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
                said = error.details()
            took = time.monotonic() - begin
            with making:
                codes[kind][code] += 1
                longest[kind] = max(longest[kind], took)
                if (code not in ALLOWED[kind] or took >= SLOW) and len(wrong) < 100:
                    wrong.append({"number": number, "kind": kind, "code": code, "said": "" if code == "OK" else said, "seconds": round(took, 3), "message": content.hex()[:2000]})
                if number % 5000 == 0:
                    print(f"{number} of {options.count}", file=sys.stderr, flush=True)

    channels = [grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(options.callers)]
    threads = [threading.Thread(target=call, args=(channel,)) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lives = server.process.poll() is None
    grown = server.resident_mib() - before if lives else float("nan")
    if lives:
        server.stop()
    print(f"seed {options.seed}; {'the server lives' if lives else 'THE SERVER DIED'}, {grown:+.0f} MiB")
    print("kind      sent    longest  wanted  codes")
    for kind, found in codes.items():
        print(f"{kind:9} {sum(found.values()):6}  {longest[kind]:6.3f} s   < {SLOW:.0f} s  {', '.join(f'{code} {count}' for code, count in found.most_common())}")
    for one in wrong[:10]:
        print(f"WRONG {one}")
    if options.json:
        options.json.write_text(json.dumps({"codes": codes, "longest": longest, "wrong": wrong, "lives": lives, "grown_mib": grown}, indent=1))
    sys.exit(0 if lives and not wrong else 1)


if __name__ == "__main__":
    main()
