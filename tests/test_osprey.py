"""Runs the UDFs for Osprey and their sample ruleset, clients/osprey, against a server of its own. Run by scripts/test.sh.

Osprey is built from its repository (pip's `osprey` is another project), so what the UDFs take of it is declared here, after its published
interface, and its rules are run as the Python that their language is a part of. Needs target/debug/wildwarden (or WILDWARDEN, a path) and
ONNX Runtime in .runtime.
"""

import ast
import base64
import importlib.util
import json
import os
import re
import sys
import tempfile
import threading
import time
import types
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Generic, List, Optional, TypeVar, get_type_hints
from unittest import mock

from server_process import serve

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / "clients" / "osprey"
PATIENT = {"WILDWARDEN_DEADLINE_MS": "60000"}  # on a busy machine

TITLE = "老象牙手镯 包浆好 家传 私聊"
PHOTO = base64.b64encode((ROOT / "tests/fixtures/images/rendered/bangle.jpg").read_bytes()).decode()
HARMLESS = {"title": "陶瓷咖啡杯 白色 全新 包邮", "photos": [base64.b64encode((ROOT / "tests/fixtures/images/mug.jpg").read_bytes()).decode()]}

Arguments, Value = TypeVar("Arguments"), TypeVar("Value")


class ArgumentsBase:
    def __init__(self, **values: Any) -> None:
        known = get_type_hints(type(self))
        assert set(values) <= set(known), f"{type(self).__name__} takes no {set(values) - set(known)}"
        for name in known:
            assert name in values or hasattr(type(self), name), f"{type(self).__name__} needs {name}"
        self.__dict__.update(values)


class UDFBase(Generic[Arguments, Value]):
    def __init__(self, validation_context: Any, arguments: Any) -> None:
        pass

    @classmethod
    def arguments(cls) -> type[ArgumentsBase]:
        return cls.__orig_bases__[0].__args__[0]


class ExpectedUdfException(Exception):
    pass


def module() -> types.ModuleType:
    """The UDFs, beside a stand-in for what they import."""
    stands_in = {
        "osprey.engine.executor.execution_context": {"ExecutionContext": object, "ExpectedUdfException": ExpectedUdfException},
        "osprey.engine.udf.arguments": {"ArgumentsBase": ArgumentsBase},
        "osprey.engine.udf.base": {"UDFBase": UDFBase},
        "osprey.worker.adaptor.plugin_manager": {"hookimpl_osprey": lambda hook: hook},
    }
    modules = {}
    for path, names in stands_in.items():
        for end in range(1, path.count(".") + 2):
            name = ".".join(path.split(".")[:end])
            modules.setdefault(name, types.ModuleType(name))
        modules[path].__dict__.update(names)
    spec = importlib.util.spec_from_file_location("wildwarden_udf", CLIENT / "wildwarden_udf.py")
    found = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, modules | {"wildwarden_udf": found}):
        spec.loader.exec_module(found)
    return found


UDF = module()


def call(udf: type[UDFBase], **values: Any) -> Any:
    arguments = udf.arguments()(**values)
    return udf(None, arguments).execute(None, arguments)


class Door:
    """A server that says what it is told, and keeps what it was asked."""

    def __init__(self, *answers: tuple[int, Any, dict[str, str]]) -> None:
        door, self.asked = self, []
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                door.asked.append({"at": time.monotonic(), "path": self.path, "headers": dict(self.headers.items()), "body": json.loads(body)})
                status, answer, headers = left.pop(0) if len(left) > 1 else left[0]
                said = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(said)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


RATED = {
    "suggestion": "SUGGESTION_PASS",
    "risk": 0.001,
    "categories": [{"category": "ivory", "probability": 0.001}, {"category": "rhino_horn", "probability": 0.01, "unrated": True}],
    "reasons": [],
}


