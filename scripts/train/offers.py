"""A seeded grammar of Chinese and English offers, of benign uses of the same words, and of news about them.

Words and patterns stand in text/zh.toml and text/en.toml (words.py); DATA adds documented code words and more patterns. What is
offered is in categories.toml. Every word and every pattern belongs to one split, told by its hash: a word of the split test is in
no training text.
"""

import csv
import hashlib
import json
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import words
from categories import Categories
from obfuscate import obfuscate

PRICES = [68, 120, 280, 500, 880, 1200, 3500, 9800]
HIDDEN = {"zh": 0.3, "en": 0.12}  # share of offers whose word is hidden
OPEN = {"zh": 0.35, "en": 0.7}  # share of offers that use the open name
UNKNOWN = {"zh": 0.2, "en": 0.04}  # share of training offers whose word nobody uses yet
SWAPPED = {"zh": 0.2, "en": 0.6}  # share of offers made from a real benign title


@cache
def split_of(text: str) -> str:
    """By the text without digits and punctuation, so that near-duplicates stay together."""
    bare = re.sub(r"[\W\d_]+", "", text.lower())
    share = int.from_bytes(hashlib.sha256(bare.encode()).digest()[:4]) / 2**32
    return "train" if share < 0.6 else "calibration" if share < 0.75 else "test"


