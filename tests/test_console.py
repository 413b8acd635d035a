"""The console's assets: what its security policy forbids, that both languages say the same, that colours can be read, and that its
modules parse and compute what they should (where node is there)."""

import json
import re
import shutil
import subprocess
import unittest
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSOLE = ROOT / "src" / "server" / "console"
MODULES = sorted(CONSOLE.glob("*.js"))
LANGUAGES = ("en", "zh")
# The namespace of SVG is a name, and nothing is loaded from it.
ADDRESSES = {"http://www.w3.org/2000/svg"}
# What texts name besides the contract's enums: arguments of reasons, the metrics' labels, the policy's entries.
NAMED = {
    "image_status": {"frames_left_out", "damaged"},
    "attribution": {"unspecified"},
    "suggestion_means": {"pass", "review", "block"},
    "left_out": {"busy", "budget", "late", "absent"},
    "look_outcome": {"taken", "busy", "budget", "late", "absent"},
    "modality": {"images", "texts", "words"},
    "turned_away": {"resource_exhausted", "unavailable", "deadline_exceeded"},
    "image_label": {"live_animal", "shows_words"},
    "reason": {"between", "list", "words", "probability"},
}


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def texts(language: str) -> dict[str, str]:
    pairs = json.loads(read(CONSOLE / f"texts.{language}.json"), object_pairs_hook=list)
    assert len({key for key, _ in pairs}) == len(pairs), f"{language}: a key stands twice"
    return dict(pairs)


def code(path: Path) -> str:
    """A module without its comments."""
    without_blocks = re.sub(r"/\*.*?\*/", "", read(path), flags=re.DOTALL)
    return "\n".join(re.sub(r"(^|\s)//.*", "", line) for line in without_blocks.splitlines())


ALL_CODE = "\n".join(code(path) for path in MODULES)
# The server writes reasons as sentences, from the same texts.
SERVER = read(ROOT / "src/server/transport/sentences.rs").split("#[cfg(test)]")[0]


def enum_values(prefix: str) -> set[str]:
    """The values of the contract's enum with that prefix, without the one that is never sent."""
    contract = "\n".join(read(ROOT / "proto/wildwarden/v1" / name) for name in ("risk.proto", "models.proto"))
    names = re.findall(rf"^  {prefix}_([A-Z0-9_]+) = \d+;", contract, flags=re.MULTILINE)
    return {name.lower() for name in names if name != "UNSPECIFIED"}


