"""Builds the labelled corpus of the text classifier.

    corpus.py DATA_DIR OUT.jsonl [--exclude-licence PATTERN]...

Labels are those of categories.toml. An offer of several products has the label of each. Real texts come from DATA_DIR/text:
examples.jsonl, negatives_{zh,en}.txt, page_paraphrases.jsonl and the catalogues that the categories name; codewords.csv,
templates.jsonl and {zh,en}.toml may be there and add words and patterns. Real Chinese offers are next to none, so they are
generated (offers.py), each paired with benign uses of the same words. --exclude-licence leaves out sources whose licence
holds PATTERN or matches it as a glob.
One line a text: text, lang, labels, split, source, slice, licence. Texts that differ in digits and punctuation only share a split.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path

import categories
from categories import Categories
from common import is_excluded
from offers import Grammar, split_of
from sources import GENERATED, LICENCES, UNKNOWN, repository, titles
from words import LANGUAGES

SEED = 1
OFFERS, PLAIN = 6000, 1600  # a category and language, times its share
CATALOGUE = 1600  # entries of each: as many as do not outweigh the dealers' posts, which read alike
NOT_GOODS = ["CLUEbenchmark/FewCLUE", "649453932/Chinese-Text-Classification-Pytorch", "rjpost20/Met-Ivory-Classification-Project"]


class Corpus:
    def __init__(self, known: Categories, data: Path, excluded: list[str]) -> None:
        self.known, self.data, self.excluded = known, data / "text", excluded
        self.rows: list[dict] = []
        self.seen: set[str] = set()

    def add(self, text: str, lang: str, label: str | list[str], slice_: str, split: str = "", source: str = GENERATED) -> None:
        text = re.sub(r"\s+", " ", text).strip()
        if text and text not in self.seen and not is_excluded(LICENCES[source], self.excluded):
            self.seen.add(text)
            self.rows.append({"text": text, "lang": lang, "labels": [label] if isinstance(label, str) else label, "split": split or split_of(text), "source": source, "slice": slice_, "licence": LICENCES[source]})

    def real(self) -> None:
        known = self.known
        allowed = [label for label in (*known.labels, known.other) if label]
        for number, line in enumerate((self.data / "examples.jsonl").open(encoding="utf-8"), 1):
            row = json.loads(line)
            label = known.aliases.get(row["label"], row["label"])
            if label not in allowed:
                raise SystemExit(f"examples.jsonl, line {number}: label {row['label']!r} is none of {', '.join(allowed)}, the labels of {known.file}")
            if label == known.harmless:
                label = known.named_in_example(row["text"]) or label
            self.add(row["text"], row["lang"], label, "example", source=repository(row["source"].split(" ")[0]))
        for lang in LANGUAGES:
            for text, source in titles(self.data / f"negatives_{lang}.txt"):
                self.add(text, lang, known.harmless, "title", source=source)
        for line in (self.data / "page_paraphrases.jsonl").open(encoding="utf-8"):
            row = json.loads(line)
            if row["label"] == known.report:
                self.add(row["text"], row["lang"], known.report, "paraphrase", "test", "paraphrases of web pages")
        for category in known.read_from_words:
            if category.text.catalogue:
                entries = [json.loads(line) for line in (self.data / category.text.catalogue).open(encoding="utf-8")]
                for row in entries[:: max(1, len(entries) // CATALOGUE)]:
                    self.add(row["text"], "en", known.report, "museum", source=repository(row["source"].split(" ")[0]))

    def generated(self, lang: str) -> None:
        """Offers and what resembles them. Real titles of goods are their carriers; headlines and catalogue entries are not."""
        benign = [row["text"] for row in self.rows if row["slice"] == "title" and row["lang"] == lang and row["source"] not in NOT_GOODS]
        grammar = Grammar(self.known, lang, self.data, benign, SEED, self.add)
        share = 1.0 if lang == "zh" else 0.5
        if not grammar.categories:
            return
        shares = {category.name: category.text.offers for category in self.known.read_from_words} | {other.name: other.offers for other in self.known.look_alikes}
        for label in grammar.offered:
            grammar.offers(label, int(OFFERS * shares[label][lang]))
        grammar.benign("look_alike", int(12000 * share))
        grammar.benign("second_hand", int(8000 * share))
        grammar.colours(4000 if any(category.text.colour for category in self.known.read_from_words) else 0)
        grammar.news("news", int(6000 * share))
        grammar.several(int(5000 * share))
        grammar.beside_shop_talk(int(9000 * share))
        grammar.abbreviations(int(3000 * share))
        grammar.others(int(800 * share))
        for label in grammar.offered:
            grammar.plain(label, int(PLAIN * shares[label][lang]))
        grammar.sayings(int(4000 * share))
        grammar.news("public", int(4000 * share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--exclude-licence", action="append", default=[], metavar="PATTERN")
    arguments = parser.parse_args()
    corpus = Corpus(categories.of_data(arguments.data), arguments.data, arguments.exclude_licence)
    corpus.real()
    for lang in LANGUAGES:
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
