"""What is looked for and what the training data call it: categories.toml, read and checked.

`of_data(DATA)` reads DATA/categories.toml where there is one, else the file beside this one, whose comments say what each entry
means. A file that is wrong ends the script with exit code 1 and one sentence: file, entry, and what is allowed.
"""

import fnmatch
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from words import LANGUAGES

SHIPPED = Path(__file__).parent / "categories.toml"
MODELS = ("image_encoder", "live_animal", "text_classifier")  # folders beside the heads'
REQUIRED = object()
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def is_list(value) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value) and len(set(value)) == len(value)


def is_number(value, above: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and above < value <= most


def is_pattern(value) -> bool:
    try:
        return isinstance(value, str) and bool(value) and bool(re.compile(value))
    except re.error:
        return False


def is_count(value) -> bool:
    return is_number(value, 0, 1000) and isinstance(value, int)


ALLOWED = {  # kind of value -> (check, in words)
    "name": (lambda v: isinstance(v, str) and bool(NAME.fullmatch(v)), "a small letter, then at most 31 small letters, digits and _"),
    "text": (lambda v: isinstance(v, str) and bool(v.strip()), "a text"),
    "flag": (lambda v: isinstance(v, bool), "true or false"),
    "list": (is_list, "a list of texts, none of them twice"),
    "count": (is_count, "a whole number from 1 to 1000"),
    "share": (lambda v: is_number(v, 0, 1), "a number above 0, at most 1"),
    "views": (lambda v: isinstance(v, dict) and all(map(is_count, v.values())), "a table from class of the manifest to its number of views, a whole number from 1 to 1000"),
    "offers": (lambda v: isinstance(v, dict) and bool(v) and all(key in LANGUAGES and is_number(n, 0, 10) for key, n in v.items()), f"a table from {' or '.join(LANGUAGES)} to a number above 0, at most 10"),
    "pattern": (is_pattern, "a regular expression"),
    "means": (lambda v: v in ("harmless", "report", "other", "look_alike"), '"harmless", "report", "other" or "look_alike"'),
    "table": (lambda v: isinstance(v, dict), "a table"),
    "tables": (lambda v: isinstance(v, list) and all(isinstance(item, dict) for item in v), "an array of tables"),
}


class Entry:
    """A table of the file, whose keys are taken one by one; `end` refuses what was not taken."""

    def __init__(self, file: Path, where: str, table: dict) -> None:
        self.file, self.where, self.table, self.known = file, where, table, []

    def fail(self, said: str) -> None:
        raise SystemExit(f"{self.file}: {self.where}{': ' if self.where else ''}{said}")

    def take(self, key: str, kind: str, default=REQUIRED):
        """The value of a key, of a kind of ALLOWED; without one the default, or the script ends."""
        self.known.append(key)
        check, allowed = ALLOWED[kind]
        if key not in self.table:
            if default is REQUIRED:
                self.fail(f"lacks {key}: {allowed}")
            return default
        if not check(self.table[key]):
            self.fail(f"{key} is {self.table[key]!r}; allowed is {allowed}")
        return self.table[key]

    def entries(self, key: str) -> list["Entry"]:
        """The tables of an array, each called by its name."""
        place = f"[[{self.where.strip('[]')}.{key}]]" if self.where else f"[[{key}]]"
        return [Entry(self.file, f"{place} {table.get('name', number)}", table) for number, table in enumerate(self.take(key, "tables", []), 1)]

    def entry(self, key: str, default=REQUIRED) -> "Entry | None":
        """A table within this one, None where it is left out and may be."""
        table = self.take(key, "table", default)
        return None if table is None else Entry(self.file, f"{self.where} [{key}]".strip(), table)

    def end(self) -> None:
        unknown = [key for key in self.table if key not in self.known]
        if unknown:
            self.fail(f"unknown key {unknown[0]!r}; allowed are {', '.join(self.known)}")


@dataclass(frozen=True)
class Texts:
    """How a category is offered in words: `offers` is a language's share of generated offers."""

    offers: dict[str, float]
    medicine: bool
    colour: bool
    catalogue: str  # "" for none
    aliases: list[str]


@dataclass(frozen=True)
class Category:
    name: str
    what: str
    classes: dict[str, int]  # class of the manifest -> views of each photo
    live: list[str]  # of them, those that show the animal
    text: Texts | None  # None: there are no words for it


@dataclass(frozen=True)
class LookAlike:
    """A label of offers of what is like a category and is none."""

    name: str
    of: str
    offers: dict[str, float]
    in_examples: re.Pattern
    in_words: re.Pattern
    evasive: float


@dataclass(frozen=True)
class Kind:
    """Photos for reports: of these sources and subclasses, as patterns; empty for any."""

    name: str
    sources: list[str]
    subclasses: list[str]
    seller: bool

    def fits(self, source: str, subclass: str, seller: str) -> bool:
        def matches(value: str, patterns: list[str]) -> bool:
            return not patterns or any(fnmatch.fnmatchcase(value.lower(), pattern.lower()) for pattern in patterns)
        return matches(source, self.sources) and matches(subclass, self.subclasses) and (bool(seller) or not self.seller)


@dataclass(frozen=True)
class Slice:
    """Kinds of photo that a head is measured on, of every kind where empty; category "" for every head."""

    name: str
    category: str
    positives: list[str]
    negatives: list[str]


@dataclass(frozen=True)
class AnimalSlice:
    name: str
    classes: list[str]
    subclasses: list[str]


@dataclass(frozen=True)
class Categories:
    file: Path
    categories: list[Category]
    none: dict[str, int]  # classes of no category, and their views
    companions: list[str]
    seller_views: int
    render_views: int
    look_alikes: list[LookAlike]
    labels: list[str]  # of the text model: categories that are read from words, then every other but `other`
    harmless: str
    report: str
    other: str  # "" for none
    aliases: dict[str, str]  # what the texts call a label -> its name
    alive: list[str]  # subclasses of the manifest
    animal_failures: list[str]  # what the card says of where the head of live animals may fail
    animal_slices: list[AnimalSlice]
    kinds: list[Kind]
    slices: list[Slice]

    @property
    def names(self) -> list[str]:
        return [category.name for category in self.categories]

    @property
    def heads(self) -> dict[str, str]:
        """Class of the manifest -> the category it is an example of; "" for none."""
        return {label: category.name for category in self.categories for label in category.classes} | dict.fromkeys(self.none, "")

    @property
    def views(self) -> dict[str, int]:
        """Class of the manifest -> views of each of its photos."""
        return {label: count for category in self.categories for label, count in category.classes.items()} | self.none

    @property
    def read_from_words(self) -> list[Category]:
        return [category for category in self.categories if category.text]

    def kind_of(self, source: str, subclass: str, seller: str) -> str:
        return next(kind.name for kind in self.kinds if kind.fits(source, subclass, seller))

    def named_in_example(self, text: str) -> str:
        """The look-alike that a real harmless text is an offer of; "" for none."""
        return next((other.name for other in self.look_alikes if other.in_examples.search(text)), "")

    def named_in_words(self, words: str) -> str:
        """The look-alike that a code word or a template names; "" for none."""
        return next((other.name for other in self.look_alikes if other.in_words.search(words)), "")


def texts_of(entry: Entry | None) -> Texts | None:
    if entry is None:
        return None
    texts = Texts(entry.take("offers", "offers"), entry.take("medicine", "flag", False), entry.take("colour", "flag", False), entry.take("catalogue", "text", ""), entry.take("aliases", "list", []))
    entry.end()
    return texts


def category_of(entry: Entry) -> Category:
    name = entry.take("name", "name")
    if name in MODELS:
        entry.fail(f"name is {name!r}, which another model has; allowed is any name but {', '.join(MODELS)}")
    category = Category(name, entry.take("what", "text"), entry.take("classes", "views"), entry.take("live", "list", []), texts_of(entry.entry("text", None)))
    for label in category.live:
        if label not in category.classes:
            entry.fail(f"live has {label!r}; allowed are its classes, {', '.join(category.classes)}")
    entry.end()
    return category


def look_alike_of(entry: Entry, name: str, categories: list[Category]) -> LookAlike:
    of = entry.take("of", "text")
    allowed = [category.name for category in categories if category.text]
    if of not in allowed:
        entry.fail(f"of is {of!r}; allowed are the categories that are read from words, {', '.join(allowed)}")
    return LookAlike(name, of, entry.take("offers", "offers"), re.compile(entry.take("in_examples", "pattern"), re.I), re.compile(entry.take("in_words", "pattern"), re.I), entry.take("evasive", "share"))


def kind_of(entry: Entry) -> Kind:
    kind = Kind(entry.take("name", "text"), entry.take("sources", "list", []), entry.take("subclasses", "list", []), entry.take("seller", "flag", False))
    entry.end()
    return kind


def slice_of(entry: Entry, categories: list[str], kinds: list[str]) -> Slice:
    found = Slice(entry.take("name", "text"), entry.take("category", "text", ""), entry.take("positives", "list", []), entry.take("negatives", "list", []))
    if found.category and found.category not in categories:
        entry.fail(f"category is {found.category!r}; allowed are {', '.join(categories)}")
    for key, named in (("positives", found.positives), ("negatives", found.negatives)):
        for kind in named:
            if kind not in kinds:
                entry.fail(f"{key} has {kind!r}; allowed are the kinds of photo, {', '.join(kinds)}")
    entry.end()
    return found


def animal_slice_of(entry: Entry) -> AnimalSlice:
    found = AnimalSlice(entry.take("name", "text"), entry.take("classes", "list", []), entry.take("subclasses", "list", []))
    entry.end()
    return found


def once(top: Entry, what: str, named: list[tuple[str, str]]) -> None:
    """Refuses the (name, entry) whose name another entry has."""
    first: dict[str, str] = {}
    for name, entry in named:
        if name in first:
            top.fail(f"{what} {name!r} stands in {first[name]} and in {entry}; allowed is one of them")
        first[name] = entry


def of_data(folder: Path) -> Categories:
    """The categories of a data folder."""
    own = folder / "categories.toml"
    return read(own if own.exists() else SHIPPED)


def read(file: Path = SHIPPED) -> Categories:
    """The file, checked."""
    try:
        top = Entry(file, "", tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SystemExit(f"{file}: can't be read as TOML: {error}") from error
    categories = [category_of(entry) for entry in top.entries("category")]
    if not any(category.text for category in categories):
        top.fail("at least one [[category]] with [category.text] is needed")
    none, views, animals = top.entry("none"), top.entry("views"), top.entry("live_animal")
    labels = [(entry, entry.take("name", "name"), entry.take("means", "means")) for entry in top.entries("label")]
    look_alikes = [look_alike_of(entry, name, categories) for entry, name, means in labels if means == "look_alike"]
    aliases = [(alias, f"[[label]] {name}", name) for entry, name, _ in labels for alias in entry.take("aliases", "list", [])]
    aliases += [(alias, f"[[category]] {category.name}", category.name) for category in categories if category.text for alias in category.text.aliases]
    meaning = {kind: [name for _, name, means in labels if means == kind] for kind in ("harmless", "report", "other")}
    for kind, most in (("harmless", "one"), ("report", "one"), ("other", "one or none")):
        if len(meaning[kind]) > 1 or (most == "one" and not meaning[kind]):
            top.fail(f"[[label]] with means = {kind!r}: there are {len(meaning[kind])}; allowed is {most}")
    kinds = [kind_of(entry) for entry in top.entries("kind")]
    if not kinds or kinds[-1].sources or kinds[-1].subclasses or kinds[-1].seller:
        top.fail("[[kind]]: the last must fit every photo: it has a name and nothing else")
    found = Categories(
        file=file, categories=categories, none=none.take("classes", "views"), companions=none.take("companions", "list", []),
        seller_views=views.take("seller", "count"), render_views=views.take("render", "count"), look_alikes=look_alikes,
        labels=[category.name for category in categories if category.text] + [name for _, name, means in labels if means != "other"],
        harmless=meaning["harmless"][0], report=meaning["report"][0], other="".join(meaning["other"]), aliases={alias: name for alias, _, name in aliases},
        alive=animals.take("subclasses", "list", []), animal_failures=animals.take("known_failures", "list", []),
        animal_slices=[animal_slice_of(entry) for entry in animals.entries("slice")],
        kinds=kinds, slices=[slice_of(entry, [category.name for category in categories], [kind.name for kind in kinds]) for entry in top.entries("slice")],
    )
    for label in found.companions:
        if label not in found.none:
            none.fail(f"companions has {label!r}; allowed are its classes, {', '.join(found.none)}")
    for entry in (*(entry for entry, _, _ in labels), none, views, animals, top):
        entry.end()
    named = [(category.name, f"[[category]] number {number}") for number, category in enumerate(categories, 1)]
    once(top, "the name", named + [(name, f"[[label]] number {number}") for number, (_, name, _) in enumerate(labels, 1)] + [(alias, f"the aliases of {place}") for alias, place, _ in aliases])
    classes = [(label, f"[[category]] {category.name}") for category in categories for label in category.classes]
    once(top, "the class", classes + [(label, "[none]") for label in found.none])
    once(top, "the kind", [(kind.name, f"[[kind]] number {number}") for number, kind in enumerate(kinds, 1)])
    return found
