"""Composes listings of photo and text, to fit the fusion on and to measure it.

    listings.py WORK CORPUS.jsonl DATA [DATA ...] [--exclude-licence WORDS ...]

No public data have both photo and words of the same offer, so listings are put together: how often which kind of text stands
beside which kind of photo is written down in OFFERS and OTHERS, after what studies of online trade report (most covert offers
name a harmless material or none; adverts without words are growing). A missing photo or text is as frequent in both, so that it
tells nothing by itself. A category without texts of its own has no listings. Photos of fold k meet texts of the split
"calibration" in WORK/listings/fit_<k>.jsonl and texts of the split "test" in test_<k>.jsonl, so that neither photo nor text of a
listing was seen by the models that rate it. Besides, every photo of fold k alone in photos_<k>.jsonl and every text of the split
"test" alone in texts.jsonl, to see what the thresholds do to them. One line a listing, as `wildwarden evaluate` reads it.
"""

import argparse
import json
import random
from pathlib import Path

import categories
from categories import Categories
from common import FOLDS, Photo, photo_folds, read_photos

# kind of listing -> (share, photo, text); photo and text are drawn from the pools named so
OFFERS = {
    "plain": (0.35, "product", "offer"),
    "evasive": (0.24, "product", "look_alike"),
    "unrelated_words": (0.11, "product", "benign"),
    "no_words": (0.12, "product", ""),
    "words_and_other_photo": (0.08, "other", "offer"),
    "words_only": (0.10, "", "offer"),
}
OTHERS = {
    "plain": (0.55, "other", "benign"),
    "look_alike_words": (0.15, "other", "look_alike"),
    "no_words": (0.12, "other", ""),
    "conservation": (0.08, "other", "conservation"),
    "words_only": (0.10, "", "any_benign"),
}
# A fold; more to fit on, since the few harmless listings that look worst decide where BLOCK begins.
OFFERS_EACH, OTHERS_ALL = 220, {"fit": 6000, "test": 1500}
# Share of the harmless photos that are rendered look-alikes, however many were rendered: else those who render more would move the
# thresholds, and a marketplace shows no renders.
RENDERED_OTHERS = 0.13


def deal(kinds: dict, count: int, rng: random.Random) -> list[tuple[str, str, str]]:
    names, shares = list(kinds), [share for share, _, _ in kinds.values()]
    return [(name, *kinds[name][1:]) for name in rng.choices(names, shares, k=count)]


class Composer:
    def __init__(self, known: Categories, photos: list, texts: list[dict], rng: random.Random) -> None:
        self.known, self.rng = known, rng
        self.photos = {head: [photo for photo in photos if photo.head == head] for head in known.names}
        self.rendered, self.taken = ([photo for photo in photos if not photo.head and (photo.source == "render") == rendered] for rendered in (True, False))
        self.offers = {label: [row for row in texts if row["labels"] == [label]] for label in [*known.names, *known.labels]}
        harmless, reports = self.offers.pop(known.harmless), self.offers.pop(known.report)
        alike = [row for row in harmless if "look_alike" in row["slice"]]
        plain = [row for row in harmless if "look_alike" not in row["slice"]]
        self.texts = {"look_alike": alike or plain, "benign": plain, "conservation": reports, "any_benign": plain + reports}

    def other_photo(self) -> Photo:
        rendered = self.rendered and (not self.taken or self.rng.random() < RENDERED_OTHERS)
        return self.rng.choice(self.rendered if rendered else self.taken)

    def listing(self, number: str, head: str, kind: str, photo: str, text: str) -> dict:
        row = {"listing_id": f"{number}-{kind}", "labels": [head] if head else [], "slices": [kind]}
        if photo:
            chosen = self.rng.choice(self.photos[head]) if photo == "product" else self.other_photo()
            row |= {"images": [chosen.path], "source": chosen.source, "seller": chosen.seller, "group": chosen.group}
        if text:
            pool = self.offers[head] if text == "offer" else self.texts[text]
            for other in self.known.look_alikes:
                if head == other.of and kind == "evasive" and self.offers[other.name] and self.rng.random() < other.evasive:
                    pool = self.offers[other.name]
            row["title"] = self.rng.choice(pool)["text"]
        return row

    def compose(self, prefix: str, others: int) -> list[dict]:
        found = []
        for head in self.known.names:
            if self.photos[head] and self.offers[head]:
                found += [self.listing(f"{prefix}-{head}-{i}", head, *kind) for i, kind in enumerate(deal(OFFERS, OFFERS_EACH, self.rng))]
        return found + [self.listing(f"{prefix}-other-{i}", "", *kind) for i, kind in enumerate(deal(OTHERS, others, self.rng))]


def photo_alone(photo: Photo) -> dict:
    row = {"listing_id": photo.path, "images": [photo.path], "labels": [photo.head] if photo.head else [], "slices": [photo.kind]}
    return row | {"source": photo.source, "seller": photo.seller, "group": photo.group}


def text_alone(number: int, row: dict, names: list[str]) -> dict:
    kind = "generated offers" if row["slice"].startswith("offer") else f"{row['slice']} texts" + (f", {row['labels'][0]}" if row["slice"] == "example" else "")
    labels = [label for label in row["labels"] if label in names]
    return {"listing_id": f"text-{number}", "title": row["text"], "labels": labels, "slices": [f"{kind}, {row['lang']}"], "source": row["source"]}


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--exclude-licence", action="append", default=[])
    arguments = parser.parse_args()
    known, photos = categories.of_data(arguments.data[0]), read_photos(arguments.data, arguments.exclude_licence)
    folds = photo_folds(photos)
    texts = [json.loads(line) for line in arguments.corpus.open(encoding="utf-8")]
    out = arguments.work / "listings"
    out.mkdir(parents=True, exist_ok=True)
    for purpose, split in (("fit", "calibration"), ("test", "test")):
        chosen = [row for row in texts if row["split"] == split]
        for fold in range(FOLDS):
            mine = [photo for photo, at in zip(photos, folds) if at == fold]
            rows = Composer(known, mine, chosen, random.Random(f"{purpose}{fold}")).compose(f"{purpose}{fold}", OTHERS_ALL[purpose])
            write(out / f"{purpose}_{fold}.jsonl", rows)
            print(f"{purpose}, fold {fold}: {len(rows)} listings")
    for fold in range(FOLDS):
        write(out / f"photos_{fold}.jsonl", [photo_alone(photo) for photo, at in zip(photos, folds) if at == fold])
    write(out / "texts.jsonl", [text_alone(number, row, known.names) for number, row in enumerate(texts) if row["split"] == "test" and row["labels"] != [known.other]])


if __name__ == "__main__":
    main()
