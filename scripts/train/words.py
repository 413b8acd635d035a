"""The word lists and patterns of the text grammar: text/zh.toml and text/en.toml, and what a data folder adds to them."""

import tomllib
from pathlib import Path

LANGUAGES = ("zh", "en")
FOLDER = Path(__file__).parent / "text"


def read(lang: str, offered: list[str], texts: Path | None = None) -> dict:
    """The lists of one language. TEXTS/<lang>.toml, where there is one, adds to them: its lists are appended to those of the same
    name, its other values take their place.

    Ends with exit code 1 when a list is missing that offers of one of the labels `offered` are made from."""
    files = [FOLDER / f"{lang}.toml"]
    if texts and (texts / f"{lang}.toml").exists():
        files.append(texts / f"{lang}.toml")
    lists: dict = {}
    for file in files:
        try:
            lists = joined(lists, tomllib.loads(file.read_text(encoding="utf-8")))
        except tomllib.TOMLDecodeError as error:
            raise SystemExit(f"{file}: is no TOML: {error}") from error
    for label in offered:
        needed = [("names", label, "open"), ("names", label, "code"), ("forms", label), ("unknown", label)]
        missing = [".".join(path) for path in needed if not found(lists, path)]
        if missing:
            raise SystemExit(f"{' and '.join(map(str, files))}: lack {', '.join(missing)}, lists of words; offers of {label} in {lang!r} are made from them")
    return lists


def joined(one: dict, other: dict) -> dict:
    """Both tables in one."""
    result = dict(one)
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(one.get(key), dict):
            value = joined(one[key], value)
        elif isinstance(value, list) and isinstance(one.get(key), list):
            value = one[key] + value
        result[key] = value
    return result


def found(lists: dict, path: tuple[str, ...]) -> list:
    """The list at a path of keys; [] where there is none."""
    at = lists
    for key in path:
        at = at.get(key, {}) if isinstance(at, dict) else {}
    return at if isinstance(at, list) else []
