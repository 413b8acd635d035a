"""What training writes into policy.toml: its numbers, and nothing that people wrote there."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "train"))

import tomlkit  # noqa: E402

import policy  # noqa: E402

SHIPPED = ROOT / "models" / "policy.toml"


def fitted(document: tomlkit.TOMLDocument, wider: float) -> str:
    """The policy with the looks and joins that it has, each band beginning `wider` lower."""
    found = document.unwrap()
    for modality, (look,) in ((modality, found["looks"][modality]) for modality in ("images", "texts")):
        bands = {name: (band["from"] - wider, band["to"]) for name, band in look["bands"].items()}
        policy.set_second_look(document, modality, look["models"], look["share"], bands)
    for category in found["category"]:
        for modality, weights in category["join"].items():
            policy.set_join(document, category["name"], modality, weights)
    return tomlkit.dumps(document)


class PolicyFile(unittest.TestCase):
    def test_the_shipped_policy_with_its_own_numbers_is_the_same_file(self) -> None:
        self.assertEqual(fitted(policy.read(SHIPPED), 0.0), SHIPPED.read_text(encoding="utf-8"))

    def test_other_bands_change_their_lines_alone(self) -> None:
        before, after = SHIPPED.read_text(encoding="utf-8").splitlines(), fitted(policy.read(SHIPPED), 0.01).splitlines()
        self.assertEqual(len(before), len(after))
        changed = [line for line, other in zip(before, after, strict=True) if line != other]
        self.assertEqual([line.partition(" ")[0] for line in changed], ["bands", "bands"])

    def test_a_policy_without_looks_gets_them_and_keeps_its_comments(self) -> None:
        document = tomlkit.parse('[[category]]\nname = "tusk"\n[category.fusion]\nimage = 1.0\n\n# Lower ends.\n[levels]\nlow = 0.1\n')
        policy.set_join(document, "tusk", "images", {"tusk": 0.4, "tusk_clip": 0.6})
        policy.set_second_look(document, "images", ["tusk_clip"], 0.1, {"tusk": (0.5, 0.9)})
        text = tomlkit.dumps(document)
        self.assertIn("# Lower ends.\n[levels]", text)
        self.assertIn("bands = { tusk = { from = 0.5, to = 0.9 } }", text)
        self.assertEqual(document.unwrap()["category"][0]["join"], {"images": {"tusk": 0.4, "tusk_clip": 0.6}})


if __name__ == "__main__":
    unittest.main()
