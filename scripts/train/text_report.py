"""What the text classifier reaches on the split test, with intervals: the rows of its model card.

    text_report.py CORPUS.jsonl WORK_DIR [calibration]

prints it again from the scores that text.py kept; with "calibration", of that split, which is where choices are made.
"""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from common import ends_of

POLICY = Path("models/policy.toml")


def review_logits(policy: Path = POLICY) -> dict[str, float]:
    """The calibrated logit of each category from which a text alone means REVIEW by the policy."""
    read = tomllib.loads(policy.read_text(encoding="utf-8"))
    odds = lambda p: float(np.log(p / (1 - p)))  # noqa: E731
    needed = odds(read["suggestions"]["review"]) - odds(read["deployment_prior"]) + odds(read["training_prior"])
    return {category: (needed - w["intercept"] - w["missing_image"]) / w["text"] for category, w in read["fusion"].items()}


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


def measure(rows: list[dict], logits: dict[str, np.ndarray], categories: list[str], split: str = "test") -> list[dict]:
    """`logits` are calibrated, a row each."""
    part, lang, source, slices = (np.array([row[key] for row in rows]) for key in ("split", "lang", "source", "slice"))
    says = {name: np.array([name in row["labels"] for row in rows]) for name in [*logits, "other"]}
    test, real, zh, en = part == split, source != "generated", lang == "zh", lang == "en"
    probability = {name: 1 / (1 + np.exp(-np.clip(value, -50, 50))) for name, value in logits.items()}
    review = review_logits()
    reviewed = {c: logits[c] >= review[c] for c in categories}
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

    for category in categories:
        y = says[category]
        add(f"{category}: ROC-AUC", lambda rows: roc_auc_score(y[rows], logits[category][rows]), test, "offers against all other texts")
        add(f"{category}: F1 at REVIEW", f1(category, reviewed[category]), test, "offers against all other texts")
        add(f"{category}: calibration error", lambda rows: calibration_error(probability[category][rows], y[rows]), test, "10 bins, balanced prior")
        threshold = np.quantile(logits[category][test & real & zh & says["benign"]], 0.99)
        offers = test & y & zh & ~real
        named = "generated offers with patterns not seen in training, against real benign titles"
        for name, chosen in {
            "": offers, ", code words not seen in training": offers & np.isin(words, ["offer_code", "offer_ordinary"]), ", open names": offers & (words == "offer_open"), ", hidden words": offers & hidden,
        }.items():
            add(f"{category}: recall at 1 % false positives, Chinese{name}", share(logits[category] > threshold), chosen, named)
        add(f"{category}: recall at REVIEW, Chinese", share(reviewed[category]), offers, "generated offers with patterns not seen in training")
        add(f"{category}: recall at REVIEW, English", share(reviewed[category]), test & y & en & ~real, "generated offers with patterns not seen in training")
    english = real & en & np.isin(slices, ["example", "title"]) & (says["ivory"] | says["benign"])
    at = {"0.5": probability["ivory"] >= 0.5, "REVIEW": reviewed["ivory"]}
    for name, said in at.items():
        add(f"ivory: F1 at {name}, English", f1("ivory", said), test & english, "real offers against all real benign texts and titles")
    examples = test & english & (slices == "example")
    add("ivory: F1 at REVIEW, English, examples alone", f1("ivory", at["REVIEW"]), examples, "real offers against the real benign texts gathered with them")
    add("ivory: F1 at 0.5, English, examples alone", f1("ivory", at["0.5"]), examples, "real offers against the real benign texts gathered with them")
    is_ivory = says["ivory"]
    add("ivory: average precision, English", lambda rows: average_precision_score(is_ivory[rows], logits["ivory"][rows]), test & english, "real offers against all real benign texts and titles")
    several = slices == "offer_several"
    every = np.all([~says[c] | reviewed[c] for c in categories], axis=0)
    add("offers of several products: every one of them at REVIEW", share(every), test & several, "generated offers with patterns not seen in training")
    flagged = np.any(list(reviewed.values()), axis=0)
    for name, chosen in {
        "benign Chinese titles at REVIEW": zh & (slices == "title"), "benign English titles at REVIEW": en & (slices == "title"), "benign texts gathered with the offers at REVIEW": (slices == "example") & says["benign"],
        "benign uses of the same words at REVIEW": slices == "look_alike", "ivory as a colour at REVIEW": slices == "colour", "harmless second-hand offers at REVIEW": np.isin(slices, ["second_hand", "twin"]),
        "conservation, news and court texts at REVIEW": (slices == "example") & says["conservation"], "paraphrased news at REVIEW": slices == "paraphrase", "generated news at REVIEW": slices == "news",
        "museum catalogue entries of ivory at REVIEW": slices == "museum", "mammoth offers at REVIEW": says["mammoth"],
        "shop talk and benign titles beside it at REVIEW": slices == "shop_talk", "titles with abbreviations at REVIEW": slices == "abbreviation",
        "offers among shop talk at REVIEW": slices == "offer_shop_talk", "offers of several products at REVIEW": several,
    }.items():
        add(name, share(flagged), test & chosen, "share whose highest calibrated probability alone means REVIEW")
    names = list(logits)
    told = np.array(names)[np.argmax([logits[name] for name in names], axis=0)]
    for name in names:
        add(f"{name}: told right", share(told == name), test & says[name], "label with the highest calibrated logit")
        for other in names:
            wrong = test & says[name]
            if other != name and (told[wrong] == other).mean() > 0.02:
                add(f"{name} taken for {other}", share(told == other), wrong, "label with the highest calibrated logit")
    return metrics


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    kept = np.load(Path(sys.argv[2]) / "scores.npz")
    corpus = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    labels = ["ivory", "pangolin_scale", "rhino_horn", "mammoth", "conservation", "benign"]
    for metric in measure([corpus[i] for i in kept["rows"]], {name: kept[name] for name in labels}, labels[:3], *sys.argv[3:]):
        print(f"{metric['name']:68} {metric['value']:.4f} {metric.get('interval', '')}")
