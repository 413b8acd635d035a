"""Builds the labelled corpus of the text classifier.

    corpus.py DATA_DIR OUT.jsonl [--exclude-licence PATTERN]...

Labels: ivory, pangolin_scale, rhino_horn, mammoth, conservation, benign; "other" is wildlife that none of them is. An offer of
several products has the label of each. Real texts
come from DATA_DIR/text. Real Chinese offers are next to none, so they are generated (offers.py), each paired with benign uses
of the same words. --exclude-licence leaves out sources whose licence holds PATTERN or matches it as a glob.
One line a text: text, lang, labels, split, source, slice, licence. Texts that differ in digits and punctuation only share a split.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path

from common import is_excluded
from offers import CATEGORIES, LABELS, Grammar, split_of
from sources import GENERATED, LICENCES, UNKNOWN, repository, titles

SEED = 1
OFFERS = 6000  # a category, Chinese; a third of it in English
KNOWN = [*CATEGORIES, "conservation", "benign", "other"]
MUSEUM = 1600  # catalogue entries: as many as do not outweigh the dealers' posts, which read alike


NOT_GOODS = ["CLUEbenchmark/FewCLUE", "649453932/Chinese-Text-Classification-Pytorch", "rjpost20/Met-Ivory-Classification-Project"]


class Corpus:
    def __init__(self, data: Path, excluded: list[str]) -> None:
        self.data, self.excluded = data / "text", excluded
        self.rows: list[dict] = []
        self.seen: set[str] = set()

    def add(self, text: str, lang: str, label: str | list[str], slice_: str, split: str = "", source: str = GENERATED) -> None:
        text = re.sub(r"\s+", " ", text).strip()
        if text and text not in self.seen and not is_excluded(LICENCES[source], self.excluded):
            self.seen.add(text)
            self.rows.append({"text": text, "lang": lang, "labels": [label] if isinstance(label, str) else label, "split": split or split_of(text), "source": source, "slice": slice_, "licence": LICENCES[source]})

    def real(self) -> None:
        for number, line in enumerate((self.data / "examples.jsonl").open(encoding="utf-8"), 1):
            row = json.loads(line)
            label = LABELS.get(row["label"], row["label"])
            if label not in KNOWN:
                raise SystemExit(f"examples.jsonl, line {number}: label {row['label']!r} is none of {', '.join(KNOWN)}")
            if label == "benign" and re.search("mammoth", row["text"], re.I):
                label = "mammoth"
            self.add(row["text"], row["lang"], label, "example", source=repository(row["source"].split(" ")[0]))
        for lang in ("zh", "en"):
            for text, source in titles(self.data / f"negatives_{lang}.txt"):
                self.add(text, lang, "benign", "title", source=source)
        for line in (self.data / "page_paraphrases.jsonl").open(encoding="utf-8"):
            row = json.loads(line)
            if row["label"] == "conservation":
                self.add(row["text"], row["lang"], "conservation", "paraphrase", "test", "paraphrases of web pages")
        museum = [json.loads(line) for line in (self.data / "museum_ivory_en.jsonl").open(encoding="utf-8")]
        for row in museum[:: max(1, len(museum) // MUSEUM)]:
            self.add(row["text"], "en", "conservation", "museum", source=repository(row["source"].split(" ")[0]))

    def generated(self, lang: str) -> None:
        """Offers and what resembles them. Real titles of goods are their carriers; headlines and catalogue entries are not."""
        benign = [row["text"] for row in self.rows if row["slice"] == "title" and row["lang"] == lang and row["source"] not in NOT_GOODS]
        grammar = Grammar(lang, self.data, benign, SEED, self.add)
        share = 1.0 if lang == "zh" else 0.5
        for category in CATEGORIES:
            # The real English texts are mostly about ivory, and mammoth is only there to be told apart.
            grammar.offers(category, int(OFFERS * (1.0 if category == "ivory" else share) * (0.5 if category == "mammoth" else 1.0)))
        grammar.benign("look_alike", int(12000 * share))
        grammar.benign("second_hand", int(8000 * share))
        grammar.colours(4000)
        grammar.news(int(6000 * share))
        grammar.several(int(5000 * share))
        grammar.beside_shop_talk(int(9000 * share))
        grammar.abbreviations(int(3000 * share))
        grammar.others(int(800 * share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--exclude-licence", action="append", default=[], metavar="PATTERN")
    arguments = parser.parse_args()
    corpus = Corpus(arguments.data, arguments.exclude_licence)
    corpus.real()
    for lang in ("zh", "en"):
        corpus.generated(lang)
    if not any(row["split"] == "train" and row["source"] != GENERATED for row in corpus.rows):
        raise SystemExit(f"--exclude-licence {arguments.exclude_licence} leaves no real text to train on")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in corpus.rows), encoding="utf-8")
    counts = Counter((label, row["split"]) for row in corpus.rows for label in row["labels"])
    print(f"{len(corpus.rows)} texts: " + ", ".join(f"{label} {split} {count}" for (label, split), count in sorted(counts.items())))
    unknown = sum(row["source"] == UNKNOWN for row in corpus.rows)
    if unknown:
        print(f"{unknown} texts are of a source that is not known; sources.py has the table")


if __name__ == "__main__":
    main()
