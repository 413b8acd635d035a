"""Measures this server against the bare limit and against its peers, and writes RESULTS.md. Started by run.sh.

Every ratio is taken within one run on one machine. Peers decode and run the backbone only; this server also reads a title,
runs the heads, calibrates, fuses and explains. Peers: wrk over HTTP; this server: `wildwarden bench` over gRPC, which costs
more client time on the same cores. The cache is off except where it is measured. Photos and texts take one look, as the peers and the bare
limit look once; what further looks cost is measured by looks.py.
"""
import argparse
import io
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import onnx
from PIL import Image

import servers
from fleet_measure import shipped_policy
from servers import PROGRAM, ROOT, load, resident_mib, wildwarden

sys.path.insert(0, str(ROOT / "proto"))
risk_pb2, risk_pb2_grpc = grpc.protos_and_services("wildwarden/v1/risk.proto")

TITLE = "老料手串 包浆自然 carved bracelet"
PARTS = ["limit", "peers", "latency", "decode", "memory", "start", "cache", "growth"]
# Nobody who waits is refused, as the peers refuse nobody.
PATIENT = {"SCHEDULER_MAX_WAIT_MS": "5000"}
NO_CACHE = PATIENT | {"CACHE_IMAGES": "0"}


def photos(folder: Path) -> dict[str, Path]:
    """listing.jpg (1080x720) and phone.jpg (4032x3024), from a photo that scikit-image carries."""
    import skimage

    source = Image.open(Path(skimage.__file__).parent / "data/coffee.png").convert("RGB")
    sizes = {"listing": ((1080, 720), 88), "phone": ((4032, 3024), 92)}
    made = {}
    for name, (size, quality) in sizes.items():
        made[name] = folder / f"{name}.jpg"
        source.resize(size, Image.Resampling.BICUBIC).save(made[name], quality=quality)
    return made


def backbone(models: Path, folder: Path) -> Path:
    """The newest encoder of a repository with its embedding alone, as the peers run it."""
    model = onnx.load(sorted((models / "image_encoder").iterdir(), key=lambda version: int(version.name))[-1] / "model.onnx")
    for output in [output for output in model.graph.output if output.name != "embedding"]:
        model.graph.output.remove(output)
    onnx.save(model, folder / "backbone.onnx")
    return folder / "backbone.onnx"


class Results:
    """Rows so far; the file is written after each part, so a run that is stopped keeps what it has. What other scripts measured stands
    below, in sections of its own, and stays."""

    def __init__(self, path: Path, seconds: int) -> None:
        self.path, self.rows = path, []
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        self.sections = before[before.find("\n## ") :] if "\n## " in before else ""
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
        self.head = (
            "# Measured\n\nWritten by `scripts/bench/run.sh`; what is compared stands in `compare.py`. Ratios hold within this run only.\n"
            "Bare limit: decoding and the first look in a loop on every core, without a server. Peers: other inference servers that decode the photo and "
            "run its encoder, and neither read a title nor rate; batch: photos a run. listing: a photo of 1080x720; phone: 4032x3024. "
            "Wanted: what was set before measuring. A cell is one short run: where the machine is shared, two of the same differ by a quarter.\n\n"
            f"{time.strftime('%Y-%m-%d %H:%M')}, commit {commit}, {os.cpu_count()} cores ({cpu}), "
            f"load before {os.getloadavg()[0]:.2f}, {seconds} s a cell.\n\n| what | measured | wanted |\n| --- | --- | --- |\n"
        )

    def add(self, what: str, measured: str, wanted: str = "") -> None:
        print(f"{what}: {measured}", flush=True)
        self.rows.append(f"| {what} | {measured} | {wanted} |")
        self.path.write_text(self.head + "\n".join(self.rows) + "\n" + self.sections, encoding="utf-8")


def image_rate(address: str, source: list, callers: int, seconds: int) -> float:
    return load(address, "closed", [*source, "--title", TITLE], "--concurrency", callers, "--duration", seconds, "--warmup", 1)["images_per_second"]


