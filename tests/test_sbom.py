"""What scripts/sbom.py lists. Needs nothing but Python: no cargo, no network."""

import json
import os
import re
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import sbom  # noqa: E402

HASHES = re.compile("[0-9a-f]{64}")
LOCK = """
[[package]]
name = "wildwarden"
version = "0.1.0"
dependencies = ["syn 2.0.0", "ring"]
[[package]]
name = "syn"
version = "1.0.0"
source = "registry"
checksum = "aa"
[[package]]
name = "syn"
version = "2.0.0"
source = "registry"
checksum = "bb"
[[package]]
name = "ring"
version = "0.17.1+x"
source = "registry"
checksum = "cc"
"""


def digests(components: list[dict]) -> set[str]:
    return {found["content"] for component in components for found in component.get("hashes", [])}


class Bill(unittest.TestCase):
    def setUp(self) -> None:
        self.bill = sbom.bill(ROOT, {}, set())

    def test_every_package_of_the_lock_file_is_listed_with_its_hash(self) -> None:
        # Read without a TOML parser, so that a fault in how the script reads it shows.
        lock = (ROOT / "Cargo.lock").read_text(encoding="utf-8")
        wanted = set(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', lock, re.M))
        found = {(component["name"], component["version"]) for component in self.bill["components"]}
        program = self.bill["metadata"]["component"]
        self.assertGreater(len(wanted), 100)
        self.assertEqual(wanted - found, {(program["name"], program["version"])})
        self.assertEqual(set(re.findall(r'^checksum = "(.+)"$', lock, re.M)) - digests(self.bill["components"]), set())

    def test_every_hash_that_the_scripts_pin_is_listed(self) -> None:
        scripts = [ROOT / "scripts" / "setup.sh", ROOT / "scripts" / "models" / "fetch.sh"]
        pinned = {found for script in scripts for found in HASHES.findall(script.read_text(encoding="utf-8"))}
        self.assertGreaterEqual(len(pinned), 5)
        self.assertEqual(pinned - digests(self.bill["components"]), set())

    def test_every_shipped_or_fetched_model_is_listed_with_its_graph(self) -> None:
        listed = {component["name"] for component in self.bill["components"] if component["type"] == "machine-learning-model"}
        self.assertLessEqual({"clip_encoder", "image_encoder", "ivory", "text_classifier", "text_detector", "text_recognizer"}, listed)

    def test_references_are_unique_and_every_dependency_names_one(self) -> None:
        references = [component["bom-ref"] for component in self.bill["components"]] + [self.bill["metadata"]["component"]["bom-ref"]]
        self.assertEqual(len(references), len(set(references)))
        for entry in self.bill["dependencies"]:
            self.assertLessEqual({entry["ref"], *entry["dependsOn"]}, set(references))

    def test_the_same_tree_gives_the_same_bytes_and_time_is_given(self) -> None:
        self.assertEqual(json.dumps(self.bill), json.dumps(sbom.bill(ROOT, {}, set())))
        with mock.patch.dict(os.environ, {"SOURCE_DATE_EPOCH": "0"}):
            self.assertEqual(sbom.bill(ROOT, {}, set())["metadata"]["timestamp"], "1970-01-01T00:00:00Z")


class MadeUp(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "Cargo.lock").write_text(LOCK, encoding="utf-8")

    def test_licences_come_from_cargo_and_what_is_not_linked_is_excluded(self) -> None:
        metadata = {"packages": [{"name": "ring", "version": "0.17.1+x", "license": "MIT/Apache-2.0", "manifest_path": "/nowhere/Cargo.toml"}]}
        linked = sbom.read_linked("0wildwarden v0.1.0 (/x)\n1macro v1.0.0 (proc-macro)\n2syn v2.0.0\n1ring v0.17.1+x\n")
        self.assertEqual(linked, {("wildwarden", "0.1.0"), ("ring", "0.17.1+x")})
        found = {component["bom-ref"]: component for component in sbom.crates(sbom.locked(self.root), metadata, linked)}
        ring = found["pkg:cargo/ring@0.17.1%2Bx"]
        self.assertEqual((ring["scope"], ring["licenses"]), ("required", [{"expression": "MIT OR Apache-2.0"}]))
        self.assertEqual(found["pkg:cargo/syn@2.0.0"]["scope"], "excluded")
        self.assertNotIn("purl", found["pkg:cargo/wildwarden@0.1.0"])

    def test_of_two_versions_the_one_that_is_needed_is_named(self) -> None:
        entry = next(entry for entry in sbom.graph(sbom.locked(self.root)) if "wildwarden" in entry["ref"])
        self.assertEqual(entry["dependsOn"], ["pkg:cargo/ring@0.17.1%2Bx", "pkg:cargo/syn@2.0.0"])

    def test_source_in_another_language_inside_a_package_is_listed(self) -> None:
        (self.root / "libjpeg-turbo").mkdir()
        (self.root / "libjpeg-turbo" / "CMakeLists.txt").write_text("project(x)\nset(VERSION 3.1.0)\n", encoding="utf-8")
        self.assertEqual(sbom.vendored(self.root / "Cargo.toml")[0]["version"], "3.1.0")
        self.assertEqual(sbom.vendored(self.root / "elsewhere" / "Cargo.toml"), [])

    def test_a_script_that_pins_in_another_way_is_an_error_and_no_shorter_list(self) -> None:
        (self.root / "scripts" / "models").mkdir(parents=True)
        for name in ("setup.sh", "models/fetch.sh"):
            text = (ROOT / "scripts" / name).read_text(encoding="utf-8")
            (self.root / "scripts" / name).write_text(text.replace("wheel rapidocr==", "unpack rapidocr "), encoding="utf-8")
        with self.assertRaises(ValueError):
            sbom.wheels(self.root)


if __name__ == "__main__":
    unittest.main()