class Grammar:
    """Texts of one language, from one split's words, patterns and carriers at a time."""

    def __init__(self, known: Categories, lang: str, data: Path, titles: list[str], seed: int, add: Callable[..., None]) -> None:
        self.known, self.lang, self.rng, self.add = known, lang, random.Random(f"{seed} {lang}"), add
        sold = {category.name: category.text for category in known.read_from_words if lang in category.text.offers}
        alike = {other.name: sold[other.of] for other in known.look_alikes if lang in other.offers and other.of in sold}
        self.categories, self.offered = [*sold], [*sold, *alike]  # names; of what is offered, look-alikes among it
        self.medicines = {label for label, text in (sold | alike).items() if text.medicine}
        self.lists = words.read(lang, self.offered, data)
        self.codes = {label: [*self.lists["names"][label]["code"]] for label in self.offered}
        self.patterns = {(label, "offer"): self.lists["offer"]["patterns"] for label in self.offered} | {(known.harmless, kind): self.lists["benign"][key] for kind, key in (("look_alike", "patterns"), ("second_hand", "second_hand"))}
        self.patterns |= {(known.report, "news"): self.lists["news"]["patterns"], (known.report, "public"): self.lists["news"]["public"], (known.harmless, "saying"): self.lists["sayings"]["patterns"]}
        self._read_code_words(data / "codewords.csv")
        self._read_templates(data / "templates.jsonl")
        self.titles: dict[str, list[str]] = {"train": [], "calibration": [], "test": []}
        for title in titles:
            self.titles[split_of(title)].append(title)
        short = 18 if lang == "zh" else 60
        self.short_titles = {split: [title for title in found if len(title) < short] for split, found in self.titles.items()}
        self.found: dict[tuple, list[str]] = {}  # titles a pattern was found in

    def _read_code_words(self, file: Path) -> None:
        """Words of two characters and more; single characters and remarks in brackets are left to the patterns."""
        if not file.exists():
            return
        for row in csv.DictReader(file.open(encoding="utf-8")):
            label = self.known.aliases.get(row["category"], row["category"])
            if row["lang"] == self.lang and label in self.offered:
                terms = [re.sub(r"\(.*?\)", "", term).strip(" #") for term in row["term"].split("/")]
                self.codes[label] += [term for term in terms if len(term) > 1 and term not in self.codes[label] + self.lists["names"]["skipped"] and not self.known.named_in_words(term)]

    def _read_templates(self, file: Path) -> None:
        if not file.exists():
            return
        for row in map(json.loads, file.open(encoding="utf-8")):
            if row["lang"] == self.lang:
                label = self.known.aliases.get(row["label"], row["label"])
                label = self.known.named_in_words(row["template"]) or label if label == self.known.harmless else label
                if label in self.offered and not re.search(self.lists["names"]["template"], row["template"], re.I):
                    continue
                self.patterns.setdefault((label, "template"), []).append(row["template"])

    def choose(self, words: list[str], split: str) -> str:
        """One of the split's own words, or any where it has none."""
        return self.rng.choice([word for word in words if split_of(word) == split] or words)

    def fill(self, pattern: str, split: str, category: str, name: str) -> str:
        """The pattern with every slot filled."""
        rng, lists = self.rng, self.lists
        offer, benign = lists["offer"], lists["benign"]

        def slot(match: re.Match) -> str:
            key = match[1]
            if "|" in key:
                return rng.choice(key.split("|"))
            if key == "carrier":
                return rng.choice(self.short_titles[split] or [""])
            others = [other for other in self.categories if other != category] or [category]
            found = {"name": [name], "form": lists["forms"][category], "place": lists["news"]["place"], "from": offer["from"], "game": benign["game"], "animal": benign["animal"], "price": PRICES, "digit": range(10)} | {k: offer[k] for k in ("tail", "furtive", "unit")} | {k: benign[k] for k in ("material", "medicine", "noun", "shared", "lookalike")}
            found |= {k: offer[k] for k in ("kin", "left", "era", "flaw") if k in offer} | {k: lists["sayings"][k] for k in ("measure", "does", "part", "trait") if k in lists["sayings"]}
            if key in ("brand", "tool"):  # each of one split
                return self.choose(lists["sayings"][key], split)
            if key == "count":
                return rng.choice(offer["count"]).replace("{number}", str(rng.choice([18, 27, 54, rng.randint(6, 99)])))
            if key == "also":  # the name of another product
                return rng.choice(lists["names"][rng.choice(others)]["open"])
            return str(rng.choice(found[key])) if key in found else str(rng.randint(2, 300)) if key in ("number", "N", "W", "H", "P") else key

        return re.sub(r"\{([^}]*)\}", slot, pattern)

    def name(self, category: str, split: str) -> tuple[str, str]:
        """A word for the category and its kind: open; code; ordinary, a code word of everyday use; unknown, in training only."""
        unknown = UNKNOWN[self.lang] if split == "train" else 0.0
        kind = self.rng.choices(["open", "code", "unknown"], [OPEN[self.lang], 1 - OPEN[self.lang] - unknown, unknown])[0]
        if kind == "unknown":
            parts = self.lists["unknown"]
            return ("" if self.lang == "zh" else " ").join([self.rng.choice(parts["first"]), self.rng.choice(parts[category])]), kind
        if kind == "open":
            return self.rng.choice(self.lists["names"][category]["open"]), kind
        word = self.choose(self.codes[category], split)
        return word, "ordinary" if word in self.lists["names"]["ordinary"] else kind

    def split(self) -> str:
        return self.rng.choices(["train", "calibration", "test"], [0.65, 0.15, 0.2])[0]

    def offers(self, category: str, count: int) -> None:
        """Offers from patterns, and real titles with the material changed. Test texts have both words and patterns of their own."""
        for _ in range(count):
            split = self.split()
            name, kind = self.name(category, split)
            way = self.rng.random()
            text = ""
            if kind in ("open", "code") and way < SWAPPED[self.lang]:
                text = self.swapped(split, self.lists["offer"]["swap_medicine" if category in self.medicines else "swap"], name, self.lists["offer"]["swap_beside"])
            if not text:
                own = [pattern for pattern in self.patterns.get((category, "template"), []) if split_of(pattern) == split]
                patterns = [pattern for pattern in self.patterns[category, "offer"] if kind != "ordinary" or "{furtive}" in pattern]
                pattern = self.rng.choice(own) if own and way > 0.92 else self.choose(patterns, split)
                text = self.fill(pattern, split, category, name)
                self.twin(pattern, split, category)
            said = next((match[0] for match in [re.search(re.escape(name), text, re.I)] if match), "")
            hidden = said and kind != "unknown" and self.rng.random() < HIDDEN[self.lang]
            self.add(obfuscate(text, said, self.rng) if hidden else text, self.lang, category, f"offer_{kind if said else 'template'}" + ("_obfuscated" if hidden else ""), split)

    def harmless_material(self, category: str) -> str:
        """What could stand in a name's place and is no product of wildlife."""
        return self.rng.choice(self.lists["benign"]["medicine" if category in self.medicines else self.rng.choice(["material", "lookalike"])])

    def twin(self, pattern: str, split: str, category: str) -> None:
        """The same pattern said of a harmless material: seldom where it sounds furtive, as in the field."""
        if "{name}" in pattern and self.rng.random() < (0.25 if "{furtive}" in pattern else 0.7):
            material = self.harmless_material(category)
            self.add(self.fill(pattern, split, category, material), self.lang, self.known.harmless, "twin", split)

    def swapped(self, split: str, words: list[str], name: str, beside: str) -> str:
        """A real benign title of the split with one of `words` changed for `name`, where it also says `beside`."""
        if not words:
            return ""
        either = "|".join(map(re.escape, words))
        pattern = re.compile(rf"\b(?:{either})\b" if self.lang == "en" else either, re.I)
        key = (split, *words)
        if key not in self.found:
            self.found[key] = [title for title in self.titles[split] if pattern.search(title) and re.search(beside, title, re.I)]
        if not self.found[key]:
            return ""
        title = self.rng.choice(self.found[key])
        place = self.rng.choice(list(pattern.finditer(title)))
        return title[: place.start()] + (name.capitalize() if place[0][:1].isupper() else name) + title[place.end() :]

    def benign(self, kind: str, count: int) -> None:
        for _ in range(count):
            split = self.split()
            category = self.rng.choice(self.categories)
            own = [pattern for pattern in self.patterns.get((self.known.harmless, "template"), []) if split_of(pattern) == split]
            pattern = self.rng.choice(own) if own and kind == "look_alike" and self.rng.random() < 0.1 else self.choose(self.patterns[self.known.harmless, kind], split)
            self.add(self.fill(pattern, split, category, ""), self.lang, self.known.harmless, kind, split)

    def colours(self, count: int) -> None:
        """Real titles with a colour changed for the colour that a category is named like."""
        offer = self.lists["offer"]
        for _ in range(count):
            split = self.split()
            self.add(self.swapped(split, offer["colour"], self.rng.choice(offer["colour_name"]), offer["colour_beside"]), self.lang, self.known.harmless, "colour", split)

    def others(self, count: int) -> None:
        """Offers of other wildlife: none of the categories, and no benign text either."""
        patterns = self.patterns.get((self.known.other, "template"), [])
        for _ in range(count if patterns else 0):
            split = self.split()
            self.add(self.fill(self.choose(patterns, split), split, self.categories[0], ""), self.lang, self.known.other, "template", split)

    def several(self, count: int) -> None:
        """Offers of two or three products at once: their names in one pattern, or whole offers in a row."""
        patterns, between = self.lists["offer"]["several"], self.lists["offer"]["between"]
        for _ in range(count if len(self.categories) > 1 else 0):
            split = self.split()
            chosen = self.rng.sample(self.categories, min(self.rng.choice([2, 2, 3]), len(self.categories)))
            names = [self.name(category, split)[0] for category in chosen]
            if self.rng.random() < 0.4:
                offers = [self.fill(self.choose(self.patterns[category, "offer"], split), split, category, name) for category, name in zip(chosen, names, strict=True)]
                text = self.rng.choice(between).join(offers)
            else:
                pattern = self.choose(patterns, split)
                text = self.fill(pattern, split, chosen[0], self.rng.choice(self.lists["offer"]["and"]).join(names))
            self.add(text, self.lang, chosen, "offer_several", split)

    def beside_shop_talk(self, count: int) -> None:
        """Offers and harmless titles among what every shop says, and what every shop says alone: it tells nothing either way."""
        offer = self.lists["offer"]
        for _ in range(count):
            split = self.split()
            talk = [self.choose(offer["shop"], split) for _ in range(self.rng.randint(1, 4))]
            category = self.rng.choice(self.offered)
            kind = self.rng.choice(["offer", "offer", "title", "twin", "alone", "phrases"])
            name, _ = self.name(category, split)
            pattern = self.choose(self.patterns[category, "offer"], split)
            material = self.harmless_material(category)
            said = {"offer": lambda: self.fill(pattern, split, category, name), "title": lambda: self.rng.choice(self.short_titles[split] or [""]), "twin": lambda: self.fill(pattern, split, category, material), "alone": lambda: "", "phrases": lambda: self.rng.choice(offer["tail"] + offer["furtive"])}[kind]()
            if said:
                talk.insert(self.rng.randint(0, len(talk)), said)
            text = self.rng.choice(offer["between"]).join(talk)
            self.add(text, self.lang, category if kind == "offer" else self.known.harmless, "offer_shop_talk" if kind == "offer" else "shop_talk", split)

    def abbreviations(self, count: int) -> None:
        """Letters that stand for a brand, a school, a size: those of a product's sounds among them."""
        for _ in range(count):
            split = self.split()
            title = self.rng.choice(self.short_titles[split] or [""])
            letters = "".join(self.rng.choice("xynjcspabdfghklmqrtwz") for _ in range(self.rng.randint(2, 4)))
            if self.rng.random() < 0.3:
                letters = self.rng.choice(self.lists["benign"]["letters"])
            letters = letters.upper() if self.rng.random() < 0.5 else letters
            self.add(self.rng.choice([f"{letters} {title}", f"{title} {letters}", f"{letters}{title}"]), self.lang, self.known.harmless, "abbreviation", split)

    def called(self, category: str, split: str) -> str:
        """What the thing is called by who knows no code word: its name, or what describes it. Of offers and of news alike, so that
        it tells nothing by itself."""
        described = self.lists["described"].get(category, [])
        return self.choose(described, split) if described and self.rng.random() < 0.4 else self.rng.choice(self.lists["names"][category]["open"])

    def plain(self, category: str, count: int) -> None:
        """Offers that say what the thing is and where it is from, in no seller's words, and the same of harmless materials."""
        for _ in range(count):
            split = self.split()
            pattern = self.choose(self.lists["offer"]["plain"], split)
            called = self.called(category, split)
            text = self.fill(pattern.replace("{called}", "{name}"), split, category, called)
            hidden = self.rng.random() < HIDDEN[self.lang] / 2
            self.add(obfuscate(text, called, self.rng) if hidden and called in text else text, self.lang, category, "offer_plain" + ("_obfuscated" if hidden else ""), split)
            if self.rng.random() < 0.5:
                material = self.harmless_material(category)
                self.add(self.fill(pattern.replace("{called}", "{name}"), split, category, material), self.lang, self.known.harmless, "twin", split)

    def sayings(self, count: int) -> None:
        """Names, verses and tools that hold a word of the trade and none of its meaning."""
        for _ in range(count):
            split = self.split()
            self.add(self.fill(self.choose(self.patterns[self.known.harmless, "saying"], split), split, self.categories[0], ""), self.lang, self.known.harmless, "saying", split)

    def news(self, kind: str, count: int) -> None:
        for _ in range(count):
            split = self.split()
            category = self.rng.choice(self.categories)
            name = self.called(category, split) if kind == "public" and self.rng.random() < 0.8 else self.name(category, split)[0]
            self.add(self.fill(self.choose(self.patterns[self.known.report, kind], split), split, category, name), self.lang, self.known.report, kind, split)
