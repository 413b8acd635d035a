"""What the text classifier reaches on the split test, with intervals: the rows of its model card.

    text_report.py CORPUS.jsonl WORK_DIR [--split calibration] [--policy FILE] [--categories FILE]

prints it again from the scores that text.py kept; with "calibration", of that split, which is where choices are made.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.special import logit
from sklearn.metrics import average_precision_score, roc_auc_score

import categories
import program
from categories import Categories
from common import ends_of

POLICY = Path("models/policy.toml")
FARTHEST = 50.0  # of logits: no text has one
LEAST_REAL = 10  # real offers of a language in a split, below which they are not measured by themselves


def review_logits(known: Categories, file: Path = POLICY) -> dict[str, float]:
    """The logit of each category that is read from words from which a text alone means REVIEW by the policy, its caution taken
    off: finite, and beyond all logits where none does."""
    alone = {told["category"]: told["text_probability"]["review"] for told in program.told("policy", "alone", file, "--json")["categories"]}
    missing = [category.name for category in known.read_from_words if category.name not in alone]
    if missing:
        raise SystemExit(f"{file} rates no {missing[0]}; it rates {', '.join(alone)}")
    least = {category.name: alone[category.name] for category in known.read_from_words}
    return {name: float(np.clip(logit(1.0 if p is None else p), -FARTHEST, FARTHEST)) for name, p in least.items()}


def interval(statistic, rows: np.ndarray, rounds: int = 100, seed: int = 1) -> tuple[float, list[float]]:
    """A statistic of row indices and its 95 % bootstrap interval over texts."""
    rng = np.random.default_rng(seed)
    draws = [statistic(rng.choice(rows, len(rows))) for _ in range(rounds)]
    return float(statistic(rows)), ends_of([value for value in draws if value is not None and np.isfinite(value)])


def calibration_error(probability: np.ndarray, positive: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error with both classes weighing the same, as at the prior the calibration is stated at."""
    weight = np.where(positive, 0.5 / max(1, positive.sum()), 0.5 / max(1, (~positive).sum()))
    place = np.minimum((probability * bins).astype(int), bins - 1)
    gap = np.bincount(place, weight * (probability - positive), bins)
    return float(np.abs(gap).sum())


