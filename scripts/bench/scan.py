"""What of the bare limit (decoding and the first look's models in a loop) a scan reaches, by turns.

    scan.py [--program target/release/wildwarden] [--images DIR] [--rows 4000] [--turns 5] [--json FILE]

The table has a photo of its own bytes a row and no text; the scan takes the first look alone, as the loop does. Prints images a second of
both in each turn, and the median of the ratios. Needs pyarrow.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
WANTED = 0.90


def told(command: list[object]) -> str:
    run = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout if run.returncode == 0 else sys.exit(f"{' '.join(map(str, command))}:\n{run.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--images", type=Path, default=ROOT / "tests/fixtures/images/rendered")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="of a turn of the loop")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ["WILDWARDEN_LOG_LEVEL"] = "error"
    photos = [path for path in sorted(options.images.rglob("*.jpg"))[:300]]
    turns = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        contents = [photo.read_bytes() for photo in photos]
        for number, content in enumerate(contents):
            (folder / "photos" / f"{number:03}.jpg").write_bytes(content)
        rows = pa.array([contents[row % len(contents)] + row.to_bytes(8, "little") for row in range(options.rows)], pa.binary())
        pq.write_table(pa.table({"images": rows}), folder / "table.parquet", row_group_size=1000)
        print("bare images/s  scan images/s  ratio  wanted")
        for turn in range(options.turns):
            bare = json.loads(told([options.program, "bench", "bare", "--images", folder / "photos", "--duration", options.seconds, "--json"]))
            out = folder / f"out-{turn}"
            told([options.program, "scan", folder / "table.parquet", "--out", out, "--profile", "fast"])
            run = json.loads((out / "summary.json").read_text())["last_run"]
            rate = run["rows"] / run["seconds"]
            turns.append({"bare": bare["images_per_second"], "scan": rate, "ratio": rate / bare["images_per_second"]})
            print(f"{turns[-1]['bare']:13.1f} {rate:14.1f} {turns[-1]['ratio']:6.2f} {WANTED:7.2f}", flush=True)
    ratio = statistics.median(turn["ratio"] for turn in turns)
    print(f"median ratio {ratio:.3f}, wanted {WANTED}")
    if options.json:
        options.json.write_text(json.dumps({"median": ratio, "turns": turns}, indent=1))
    sys.exit(0 if ratio >= WANTED else 1)


if __name__ == "__main__":
    main()
