"""The OpenAPI document of the calls over HTTP: that it is one, what every part of it has to say, and that a server keeps to it whatever is
asked. Run by scripts/test.sh.

Needs target/debug/wildwarden (or WILDWARDEN, a path), ONNX Runtime in .runtime, and openapi-spec-validator and schemathesis in
.runtime/openapi, where scripts/test.sh puts them. WILDWARDEN_OPENAPI_CASES: random cases, 150 unless it says otherwise.
"""

import base64
import json
import os
import re
import subprocess
import tempfile
import unittest
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from server_process import serve

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".runtime" / "openapi" / "bin"
FILE = ROOT / "proto" / "src" / "generated" / "openapi.json"
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
SETTINGS = Path(__file__).with_name("schemathesis.toml").absolute()
# Taken out: a server refuses a variable of this kind that is none of its settings.
CASES = int(os.environ.pop("WILDWARDEN_OPENAPI_CASES", "150"))
TIMEOUT = 600
HAS_TOOLS = unittest.skipUnless((TOOLS / "schemathesis").exists(), "scripts/test.sh makes .runtime/openapi: the OpenAPI document is not tested with a server")

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
# What no random bytes are: a listing that gets every part of an answer.
LISTING = {
    "title": "老象牙手镯 包浆好 家传 私聊",
    "images": [{"imageId": "a", "content": base64.b64encode((ROOT / "tests/fixtures/images/tusk.jpg").read_bytes()).decode()}],
    "options": {"explainText": True, "explainImages": True, "imageSha256": True},
}
EXAMPLES = {"/v1/listings:rate": LISTING, "/v1/listings:batch": {"items": [LISTING, {"title": " "}]}}


def operations() -> Iterator[tuple[str, dict]]:
    for path, verbs in DOCUMENT["paths"].items():
        for verb, operation in verbs.items():
            yield f"{verb.upper()} {path}", operation


def references(part: object) -> set[str]:
    return set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(part)))


class Document(unittest.TestCase):
    @HAS_TOOLS
    def test_it_is_openapi(self) -> None:
        command = [TOOLS / "openapi-spec-validator", "--schema", "3.1", "--validation-errors", "all", FILE]
        run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_every_operation_has_a_name_a_summary_and_problems(self) -> None:
        names = [operation["operationId"] for _, operation in operations()]
        self.assertEqual(len(names), len(set(names)), "a name stands twice")
        for name, operation in operations():
            with self.subTest(name):
                self.assertRegex(operation["summary"], r"^[A-Z].*\.$")
                refused = [status for status, response in operation["responses"].items() if response["content"] == PROBLEM]
                self.assertEqual({status[0] for status in refused}, {"4", "5"}, "a refusal is a problem")

    def test_every_schema_and_property_says_what_it_is(self) -> None:
        for name, schema in DOCUMENT["components"]["schemas"].items():
            self.assertIn("description", schema, name)
            properties = schema.get("properties", {})
            self.assertLessEqual(set(schema.get("required", ())), properties.keys(), name)
            for key, of in properties.items():
                self.assertTrue({"description", "$ref"} & of.keys(), f"{name}.{key}")

    def test_nothing_is_described_that_nothing_uses(self) -> None:
        components, used = DOCUMENT["components"], references(DOCUMENT["paths"])
        while more := references([self.at(path) for path in used]) - used:
            used |= more
        described = {f"#/components/{kind}/{name}" for kind in ("parameters", "schemas") for name in components[kind]}
        self.assertEqual(described, used)

    def at(self, path: str) -> object:
        part = DOCUMENT
        for name in path.removeprefix("#/").split("/"):
            part = part[name]
        return part


@HAS_TOOLS
class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.address = "http://" + serve(cls.folder / "server.log", cls.addClassCleanup)["serving"]

    def test_the_document_is_served(self) -> None:
        with urllib.request.urlopen(f"{self.address}/v1/openapi.json", timeout=TIMEOUT) as response:
            self.assertEqual(response.headers["content-type"], "application/json")
            self.assertEqual(response.read(), FILE.read_bytes())

    def test_whatever_is_asked_the_answer_is_one_of_the_document(self) -> None:
        # Probes take nothing that could be varied.
        each = CASES // sum("parameters" in operation for _, operation in operations())
        self.assertGreater(self.ask(FILE, "coverage,fuzzing", "--max-examples", str(each)), CASES)

    def test_a_listing_with_everything_gets_an_answer_of_the_document(self) -> None:
        told = json.loads(FILE.read_text(encoding="utf-8"))
        for path, example in EXAMPLES.items():
            told["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"] = example
        document = self.folder / "openapi.json"
        document.write_text(json.dumps(told))
        self.assertGreaterEqual(self.ask(document, "examples"), len(EXAMPLES))

    def ask(self, document: Path, phases: str, *options: str) -> int:
        """How many cases were asked; every answer was as `document` says."""
        command = [TOOLS / "schemathesis", "--config-file", SETTINGS, "--no-color", "run", document, "--url", self.address, "--phases", phases, *options]
        run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT)
        said = run.stdout + run.stderr
        self.assertEqual(run.returncode, 0, said)
        cases, passed = map(int, re.search(r"(\d+) generated, (\d+) passed", said).groups())
        self.assertEqual(cases, passed, said)
        return cases


if __name__ == "__main__":
    unittest.main()