class Osprey(unittest.TestCase):
    def environment(self, **values: str) -> None:
        self.enterContext(mock.patch.dict(os.environ, values))

    def door(self, *answers: tuple[int, Any, dict[str, str]]) -> Door:
        door = Door(*answers)
        self.addCleanup(door.close)
        self.environment(WILDWARDEN_SERVER=door.url)
        return door

    def rate(self, **values: Any) -> Any:
        return call(UDF.RateListing, **{"listing_id": "42", "title": TITLE} | values)

    def test_a_refusal_is_asked_again_after_its_delay_with_key_id_and_what_is_left(self) -> None:
        full = {"status": 429, "reason": "QUEUE_FULL", "retryAfterMs": 300}
        door = self.door((429, full, {"retry-after": "1"}), (200, RATED, {}))
        self.environment(WILDWARDEN_KEY="a key", WILDWARDEN_LANGUAGE="zh", **PATIENT)
        rating = self.rate(description="d", photos=[PHOTO])
        self.assertEqual((rating.suggestion, rating.failure, rating.risk), ("PASS", "", 0.001))
        first, second = door.asked
        self.assertGreaterEqual(second["at"] - first["at"], 0.3)
        self.assertEqual(first["body"], second["body"])
        self.assertEqual(first["body"] | {"requestId": ""}, {
            "requestId": "", "listingId": "42", "title": TITLE, "description": "d", "images": [{"content": PHOTO}],
        })  # fmt: skip
        self.assertRegex(first["body"]["requestId"], r"^\w{32}$")
        for asked in door.asked:
            self.assertEqual(asked["path"], "/v1/listings:rate")
            self.assertEqual(asked["headers"]["authorization"], "Bearer a key")
            self.assertEqual(asked["headers"]["accept-language"], "zh")
        lefts = [int(asked["headers"]["x-timeout-ms"]) for asked in door.asked]
        self.assertTrue(0 < lefts[1] <= lefts[0] - 300 < 60_000, lefts)

    def test_a_delay_beyond_the_deadline_is_not_waited_for(self) -> None:
        door = self.door((503, b"<html>", {"retry-after": "9"}))
        self.environment(WILDWARDEN_DEADLINE_MS="5000")
        began = time.monotonic()
        rating = self.rate()
        self.assertLess(time.monotonic() - began, 4)
        self.assertEqual((rating.suggestion, rating.failure, len(door.asked)), ("REVIEW", "HTTP_503", 1))

    def test_without_a_rating_a_person_looks(self) -> None:
        cases = [
            ((400, {"reason": "FIELD_INVALID"}, {}), "FIELD_INVALID"),
            ((401, {"reason": 7}, {}), "HTTP_401"),
            ((302, b"", {"location": "http://127.0.0.1:9/"}), "HTTP_302"),
            ((200, b"no JSON", {}), "BAD_ANSWER"),
            ((200, [], {}), "BAD_ANSWER"),
            ((200, RATED | {"suggestion": "SUGGESTION_DELETE"}, {}), "BAD_ANSWER"),
            ((200, RATED | {"risk": "high"}, {}), "BAD_ANSWER"),
            ((200, {"suggestion": "SUGGESTION_PASS"}, {}), "BAD_ANSWER"),
        ]
        for answer, failure in cases:
            with self.subTest(answer=answer):
                door = self.door(answer)
                rating = self.rate()
                self.assertEqual((rating.suggestion, rating.failure, rating.risk, len(door.asked)), ("REVIEW", failure, None, 1))
                self.assertEqual(call(UDF.RatingSuggestion, rating=rating), "REVIEW")
                self.assertEqual(call(UDF.RatingFailure, rating=rating), failure)
                self.assertEqual((call(UDF.RatingReasons, rating=rating), call(UDF.RatingText, rating=rating)), ([], ""))
                # Rules over a number that is not there are skipped.
                self.assertRaises(ExpectedUdfException, call, UDF.RatingRisk, rating=rating)
                self.assertRaises(ExpectedUdfException, call, UDF.RatingProbability, rating=rating, of="ivory")
        self.assertEqual(self.rate(title=" ").failure, "NOTHING_TO_RATE")

    def test_a_server_that_is_not_there_or_does_not_answer_is_waited_for_until_the_deadline(self) -> None:
        self.environment(WILDWARDEN_SERVER="http://127.0.0.1:9", WILDWARDEN_DEADLINE_MS="300")
        self.assertEqual((self.rate().suggestion, self.rate().failure), ("REVIEW", "UNREACHABLE"))
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
            self.environment(WILDWARDEN_SERVER=f"http://127.0.0.1:{silent.server_address[1]}")
            began = time.monotonic()
            self.assertEqual(self.rate().failure, "DEADLINE_EXCEEDED")
            self.assertGreaterEqual(time.monotonic() - began, 0.25)

    def test_what_was_not_rated_is_no_number_and_a_photo_without_bytes_no_pass(self) -> None:
        door = self.door((200, RATED, {}))
        rating = self.rate(photos=[PHOTO, "no base64!"])
        self.assertEqual((rating.suggestion, rating.failure, rating.risk), ("REVIEW", "PHOTOS_UNREADABLE", 0.001))
        self.assertEqual(len(door.asked[0]["body"]["images"]), 1)
        self.assertEqual(call(UDF.RatingProbability, rating=rating, of="ivory"), 0.001)
        self.assertRaises(ExpectedUdfException, call, UDF.RatingProbability, rating=rating, of="rhino_horn")
        with mock.patch.object(UDF, "read_photo", {"photo-7": b"bytes"}.get):
            self.rate(photos=["photo-7"])
        self.assertEqual(door.asked[1]["body"]["images"], [{"content": base64.b64encode(b"bytes").decode()}])

    def test_wrong_settings_stop_the_start(self) -> None:
        for name, value in [("SERVER", "127.0.0.1:50051"), ("SERVER", "ftp://a"), ("DEADLINE_MS", "0"), ("DEADLINE_MS", "soon")]:
            with self.subTest(name=name, value=value), mock.patch.dict(os.environ, {f"WILDWARDEN_{name}": value}):
                self.assertRaises(ValueError, UDF.RateListing, None, None)

    def test_every_udf_is_registered_and_says_what_it_is(self) -> None:
        classes = [found for found in vars(UDF).values() if isinstance(found, type) and issubclass(found, UDFBase) and found is not UDFBase]
        self.assertEqual(UDF.register_udfs(), classes)
        for udf in classes:
            self.assertTrue(udf.__doc__)
            (arguments, value) = udf.__orig_bases__[0].__args__
            self.assertTrue(issubclass(arguments, ArgumentsBase))
            self.assertIn(value, (UDF.ListingRating, str, float, List[str]))


