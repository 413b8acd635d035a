"""Listings for the tests of bulk rating: those of tests/fixtures, over and over, each with a photo that no cache has seen."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
# Of a rating's JSON, what tells of the moment and not of the listing.
OF_THE_MOMENT = ("timings", "ratedAt", "requestId")


def listings(count: int) -> list[dict]:
    """`id`, `name`, `text` and `photos`, a list of a file's bytes."""
    given = [json.loads(line) for line in (FIXTURES / "listings.jsonl").read_text(encoding="utf-8").splitlines()]
    made = []
    for number in range(count):
        one = given[number % len(given)]
        # Bytes after the end of a JPEG are not part of the picture, but of its hash.
        photos = [(FIXTURES / image).read_bytes() + number.to_bytes(8, "big") for image in one.get("images", [])]
        made.append({"id": f"{number:06}", "name": one.get("title"), "text": one.get("description"), "photos": photos})
    return made


def lasting(row: dict, prefix: str = "") -> dict:
    """A rated row without what tells of the moment: the same listing has it the same whenever it is rated."""
    rating = json.loads(row[prefix + "rating"]) if row[prefix + "rating"] else None
    for name in OF_THE_MOMENT if rating else ():
        rating.pop(name, None)
    for image in rating.get("images", []) if rating else ():
        image.pop("cached", None)
    lists = {name: list(value) if name.removeprefix(prefix) in ("reasons", "missing", "versions") and value is not None else value for name, value in row.items()}
    return lists | {prefix + "rating": rating}


def differences(got: list[dict], wanted: list[dict]) -> list[str]:
    """Where rows differ, a line each: the lists themselves are too long to read."""
    if len(got) != len(wanted):
        return [f"{len(got)} rows, and {len(wanted)} are wanted"]
    pairs = [(one, other, name) for one, other in zip(got, wanted) for name in {**one, **other}]
    return [f"{one['id']} {name}: {one.get(name)!r}, and {other.get(name)!r} is wanted"[:2000] for one, other, name in pairs if one.get(name) != other.get(name)]