class Markup(HTMLParser):
    """Elements of the page, with attributes, and what stands between them."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.inside, data.strip()))


PAGE = Markup()
PAGE.feed(read(CONSOLE / "index.html"))


class Safety(unittest.TestCase):
    def test_data_never_becomes_markup_or_code(self) -> None:
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "new Function", "srcdoc"):
            self.assertNotIn(forbidden, ALL_CODE)
        self.assertNotRegex(ALL_CODE, r"setAttribute\(\"style\"|[{,] style:|set(?:Timeout|Interval)\([\"'`]")

    def test_nothing_is_loaded_from_elsewhere(self) -> None:
        for path in (path for path in CONSOLE.iterdir() if path.is_file()):
            named = set(re.findall(r"\w+://[^\s\"'`<>)]+", read(path)))
            self.assertEqual(named - ADDRESSES, set(), path.name)
        self.assertNotRegex(read(CONSOLE / "console.css"), r"@import|url\(")
        imported = re.findall(r"from \"([^\"]+)\"", ALL_CODE)
        self.assertEqual({name for name in imported if not (name.startswith("./") and (CONSOLE / name).is_file())}, set())
        loaded = [attributes.get("src") or attributes.get("href") for tag, attributes in PAGE.elements if tag in ("script", "link", "img")]
        self.assertEqual(loaded, ["data:,", "console.css", "console.js"])

    def test_the_page_has_no_script_style_or_handler_in_it(self) -> None:
        self.assertEqual([words for inside, words in PAGE.words if inside in ("script", "style")], [])
        for tag, attributes in PAGE.elements:
            self.assertNotEqual(tag, "style")
            named = [name for name in attributes if name == "style" or name.startswith("on") or name in ("action", "formaction")]
            self.assertEqual(named, [], tag)

    def test_the_key_is_kept_for_the_session_alone(self) -> None:
        api = code(CONSOLE / "api.js")
        self.assertNotIn("localStorage", api)
        self.assertIn('keep("sessionStorage", KEY, typed)', api)
        self.assertNotIn("document.cookie", ALL_CODE)


class Texts(unittest.TestCase):
    def test_both_languages_have_the_same_keys_in_the_same_order_and_say_something(self) -> None:
        english, chinese = (texts(language) for language in LANGUAGES)
        self.assertEqual(list(english), list(chinese))
        for language in LANGUAGES:
            # Between two sentences Chinese has nothing.
            empty = [key for key, text in texts(language).items() if not text and (key, language) != ("reason.between", "zh")]
            self.assertEqual(empty, [])

    def test_both_languages_fill_in_the_same_values(self) -> None:
        english, chinese = (texts(language) for language in LANGUAGES)
        for key, text in english.items():
            values = [sorted(set(re.findall(r"\{(\w+)\}", said))) for said in (text, chinese[key])]
            self.assertEqual(values[0], values[1], key)

    def test_no_page_mixes_languages(self) -> None:
        han = re.compile(r"[\u3400-\u9fff]")
        english, chinese = (texts(language) for language in LANGUAGES)
        self.assertEqual([key for key, text in english.items() if han.search(text)], ["app.other_language"])
        without = {key for key, text in chinese.items() if not han.search(text)}
        signs = {"reason.between", "reason.list", "term.open", "unit.percent", "unit.mebibytes"}
        self.assertEqual(without, signs | {"app.other_language", "contact_kind.qq"})
        # Words in the modules and the page itself would be in one language only.
        self.assertEqual([path.name for path in MODULES if han.search(read(path))], [])
        self.assertEqual([words for _, words in PAGE.words], ["Wildwarden", "Wildwarden"])

    def test_every_key_in_use_exists_and_every_key_is_used(self) -> None:
        known = set(texts("en"))
        spaces = {key.split(".")[0] for key in known}
        quoted = set(re.findall(r"[\"'`]([a-z_]+\.[a-z0-9_.-]+)[\"'`]", ALL_CODE))
        used = {key for key in quoted if key.split(".")[0] in spaces} - {f"texts.{language}.json" for language in LANGUAGES}
        used |= {attributes[name] or "" for _, attributes in PAGE.elements for name in ("data-text", "data-label") if name in attributes}
        used |= {key for key in re.findall(r"say\(\"([a-z_]+\.[a-z_]+)\"\)", SERVER)}
        self.assertEqual(used - known, set())
        enums = set(re.findall(r"sayEnum\(\"([A-Z_]+)\"", ALL_CODE))
        by_value = set(re.findall(r"sayAs\(\"([a-z_]+)\"", ALL_CODE)) | {prefix.lower() for prefix in enums}
        by_value |= set(re.findall(r"say\(`([a-z_]+)\.\$\{", ALL_CODE)) | set(re.findall(r"keysOf\(\"([a-z_]+)\"", ALL_CODE))
        by_value |= set(re.findall(r"(?:name\(|format!\()\"([a-z_]+)(?:\"|\.\{)", SERVER))
        unused = {key for key in known - used if key.split(".")[0] not in by_value}
        self.assertEqual(unused, set())

    def test_every_value_of_the_contract_has_words_and_no_other_has(self) -> None:
        known = texts("en")
        shown = {*re.findall(r"sayEnum\(\"([A-Z_]+)\"", ALL_CODE), "REASON_CODE"}
        self.assertGreater(len(shown), 9)
        for prefix in shown:
            space = prefix.lower()
            said = {key.removeprefix(f"{space}.") for key in known if key.startswith(f"{space}.")}
            self.assertEqual(said, enum_values(prefix) | NAMED.get(space, set()), prefix)
            self.assertTrue(enum_values(prefix), prefix)
        for space in set(NAMED) - {"image_status", "attribution"}:
            said = {key.removeprefix(f"{space}.") for key in known if key.startswith(f"{space}.")}
            self.assertEqual(said, NAMED[space], space)

    def test_every_stage_law_and_refusal_of_the_server_has_words(self) -> None:
        known = texts("en")
        sources = "\n".join(read(path) for path in (ROOT / "src/core").rglob("*.rs"))
        stages = set(re.findall(r"(?:metrics|self)\.stage\(\"(\w+)\"", sources)) | set(re.findall(r"\"(later_\w+_looks)\"", sources))
        timings = re.search(r"^message Timings \{(.*?)^\}", read(ROOT / "proto/wildwarden/v1/risk.proto"), flags=re.DOTALL | re.MULTILINE)
        stages |= set(re.findall(r"uint64 (\w+)_us", timings[1] if timings else ""))
        self.assertEqual({key.removeprefix("stage.") for key in known if key.startswith("stage.")}, stages)
        laws = re.findall(r"^\[\[legal_basis\]\]\nid = \"([^\"]+)\"", read(ROOT / "models/policy.toml"), flags=re.MULTILINE)
        self.assertEqual([key for key in known if key.startswith("law.")], [f"law.{law}" for law in laws])
        refusals = set(re.findall(r"=> \"([A-Z_]+)\"", read(ROOT / "src/server/transport/status.rs").split("pub fn reason(")[1].split("\n}")[0]))
        refusals |= {"NOT_SERVED"}
        self.assertEqual({f"refusal.{reason.lower()}" for reason in refusals} - set(known), set())

    def test_metrics_are_called_as_the_server_calls_them(self) -> None:
        registered = set(re.findall(r"register(?:_with_unit)?\(\s*\"(\w+)\"", read(ROOT / "src/core/metrics.rs")))
        page = code(CONSOLE / "live.js")
        asked = {re.sub(r"_(total|seconds|bytes)$", "", name) for name in re.findall(r"(?:rate|gauge|sharesOf)\(\"(\w+)\"", page)}
        asked |= {name.removesuffix("_seconds") for name in re.findall(r"\$\{PREFIX\}(\w+)", page)}
        self.assertEqual(asked - registered, set())
        self.assertGreater(len(asked), 7)


class Access(unittest.TestCase):
    def test_every_field_has_a_label_and_every_named_element_is_there(self) -> None:
        ids = {attributes["id"] for _, attributes in PAGE.elements if "id" in attributes}
        labelled = {attributes["for"] for tag, attributes in PAGE.elements if tag == "label" and "for" in attributes}
        for tag, attributes in PAGE.elements:
            # A box that is ticked stands inside its label.
            if tag in ("input", "textarea") and attributes.get("type") != "checkbox":
                self.assertIn(attributes["id"], labelled)
            for name in ("aria-labelledby", "aria-describedby", "for"):
                self.assertLessEqual({attributes[name]} if name in attributes else set(), ids)
        self.assertEqual(set(re.findall(r"find\(\"([\w-]+)\"\)", ALL_CODE)) - ids, set())

    def test_landmarks_and_one_first_heading_a_page(self) -> None:
        tags = [tag for tag, _ in PAGE.elements]
        self.assertLessEqual({"header", "nav", "main", "footer"}, set(tags))
        self.assertEqual(tags.count("h1"), tags.count("section"))

    def test_colours_can_be_told_apart_on_light_and_dark(self) -> None:
        style = read(CONSOLE / "console.css")
        light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in style.split("@media (prefers-color-scheme: dark)"))
        self.assertEqual(set(light), set(dark))
        words = [(name, ground) for name in ("text", "quiet", "accent", "block") for ground in ("ground", "raised")]
        words += [(name, f"{name}-ground") for name in ("pass", "review", "block", "for", "against")] + [("on-accent", "accent")]
        lines = [(name, ground) for name in ("edge", "focus", *(f"series-{index}" for index in range(6))) for ground in ("ground", "raised")]
        for scheme in (light, dark):
            for pairs, least in ((words, 4.5), (lines, 3.0)):
                for name, ground in pairs:
                    self.assertGreaterEqual(contrast(scheme[name], scheme[ground]), least, f"{name} on {ground}")


def contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG 2 defines it."""
    def luminance(colour: str) -> float:
        channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def takes_modules() -> bool:
    """Whether node is there and knows a module by its code: no file beside these says that they are modules."""
    if not shutil.which("node"):
        return False
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    return numbers >= (22, 7) or (20, 19) <= numbers < (21, 0)


@unittest.skipUnless(takes_modules(), "node is not there, or older than 20.19")
class Modules(unittest.TestCase):
    def test_modules_compute_what_they_should(self) -> None:
        tests = sorted(map(str, (ROOT / "tests/console").glob("*.test.mjs")))
        self.assertTrue(tests)
        ran = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)


if __name__ == "__main__":
    unittest.main()
