"""What a caller who asks now and then sees of another who asks for ten times what the server can do.

    flood.py [--program target/release/wildwarden] [--seconds 30] [--turns 3] [--json FILE]

Two keys. The polite one sends two photos a second (open loop), alone and then beside a flood of the other's at ten times the rate that
eight callers get answered. Of each turn it prints the share of the polite calls that were answered and their 99th percentile, alone and
beside. The server has the first half of the cores and the senders the rest. Ends with 1 when a polite call failed, or when the median
ratio of the two percentiles is above 3.
"""

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from goodput import ROOT, Server, bench, fast_policy, halves

KEYS = {"polite": "a-polite-key", "flood": "a-flooding-key"}
POLITE_RATE, TIMES, WANTED_RATIO = 2, 10, 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    of_server, of_sender = halves()
    keys = ", ".join(f'{{ name = "{name}", sha256 = "{hashlib.sha256(key.encode()).hexdigest()}", roles = ["classify", "info"] }}' for name, key in KEYS.items())
    rows = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:
        server = Server(options.program, fast_policy(Path(folder)), of_server, AUTH_KEYS=f"[{keys}]")

        def ask(kind: str, who: str, seconds: float, *arguments: object) -> dict:
            photos = ["--images", ROOT / "tests/fixtures/images/rendered", "--duration", seconds, "--warmup", 2]
            return bench(options.program, server, of_sender, kind, *photos, *arguments, "--key", KEYS[who])["steps"][0]

        capacity = ask("closed", "flood", 8, "--concurrency", 8)["listings_per_second"]
        print(f"capacity {capacity:.0f} photos/s, eight callers\n")
        print("answered alone  beside  wanted   p99 alone  beside     ratio  wanted")
        for _ in range(options.turns):
            alone = ask("open", "polite", options.seconds, "--rate", POLITE_RATE)
            flood = beside.submit(ask, "open", "flood", options.seconds + 4, "--rate", round(TIMES * capacity, 1), "--max-in-flight", 20000)
            polite = ask("open", "polite", options.seconds, "--rate", POLITE_RATE)
            flood.result()
            answered = [step["counts"]["right"] / max(1, step["counts"]["right"] + sum(step["counts"]["failed"].values()) + step["counts"]["not_sent"]) for step in (alone, polite)]
            p99 = [step["latency"]["p99_ms"] for step in (alone, polite)]
            rows.append({"answered_alone": answered[0], "answered_beside": answered[1], "p99_alone_ms": p99[0], "p99_beside_ms": p99[1], "ratio": p99[1] / p99[0]})
            print(f"{answered[0]:14.0%} {answered[1]:7.0%}    100% {p99[0]:8.1f} ms {p99[1]:6.1f} ms {rows[-1]['ratio']:6.2f} {WANTED_RATIO:7.1f}", flush=True)
        server.stop()
    ratio = statistics.median(row["ratio"] for row in rows)
    print(f"\nmedian ratio {ratio:.2f}")
    if options.json:
        options.json.write_text(json.dumps({"capacity": capacity, "turns": rows}, indent=1))
    sys.exit(1 if ratio > WANTED_RATIO or any(row["answered_beside"] < 1 for row in rows) else 0)


if __name__ == "__main__":
    main()
