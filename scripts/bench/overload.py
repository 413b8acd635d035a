"""Offers a server more and more listings and says what it gives up first: further looks, or listings.

    overload.py [--seconds 12] [--program target/release/wildwarden] [--models models] [--images DIR] [--out DIR]

Starts a server on `--models` and their policy, measures what four callers get answered, then sends listings of one photo at
multiples of that rate (Poisson arrivals, whether or not answers come). Of every step it prints the share of the wanted second looks
that were taken, and the share of the listings that were refused; DIR/overload.csv and DIR/overload.svg hold the same. Every listing
has other bytes, so no cache shortens it. Ends with 1 when a listing was refused at a rate at which second looks had not become fewer,
or when none was refused: then nothing was shown. Give `--share 1.0` to see what load alone gives up: the policy's budget is lifted.

Needs grpcio-tools, as scripts/test.sh has it in .runtime/python.
"""

import argparse
import asyncio
import csv
import random
import re
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path

import grpc
from swap import CAPACITY_SECONDS, ROOT, Load, Server, stubs

STEPS = (0.4, 0.7, 0.9, 1.1, 1.4, 1.8, 2.4, 3.2)  # of the measured rate
WANTED = ("taken", "busy", "budget")
LEFT, TOP, WIDTH, HEIGHT = 60, 30, 560, 260


def second_looks(admin: str) -> dict[str, int]:
    """Second looks at photos since the start, by what became of them."""
    with urllib.request.urlopen(f"http://{admin}/metrics") as page:
        text = page.read().decode()
    found = dict.fromkeys(WANTED, 0)
    for outcome, count in re.findall(r'wildwarden_looks_total\{modality="images",look="2",outcome="(\w+)"\} (\d+)', text):
        found[outcome] = int(count)
    return found


async def step(load: Load, admin: str, rate: float, seconds: float) -> dict:
    """What became of listings that come at `rate` a second."""
    before, done = second_looks(admin), asyncio.Event()
    running = asyncio.create_task(load.run(rate, done))
    await asyncio.sleep(seconds)
    done.set()
    await running
    seen, after = load.take(), second_looks(admin)
    refused = sum(failure.startswith("RESOURCE_EXHAUSTED") for failure in seen.failures)
    other = [failure for failure in seen.failures if not failure.startswith("RESOURCE_EXHAUSTED")]
    if other:
        sys.exit(f"overload: a listing failed: {other[0]}")
    looks = {outcome: after[outcome] - before[outcome] for outcome in WANTED}
    listings = len(seen.latencies) + refused
    wanted = sum(looks.values())
    return {
        "offered_a_second": round(rate, 1), "listings": listings, "wanted_second_looks": wanted,
        "second_looks_taken": round(looks["taken"] / wanted, 4) if wanted else None, "refused": round(refused / listings, 4),
        "p50_ms": round(seen.percentile(0.5), 1), "p99_ms": round(seen.percentile(0.99), 1),
    }  # fmt: skip


def chart(rows: list[dict]) -> str:
    """Both shares over the rate."""
    most = max(row["offered_a_second"] for row in rows)

    def place(rate: float, share: float) -> str:
        return f"{LEFT + WIDTH * rate / most:.1f},{TOP + HEIGHT * (1 - share):.1f}"

    def curve(key: str, colour: str, name: str, at: int) -> str:
        points = " ".join(place(row["offered_a_second"], row[key]) for row in rows if row[key] is not None)
        return f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/><text x="{LEFT + 8}" y="{at}" fill="{colour}">{name}</text>'

    ticks = "".join(f'<text x="{LEFT - 8}" y="{TOP + HEIGHT * (1 - share) + 4:.0f}" text-anchor="end">{share:.0%}</text>' for share in (0, 0.5, 1))
    ticks += "".join(f'<text x="{LEFT + WIDTH * row["offered_a_second"] / most:.0f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{row["offered_a_second"]:.0f}</text>' for row in rows)
    body = f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#94a3b8"/>{ticks}'
    body += curve("second_looks_taken", "#1d4ed8", "second looks taken, of those wanted", TOP + HEIGHT // 2)
    body += curve("refused", "#c2410c", "listings refused", TOP + HEIGHT // 2 + 18)
    body += f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">listings offered a second</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{TOP + HEIGHT + 50}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>{body}</svg>\n'


async def measure(given: argparse.Namespace, server: Server, wire) -> list[dict]:
    images = [path.read_bytes() for path in sorted(given.images.rglob("*.jpg"))]
    if not images:
        sys.exit(f"overload: {given.images} holds no .jpg")
    random.Random(1).shuffle(images)  # a folder is sorted by kind, and every step should meet all kinds
    async with grpc.aio.insecure_channel(server.address) as channel:
        load = Load(wire, wire.risk_pb2_grpc.RiskServiceStub(channel), images)
        capacity = await load.capacity(CAPACITY_SECONDS)
        load.take()
        rows = []
        for of in STEPS:
            rows.append(await step(load, server.admin, of * capacity, given.seconds))
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
        return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12, help="of each step")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--share", type=float, help="of the photos that may take the second look, in place of the policy's")
    parser.add_argument("--images", type=Path, default=ROOT / "tests/fixtures/images/rendered")
    parser.add_argument("--out", type=Path, default=Path("report"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wire = stubs(Path(scratch))
        models = given.models.resolve()
        if given.share:
            models = Path(scratch) / "models"
            shutil.copytree(given.models, models, ignore=shutil.ignore_patterns("state.json"))
            policy = (models / "policy.toml").read_text(encoding="utf-8")
            (models / "policy.toml").write_text(re.sub(r"(?m)^share = .*$", f"share = {given.share}", policy), encoding="utf-8")
        server = Server(given.program.resolve(), models)
        try:
            rows = asyncio.run(measure(given, server, wire))
        finally:
            server.stop()
    given.out.mkdir(parents=True, exist_ok=True)
    with open(given.out / "overload.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (given.out / "overload.svg").write_text(chart(rows), encoding="utf-8")
    if not any(row["wanted_second_looks"] for row in rows):
        sys.exit("overload: no listing was in doubt: give other photos, or a policy whose bands are wider")
    most = max(row["second_looks_taken"] for row in rows if row["second_looks_taken"] is not None)
    kept = [row for row in rows if row["refused"] and row["second_looks_taken"] is not None and row["second_looks_taken"] >= most]
    print(f"see {given.out / 'overload.svg'}")
    if not any(row["refused"] for row in rows):
        sys.exit("overload: nothing was refused, so this shows nothing: offer more")
    return 1 if kept else 0


if __name__ == "__main__":
    sys.exit(main())
