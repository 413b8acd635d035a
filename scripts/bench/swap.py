"""Swaps encoder and heads under open-loop load and says what callers noticed.

    swap.py [--swaps 100] [--rate R] [--seconds 150] [--program target/release/wildwarden] [--images DIR] [--json FILE]

Starts a server on a copy of models/, sends listings at a fixed rate (a Poisson process; 70 % of the measured capacity
unless --rate is given) whether or not answers come, by turns without and with swaps, and prints failures, answers that mix
versions, p50 and p99 of both, and the server's resident memory before and after. A swap is a new folder for the encoder
and each head: the same weights, a new version, another calibration, each head made for that encoder alone. Every listing has
other bytes, so no cache shortens it. Latency counts from when a listing was due. Ends with 1 when a bound is missed: no
failure, nothing mixed, p99 in the median turn at most doubled, memory grown by at most 10 %.

Needs grpcio-tools (`pip install grpcio-tools`), as scripts/test.sh has it in .runtime/python.
"""

import argparse
import asyncio
import importlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import grpc
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
HEADS = ("ivory", "live_animal", "pangolin_scale", "rhino_horn")
MODELS = ("image_encoder", *HEADS, "text_classifier")
MOVED = MODELS[:-1]
BLOCKS = 10  # turns of load without and with swaps
CAPACITY_SECONDS = 5
SETTLE_SECONDS = 5  # until what left service is freed


def stubs(folder: Path) -> SimpleNamespace:
    """Client code of the contract, generated into `folder`."""
    protos = [f"wildwarden/v1/{name}.proto" for name in ("risk", "models")]
    if protoc.main(["", f"-I{ROOT / 'proto'}", f"-I{Path(protoc.__file__).parent / '_proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}", *protos]):
        sys.exit("swap: the contract does not compile")
    sys.path.insert(0, str(folder))
    parts = {name: importlib.import_module(f"wildwarden.v1.{name}") for name in ("risk_pb2", "risk_pb2_grpc", "models_pb2", "models_pb2_grpc")}
    return SimpleNamespace(**parts)


def place(models: Path, name: str, version: int) -> None:
    """A new version of a shipped model, prepared out of sight and renamed into place."""
    hidden = models / name / f".{version}"
    shutil.copytree(ROOT / "models" / name / "1", hidden)
    manifest = (hidden / "model.toml").read_text(encoding="utf-8")
    manifest = manifest.replace('version = "1"', f'version = "{version}"', 1)
    if name in HEADS:
        manifest = manifest.replace('encoder = "1"', f'encoder = "{version}"', 1)
        manifest = re.sub(r"intercept = [-0-9.]+", f"intercept = {0.1 + version / 1000}", manifest)
    (hidden / "model.toml").write_text(manifest, encoding="utf-8")
    target = models / name / str(version)
    if target.exists():
        shutil.rmtree(target)
    hidden.rename(target)


