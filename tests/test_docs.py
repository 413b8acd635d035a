"""The two READMEs and the handbook in docs/: one content in two languages, links that lead somewhere, no setting left out, an API
reference that is the contract's, and commands that work.

A block of commands says after its language whether it `runs` or what it `needs=` first: ```sh runs, ```sh needs=network,build. Those that
run are run here, against a server of its own (target/debug/wildwarden, or WILDWARDEN, a path; ONNX Runtime in .runtime; curl).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
from importlib.util import find_spec
from pathlib import Path

from server_process import PROGRAM, serve

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("en", "zh")
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
SUMMARY = "SUMMARY.md"

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES_OF_BLOCKS = {"sh", "python", "toml", "json", "text", "js", "ini"}
RUNS = "runs"
# What a block may need before it can be run, so that it is not run here.
NEEDS = {
    "build": "minutes, and the whole project built with all optimisation",
    "clang": "a C compiler of its own",
    "cluster": "Spark or Ray",
    "coop": "a checkout of Coop",
    "cores": "all cores for a while",
    "data": "photos, texts or listings of yours",
    "docker": "a container tool",
    "grpcurl": "a program that few have",
    "kubernetes": "a cluster",
    "model": "a model of yours",
    "network": "what it fetches",
    "osprey": "an environment of Osprey",
    "root": "the right to install",
    "server": "a server elsewhere",
    "stubs": "code generated from the contract, as the page says below it",
    "systemd": "a system that it runs",
    "tritonclient": "a Python environment of its own",
}
# Sections whose blocks another test runs, unmarked.
RUN_ELSEWHERE = {
    "models/README.md": ("test_walkthrough.py", ("From your model to a served head", "Models that others made")),
    "clients/python/README.md": ("test_client.py", ("One listing", "Many listings", "Data frames")),
    "clients/examples/README.md": ("test_examples.py", ("Python", "Go", "Java", "Node", "Load")),
}
TIMEOUT = 300  # seconds a block may take on a busy machine
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


def everywhere() -> list[Path]:
    """Every page of the project."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in files.stdout.split()]


def has_commands(language: str, block: str) -> bool:
    """Whether a block is one to type. A text is where a line begins with a prompt."""
    return language in ("sh", "python") or language == "text" and re.search(r"^\$ ", block, re.MULTILINE) is not None


