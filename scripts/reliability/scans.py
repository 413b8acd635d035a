"""Kills scans at random points and looks whether each row came out exactly once; and how much memory a long one takes.

    scans.py [--kills 20] [--rows 3000] [--long 200000] [--profile fast] [--seed 1] [--program target/release/wildwarden] [--images DIR] [--json FILE]

Makes a table in Parquet of so many listings, each with a photo of its own bytes, a title and an id. A scan of it is killed (SIGKILL) after
a random time, and started again, until it was killed so many times; then it runs to its end. Every row of the table must be in exactly one
row of the output, in order. Then a table of --long rows is scanned once; ten times a second its resident memory is noted, against that of
a server at rest with the same models. --long 0 leaves that out; --profile is of the long scan alone, where all looks take hours. Needs pyarrow. Ends with 1 where a row is missing or there twice, or where
the long scan took more than 300 MB above the server.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from goodput import ROOT, Server

WANTED_MB = 300
TITLES = ("老象牙手镯 包浆好", "blue ceramic mug", "二手自行车 九成新", "Vintage brass lamp", "文玩手串 懂的来")


def photos(folder: Path) -> list[bytes]:
    found = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[:300]]
    return found or sys.exit(f"{folder}: no .jpg")


def table(path: Path, rows: int, contents: list[bytes]) -> None:
    schema = pa.schema([("id", pa.int64()), ("title", pa.string()), ("images", pa.list_(pa.binary()))])
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for first in range(0, rows, 512):
            numbers = range(first, min(first + 512, rows))
            # What follows the picture makes it another one to the cache.
            images = [[contents[number % len(contents)] + number.to_bytes(8, "little")] for number in numbers]
            writer.write_table(pa.table({"id": list(numbers), "title": [TITLES[number % len(TITLES)] for number in numbers], "images": images}, schema=schema))


def start(program: Path, source: Path, out: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([program, "scan", source, "--out", out, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    said = process.communicate()[1]
    if process.returncode:
        sys.exit(f"scan: {process.returncode}\n{said}")


def check(out: Path, rows: int) -> None:
    parts = sorted((out / "parts").glob("*.parquet"))
    found = [row for part in parts for row in pq.read_table(part, columns=["row"])["row"].to_pylist()]
    ids = [listing for part in parts for listing in pq.read_table(part, columns=["listing_id"])["listing_id"].to_pylist()]
    if found != list(range(rows)) or ids != [str(number) for number in range(rows)]:
        missing, twice = set(range(rows)) - set(found), len(found) - len(set(found))
        sys.exit(f"of {rows} rows {len(missing)} are missing and {twice} are there more than once")


def killed(program: Path, source: Path, out: Path, kills: int, rows: int, rng: random.Random) -> dict:
    began, points, alone = time.monotonic(), [], None
    for kill in range(kills):
        process = start(program, source, out)
        # From before anything is loaded to the middle of a part.
        wait = rng.uniform(0.05, 6)
        try:
            process.wait(wait)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        points.append({"after_s": round(wait, 2), "parts": len(list((out / "parts").glob("*.parquet")))})
        if kill % 4 == 3:
            # A scan that is stopped by a person keeps what it has, so that later kills meet later parts.
            alone = start(program, source, out)
            time.sleep(rng.uniform(1.5, 4))
            alone.terminate()
            alone.communicate()
    finish(start(program, source, out))
    check(out, rows)
    return {"kills": len(points), "rows": rows, "seconds": round(time.monotonic() - began, 1), "points": points}


def resident_mib(process: subprocess.Popen) -> float:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def long(program: Path, source: Path, out: Path, rows: int, profile: str) -> dict:
    server = Server(program)
    time.sleep(2)
    at_rest = server.resident_mib()
    server.stop()
    began, noted = time.monotonic(), []
    process = start(program, source, out, *(["--profile", profile] if profile else []))
    while process.poll() is None:
        noted.append(resident_mib(process))
        time.sleep(0.1)
    finish(process)
    check(out, rows)
    third = len(noted) // 3
    return {
        "rows": rows, "profile": profile or "the policy's", "seconds": round(time.monotonic() - began, 1), "server_mib": round(at_rest), "most_mib": round(max(noted)),
        "above_mib": round(max(noted) - at_rest), "first_third_mib": round(max(noted[:third])), "last_third_mib": round(max(noted[2 * third :])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--long", type=int, default=200_000)
    parser.add_argument("--profile", default="", help="fast, balanced or thorough; without it what the policy says")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--images", type=Path, default=ROOT / "tests/fixtures/images/rendered")
    parser.add_argument("--folder", type=Path, help="where the tables and the output go: with --long some gigabytes")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    contents, told = photos(options.images), {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if options.kills:
            table(folder / "short.parquet", options.rows, contents)
            told["killed"] = killed(options.program, folder / "short.parquet", folder / "short", options.kills, options.rows, random.Random(options.seed))
            print(f"killed {told['killed']['kills']} times: each of {options.rows} rows is there exactly once", flush=True)
        if options.long:
            table(folder / "long.parquet", options.long, contents)
            told["long"] = long(options.program, folder / "long.parquet", folder / "long", options.long, options.profile)
            print(f"{options.long} rows in {told['long']['seconds']} s: at most {told['long']['most_mib']} MiB, {told['long']['above_mib']} above a server at rest (wanted {WANTED_MB}); "
                  f"{told['long']['first_third_mib']} in the first third, {told['long']['last_third_mib']} in the last")
    if options.json:
        options.json.write_text(json.dumps(told, indent=1))
    sys.exit(1 if told.get("long", {}).get("above_mib", 0) > WANTED_MB else 0)


if __name__ == "__main__":
    main()