class Server:
    """A server process on free ports."""

    def __init__(self, program: Path, models: Path) -> None:
        command = [program, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--models", models, "--policy", models / "policy.toml"]
        environment = {**os.environ, "WILDWARDEN_LOG_FORMAT": "json", "WILDWARDEN_MODELS_POLL_MS": "1000"}
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=environment, stdout=self.log, stderr=subprocess.STDOUT)
        started = time.monotonic()
        while True:
            self.log.seek(0)
            lines = [json.loads(line) for line in self.log if line.startswith("{")]
            said = {line["fields"].get("message"): line["fields"].get("address") for line in lines}
            if "serving" in said:
                self.address, self.admin = said["listening"], said["listening for operators"]
                return
            if self.process.poll() is not None or time.monotonic() - started > 60:
                self.log.seek(0)
                sys.exit(f"swap: the server did not start:\n{self.log.read()}")
            time.sleep(0.05)

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@dataclass
class Seen:
    """What came of listings."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    mixed: int = 0
    sets: set[str] = field(default_factory=set)

    @staticmethod
    def pooled(several: list["Seen"]) -> "Seen":
        return Seen(
            [latency for seen in several for latency in seen.latencies], [failure for seen in several for failure in seen.failures],
            sum(seen.mixed for seen in several), set().union(*(seen.sets for seen in several)),
        )  # fmt: skip

    def percentile(self, share: float) -> float:
        ranked = sorted(self.latencies)
        return 1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))]

    def figures(self) -> dict:
        return {"listings": len(self.latencies), "failures": self.failures, "mixed": self.mixed, "sets": len(self.sets), "p50_ms": self.percentile(0.5), "p99_ms": self.percentile(0.99)}


class Load:
    """Listings at a fixed rate."""

    def __init__(self, wire: SimpleNamespace, stub, images: list[bytes]) -> None:
        self.wire, self.stub, self.images, self.number = wire, stub, images, 0
        self.seen = Seen()

    def take(self) -> Seen:
        """What came of the listings since the last time."""
        seen, self.seen = self.seen, Seen()
        return seen

    def listing(self):
        self.number += 1
        # Bytes after the end of a JPEG are not part of the picture, but of its hash.
        content = self.images[self.number % len(self.images)] + self.number.to_bytes(8, "big")
        return self.wire.risk_pb2.ClassifyRequest(listing_id=str(self.number), title="老象牙手串", images=[self.wire.risk_pb2.Image(content=content)])

    async def one(self, due: float) -> None:
        try:
            answer = await self.stub.Classify(self.listing(), timeout=30)
        except grpc.aio.AioRpcError as error:
            self.seen.failures.append(f"{error.code().name}: {error.details()}")
            return
        self.seen.latencies.append(time.monotonic() - due)
        versions = {model.version for model in answer.models if model.name in MOVED}
        self.seen.mixed += len(versions) != 1 or len(answer.models) != len(MODELS)
        self.seen.sets |= versions

    async def capacity(self, seconds: float) -> float:
        """Listings a second that four callers get answered, each waiting for its answer."""
        end, before = time.monotonic() + seconds, len(self.seen.latencies)

        async def caller() -> None:
            while time.monotonic() < end:
                await self.one(time.monotonic())

        await asyncio.gather(*(caller() for _ in range(4)))
        return (len(self.seen.latencies) - before) / seconds

    async def run(self, rate: float, until: asyncio.Event) -> None:
        due, running = time.monotonic(), set()
        while not until.is_set():
            due += random.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self.one(due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)


async def swap(operator, wire: SimpleNamespace, models: Path, version: int) -> float:
    """Places a version of encoder and heads and waits until all of it serves; seconds."""
    began = time.monotonic()
    for name in MOVED:
        place(models, name, version)
    serving = wire.models_pb2.VERSION_STATE_SERVING
    while True:
        status = await operator.ListModels(wire.models_pb2.ListModelsRequest())
        now = {model.name: one.version for model in status.models for one in model.versions if one.state == serving}
        if all(now.get(name) == str(version) for name in MOVED):
            break
        if time.monotonic() - began > 120:
            sys.exit(f"swap: version {version} does not serve after 120 s:\n{status}")
        await asyncio.sleep(0.05)
    # Only the version before is of use: a hundred folders would make every look slower.
    for name in MOVED:
        shutil.rmtree(models / name / str(version - 2), ignore_errors=True)
    return time.monotonic() - began


async def measure(given: argparse.Namespace, wire: SimpleNamespace, server: Server, models: Path) -> dict:
    images = [path.read_bytes() for path in sorted(given.images.glob("*.jpg"))]
    if not images:
        sys.exit(f"swap: {given.images} holds no .jpg")
    async with grpc.aio.insecure_channel(server.address) as public, grpc.aio.insecure_channel(server.admin) as admin:
        load = Load(wire, wire.risk_pb2_grpc.RiskServiceStub(public), images)
        operator = wire.models_pb2_grpc.ModelServiceStub(admin)
        # Both memory readings follow a swap: then two generations are in memory, the one in service and the one before.
        version = 2
        await swap(operator, wire, models, version)

        async def under_load(work) -> None:
            done = asyncio.Event()
            running = asyncio.create_task(load.run(rates[-1], done))
            await work()
            done.set()
            await running

        async def swaps(several: int) -> None:
            nonlocal version
            for _ in range(several):
                version += 1
                took.append(await swap(operator, wire, models, version))

        async def measure_rate() -> None:
            rates.append(given.rate or 0.7 * await load.capacity(CAPACITY_SECONDS))
            if failures := load.take().failures:
                sys.exit(f"swap: four callers alone already see failures: {failures[0]}")

        rates, took, quiets, busies = [], [], [], []
        await measure_rate()
        await under_load(lambda: asyncio.sleep(SETTLE_SECONDS))
        before = server.resident_mib()
        # By turns, and the capacity measured for each: a machine that others use is not equally fast all the time.
        blocks = min(BLOCKS, given.swaps)
        for block in range(blocks):
            await measure_rate()
            await under_load(lambda: asyncio.sleep(given.seconds / blocks))
            quiets.append(load.take())
            await under_load(lambda: swaps(given.swaps * (block + 1) // blocks - len(took)))
            busies.append(load.take())
            p99 = [seen[-1].percentile(0.99) for seen in (quiets, busies)]
            print(f"{len(took)} of {given.swaps} swaps at {rates[-1]:.0f} listings/s, {server.resident_mib():.0f} MiB, p99 {p99[0]:.0f} ms without, {p99[1]:.0f} ms with", flush=True)
        # By then the last generation that left service is freed, too.
        await under_load(lambda: asyncio.sleep(SETTLE_SECONDS))
        after = server.resident_mib()
    return {
        "swaps": len(took), "mean_swap_seconds": statistics.mean(took), "rates": rates,
        "without": Seen.pooled(quiets).figures(), "with": Seen.pooled(busies).figures(),
        "p99_ms_of_turns_without": [seen.percentile(0.99) for seen in quiets], "p99_ms_of_turns_with": [seen.percentile(0.99) for seen in busies],
        "resident_mib_before": before, "resident_mib_after": after,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--rate", type=float, help="listings a second; default: 70 %% of the measured capacity")
    parser.add_argument("--seconds", type=float, default=150, help="of load without swaps")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--images", type=Path, default=ROOT / "tests/fixtures/images/rendered")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch) / "models"
        for name in MODELS:
            shutil.copytree(ROOT / "models" / name / "1", models / name / "1")
        shutil.copy(ROOT / "models/policy.toml", models)
        wire = stubs(Path(scratch))
        server = Server(given.program.resolve(), models)
        try:
            figures = asyncio.run(measure(given, wire, server, models))
        finally:
            server.stop()
    quiet, busy = figures["without"], figures["with"]
    growth = figures["resident_mib_after"] / figures["resident_mib_before"] - 1
    print(f"swaps {figures['swaps']}, {figures['mean_swap_seconds']:.2f} s each, answers from {busy['sets']} sets")
    print(f"failed {len(quiet['failures'])} of {quiet['listings']} without, {len(busy['failures'])} of {busy['listings']} with swaps; mixed {busy['mixed']}")
    usual = [statistics.median(figures[f"p99_ms_of_turns_{which}"]) for which in ("without", "with")]
    print(f"p50 {quiet['p50_ms']:.1f} ms without, {busy['p50_ms']:.1f} ms with")
    print(f"p99 in the median turn {usual[0]:.1f} ms without, {usual[1]:.1f} ms with ({usual[1] / usual[0]:.2f}x); of all turns together {quiet['p99_ms']:.1f} and {busy['p99_ms']:.1f} ms ({busy['p99_ms'] / quiet['p99_ms']:.2f}x)")
    print(f"resident {figures['resident_mib_before']:.0f} MiB before, {figures['resident_mib_after']:.0f} MiB after ({100 * growth:+.1f} %)")
    for failure in sorted(set(quiet["failures"] + busy["failures"])):
        print(f"failure: {failure}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    good = not quiet["failures"] and not busy["failures"] and not busy["mixed"] and usual[1] <= 2 * usual[0] and growth <= 0.1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
