"""How much of what a server can do it still does when it is offered more, and how soon it says no.

    goodput.py [--program target/release/wildwarden] [--images tests/fixtures/images/rendered] [--seconds 8] [--turns 1] [--json FILE]

Starts a server on models/ with the policy's first look (profile fast), measures what eight callers get answered in a closed loop, then
offers photos at 1.5, 2, 5 and 10 times that rate (Poisson arrivals), with deadlines of 250 ms, 500 ms, 2 s and none. Of every cell it
prints goodput (answers within the deadline, over the capacity), the 99th percentile of the answers, and what the others got. Every photo
has other bytes, so no cache shortens it. The server has the first half of the cores and the sender the rest, or the server would be measured
by what the sender leaves it. Ends with 1 when goodput is below --least in a cell.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RATES = (1.5, 2, 5, 10)
DEADLINES_MS = (250, 500, 2000, 30000)  # the last: none to speak of
WANTED = 0.9


def pinned(cores: set[int] | None):
    """What a process does before it begins, to stay on these cores."""
    return (lambda: os.sched_setaffinity(0, cores)) if cores else None


def halves() -> tuple[set[int] | None, set[int] | None]:
    """The cores of the server, and those of whoever sends; none where there is one core alone."""
    cores = sorted(os.sched_getaffinity(0))
    return (set(cores[: len(cores) // 2]), set(cores[len(cores) // 2 :])) if len(cores) > 1 else (None, None)


class Server:
    """A server process on a free port, with settings `SECTION_KEY=value`."""

    def __init__(self, program: Path, policy: Path | None = None, cores: set[int] | None = None, **settings: str) -> None:
        command = [program, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *(["--policy", policy] if policy else [])]
        environment = os.environ | {"WILDWARDEN_LOG_FORMAT": "json"} | {f"WILDWARDEN_{key}": value for key, value in settings.items()}
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=environment, stdout=self.log, stderr=subprocess.STDOUT, preexec_fn=pinned(cores))
        started = time.monotonic()
        while True:
            self.log.seek(0)
            said = {line["fields"].get("message"): line["fields"].get("address") for line in (json.loads(text) for text in self.log if text.startswith("{"))}
            if "serving" in said:
                self.address, self.admin = said["listening"], said["listening for operators"]
                return
            if self.process.poll() is not None or time.monotonic() - started > 60:
                self.log.seek(0)
                sys.exit(f"the server did not start:\n{self.log.read()}")
            time.sleep(0.05)

    def resident_mib(self) -> float:
        return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text()).group(1)) / 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def fast_policy(folder: Path) -> Path:
    """The shipped policy with the first look alone, so that every photo costs about the same."""
    path = folder / "policy.toml"
    path.write_text(re.sub(r'(?m)^profile = ".*"', 'profile = "fast"', (ROOT / "models/policy.toml").read_text(encoding="utf-8")), encoding="utf-8")
    return path


def bench(program: Path, server: Server, cores: set[int] | None, *arguments: object) -> dict:
    command = [program, "bench", *arguments, "--server", server.address, "--unique", "--allow-errors", "--json", "-"]
    finished = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=pinned(cores))
    if not finished.stdout.strip().startswith("{"):
        sys.exit(f"{' '.join(map(str, command))}:\n{finished.stderr}")
    return json.loads(finished.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--images", type=Path, default=ROOT / "tests/fixtures/images/rendered")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--least", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        of_server, of_sender = halves()
        server = Server(options.program, fast_policy(Path(folder)), of_server)
        photos = ["--images", options.images, "--duration", options.seconds, "--warmup", 2]
        closed = bench(options.program, server, of_sender, "closed", *photos, "--concurrency", 8)
        capacity = closed["steps"][0]["listings_per_second"]
        print(f"capacity {capacity:.0f} photos/s, eight callers\n")
        print("offered  deadline  goodput/capacity  wanted  p99 answered  p99 refused  others")
        rows = []
        for times in RATES:
            for deadline in DEADLINES_MS:
                told = bench(options.program, server, of_sender, "open", *photos, "--rate", round(times * capacity, 1), "--deadline-ms", deadline, "--max-in-flight", 20000)
                step = told["steps"][0]
                rows.append({"times": times, "deadline_ms": deadline, "goodput": step["listings_per_second"] / capacity, "step": step})
                others = ", ".join(f"{name} {count}" for name, count in sorted(step["counts"]["failed"].items()))
                if step["counts"]["not_sent"]:
                    others += f", not sent {step['counts']['not_sent']}"
                said = f"{step['latency']['p99_ms']:7.0f} ms {step['failed_latency']['p99_ms']:9.0f} ms"
                print(f"{times:5.1f}x  {deadline if deadline < 30000 else 'none':>6}  {rows[-1]['goodput']:16.2f}  {WANTED:6.2f}  {said}   {others}", flush=True)
        server.stop()
    if options.json:
        options.json.write_text(json.dumps({"capacity": capacity, "cells": rows}, indent=1))
    least = min(row["goodput"] for row in rows)
    print(f"\nleast goodput {least:.2f} of the capacity")
    sys.exit(1 if least < options.least else 0)


if __name__ == "__main__":
    main()