def bare_rate(source: Path, seconds: int, *more: object) -> float:
    """Images a second of decoding and sessions in a loop on every core, without a server."""
    run = subprocess.run([PROGRAM, "bench", "bare", "--images", source, "--duration", str(seconds), *map(str, more)], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(run.stdout.split()[0])


def limit(results: Results, made: dict[str, Path], stream: Path | None, seconds: int) -> None:
    for name, source in [*made.items(), *([("stream of real photos", stream)] if stream else [])]:
        with wildwarden(NO_CACHE) as (address, _, _):
            # Bare before, between and after, so that a drift of the machine does not favour one side.
            bare = [bare_rate(source, seconds)]
            for callers in (8, 32):
                rate = image_rate(address, ["--images", source], callers, seconds)
                bare.append(bare_rate(source, seconds))
                base = statistics.mean(bare[-2:])
                results.add(f"{name}, {callers} callers: image + title + fusion over the bare limit", f"{rate:.1f} / {base:.1f} images/s = {rate / base:.2f}", "0.90")


def peers(results: Results, made: dict[str, Path], stream: Path | None, seconds: int, folder: Path, models: Path) -> None:
    model = backbone(models, folder)
    streamed = sorted(path for path in stream.rglob("*.jpg")) if stream else []
    loads = [("listing.jpg", [made["listing"]], "1.5"), ("phone.jpg", [made["phone"]], "1.3"), ("stream of real photos", streamed, "1.5")]
    for what, bodies, wanted in [one for one in loads if one[1]]:
        source = ["--images", stream if len(bodies) > 1 else bodies[0]]
        best = {}
        for callers in (8, 32):
            found = {}
            for name, batch in (("mosec", 1), ("mosec", 8), ("litserve", 1)):
                with servers.peer(name, model, batch) as (port, _):
                    answer = servers.ask(port, name, bodies[0])
                    expect = '"top"' if len(bodies) > 1 else f'"top":%s*{answer["top"]}[,}}]'
                    servers.load_peer(port, name, bodies, expect, callers, 1)
                    found[f"{name} (batch {batch})"] = servers.load_peer(port, name, bodies, expect, callers, seconds)
            with wildwarden(NO_CACHE, models) as (address, _, _):
                ours = image_rate(address, source, callers, seconds)
            best[callers] = ours, found
        for callers, (ours, found) in best.items():
            name, rate = max(found.items(), key=lambda pair: pair[1])
            others = ", ".join(f"{peer} {rate:.1f}" for peer, rate in found.items())
            results.add(f"{what}, {callers} callers, over the best peer", f"{ours:.1f} / {rate:.1f} ({name}) = {ours / rate:.2f}; {others}", wanted)


def latency(results: Results, made: dict[str, Path], seconds: int) -> None:
    source = ["--images", made["listing"], "--title", TITLE]
    with wildwarden(NO_CACHE) as (address, _, _):
        alone = load(address, "closed", source, "--concurrency", 1, "--duration", seconds)
        stage = alone["stage"]
        inner = sum(stage[name]["p50_ms"] for name in ("decode", "resize", "image_inference"))
        p50 = alone["latency"]["p50_ms"]
        results.add("time added by the server at 1 caller, p50: client's latency - decode - resize - inference", f"{p50:.2f} - {inner:.2f} = {p50 - inner:.2f} ms", "1.0 ms")
        results.add("the same inside the server: total - decode - resize - inference", f"{stage['total']['p50_ms'] - inner:.2f} ms")
        capacity = load(address, "closed", source, "--concurrency", 8, "--duration", seconds)["listings_per_second"]
        busy = load(address, "open", source, "--rate", round(0.7 * capacity, 1), "--duration", 4 * seconds)
        p99 = busy["latency"]["p99_ms"]
        results.add(f"p99 in an open loop at 70 % of {capacity:.0f} listings/s over p50 alone", f"{p99:.1f} / {p50:.1f} ms = {p99 / p50:.2f}", "3")
        results.add("bound: two servers with constant time, Poisson arrivals, load 0.7", f"{bound(0.7):.2f}")


def bound(utilisation: float) -> float:
    """p99 of the time in an M/D/2 queue over its service time, simulated: what no server without idle capacity can beat."""
    import heapq
    import random

    random.seed(1)
    now, free, times = 0.0, [0.0, 0.0], []
    for _ in range(200_000):
        now += random.expovariate(2 * utilisation)
        begin = max(now, heapq.heappop(free))
        heapq.heappush(free, begin + 1)
        times.append(begin + 1 - now)
    return sorted(times)[int(0.99 * len(times))]


def decode(results: Results, made: dict[str, Path], seconds: int) -> None:
    with wildwarden(NO_CACHE) as (address, _, _):
        stage = load(address, "closed", ["--images", made["phone"]], "--concurrency", 1, "--duration", seconds)["stage"]
    scaled = stage["decode"]["p50_ms"] + stage["resize"]["p50_ms"]
    run = subprocess.run([PROGRAM, "bench", "bare", "--images", made["phone"], "--duration", str(seconds), "--full-decode"], cwd=ROOT, capture_output=True, text=True, check=True)
    full = float(run.stdout.split("; ")[1].split()[0])
    results.add("12 megapixels: full decode and resize over decode at the size needed and resize", f"{full:.1f} / {scaled:.1f} ms = {full / scaled:.1f}", "2")


def memory(results: Results, mixed: list, requests: int) -> None:
    with wildwarden(PATIENT) as (address, process, _):
        before = resident_mib([process.pid])
        load(address, "closed", mixed, "--concurrency", 16, "--requests", 10_000, "--unique", "--allow-errors")
        first = resident_mib([process.pid])
        load(address, "closed", mixed, "--concurrency", 16, "--requests", requests, "--allow-errors")
        last = resident_mib([process.pid])
    results.add(f"resident memory: at start, after 10,000 listings of photos never seen, after {requests:,} more of photos seen before", f"{before:.0f}, {first:.0f}, {last:.0f} MiB", "350, flat")


def start(results: Results) -> None:
    times = []
    for _ in range(5):
        with wildwarden({}) as (_, _, seconds):
            times.append(seconds)
    results.add("start to SERVING, warm disk, median of 5", f"{statistics.median(times):.2f} s", "1.5 s")


def cache(results: Results, made: dict[str, Path], seconds: int) -> None:
    for name, photo in made.items():
        with wildwarden(PATIENT) as (address, process, _):
            cost = {}
            for what, more in (("uncached", ["--unique"]), ("cached", [])):
                before, alone = cpu(process.pid), load(address, "closed", ["--images", photo], "--concurrency", 8, "--duration", seconds, "--warmup", 0, *more)
                cost[what] = (cpu(process.pid) - before) / alone["listings"] * 1e3, alone["listings_per_second"]
        (slow, slow_rate), (fast, fast_rate) = cost["uncached"], cost["cached"]
        results.add(f"{name}.jpg: server CPU time an uncached over a cached image", f"{slow:.2f} / {fast:.2f} ms = {slow / fast:.0f}; images/s {slow_rate:.0f}, {fast_rate:.0f}", "20")


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def growth(results: Results, made: dict[str, Path], seconds: int) -> None:
    with wildwarden(NO_CACHE) as (address, _, _):
        rates = {}
        for images in (1, 3, 9):
            folder = Path(tempfile.mkdtemp())
            for index in range(images):
                shutil.copy(made["listing"], folder / f"{index}.jpg")
            step = load(address, "closed", ["--images", folder], "--images-per-listing", images, "--concurrency", 4, "--duration", seconds)
            rates[images] = step["images_per_second"]
            shutil.rmtree(folder)
        results.add("images/s with 1, 3, 9 images a listing, 4 callers", ", ".join(f"{rate:.1f}" for rate in rates.values()), "flat")
        results.add("images/s with 1, 4, 16, 64 listings a batch, one caller at a time", ", ".join(f"{rate:.1f}" for rate in batches(address, made["listing"], seconds)), "flat")


def batches(address: str, photo: Path, seconds: int) -> list[float]:
    """A small listing photo, since 64 of them must fit the message limit."""
    small = io.BytesIO()
    Image.open(photo).resize((720, 480)).save(small, "JPEG", quality=88)
    rates = []
    with grpc.insecure_channel(address, options=[("grpc.max_send_message_length", 64 << 20)]) as channel:
        stub = risk_pb2_grpc.RiskServiceStub(channel)
        for size in (1, 4, 16, 64):
            item = risk_pb2.ClassifyRequest(title=TITLE, images=[risk_pb2.Image(content=small.getvalue())])
            request, done, begin = risk_pb2.ClassifyBatchRequest(items=[item] * size), 0, time.monotonic()
            while time.monotonic() - begin < seconds:
                # As many calls side by side as keep both cores busy with the smallest batch.
                calls = [stub.ClassifyBatch.future(request, timeout=60) for _ in range(4 if size == 1 else 1)]
                answers = [call.result() for call in calls]
                if not all(result.HasField("response") for answer in answers for result in answer.results):
                    raise RuntimeError("a listing of a batch was not rated")
                done += size * len(calls)
            rates.append(done / (time.monotonic() - begin))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of real photos (.jpg) for the stream and the mixed requests")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="model repository of the comparison with peers, which run its encoder")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts to run, of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=int, default=5, help="seconds a measured cell")
    parser.add_argument("--requests", type=int, default=50_000, help="mixed requests after the first 10,000 in the memory part")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "RESULTS.md")
    given = parser.parse_args()
    unknown = set(given.only.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))} is not a part")
    folder = Path(tempfile.mkdtemp(prefix="wildwarden-bench-"))
    try:
        policy = folder / "one_look.toml"
        policy.write_text(shipped_policy("fast", words=False), encoding="utf-8")
        os.environ["WILDWARDEN_MODELS_POLICY"] = str(policy)  # of every server here, and of the bare limit
        made, results = photos(folder), Results(given.out, given.seconds)
        mixed = ["--images", given.photos or ROOT / "tests/fixtures/images/rendered"]
        parts = {
            "limit": lambda: limit(results, made, given.photos, given.seconds),
            "peers": lambda: peers(results, made, given.photos, given.seconds, folder, given.models),
            "latency": lambda: latency(results, made, given.seconds),
            "decode": lambda: decode(results, made, given.seconds),
            "memory": lambda: memory(results, mixed, given.requests),
            "start": lambda: start(results),
            "cache": lambda: cache(results, made, given.seconds),
            "growth": lambda: growth(results, made, given.seconds),
        }
        for name in given.only.split(","):
            parts[name]()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
