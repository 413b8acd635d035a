"""What is beside the rating costs: HTTP with JSON over gRPC, and traces, by turns, with one load tool.

    overhead.py [--turns 7] [--requests 400] [--photo tests/fixtures/images/rendered/bangle.jpg] [--json FILE]

h2load sends one listing with a photo to servers whose cache is off. Of each turn it prints listings a second with eight callers, and the
median time of one caller alone; at the end medians over the turns of what each server is to the first in the same turn. The collector of
traces takes every span and throws it away. Needs h2load (Debian: nghttp2-client), grpcio-tools, and a release build.
"""

import argparse
import json
import re
import statistics
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
from google.protobuf import json_format

from servers import ROOT, wildwarden

sys.path.insert(0, str(ROOT / "proto"))
contract = grpc.protos("wildwarden/v1/risk.proto")

TITLE = "老象牙手镯 包浆好"
CALLERS = 8
GRPC = ["--header", "content-type: application/grpc", "--header", "te: trailers"]
PATHS = {"grpc": ("/wildwarden.v1.RiskService/Classify", GRPC), "http": ("/v1/listings:rate", ["--header", "content-type: application/json"])}


class Sink(grpc.GenericRpcHandler):
    """A collector that reads nothing."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def run(address: str, kind: str, file: Path, requests: int, callers: int) -> tuple[float, float]:
    """Listings a second, and the median in milliseconds."""
    path, headers = PATHS[kind]
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        command = ["h2load", "-n", str(requests), "-c", str(callers), "-m", "1", "--log-file", log.name, "--data", file, *headers, f"http://{address}{path}"]
        said = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
        lines = [line.split("\t") for line in log.read().splitlines()]
    rate = float(re.search(r"([\d.]+) req/s", said)[1])
    succeeded = int(re.search(r"(\d+) succeeded", said)[1])
    # Of gRPC a refusal is a success to h2load: an answer is longer than its headers.
    received = int(re.search(r"\((\d+)\) data", said)[1])
    if succeeded != requests or received < 500 * requests:
        sys.exit(f"{kind}: {succeeded} of {requests} succeeded, {received} bytes:\n{said}")
    return rate, statistics.median(int(took) / 1000 for _, _, took in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--photo", type=Path, default=ROOT / "tests/fixtures/images/rendered/bangle.jpg")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    request = contract.ClassifyRequest(title=TITLE, images=[contract.Image(content=given.photo.read_bytes())])
    collector = grpc.server(ThreadPoolExecutor(2))
    collector.add_generic_rpc_handlers((Sink(),))
    port = collector.add_insecure_port("127.0.0.1:0")
    collector.start()
    # The queue would refuse some of eight callers on few cores; what is measured here is not admission.
    plain = {"CACHE_IMAGES": "0", "SCHEDULER_MAX_WAIT_MS": "10000"}
    traced = {"TRACES_OTLP": f"http://127.0.0.1:{port}", "TRACES_PERCENT": "5.0"}
    all_traced = {**traced, "TRACES_PERCENT": "100.0"}
    cases = {"grpc": ("grpc", plain), "http": ("http", plain), "traced 5 %": ("grpc", {**plain, **traced}), "traced 100 %": ("grpc", {**plain, **all_traced})}
    results = {name: {"rates": [], "p50_ms": []} for name in cases}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        message = request.SerializeToString()
        files = {"grpc": Path(folder, "grpc"), "http": Path(folder, "http")}
        files["grpc"].write_bytes(struct.pack(">BI", 0, len(message)) + message)
        files["http"].write_text(json_format.MessageToJson(request, indent=None))
        settings = {json.dumps(setting, sort_keys=True): setting for _, setting in cases.values()}
        running = {key: servers.enter_context(wildwarden(setting))[0] for key, setting in settings.items()}
        for turn in range(given.turns + 1):
            for name, (kind, setting) in cases.items():
                address = running[json.dumps(setting, sort_keys=True)]
                rate, _ = run(address, kind, files[kind], given.requests, CALLERS)
                _, p50 = run(address, kind, files[kind], given.requests // 4, 1)
                if turn > 0:  # the first warms up
                    results[name]["rates"].append(rate)
                    results[name]["p50_ms"].append(p50)
                    print(f"turn {turn}, {name}: {rate:.0f}/s, p50 alone {p50:.2f} ms", flush=True)
    collector.stop(0)
    first = next(iter(cases))
    for name, of in results.items():
        ratio = statistics.median(a / b for a, b in zip(of["rates"], results[first]["rates"]))
        added = statistics.median(a - b for a, b in zip(of["p50_ms"], results[first]["p50_ms"]))
        of.update(ratio=ratio, added_ms=added)
        print(f"{name}: {ratio:.3f} of {first}'s listings a second, p50 {added:+.2f} ms")
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
