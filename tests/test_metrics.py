"""What operators are given to watch by: a running server's metrics, the handbook's table of them in both languages, the dashboard in
deploy/grafana and the rules in deploy/prometheus agree.

Needs target/debug/wildwarden (or WILDWARDEN, a path) and ONNX Runtime in .runtime, and for some tests promtool (Debian: prometheus).
"""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import tomllib
import unittest
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from test_docs import anchors

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(os.environ.get("WILDWARDEN", ROOT / "target" / "debug" / "wildwarden")).absolute()
HAS_SERVER = PROGRAM.exists() and ("ORT_DYLIB_PATH" in os.environ or any((ROOT / ".runtime").glob("libonnxruntime.*")))
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "wildwarden.json").read_text(encoding="utf-8"))
LANGUAGES = ("en", "zh")
WITHIN = 120  # seconds, on a busy machine

# May be absent: it has nothing to say yet.
SIGN = "†"
# Marked, and not brought about here, each with the reason.
UNSEEN: dict[str, str] = {}
# What Prometheus adds.
ADDED = {"job", "instance", "le"}
# Panels that Grafana has without a plugin.
CORE = {"row", "stat", "timeseries", "heatmap", "bargauge", "table"}
PARTS = ("_bucket", "_count", "_sum")


@dataclass(frozen=True)
class Metric:
    """A row of the table, or what was scraped."""

    kind: str
    # By name; the values that it may have, none: any.
    labels: dict[str, frozenset[str]] = field(default_factory=dict)
    may_be_absent: bool = False
    unit: str = ""


def page(language: str) -> str:
    return (ROOT / "docs" / language / "src" / "metrics.md").read_text(encoding="utf-8")


def labels(cell: str) -> dict[str, frozenset[str]]:
    """A label is named first; where only names follow, they are all its values."""
    found = {}
    for part in filter(lambda part: "`" in part, re.split("[;；]", cell)):
        name, _, values = part.strip().replace("：", ":").partition(":")
        only_names = re.fullmatch(r"\s*`[^`]+`(?:(?:, |、)`[^`]+`)*", values)
        found[name.strip("` ")] = frozenset(re.findall("`([^`]+)`", values) if only_names else ())
    return found


def table(language: str) -> dict[str, Metric]:
    rows = {}
    for line in page(language).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        named = re.fullmatch(rf"`(wildwarden_\w+)`(?: ({SIGN}))?", cells[0])
        if not named:
            continue
        assert named[1] not in rows, f"{language}: {named[1]} stands twice"
        _, kind, labelled, unit, meaning, when = cells
        assert unit and meaning and "](#" in when, line
        rows[named[1]] = Metric(kind, labels(labelled), bool(named[2]), unit)
    return rows


TABLE = table("en")


@dataclass
class Scraped:
    """A page of metrics: families with their types and labels, by the name that is scraped."""

    text: str
    families: dict[str, Metric] = field(default_factory=dict)
    samples: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", self.text))
        units = dict(re.findall(r"(?m)^# UNIT (\S+) (\S+)$", self.text))
        values: dict[str, dict[str, set[str]]] = {}
        for name, given, value in re.findall(r"(?m)^(wildwarden_\w+)(?:\{([^}]*)\})? (\S+)", self.text):
            self.samples[f"{name}{{{given}}}"] = float(value)
            seen = values.setdefault(family(name), {})
            for label, labelled in re.findall(r'(\w+)="([^"]*)"', given):
                if label != "le":
                    seen.setdefault(label, set()).add(labelled)
        for name, seen in values.items():
            declared = name.removesuffix("_total")
            labelled = {label: frozenset(of) for label, of in seen.items()}
            self.families[name] = Metric(kinds[declared], labelled, unit=units.get(declared, ""))

    def at_least(self, sample: str, least: float = 1) -> bool:
        return self.samples.get(sample, 0) >= least