class Rules(unittest.TestCase):
    """The sample ruleset, with real ratings."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.enterClassContext(mock.patch.dict(os.environ, {"WILDWARDEN_SERVER": "http://" + serve(folder / "server.log", cls.addClassCleanup)["serving"], **PATIENT}))

    def run_rules(self, listing: dict[str, Any], labels: dict[str, set[str]] | None = None) -> tuple[dict[str, Any], list[str]]:
        """What the rules name, and their effects. What fails is None, and so is what is made of it, as in Osprey."""
        labels, effects = labels or {}, []
        data = {"listing": {"id": "42", "seller": "s-19"} | listing}

        def json_data(path: str, required: bool = True, type: str = "") -> Any:
            value: Any = data
            for key in path.removeprefix("$.").split("."):
                value = value[key] if required else value.get(key)
            return value

        def when_rules(rules_any: list[Any], then: list[str]) -> None:
            if any(rules_any):
                effects.extend(then)

        names: dict[str, Any] = {
            "Entity": List, "Optional": Optional, "List": List,
            "EntityJson": json_data, "JsonData": json_data,
            "HasLabel": lambda entity, label: label in labels.get(entity, ()),
            "Rule": lambda when_all, description: all(when_all),
            "WhenRules": when_rules,
            "DeclareVerdict": lambda verdict: f"verdict {verdict}",
            "LabelAdd": lambda entity, label: f"{label} on {entity}",
        }  # fmt: skip
        names |= {udf.__name__: (lambda udf: lambda **values: call(udf, **values))(udf) for udf in UDF.register_udfs()}
        rules = CLIENT / "wildlife.sml"
        for statement in ast.parse(rules.read_text(encoding="utf-8")).body:
            read = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
            stored = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
            optional = {"ListingTitle", "_Description"}
            try:
                if stored and any(name in names and names[name] is None for name in read - optional):
                    raise ExpectedUdfException
                exec(compile(ast.Module([statement], []), str(rules), "exec"), names)
            except ExpectedUdfException:
                names |= dict.fromkeys(stored)
        return names, effects

    def test_the_handbook_shows_rules_of_the_ruleset(self) -> None:
        (shown,) = re.findall(r"^```python[^\n]*\n(.*?)^```$", (ROOT / "docs/en/src/rules.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        self.assertIn(shown, (CLIENT / "wildlife.sml").read_text(encoding="utf-8"))

    def test_a_suspected_listing_goes_to_a_person_with_its_reasons(self) -> None:
        names, effects = self.run_rules({"title": TITLE, "photos": [PHOTO]})
        self.assertEqual(names["WildlifeFailure"], "")
        self.assertEqual(names["WildlifeSuggestion"], "REVIEW")
        self.assertGreater(names["WildlifeRisk"], 0.5)
        self.assertGreater(names["WildlifeIvory"], 0.5)
        self.assertLessEqual({"TEXT_EVIDENCE", "CLAIM_TERM", "CLAIM_FOR_SALE"}, set(names["WildlifeReasons"]))
        self.assertIn("象牙", names["WildlifeText"])
        self.assertEqual((names["Wildlife_Review"], names["Wildlife_Again"], names["Wildlife_Not_Rated"]), (True, False, False))
        self.assertEqual(effects, ["verdict review", "wildlife_review on 42"])

    def test_rules_read_what_the_server_alone_and_what_the_platform_alone_knows(self) -> None:
        names, _ = self.run_rules({"title": "出 象-牙 手串 私聊", "photos": []}, {"s-19": {"wildlife_suspected"}})
        self.assertIn("DISGUISED_CLAIM", names["WildlifeReasons"])
        self.assertTrue(names["Wildlife_Ivory_In_Disguise"])
        self.assertTrue(names["Wildlife_Again"])

    def test_a_harmless_listing_passes(self) -> None:
        names, effects = self.run_rules(HARMLESS, {"s-19": {"wildlife_suspected"}})
        self.assertEqual((names["WildlifeSuggestion"], names["WildlifeFailure"], effects), ("PASS", "", []))

    def test_what_cannot_be_rated_goes_to_a_person(self) -> None:
        names, effects = self.run_rules({"title": "x" * 70_000, "photos": []})
        self.assertEqual((names["WildlifeSuggestion"], names["WildlifeFailure"]), ("REVIEW", "FIELD_INVALID"))
        self.assertEqual((names["WildlifeRisk"], names["Wildlife_Ivory_In_Disguise"]), (None, None))
        self.assertEqual(effects, ["verdict review", "wildlife_review on 42"])


if __name__ == "__main__":
    unittest.main()
