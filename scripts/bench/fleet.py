"""How many cores a marketplace needs: a simulation, fed with what a real server was measured to take.

    fleet.py --measure [--images DIR] [--titles FILE] [--program target/release/wildwarden] [--seconds 240] [--without-words] [--again]
    fleet.py --simulate [--price 0.04] [--out report]

`--measure` needs two quiet cores for about 20 minutes. It starts servers on one and sends from the other: every listing alone, then as many as
the server answers, then an open loop (Poisson arrivals) at 50, 70 and 85 % of that. What it finds goes into scripts/bench/fleet.toml, a
part at a time: run again, it goes on with what is missing; with `--again` from the beginning.

`--simulate` needs that file alone, and some minutes. It simulates the same open loops, with the same arrivals, and prints both side by side; then
fleets of three zones at the peak of a day, one zone of which fails, for 10 million to a billion listings a day. Tables in Markdown go to
standard output, a picture to OUT/fleet.svg. Ends with 1 when a simulated percentile is further from the measured one than 15 %.

Needs simpy; to measure also grpcio-tools, and taskset (util-linux).
"""

import argparse
import math
import os
import random
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from fleet_model import GAIN, SPARE, Costs, Fleet, Policy, Sample, Seen, poisson, saturated

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_suffix(".toml")
LOADS = (0.5, 0.7, 0.85)
WITHIN = 0.15  # of what was measured
LISTINGS = 200
PHASES = 5
SATURATED_SECONDS = 60

SIZES = (10_000_000, 100_000_000, 1_000_000_000)  # listings a day
PEAK = 4.0  # of the mean
REPOSTS = 0.3
P99_SHARE, P99 = 0.99, 0.5  # of the listings, in seconds
ZONES = 3
CORES = 4  # of a server, as in deploy/kubernetes/deployment.yaml
DAY = 86_400
WARM = 2.0  # seconds
AT_ONCE = 150_000  # listings that are simulated, at most, and:
SECONDS = (8, 60)
COMPARED = SIZES[-1]  # listings a day of the fleets that are compared: there a server more or less is little


def order(seed: int, of: int) -> Callable[[int], int]:
    """Which listing is sent as the n-th: the same ones for the same seed."""
    source = random.Random(seed)
    table = [source.randrange(of) for _ in range(100_003)]
    return lambda number: table[number % len(table)]


# What was measured.


def read() -> dict:
    return tomllib.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def written(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return str(value).lower()


def write(found: dict) -> None:
    """Tables in TOML, before lists of tables."""
    lines = ["# What a server takes, measured by scripts/bench/fleet.py --measure on a machine as [machine] says: one worker on one core, the sender on", "# another. Times in [service] are microseconds of a worker, an entry a listing; -1: none."]
    for name, table in sorted(found.items(), key=lambda entry: isinstance(entry[1], list)):
        for one in table if isinstance(table, list) else [table]:
            lines += ["", f"[[{name}]]" if isinstance(table, list) else f"[{name}]"]
            lines += [f"{key} = {written(value)}" for key, value in one.items()]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine(program: Path) -> dict:
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next(line.partition(":")[2].strip() for line in cpu.splitlines() if line.startswith("model name"))
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    return {"processor": model, "cores": os.cpu_count(), "vnni": "vnni" in cpu, "program": version, "load_before": round(os.getloadavg()[0], 2)}


def measure(given: argparse.Namespace) -> None:
    import asyncio

    import fleet_measure

    server_core, sender_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {sender_core})
    wire = fleet_measure.contract()
    sender = fleet_measure.Sender(wire, fleet_measure.listings(given.images, given.titles, LISTINGS))
    program = given.program.resolve()
    found = {} if given.again else read()
    found.setdefault("machine", machine(program))
    if "service" not in found:
        print(f"{len(sender.listings)} listings alone", flush=True)
        found["service"] = fleet_measure.service(program, server_core, sender)
        write(found)
    loads = found.setdefault("load", [])
    missing = [(seed, share) for seed, share in enumerate(LOADS, 1) if all(load["share"] != share for load in loads)]
    if "saturated" in found and not missing:
        return
    with fleet_measure.server(program, server_core, None, words=not given.without_words) as (address, _):
        print("as many as are answered", flush=True)
        asyncio.run(fleet_measure.closed(sender, address, fleet_measure.WARM))
        if "saturated" not in found:
            rate = asyncio.run(fleet_measure.closed(sender, address, SATURATED_SECONDS))
            found["saturated"] = {"callers": fleet_measure.CALLERS, "listings_a_second": round(rate, 2), "words": not given.without_words}
            write(found)
        for seed, share in missing:
            print(f"{share:.0%} of that", flush=True)
            rate = share * found["saturated"]["listings_a_second"]
            seen = asyncio.run(fleet_measure.opened(sender, address, rate, given.seconds, seed, order(seed, len(sender.listings))))
            loads.append({"share": share, "rate": round(rate, 3), "seconds": given.seconds, "seed": seed, "load_average": round(os.getloadavg()[0], 2), **{key: value for key, value in seen.items() if key != "no_stage_ms"}})
            write(found)


