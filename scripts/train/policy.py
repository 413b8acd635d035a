"""Reads and edits policy.toml as TOML: comments, order and everything that is not set stay as they are."""

from pathlib import Path

import tomlkit
from tomlkit.exceptions import ParseError

from model_folder import toml_value


def read(file: Path) -> tomlkit.TOMLDocument:
    """The policy. Ends with exit code 1 when there is none or it is no TOML."""
    try:
        return tomlkit.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ParseError) as error:
        raise SystemExit(f"{file}: can't be read as TOML: {error}") from error


def names(policy: tomlkit.TOMLDocument) -> list[str]:
    """The categories of the policy, in its order."""
    return [table["name"] for table in policy.get("category", [])]


def category(policy: tomlkit.TOMLDocument, name: str):
    """The table [[category]] of this name, with its [category.fusion]. Ends with exit code 1 when the policy has none."""
    found = next((table for table in policy.get("category", []) if table["name"] == name), None)
    if found is None:
        raise SystemExit(f"the policy has no [[category]] named {name!r}; it has {', '.join(names(policy)) or 'none'}")
    if "fusion" not in found:
        raise SystemExit(f"the policy's [[category]] {name} has no [category.fusion]")
    return found


def set_numbers(table, numbers: dict[str, float]) -> None:
    """Sets numbers of a table, with four decimals."""
    for key, value in numbers.items():
        table[key] = tomlkit.value(f"{value:.4f}")


def inline(entries: dict):
    """An inline table, with the spaces that people put into theirs."""
    return tomlkit.value(toml_value(entries))


def set_join(policy: tomlkit.TOMLDocument, category_name: str, modality: str, weights: dict[str, float]) -> None:
    """What each model counts in the mean of their calibrated logits, by "images" or "texts"."""
    rated = category(policy, category_name)
    rated["join"] = inline(rated.get("join", tomlkit.inline_table()).unwrap() | {modality: weights})


def set_second_look(policy: tomlkit.TOMLDocument, modality: str, models: list[str], share: float, bands: dict[str, tuple[float, float]]) -> None:
    """The second look by "images" or "texts", and no look after it: who takes part, how many may take it, and between which
    probabilities of the first."""
    looks = policy.setdefault("looks", tomlkit.table())
    numbers = {"models": models, "share": share, "bands": inline({name: {"from": least, "to": most} for name, (least, most) in bands.items()})}
    if modality in looks:
        # In place: a comment below a table belongs to it, and would go with it.
        looks[modality][0].update(numbers)
        del looks[modality][1:]
        return
    look, every = tomlkit.table(), tomlkit.aot()
    look.update(numbers)
    every.append(look)
    looks[modality] = every


def write(file: Path, policy: tomlkit.TOMLDocument) -> None:
    """The file, whole or as it was."""
    beside = file.with_name(file.name + ".new")
    beside.write_text(tomlkit.dumps(policy), encoding="utf-8")
    beside.replace(file)
