"""The simulation of scripts/bench/fleet.py: against what queueing theory knows, against the server's own rules, and against what was measured.

Needs simpy. No server: what it measured stands in scripts/bench/fleet.toml.
"""

import math
import random
import re
import statistics
import sys
import unittest
from pathlib import Path
from unittest import mock

try:
    import simpy  # noqa: F401
except ImportError:
    simpy = None

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "scripts" / "bench"
sys.path.insert(0, str(BENCH))

if simpy:
    import fleet
    import fleet_model
    from fleet_model import Costs, Fleet, Gate, Policy, Sample, poisson

FAST = "fast"


def read(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def listing(image: float, **more: float | None) -> "Sample":
    nothing = {"image_again": 0.0, "image_doubt": None, "words": 0.0, "words_promise": None, "text": 0.0, "text_again": 0.0, "text_doubt": None}
    return Sample(image, **(nothing | more))


def costs(samples: list["Sample"]) -> "Costs":
    return Costs(samples, cached=0.0005, beside=0.0, outside=0.0)


@unittest.skipUnless(simpy, "pip install simpy: the simulation is not tested")
class Queueing(unittest.TestCase):
    """With a queue that refuses nobody."""

    def waits(self, samples: list["Sample"], cores: int, load: float, listings: int) -> list[float]:
        mean = statistics.mean(sample.image for sample in samples)
        rate = load * cores / mean
        one = Fleet(costs(samples), Policy(FAST), cores=cores)
        with mock.patch.object(fleet_model, "MAX_WAIT", math.inf):
            seen = one.run(poisson(rate, listings / rate, 3), lambda number: number % len(samples), warm=0.05 * listings / rate)["before"]
        self.assertEqual(seen.refused, 0)
        return seen.answered

    def test_one_core_and_constant_work_wait_as_pollaczek_and_khinchine_say(self) -> None:
        for load in (0.5, 0.85):
            with self.subTest(load):
                took = statistics.mean(self.waits([listing(0.01)], 1, load, 150_000))
                self.assertAlmostEqual(took / (0.01 + load * 0.01 / (2 * (1 - load))), 1, delta=0.04)

    def test_three_cores_and_work_of_any_length_wait_as_erlang_says(self) -> None:
        source, cores, load = random.Random(5), 3, 0.8
        samples = [listing(source.expovariate(100)) for _ in range(50_021)]
        offered = cores * load
        queued = offered**cores / math.factorial(cores) / (1 - load)
        waits = queued / (sum(offered**k / math.factorial(k) for k in range(cores)) + queued)
        mean = statistics.mean(sample.image for sample in samples)
        self.assertAlmostEqual(statistics.mean(self.waits(samples, cores, load, 150_000)) / (mean + waits * mean / (cores * (1 - load))), 1, delta=0.05)


@unittest.skipUnless(simpy, "pip install simpy: the simulation is not tested")
class Rules(unittest.TestCase):
    def test_numbers_are_those_of_the_program(self) -> None:
        looks, policy, wait = read("src", "core", "pipeline", "looks.rs"), read("src", "core", "schedule", "policy.rs"), read("src", "core", "schedule", "costs.rs")
        number = lambda text, name: float(re.search(rf"const {name}: \w+ = (?:Duration::from_millis\()?([\d.]+)", text)[1])  # noqa: E731
        self.assertEqual([number(looks, name) for name in ("NARROWS", "CLOSES", "CREDIT", "GAIN")], [fleet_model.NARROWS, fleet_model.CLOSES, fleet_model.CREDIT, fleet_model.GAIN])
        self.assertEqual((number(policy, "OWN_WORK"), number(wait, "UNKNOWN")), (fleet_model.OWN_WORK, 1000 * fleet_model.UNKNOWN_COST))
        self.assertIn(f"\nmax_wait_ms = {1000 * fleet_model.MAX_WAIT:.0f}\n", read("src", "core", "config.default.toml"))
        self.assertIn(f'"initialBackoff": "{fleet_model.RETRY_AFTER}s"', read("deploy", "kubernetes", "service-config.json"))
        self.assertIn(f'cpu: "{fleet.CORES}"', read("deploy", "kubernetes", "deployment.yaml"))

    def test_however_much_is_offered_what_is_taken_is_answered_in_time(self) -> None:
        for load in (1.5, 5.0):
            seen = Fleet(costs([listing(0.01)]), Policy(FAST)).run(poisson(load * 100, 60, 1), lambda _: 0, warm=2.0)["before"]
            self.assertLess(max(seen.answered), 0.1 + 3 * 0.01)
            self.assertAlmostEqual(len(seen.answered) / 58 / 100, 1, delta=0.02)

    def test_further_looks_are_given_up_before_listings_are_and_keep_to_their_share(self) -> None:
        doubtful = costs([listing(0.01, image_again=0.02, image_doubt=depth / 10) for depth in range(11)])
        shares = {}
        for load in (0.1, 0.8):
            run = Fleet(doubtful, Policy()).run(poisson(load * 100, 1000, 1), lambda number: number % 11, warm=2.0)
            shares[load] = run["second_looks"]
            self.assertLess(run["before"].refused / run["before"].all(), 0.02)
        self.assertAlmostEqual(shares[0.1], 0.1, delta=0.03)
        self.assertLess(shares[0.8], 0.8 * shares[0.1])
        self.assertTrue(all(Gate(1.0, "thorough").takes(None, 0.0) for _ in range(3)))

    def test_a_zone_that_fails_loses_no_listing(self) -> None:
        three = Fleet(costs([listing(0.01)]), Policy(FAST), zones=3, servers_a_zone=2, cores=2)
        moments = list(poisson(600, 20, 1))
        run = three.run(iter(moments), lambda _: 0, warm=0.0, fails_at=10.0)
        self.assertEqual(run["before"].all() + run["after"].all(), len(moments))
        self.assertGreater(max(run["before"].answered), fleet_model.RETRY_AFTER, "what the failed zone had in hand was sent again")
        self.assertGreater(run["after"].percentile(0.99), run["before"].percentile(0.9))

    def test_the_cache_answers_what_comes_again(self) -> None:
        one = Fleet(costs([listing(0.01)]), Policy(FAST), reposts=0.5)
        seen = one.run(poisson(10, 200, 1), lambda _: 0, warm=0.0)["before"]
        quick = sum(took < 0.001 for took in seen.answered) / len(seen.answered)
        self.assertAlmostEqual(quick, 0.5, delta=0.07)


@unittest.skipUnless(simpy, "pip install simpy: the simulation is not tested")
class Measured(unittest.TestCase):
    def test_the_mean_of_a_day_is_as_far_below_its_peak_as_it_says(self) -> None:
        day = [fleet.shape(minute / 60) for minute in range(1440)]
        self.assertAlmostEqual(max(day) / statistics.mean(day), fleet.PEAK, delta=0.01)

    def test_what_was_measured_is_whole(self) -> None:
        found = fleet.read()
        self.assertEqual([load["share"] for load in found["load"]], list(fleet.LOADS))
        self.assertEqual({len(times) for times in found["service"].values() if isinstance(times, list)}, {fleet.LISTINGS})

    def test_a_larger_fleet_is_needed_without_the_cache(self) -> None:
        with mock.patch.multiple(fleet, AT_ONCE=10_000, SECONDS=(4, 60), WARM=1.0):
            known, unknown = (fleet.smallest(300_000_000, reposts=reposts)[0].servers_a_zone for reposts in (fleet.REPOSTS, 0.0))
        self.assertLess(known, unknown)


if __name__ == "__main__":
    unittest.main()