def family(name: str) -> str:
    """What a sample belongs to: of a histogram the name without its part."""
    base = next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)
    return base if base in TABLE or name not in TABLE else name


def named(expression: str) -> set[str]:
    """Metrics in an expression; not what rules record, which has colons."""
    return {family(name) for name in re.findall(r"(?<![\w:])(wildwarden_\w+)(?![\w:])", expression)}


def without_comments(text: str) -> str:
    return re.sub(r"(?m)^\s*#.*$", "", text)


RULES = without_comments((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))


def panels() -> list[dict]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Of the dashboard, with values in the place of Grafana's variables."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"] if "expr" in annotation]
    return [re.sub(r"\$__(rate_interval|range|interval)", "5m", expression) for expression in found]


class Pages(unittest.TestCase):
    def test_both_languages_list_the_same(self) -> None:
        listed = {language: {name: (row.kind, row.labels, row.may_be_absent) for name, row in table(language).items()} for language in LANGUAGES}
        self.assertGreater(len(listed["en"]), 20)
        self.assertEqual(list(listed["en"].items()), list(listed["zh"].items()))

    def test_both_languages_have_the_alerts_of_the_rules(self) -> None:
        alerts = re.findall(r"- alert: (\w+)\n(?:.*\n)*?\s+severity: (\w+)", RULES)
        self.assertEqual(len(alerts), RULES.count("- alert: "))
        for language in LANGUAGES:
            told = re.findall(r"\*\*(Wildwarden\w+)\*\*\s*[(（](\w+)[)）]", page(language))
            self.assertEqual(sorted(told), sorted(alerts), language)


