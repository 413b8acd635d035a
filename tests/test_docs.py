"""The two READMEs and the handbook in docs/: one content in two languages, links that lead somewhere, no setting left out."""

import re
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("en", "zh")
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
SUMMARY = "SUMMARY.md"

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKED = {"sh", "python", "toml", "json", "text"}
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")

# Settings that operate.md need not name, each with the reason.
UNNAMED: dict[str, str] = {}


def source(language: str) -> Path:
    return ROOT / "docs" / language / "src"


def pages(language: str) -> list[str]:
    return sorted(path.name for path in source(language).iterdir())


def pairs() -> list[tuple[Path, Path]]:
    """What says the same in English and in Chinese."""
    english, chinese = (source(language) for language in LANGUAGES)
    return [READMES] + [(english / name, chinese / name) for name in pages("en")]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """All but the fenced blocks."""
    return FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Where it leads within this repository. Brackets in code are none of a link."""
    found = LINK.findall(CODE.sub("code", prose(text)))
    return [target for target in found if not ELSEWHERE.match(target)]


def anchors(text: str) -> set[str]:
    """Of its headings, as GitHub and mdBook make them."""
    found: set[str] = set()
    for _, title in HEADING.findall(prose(text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").replace("*", "")
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count, first = 0, anchor
        while anchor in found:
            count += 1
            anchor = f"{first}-{count}"
        found.add(anchor)
    return found


def outline(path: Path) -> dict[str, list]:
    """What a translation keeps."""
    text = prose(read(path))
    paths = (re.sub(r"^docs/(en|zh)/", "docs/", target).partition("#")[0] for target in links(text))
    return {
        "levels of headings": [marks for marks, _ in HEADING.findall(text)],
        "columns of tables": [line.count("|") for line in text.splitlines() if line.startswith("|")],
        "entries of lists": [line[:2] for line in text.splitlines() if line.startswith("- ")],
        "code in sentences": sorted({" ".join(code.split()) for code in CODE.findall(text)}),
        "links": sorted(target for target in paths if target not in {readme.name for readme in READMES}),
    }


def settings() -> list[str]:
    default = tomllib.loads(read(ROOT / "src" / "core" / "config.default.toml"))
    return [f"{section}.{key}" for section, keys in default.items() for key in keys]


def named(text: str) -> list[str]:
    """Settings that a text names. `.key` beside `section.other` on a line means section.key, `section.*` all of a section."""
    found, known = [], settings()
    sections = {setting.partition(".")[0] for setting in known}
    for line in prose(text).splitlines():
        section = ""
        for code in CODE.findall(line):
            before, dot, key = code.partition(".")
            section = before or section
            if not dot or section not in sections or not re.fullmatch(r"[a-z_]+|\*", key):
                continue
            found += [setting for setting in known if setting.startswith(f"{section}.")] if key == "*" else [f"{section}.{key}"]
    return found


class Docs(unittest.TestCase):
    maxDiff = None

    def test_both_languages_have_the_same_pages_in_the_same_order(self) -> None:
        self.assertEqual(pages("en"), pages("zh"))
        order = {language: links(read(source(language) / SUMMARY)) for language in LANGUAGES}
        self.assertEqual(order["en"], order["zh"])
        self.assertEqual(sorted([*order["en"], SUMMARY]), pages("en"))
        for language in LANGUAGES:
            self.assertTrue(tomllib.loads(read(source(language).parent / "book.toml"))["book"]["language"].startswith(language))

    def test_both_languages_have_the_same_blocks(self) -> None:
        for english, chinese in pairs():
            with self.subTest(page=english.name):
                self.assertEqual(FENCE.findall(read(english)), FENCE.findall(read(chinese)))

    def test_both_languages_have_the_same_outline(self) -> None:
        for english, chinese in pairs():
            ours, theirs = outline(english), outline(chinese)
            for part in ours:
                with self.subTest(page=english.name, part=part):
                    self.assertEqual(ours[part], theirs[part])

    def test_every_link_leads_somewhere(self) -> None:
        for path in (path for pair in pairs() for path in pair):
            for link in links(read(path)):
                target, _, anchor = link.partition("#")
                to = (path.parent / target).resolve() if target else path
                with self.subTest(page=str(path.relative_to(ROOT)), link=link):
                    self.assertTrue(to.is_relative_to(ROOT) and to.exists(), "there is no such file")
                    if anchor:
                        self.assertIn(anchor, anchors(read(to)))

    def test_every_setting_is_named(self) -> None:
        known = set(settings())
        self.assertLessEqual(set(UNNAMED), known, "no settings")
        for language in LANGUAGES:
            with self.subTest(language=language):
                found = set(named(read(source(language) / "operate.md")))
                self.assertEqual(sorted(known - found - set(UNNAMED)), [], "operate.md does not name them")
                self.assertEqual(sorted(found - known), [], "there are no such settings")
                self.assertEqual(sorted(found & set(UNNAMED)), [], "named, and excepted")

    def test_every_block_says_its_language(self) -> None:
        for path in (path for pair in pairs() for path in pair):
            with self.subTest(page=str(path.relative_to(ROOT))):
                text = read(path)
                self.assertLessEqual({mark for mark, _ in FENCE.findall(text)}, MARKED)
                self.assertNotIn("```", prose(text), "a block that does not end, or is not alone on its lines")


if __name__ == "__main__":
    unittest.main()