def run_elsewhere(name: str, text: str) -> set[str]:
    """The blocks of a page that another test runs."""
    test, titles = RUN_ELSEWHERE.get(name, ("", ()))
    sections = (re.search(rf"^## {title}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL) for title in titles if f'"{title}"' in read(ROOT / "tests" / test))
    return {block for section in sections if section for mark, block in FENCE.findall(section[1]) if " " not in mark}


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
    paths = (re.sub(r"^docs/(en|zh)/|\.(en|zh)(?=\.png$)", "docs/", target).partition("#")[0] for target in links(text))
    return {
        "levels of headings": [marks for marks, _ in HEADING.findall(text)],
        "columns of tables": [line.count("|") for line in text.splitlines() if line.startswith("|")],
        "entries of lists": [line[:2] for line in text.splitlines() if line.startswith("- ")],
        "code in sentences": sorted({" ".join(code.split()) for code in CODE.findall(text)}),
        "links": sorted(target for target in paths if target not in {readme.name for readme in READMES}),
    }


def words(text: str) -> set[str]:
    """Of an output: all but numbers, which another machine rounds another way, and the lines of tables."""
    return set(re.findall(r"[^\W\d]{2,}", text))


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
                self.assertLessEqual({mark.partition(" ")[0] for mark, _ in FENCE.findall(text)}, LANGUAGES_OF_BLOCKS)
                self.assertNotIn("```", prose(text), "a block that does not end, or is not alone on its lines")

    def test_every_block_of_commands_says_whether_it_runs_or_what_it_needs(self) -> None:
        needed = set()
        for path in everywhere():
            name = str(path.relative_to(ROOT))
            elsewhere = run_elsewhere(name, read(path))
            for mark, block in FENCE.findall(read(path)):
                language, _, says = mark.partition(" ")
                with self.subTest(page=name, block=block):
                    if not has_commands(language, block) or block in elsewhere:
                        self.assertEqual(says, "", "a mark, but nothing to run here")
                    elif says != RUNS:
                        self.assertRegex(says, r"^needs=\S+$")
                        needed |= set(says.removeprefix("needs=").split(","))
        self.assertEqual(needed, set(NEEDS))

    def test_every_picture_says_what_it_shows(self) -> None:
        for path in (path for pair in pairs() for path in pair):
            for alt, _ in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", prose(read(path))):
                self.assertGreater(len(alt), 15)

    def test_the_api_reference_is_what_the_contract_says(self) -> None:
        run = subprocess.run([sys.executable, "scripts/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual((run.returncode, run.stderr), (0, ""))


@unittest.skipUnless(shutil.which("curl") and find_spec("grpc_tools"), "install curl, and grpcio-tools with pip: commands of pages are not run")
class Commands(unittest.TestCase):
    """What the English pages say to type; the Chinese ones have the same blocks."""

    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        # What the commands need of a checkout. They write, so not into this one.
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (cls.folder / "target" / "release").mkdir(parents=True)
        (cls.folder / "target" / "release" / "wildwarden").symlink_to(PROGRAM)
        for name in ("models", "proto", "tests", ".runtime"):
            (cls.folder / name).symlink_to(ROOT / name)
        # A refusal is a failure, and nobody waits for long.
        (cls.folder / ".curlrc").write_text(f"fail\nsilent\nshow-error\nmax-time = {TIMEOUT}\nnoproxy = 127.0.0.1\n")
        callers, operators, _ = addresses = cls.server()
        # In the place of the documented ports, which somebody may use.
        cls.ports = {str(50051 + number): address.rpartition(":")[2] for number, address in enumerate(addresses)}
        cls.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CURL_HOME": str(cls.folder),
            "WILDWARDEN_SERVER": f"http://{callers}",
            "WILDWARDEN_OPERATORS": f"http://{operators}",
            "no_proxy": "127.0.0.1",
        }

    @classmethod
    def server(cls) -> list[str]:
        """The addresses for callers, operators and browsers of a server that serves until the tests end."""
        listens = "127.0.0.1:0"
        said = serve(cls.folder / "server.log", cls.addClassCleanup, listens, SERVER_CONSOLE_LISTEN=listens)
        return [said["listening"], said["listening for operators"], said["listening for browsers"]]

    def run_block(self, language: str, block: str) -> str:
        block = re.sub(r"(127\.0\.0\.1:)(5005[123])", lambda found: found[1] + self.ports[found[2]], block)
        if language == "text":
            block = "\n".join(line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
        # Python is given what it reads as a file would be, so that it finds what lies beside it.
        command = ["python", "-c", block] if language == "python" else ["bash", "-euo", "pipefail", "-c", block]
        run = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(run.returncode, 0, f"{block}\n{run.stdout}\n{run.stderr}")
        return run.stdout + run.stderr

    def test_blocks_that_run_do_run(self) -> None:
        ran = []
        for path in everywhere():
            if any(path == chinese for _, chinese in pairs()):
                continue
            for mark, block in FENCE.findall(read(path)):
                language, _, says = mark.partition(" ")
                if says == RUNS:
                    with self.subTest(page=str(path.relative_to(ROOT)), block=block):
                        ran.append(language)
                        output = self.run_block(language, block)
                        self.assertTrue(output or "grpc_tools" in block, "it says nothing")
                        if language == "text":
                            self.assertLessEqual(words(block), words(output) | words(block.splitlines()[0]))
        self.assertLessEqual({"sh", "text", "python"}, set(ran))

    def test_the_answer_shown_has_the_shape_of_the_answer_given(self) -> None:
        page = read(source("en") / "integrate.md")
        (shown,) = [json.loads(block) for mark, block in FENCE.findall(page) if mark == "json"]
        (form,) = [block for mark, block in FENCE.findall(page) if mark == "sh runs" and "curl -F" in block]
        self.assert_part(shown, json.loads(self.run_block("sh", form)), "")

    def assert_part(self, shown: object, given: object, at: str) -> None:
        self.assertIs(type(given), type(shown), at)
        if isinstance(shown, dict):
            self.assertLessEqual(set(shown), set(given), at)
            for key, value in shown.items():
                self.assert_part(value, given[key], f"{at}.{key}")
        elif isinstance(shown, list):
            self.assertTrue(given, at)
            for value in shown:
                self.assert_part(value, given[0], f"{at}[]")


if __name__ == "__main__":
    unittest.main()