class Queries(unittest.TestCase):
    def test_dashboard_and_rules_name_metrics_and_labels_that_there_are(self) -> None:
        for name, text in [("rules", RULES), *(("dashboard", expression) for expression in expressions())]:
            self.assertEqual(named(text) - set(TABLE), set(), f"{name}: {text}")
            for metric, matchers in re.findall(r"(?<![\w:])(wildwarden_\w+)\{([^}]*)\}", text):
                row = TABLE[family(metric)]
                for label, value in re.findall(r'(\w+)\s*[!=]~?\s*"([^"]*)"', matchers):
                    self.assertIn(label, set(row.labels) | ADDED, f"{name}: {metric}")
                    values = row.labels.get(label, frozenset())
                    if values and "$" not in value:
                        self.assertEqual(set(value.split("|")) - values, set(), f"{name}: {metric}: {label}")

    def test_what_is_summed_by_is_a_label(self) -> None:
        known = set().union(*(row.labels for row in TABLE.values())) | ADDED
        for text in (RULES, *expressions()):
            by = {label.strip() for group in re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", text) for label in group.split(",")}
            self.assertEqual(by - known, set(), text)

    def test_the_dashboard_shows_every_metric(self) -> None:
        self.assertEqual(set(TABLE) - set().union(*map(named, expressions())), set())

    def test_what_rules_record_is_recorded_before_it_is_used(self) -> None:
        recorded = re.findall(r"- record: (\S+)", RULES)
        used = re.findall(r"expr: (\w+:\w+:\w+)", RULES)
        self.assertLessEqual(set(used), set(recorded))
        self.assertEqual(len(recorded), len(set(recorded)))


class Rules(unittest.TestCase):
    def test_every_alert_says_how_bad_it_is_and_leads_to_what_to_do(self) -> None:
        tests = (PROMETHEUS / "rules.test.yml").read_text(encoding="utf-8")
        for block in RULES.split("- alert: ")[1:]:
            name = block.split("\n", 1)[0]
            with self.subTest(alert=name):
                self.assertRegex(block, r"\n\s+for: \d+[mh]\n")
                self.assertRegex(block, r"\n\s+severity: (critical|warning|info)\n")
                self.assertRegex(block, r"\n\s+summary: \S")
                to, _, anchor = re.search(r"\n\s+runbook_url: (\S+)", block)[1].partition("#")
                self.assertIn(anchor, anchors((ROOT / to).read_text(encoding="utf-8")))
                self.assertRegex(tests, rf"alertname: {name}\n.*\n\s+exp_alerts:\n\s+- exp_labels")


class Dashboard(unittest.TestCase):
    def test_it_needs_no_plugin_and_no_data_source_of_a_name(self) -> None:
        self.assertLessEqual({panel["type"] for panel in DASHBOARD["panels"]}, CORE)
        self.assertEqual(DASHBOARD["templating"]["list"][0]["type"], "datasource")
        sources = re.findall(r'"uid": "([^"]*)"', json.dumps(DASHBOARD))
        self.assertEqual(set(sources), {"wildwarden", "${datasource}", "-- Grafana --"})
        variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
        used = re.findall(r"\$\{?(\w+)", json.dumps([DASHBOARD["panels"], DASHBOARD["templating"], DASHBOARD["annotations"]]))
        self.assertEqual({name for name in used if not name.startswith("__")}, variables)

    def test_every_panel_says_what_it_shows_and_in_which_unit(self) -> None:
        for panel in panels():
            with self.subTest(panel=panel["title"]):
                self.assertTrue(panel["title"] and panel["description"].endswith("."))
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertTrue(panel["fieldConfig"]["defaults"]["thresholds"]["steps"])
                self.assertTrue(panel["targets"])
        numbers = [panel["id"] for panel in DASHBOARD["panels"]]
        self.assertEqual(len(numbers), len(set(numbers)))

    def test_no_panel_lies_over_another(self) -> None:
        for one, other in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            self.assertTrue(beside or above, f"{one} and {other}")
            self.assertLessEqual(one["x"] + one["w"], 24)


@unittest.skipUnless(shutil.which("promtool"), "promtool is missing: rules, configuration and queries are not checked")
class Promtool(unittest.TestCase):
    def run_it(self, *arguments: str | Path, cwd: Path = PROMETHEUS) -> None:
        run = subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, timeout=WITHIN)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_rules(self) -> None:
        self.run_it("check", "rules", "rules.yml")
        self.run_it("test", "rules", "rules.test.yml")

    def test_configuration(self) -> None:
        # It wants to see the key, which everybody writes themselves.
        folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "prometheus"
        shutil.copytree(PROMETHEUS, folder)
        (folder / "wildwarden.key").write_text("a key")
        self.run_it("check", "config", "prometheus.yml", cwd=folder)

    def test_queries_of_the_dashboard(self) -> None:
        # JSON is YAML.
        rules = [{"record": f"query:{number}", "expr": re.sub(r"\$\w+", ".*", expression)} for number, expression in enumerate(expressions())]
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "queries.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        self.run_it("check", "rules", "queries.yml", cwd=folder)