def measure(rows: list[dict], logits: dict[str, np.ndarray], known: Categories, review: dict[str, float], split: str = "test") -> list[dict]:
    """`logits` of each label are calibrated, less the policy's caution, f64 [rows]; `review` is what review_logits gives."""
    names = [category.name for category in known.read_from_words]
    part, lang, source, slices = (np.array([row[key] for row in rows]) for key in ("split", "lang", "source", "slice"))
    says = {name: np.array([name in row["labels"] for row in rows]) for name in logits}
    harmless, reports = says[known.harmless], says[known.report]
    test, real, zh, en = part == split, source != "generated", lang == "zh", lang == "en"
    probability = {name: 1 / (1 + np.exp(-np.clip(value, -50, 50))) for name, value in logits.items()}
    reviewed = {name: logits[name] >= review[name] for name in names}
    words = np.array([slice_.removesuffix("_obfuscated") for slice_ in slices])
    hidden = np.array([slice_.endswith("_obfuscated") for slice_ in slices])
    metrics = []

    def add(name: str, statistic, chosen: np.ndarray, protocol: str) -> None:
        if chosen.any():
            value, ends = interval(statistic, np.flatnonzero(chosen))
            if not np.isfinite(value):  # of one class only: nothing is measured
                return
            metrics.append({"name": name, "value": round(value, 4)} | ({"interval": ends} if ends else {}) | {"protocol": f"{protocol}; {int(chosen.sum())} texts of the split {split}, bootstrap over texts"})

    def share(chosen: np.ndarray):
        return lambda rows: float(chosen[rows].mean())

    def f1(name: str, said: np.ndarray):
        right = says[name]
        return lambda rows: float(2 * (right[rows] & said[rows]).sum() / max(1, right[rows].sum() + said[rows].sum()))

    for category in names:
        y = says[category]
        add(f"{category}: ROC-AUC", lambda rows: roc_auc_score(y[rows], logits[category][rows]), test, "offers against all other texts")
        add(f"{category}: F1 at REVIEW", f1(category, reviewed[category]), test, "offers against all other texts")
        add(f"{category}: calibration error", lambda rows: calibration_error(probability[category][rows], y[rows]), test, "10 bins, balanced prior")
        threshold = np.quantile(logits[category][test & real & zh & harmless], 0.99)
        offers = test & y & zh & ~real
        named = "generated offers with patterns not seen in training, against real benign titles"
        for name, chosen in {
            "": offers, ", code words not seen in training": offers & np.isin(words, ["offer_code", "offer_ordinary"]), ", open names": offers & (words == "offer_open"), ", hidden words": offers & hidden,
        }.items():
            add(f"{category}: recall at 1 % false positives, Chinese{name}", share(logits[category] > threshold), chosen, named)
        add(f"{category}: recall at REVIEW, Chinese", share(reviewed[category]), offers, "generated offers with patterns not seen in training")
        add(f"{category}: recall at REVIEW, English", share(reviewed[category]), test & y & en & ~real, "generated offers with patterns not seen in training")
    for category in names:
        offers = says[category]
        english = test & real & en & np.isin(slices, ["example", "title"]) & (offers | harmless)
        if (english & offers).sum() < LEAST_REAL:
            continue
        at, examples = {"0.5": probability[category] >= 0.5, "REVIEW": reviewed[category]}, english & (slices == "example")
        for name, said in at.items():
            add(f"{category}: F1 at {name}, English", f1(category, said), english, "real offers against all real benign texts and titles")
        for name in ("REVIEW", "0.5"):
            add(f"{category}: F1 at {name}, English, examples alone", f1(category, at[name]), examples, "real offers against the real benign texts gathered with them")
        add(f"{category}: average precision, English", lambda rows: average_precision_score(offers[rows], logits[category][rows]), english, "real offers against all real benign texts and titles")
    several = slices == "offer_several"
    every = np.all([~says[c] | reviewed[c] for c in names], axis=0)
    add("offers of several products: every one of them at REVIEW", share(every), test & several, "generated offers with patterns not seen in training")
    flagged = np.any(list(reviewed.values()), axis=0)
    coloured, catalogued = (" and ".join(category.name for category in known.read_from_words if getattr(category.text, key)) for key in ("colour", "catalogue"))
    for name, chosen in {
        "benign Chinese titles at REVIEW": zh & (slices == "title"), "benign English titles at REVIEW": en & (slices == "title"), "benign texts gathered with the offers at REVIEW": (slices == "example") & harmless,
        "benign uses of the same words at REVIEW": slices == "look_alike", f"{coloured} as a colour at REVIEW": slices == "colour", "harmless second-hand offers at REVIEW": np.isin(slices, ["second_hand", "twin"]),
        "conservation, news and court texts at REVIEW": (slices == "example") & reports, "paraphrased news at REVIEW": slices == "paraphrase", "generated news at REVIEW": slices == "news",
        f"museum catalogue entries of {catalogued} at REVIEW": slices == "museum", **{f"{other.name} offers at REVIEW": says[other.name] for other in known.look_alikes},
        "shop talk and benign titles beside it at REVIEW": slices == "shop_talk", "titles with abbreviations at REVIEW": slices == "abbreviation",
        "offers among shop talk at REVIEW": slices == "offer_shop_talk", "offers of several products at REVIEW": several,
    }.items():
        add(name, share(flagged), test & chosen, "share whose highest calibrated probability alone means REVIEW")
    labels = list(logits)
    told = np.array(labels)[np.argmax([logits[name] for name in labels], axis=0)]
    for name in labels:
        add(f"{name}: told right", share(told == name), test & says[name], "label with the highest calibrated logit")
        for other in labels:
            wrong = test & says[name]
            if other != name and (told[wrong] == other).mean() > 0.02:
                add(f"{name} taken for {other}", share(told == other), wrong, "label with the highest calibrated logit")
    return metrics


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--split", choices=["test", "calibration"], default="test")
    parser.add_argument("--policy", type=Path, default=POLICY)
    parser.add_argument("--categories", type=Path, default=categories.SHIPPED)
    arguments = parser.parse_args()
    kept, known = np.load(arguments.work / "scores.npz"), categories.read(arguments.categories)
    corpus = [json.loads(line) for line in arguments.corpus.open(encoding="utf-8")]
    scored = [corpus[i] for i in kept["rows"]], {name: kept[name] for name in known.labels}
    for metric in measure(*scored, known, review_logits(known, arguments.policy), arguments.split):
        print(f"{metric['name']:68} {metric['value']:.4f} {metric.get('interval', '')}")
