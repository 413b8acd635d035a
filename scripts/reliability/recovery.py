"""How soon a caller sees the usual latency again after others have asked for ten times what the server can do.

    recovery.py [--program target/release/wildwarden] [--seconds 8] [--turns 3] [--json FILE]

One caller sends a photo, waits for the answer and sends the next: alone, while the load lasts, and for three seconds after the load's
process has ended. Of each turn it prints the median of each of these, and the time from the load's end to the first quarter of a second from
which on no call is refused and every quarter's median is at most half as long again as alone. The server has the first half of the
cores and the senders the rest. Ends with 1 when a turn took more than a second.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc

from goodput import ROOT, Server, bench, fast_policy, halves

sys.path.insert(0, str(ROOT / "proto"))
contract = grpc.protos("wildwarden/v1/risk.proto")

CLASSIFY = "/wildwarden.v1.RiskService/Classify"
TIMES, QUARTER, AFTER = 10, 0.25, 3.0
WANTED, USUAL = 1.0, 1.5  # seconds; of the median alone


class Caller(threading.Thread):
    """Notes of each call when it began, and how long it took; of one that was not answered, none."""

    def __init__(self, address: str, photo: bytes) -> None:
        super().__init__(daemon=True)
        self.address, self.photo, self.calls, self.stop = address, photo, [], threading.Event()

    def run(self) -> None:
        with grpc.insecure_channel(self.address) as channel:
            call = channel.unary_unary(CLASSIFY, request_serializer=contract.ClassifyRequest.SerializeToString, response_deserializer=contract.ClassifyResponse.FromString)
            while not self.stop.is_set():
                # Bytes after the end of a JPEG are none of the picture, but of its hash.
                image = contract.Image(content=self.photo + time.time_ns().to_bytes(8, "little"))
                began, took = time.monotonic(), None
                try:
                    call(contract.ClassifyRequest(images=[image]), timeout=30)
                    took = time.monotonic() - began
                except grpc.RpcError:
                    time.sleep(0.01)
                self.calls.append((began, took))

    def between(self, first: float, last: float) -> list[float | None]:
        return [took for began, took in self.calls if first <= began < last]


def median_ms(calls: list[float | None]) -> float:
    return 1000 * statistics.median([took for took in calls if took is not None] or [float("inf")])


def recovered(caller: Caller, ended: float, usual_ms: float) -> float:
    """Seconds from `ended` on."""
    since = 0.0
    for quarter in range(int(AFTER / QUARTER)):
        calls = caller.between(ended + quarter * QUARTER, ended + (quarter + 1) * QUARTER)
        if None in calls or median_ms(calls) > USUAL * usual_ms:
            since = (quarter + 1) * QUARTER
    return since


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    of_server, of_sender = halves()
    # Before gRPC has threads, which what is done in a child before it begins would stumble over.
    if of_sender:
        os.sched_setaffinity(0, of_sender)
    images = ROOT / "tests/fixtures/images/rendered"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.program, fast_policy(Path(folder)), of_server)
        photos = ["--images", images, "--warmup", 0]
        capacity = bench(options.program, server, None, "closed", *photos, "--duration", 5, "--concurrency", 8)["steps"][0]["listings_per_second"]
        print(f"capacity {capacity:.0f} photos/s, eight callers\n\nmedian alone  under load      after  usual again after  wanted")
        for _ in range(options.turns):
            caller = Caller(server.address, (images / "bangle.jpg").read_bytes())
            caller.start()
            time.sleep(AFTER)
            began = time.monotonic()
            bench(options.program, server, None, "open", *photos, "--duration", options.seconds, "--rate", round(TIMES * capacity, 1), "--max-in-flight", 20000)
            ended = time.monotonic()
            time.sleep(AFTER + QUARTER)
            caller.stop.set()
            caller.join()
            alone, under, after = (median_ms(caller.between(*times)) for times in ((0, began), (began, ended), (ended, ended + AFTER)))
            rows.append({"alone_ms": alone, "under_load_ms": under, "after_ms": after, "seconds": recovered(caller, ended, alone)})
            print(f"{alone:9.1f} ms {under:8.1f} ms {after:7.1f} ms {rows[-1]['seconds']:16.2f} s {WANTED:5.1f} s", flush=True)
        server.stop()
    if options.json:
        options.json.write_text(json.dumps({"capacity": capacity, "turns": rows}, indent=1))
    sys.exit(1 if max(row["seconds"] for row in rows) > WANTED else 0)


if __name__ == "__main__":
    main()