class Server:
    """A server on ports of its own, with a copy of the models, and keys."""

    KEYS = {"shop": ["classify"], "prometheus": ["metrics"], "operations": ["admin"]}
    # Large, and not everywhere: they are fetched.
    LEFT_OUT = ("clip_encoder", "text_detector", "text_recognizer")
    # Of ten bins; nothing that is rated here is like that.
    SHARES = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]

    def __init__(self, folder: Path) -> None:
        self.models, self.log = folder / "models", folder / "server.log"
        shutil.copytree(ROOT / "models", self.models, ignore=shutil.ignore_patterns("state.json", *self.LEFT_OUT))
        self.policy = (self.models / "policy.toml").read_text(encoding="utf-8")
        manifest = self.models / "ivory" / "1" / "model.toml"
        text = manifest.read_text(encoding="utf-8")
        if "reference" not in tomllib.loads(text)["card"]:
            manifest.write_text(f"{text}\n[card.reference]\nivory = {self.SHARES}\n", encoding="utf-8")
        keys = [f'{{ name = "{name}", sha256 = "{hashlib.sha256(name.encode()).hexdigest()}", roles = {json.dumps(roles)} }}' for name, roles in self.KEYS.items()]
        settings = folder / "wildwarden.toml"
        settings.write_text(f"""
            [server]
            listen = "127.0.0.1:0"
            admin_listen = "127.0.0.1:0"
            [models]
            directory = {json.dumps(str(self.models))}
            policy = {json.dumps(str(self.models / "policy.toml"))}
            poll_ms = 100
            [scheduler]
            max_wait_ms = 60000
            [auth]
            keys = [{", ".join(keys)}]
            [log]
            format = "json"
            [traces]
            otlp = "http://127.0.0.1:9"   # Nobody listens: spans are lost, and their ids are kept here.
            percent = 0.0
        """)
        with self.log.open("w") as out:
            self.process = subprocess.Popen([str(PROGRAM), "serve", "--config", str(settings)], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        self.until(lambda: self.said("serving"), "the server does not start")
        self.address, self.operators = self.said("listening"), self.said("listening for operators")

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self, message: str) -> str:
        """The address that the log tells with a message; nothing yet."""
        for line in filter(lambda line: line.startswith("{") and line.endswith("}\n"), self.log.read_text().splitlines(keepends=True)):
            fields = json.loads(line)["fields"]
            if fields.get("message") == message:
                return re.sub(r"^.*?(\d[\d.:]+)$", r"\1", fields["address"])
        return ""

    def until(self, holds: Callable[[], object], what: str) -> None:
        end = time.monotonic() + WITHIN
        while not holds():
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"{what}:\n{self.log.read_text()}")
            time.sleep(0.05)

    def ask(self, path: str, body: dict, **headers: str) -> int:
        """The status of what a caller is answered."""
        headers = {"content-type": "application/json", "authorization": "Bearer shop"} | {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://{self.address}{path}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=WITHIN) as answer:
                answer.read()
                return answer.status
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code

    def scrape(self) -> Scraped:
        request = urllib.request.Request(f"http://{self.operators}/metrics", headers={"authorization": "Bearer prometheus"})
        with urllib.request.urlopen(request, timeout=WITHIN) as answer:
            assert answer.headers["content-type"].startswith("application/openmetrics-text"), answer.headers
            return Scraped(answer.read().decode())

    def command(self, *arguments: str) -> None:
        command = [str(PROGRAM), "model", *arguments, "--server", f"http://{self.operators}", "--key", "operations"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=WITHIN)

    def put(self, policy: str, name: str = "policy.toml") -> None:
        """As operators do it: written beside and moved in."""
        beside = self.models / f".{name}"
        beside.write_text(policy, encoding="utf-8")
        beside.rename(self.models / name)


def image(name: str) -> dict:
    return {"content": base64.b64encode((ROOT / "tests" / "fixtures" / "images" / name).read_bytes()).decode()}


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@unittest.skipUnless(HAS_SERVER, "target/debug/wildwarden or ONNX Runtime is missing: the metrics of a server are not compared")
class Served(unittest.TestCase):
    maxDiff = None
    fresh: Scraped
    used: Scraped

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        server = Server(folder)
        cls.addClassCleanup(server.end)
        cls.fresh = server.scrape()

        # What callers send: an offer, twice, in a trace; a harmless title; a file that is no picture; nothing; a key that there is not.
        offer = {"requestId": "1", "title": "老象牙手镯 包浆好 家传 私聊", "images": [image("tusk.jpg")]}
        traced = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        cls.statuses = [
            server.ask("/v1/listings:rate", offer, **traced),
            server.ask("/v1/listings:rate", offer),
            server.ask("/v1/listings:rate", {"title": "summer dress with pockets"}),
            server.ask("/v1/listings:rate", {"title": "elephant tusk for sale", "images": [image("hostile/drawing.svg")]}),
            server.ask("/v1/listings:rate", {}),
            server.ask("/v1/listings:rate", offer, authorization="Bearer nobody"),
        ]
        # More than a thousand scores, of one photo that the cache knows: from there on a drift is told.
        many = {"items": [{"images": [image("tiny.png")] * 9}] * 64}
        cls.statuses += [server.ask("/v1/listings:batch", many) for _ in range(2)]
        cls.drifted = server.scrape()

        # What operators do: a policy that is none, one that serves, one that is tried.
        server.put("version = 1")
        refused = 'wildwarden_model_load_failures_total{model="policy"}'
        server.until(lambda: server.scrape().at_least(refused), "a broken policy is not counted")
        server.put(f"{server.policy}\n# Another.\n")
        switched = 'wildwarden_model_switches_total{outcome="switched"}'
        server.until(lambda: server.scrape().at_least(switched), "a policy that serves is not counted")
        server.put(f"{server.policy}\n# A third.\n", "other.policy.toml")
        server.put('policy = "other.policy.toml"\n', "other.set.toml")
        server.command("shadow", "--set", "other", "--share", "1")
        cls.statuses += [server.ask("/v1/listings:rate", {"title": "summer dress without pockets"})]
        tried = 'wildwarden_trial_listings_total{outcome="agreed"}'
        server.until(lambda: server.scrape().at_least(tried), "a listing that was rated twice is not counted")
        cls.used = server.scrape()

    def test_callers_got_what_was_meant(self) -> None:
        self.assertEqual(self.statuses, [200, 200, 200, 200, 400, 401, 200, 200, 200])

    def test_the_pages_list_what_is_scraped(self) -> None:
        for name, got in (self.drifted.families | self.used.families).items():
            with self.subTest(metric=name):
                self.assertIn(name, TABLE)
                self.assertEqual((got.kind, set(got.labels)), (TABLE[name].kind, set(TABLE[name].labels)))
                for label, values in got.labels.items():
                    if allowed := TABLE[name].labels[label]:
                        self.assertLessEqual(values, allowed, label)
                if got.unit:
                    self.assertEqual(TABLE[name].unit, got.unit)

    def test_what_the_pages_do_not_mark_is_there_from_the_start(self) -> None:
        always = {name for name, row in TABLE.items() if not row.may_be_absent}
        self.assertEqual(always - set(self.fresh.families), set())

    def test_what_the_pages_mark_comes_once_there_is_something_to_say(self) -> None:
        marked = {name for name, row in TABLE.items() if row.may_be_absent}
        self.assertLessEqual(set(UNSEEN), marked)
        self.assertEqual(marked - set(self.drifted.families) - set(self.used.families) - set(UNSEEN), set())

    def test_a_traced_listing_is_an_exemplar(self) -> None:
        self.assertRegex(self.used.text, rf'(?m)^wildwarden_listing_duration_seconds_bucket\{{.*\}} \d+ # \{{trace_id="{TRACE}"\}} \S+')

    def test_callers_are_told_apart_by_their_keys(self) -> None:
        self.assertIn("shop", self.used.families["wildwarden_requests_total"].labels["caller"])

    @unittest.skipUnless(shutil.which("promtool"), "promtool is missing: the metrics are not linted")
    def test_promtool_finds_no_fault(self) -> None:
        # It reads the older format: counters have their whole name in the comments, and there are no exemplars.
        text = re.sub(r"(?m)^# (HELP|TYPE) (\S+) (.*)$", lambda line: f"# {line[1]} {self.older(line[2])} {line[3]}", self.used.text)
        text = re.sub(r"(?m) # \{.*$", "", text).replace("# EOF\n", "")
        run = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=WITHIN)
        self.assertEqual((run.returncode, run.stdout + run.stderr), (0, ""))

    @staticmethod
    def older(name: str) -> str:
        return f"{name}_total" if f"{name}_total" in TABLE else name


if __name__ == "__main__":
    unittest.main()