# What is simulated.


@cache
def costs() -> Costs:
    """As measured alone, and slower by as much as makes the simulated server saturated where the measured one was."""
    found = read()
    of = found["service"]
    second = lambda name, place: of[name][place] / 1e6  # noqa: E731
    known = lambda name, place: None if of[name][place] < 0 else of[name][place]  # noqa: E731
    samples = [
        Sample(
            second("image_us", place), second("image_again_us", place), known("image_doubt", place), second("words_us", place), known("words_promise", place),
            second("text_us", place), second("text_again_us", place), known("text_doubt", place),
        )
        for place in range(len(of["image_us"]))
    ]  # fmt: skip
    alone = Costs(samples, of["cached_us"] / 1e6, of["beside_us"] / 1e6, of["outside_us"] / 1e6)
    wanted, pace = found["saturated"]["listings_a_second"], 1.0
    for _ in range(4):
        pace *= saturated(alone.busy(pace), as_measured(), found["saturated"]["callers"], 4000, order(0, len(samples))) / wanted
    return alone.busy(pace)


@cache
def policy() -> Policy:
    looks = tomllib.loads((ROOT / "models" / "policy.toml").read_text(encoding="utf-8"))["looks"]
    return Policy(looks["profile"], looks["images"][0]["share"], looks["texts"][0]["share"], looks["words"]["share"])


def as_measured() -> Policy:
    """What the loads were measured with."""
    return policy() if read()["saturated"]["words"] else replace(policy(), words_share=0.0)


def simulated(load: dict) -> dict:
    """The same open loop. One photo in some hundred has its words read, which takes as long as all that wait for it: so from several states in
    which the measured server may have been."""
    samples, pooled, looks = costs().samples, Seen(), []
    for phase in range(PHASES):
        start = replace(as_measured(), words_spent=1 + GAIN * phase / PHASES)
        run = Fleet(costs(), start).run(poisson(load["rate"], SPARE + load["seconds"], load["seed"]), order(load["seed"], len(samples)), SPARE)
        pooled.answered += run["before"].answered
        pooled.refused += run["before"].refused
        looks.append(run["second_looks"])
    return {"p50_ms": 1000 * pooled.percentile(0.5, False), "p99_ms": 1000 * pooled.percentile(0.99, False), "refused": pooled.refused, "answered": len(pooled.answered), "second_looks": looks[0]}


def shape(hour: float) -> float:
    """Listings at an hour of the day over those at the peak: one evening peak, a night without much."""
    return ((1 + math.cos(2 * math.pi * (hour - 20) / 24)) / 2) ** steepness()


@cache
def steepness() -> float:
    """With which the mean of a day is 1 / PEAK of its peak."""
    mean = lambda power: sum(((1 + math.cos(2 * math.pi * step / 1440)) / 2) ** power for step in range(1440)) / 1440  # noqa: E731
    low, high = 0.5, 50.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) > 1 / PEAK else (low, middle)
    return low


def peak(fleet: Fleet, a_day: int, fails: bool = True) -> dict:
    """Around the peak, in whose middle a zone fails."""
    rate = a_day / DAY * PEAK
    seconds = min(max(AT_ONCE / rate, SECONDS[0]), SECONDS[1])
    return fleet.run(poisson(rate, seconds, 11), order(12, len(fleet.costs.samples)), WARM, seconds / 2 if fails else None)


def smallest(a_day: int, reposts: float = REPOSTS, looks: Policy | None = None, cores: int = CORES) -> tuple[Fleet, dict]:
    """The smallest fleet of ZONES zones that answers 99 of 100 in P99 after one of them fails; what it refuses never comes."""
    fleet = Fleet(costs(), looks or policy(), ZONES, 1, cores, reposts)

    @cache
    def seen(servers: int) -> dict:
        return peak(replace(fleet, servers_a_zone=servers), a_day)

    def enough(servers: int) -> bool:
        return seen(servers)["after"].percentile(P99_SHARE) <= P99

    first = high = max(1, math.ceil(a_day / DAY * PEAK * work(fleet) / (cores * (ZONES - 1))))
    while not enough(high):
        high = math.ceil(1.1 * high + 0.1)
        if high > 10 * first:
            sys.exit(f"fleet: no number of servers answers {P99_SHARE:.0%} of the listings within {P99} s: one alone takes longer")
    low = math.floor(0.9 * high)
    while low and enough(low):
        low, high = math.floor(0.9 * low), low
    while high - low > max(1, high // 200):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return replace(fleet, servers_a_zone=high), seen(high)


def work(fleet: Fleet) -> float:
    """Seconds of a core that a listing takes where nothing is given up, about."""
    of, looks = fleet.costs, fleet.policy
    thorough, count = looks.profile == "thorough", len(of.samples)

    def further(doubt: str, took: str, most: float) -> float:
        wanted = [sample for sample in of.samples if thorough or getattr(sample, doubt) is not None]
        taken = 0.0 if looks.profile == "fast" else 1.0 if thorough else min(most, len(wanted) / count)
        return taken * sum(getattr(sample, took) for sample in wanted) / max(len(wanted), 1) if most else 0.0

    photo = sum(sample.image for sample in of.samples) / count + further("image_doubt", "image_again", looks.image_share) + further("words_promise", "words", looks.words_share)
    text = sum(sample.text for sample in of.samples) / count + further("text_doubt", "text_again", looks.text_share)
    return of.pace * ((1 - fleet.reposts) * photo + fleet.reposts * of.cached + text + of.beside)


# What is told.


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def share(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f} %"


def money(a_day: int, cores: int, price: float) -> tuple[float, float]:
    """For a million listings: with all servers all day, and with as many as each hour needs, three at least."""
    millions = a_day / 1e6
    following = sum(max(cores * shape(hour + 0.5), ZONES * CORES) for hour in range(24))
    return cores * 24 * price / millions, min(following, cores * 24) * price / millions


def side_by_side() -> tuple[str, list[dict], bool]:
    rows, pairs, good = [], [], True
    for load in read()["load"]:
        made = simulated(load)
        off = [made[key] / load[key] - 1 for key in ("p50_ms", "p99_ms")]
        good &= max(map(abs, off)) <= WITHIN
        pairs.append({"share": load["share"], "measured": load, "simulated": made})
        rows.append([
            f"{load['share']:.0%}", f"{load['rate']:.1f}", f"{load['p50_ms']:.1f}", f"{made['p50_ms']:.1f}", f"{load['p99_ms']:.1f}", f"{made['p99_ms']:.1f}",
            f"{100 * off[0]:+.0f} %, {100 * off[1]:+.0f} %", f"{WITHIN:.0%}", f"{share(load['refused'] / (load['refused'] + load['answered']))}, {share(made['refused'] / (made['refused'] + made['answered']))}",
        ])  # fmt: skip
    head = ["load", "listings/s", "p50 ms, measured", "simulated", "p99 ms, measured", "simulated", "off by", "wanted within", "refused, measured and simulated"]
    return table(head, rows), pairs, good


def sizes(price: float) -> str:
    rows = []
    for a_day in SIZES:
        fleet, seen = smallest(a_day)
        cores = fleet.servers_a_zone * ZONES * CORES
        whole = peak(fleet, a_day, fails=False)
        fixed, following = money(a_day, cores, price)
        rows.append([
            f"{a_day / 1e6:,.0f} million", f"{a_day / DAY * PEAK:,.0f}", f"{ZONES} × {fleet.servers_a_zone}", f"{cores:,}", f"{1000 * whole['before'].percentile(0.99):.0f}",
            f"{1000 * seen['after'].percentile(0.99):.0f}", f"{1000 * P99:.0f}", share(seen["after"].refused / seen["after"].all()), share(whole["second_looks"]), f"{a_day / cores:,.0f}",
            f"{fixed:.2f}", f"{following:.2f}",
        ])  # fmt: skip
    head = ["listings a day", "a second, at the peak", f"servers of {CORES} cores", "cores", "p99 ms, all zones", "p99 ms, a zone failed", "wanted, at most", "refused then", "second looks taken, all zones", "listings a core-day", "a million, all day", "a million, by the hour"]
    return table(head, rows)


def compared(variants: dict[str, tuple[float, Policy]]) -> str:
    found = {name: smallest(COMPARED, reposts, looks) for name, (reposts, looks) in variants.items()}
    cores = {name: fleet.servers_a_zone * ZONES * CORES for name, (fleet, _) in found.items()}
    base = cores[next(iter(cores))]
    head = ["", "cores", "over the first", "listings a core-day", "second looks taken, a zone failing"]
    return table(head, [[name, f"{count:,}", f"{count / base:.2f}", f"{COMPARED / count:,.0f}", share(found[name][1]["second_looks"])] for name, count in cores.items()])


LEFT, TOP, WIDTH, HEIGHT = 60, 30, 560, 260


def chart(pairs: list[dict]) -> str:
    """Latency, by powers of ten, over load: simulated lines, measured dots."""
    full = read()["saturated"]["listings_a_second"]
    steps = [step / 100 for step in range(30, 131, 5)]
    curve = [simulated({"rate": step * full, "seconds": 120, "seed": 5}) for step in steps]
    most = 10 ** math.ceil(math.log10(max(one["p99_ms"] for one in curve + [pair["measured"] for pair in pairs])))
    first, last = steps[0], steps[-1]

    def place(load: float, ms: float) -> tuple[str, str]:
        return f"{LEFT + WIDTH * (load - first) / (last - first):.1f}", f"{TOP + HEIGHT * (1 - math.log(ms) / math.log(most)):.1f}"

    body = f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#94a3b8"/>'
    body += "".join(f'<text x="{LEFT - 8}" y="{place(first, 10**power)[1]}" text-anchor="end">{10**power} ms</text>' for power in range(round(math.log10(most)) + 1))
    body += "".join(f'<text x="{place(step, 1)[0]}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{step:.0%}</text>' for step in (0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3))
    for key, colour, name, at in (("p99_ms", "#c2410c", "p99", TOP + 18), ("p50_ms", "#1d4ed8", "p50", TOP + 36)):
        points = " ".join(",".join(place(step, one[key])) for step, one in zip(steps, curve))
        body += f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/><text x="{LEFT + 8}" y="{at}" fill="{colour}">{name}: line simulated, dots measured</text>'
        for pair in pairs:
            x, y = place(pair["share"], pair["measured"][key])
            body += f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>'
    body += f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">listings offered to one core, of what it answers at most</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{TOP + HEIGHT + 50}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>{body}</svg>\n'


def simulate(given: argparse.Namespace) -> int:
    rows, pairs, good = side_by_side()
    print(f"pace {costs().pace:.3f}\n\n{rows}", flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "fleet.svg").write_text(chart(pairs), encoding="utf-8")
    print(sizes(given.price), flush=True)
    print(compared({f"{reposts:.0%} of the photos in the cache": (reposts, policy()) for reposts in (0.3, 0.0, 0.6)}), flush=True)
    looks = policy()
    print(compared({
        "`balanced`, as shipped": (REPOSTS, looks), "`balanced`, no words read": (REPOSTS, replace(looks, words_share=0.0)),
        "`fast`": (REPOSTS, replace(looks, profile="fast")), "`thorough`, no words read": (REPOSTS, replace(looks, profile="thorough", words_share=0.0)),
    }), flush=True)
    return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--images", type=Path, default=ROOT / "tests/fixtures/images/rendered", help="photos; a folder with a manifest.csv as for training: those of sellers")
    parser.add_argument("--titles", type=Path, help="a title a line")
    parser.add_argument("--seconds", type=int, default=240, help="of each load")
    parser.add_argument("--without-words", action="store_true", help="measure loads of a policy that reads no words in photos: few photos take so long that the 99th percentile is theirs")
    parser.add_argument("--again", action="store_true", help="measure what is in the file anew")
    parser.add_argument("--price", type=float, default=0.04, help="of a core for an hour")
    parser.add_argument("--out", type=Path, default=Path("report"))
    given = parser.parse_args()
    if not given.measure and not given.simulate:
        parser.error("give --measure, --simulate or both")
    if given.measure:
        measure(given)
    return simulate(given) if given.simulate else 0


if __name__ == "__main__":
    sys.exit(main())
