"""Joins the text classifier and the sentence classifier: weights, caution and who is read twice, chosen on the split "calibration".

    text_join.py CORPUS.jsonl TEXT_WORK SENTENCE_WORK SENTENCE_FOLDER MODELS_DIR --policy FILE --policy-out FILE [--figures FILE] [--categories FILE]

TEXT_WORK and SENTENCE_WORK hold the scores that text.py and sentence_text.py kept; --policy is what text.py wrote. A text's joined
logit is the mean by weight of both models' calibrated logits. Two models that err differently are surer together than their mean
says, so weights come from a logistic regression on both logits, and what of it no mean can say goes into the calibration of the
sentence classifier: MODELS_DIR gets the model of SENTENCE_FOLDER with a calibration that is of the joined logit. The caution is that of the joined
logit. A band is where a text goes on to the second look, by the first look's probability less the caution: as few as keep KEPT of
what the second look finds if it reads everything. Prints, and writes to --figures, what that gives on the split "test".
"""

import argparse
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

import categories
import policy
from text_fitting import Rows, balanced, caution
from text_report import POLICY, interval, review_logits

MODELS = ("text_classifier", "sentence_classifier")
WEIGHTS = (0.1, 0.9)  # of the sentence classifier, at least and at most
KEPT = 0.99  # of what the second look finds when it reads everything: hardly a title costs it
HARMLESS_SHARE = 0.98  # of a marketplace's texts, at least: titles of goods that nobody looks for
MAY_TAKE = 0.1  # of the texts: several times what the bands send on of a usual stream, and still cheap beside a photo
EVERYDAY = ["title", "abbreviation", "shop_talk"]  # slices of what shops say all day


class Scores:
    """Calibrated logits of both models, f64 [rows, categories], of the rows of calibration and test; no caution is off."""

    def __init__(self, corpus: Path, text_work: Path, sentence_work: Path, known: categories.Categories, less: float) -> None:
        self.names = [category.name for category in known.read_from_words]
        first, second = (np.load(work / "scores.npz") for work in (text_work, sentence_work))
        both, in_first, in_second = np.intersect1d(first["rows"], second["rows"], return_indices=True)
        self.first = np.stack([first[name][in_first] for name in self.names], axis=1) + less
        self.second = np.stack([second[name][in_second] for name in self.names], axis=1)
        every = [json.loads(line) for line in corpus.open(encoding="utf-8")]
        self.rows = Rows([every[row] for row in both], known)
        self.calibration, self.test = self.rows.split == "calibration", self.rows.split == "test"
        self.lang = np.array([row["lang"] for row in self.rows.rows])
        self.real = np.array([row["source"] != "generated" for row in self.rows.rows])
        self.harmless = self.rows.says[known.harmless]
        self.offers = np.stack([self.rows.says[name] for name in self.names], axis=1)
        self.everyday = np.isin(self.rows.slices, EVERYDAY) & self.harmless
        self.look_alikes = np.any([self.rows.says[other.name] for other in known.look_alikes] + [np.zeros(len(both), bool)], axis=0)

    def caution(self, logits: np.ndarray, review: np.ndarray) -> float:
        by_name = {name: logits[:, place] for place, name in enumerate(self.names)}
        return caution(by_name, dict(zip(self.names, review, strict=True)), {kind: chosen & self.calibration for kind, chosen in self.rows.kinds.items()})


@dataclass(frozen=True)
class Join:
    """Of a category: the weight of the sentence classifier, and what its calibrated logit is scaled and shifted by."""

    weight: float
    slope: float
    intercept: float

    def of(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return (1 - self.weight) * first + self.weight * (self.slope * second + self.intercept)


def join(scores: Scores, place: int) -> Join:
    """By logistic regression on both logits, with the weights that calibrate each."""
    chosen, positive, rows = scores.calibration, scores.offers[:, place][scores.calibration], scores.rows
    weight = balanced(positive, rows.hard[chosen], rows.plain[chosen])
    both = np.stack([scores.first[chosen, place], scores.second[chosen, place]], axis=1)
    model = LogisticRegression(C=1e6).fit(both, positive, sample_weight=weight * len(weight))
    (of_first, of_second), shift = model.coef_[0], float(model.intercept_[0])
    share = round(float(np.clip(1 - of_first, *WEIGHTS)), 2)
    return Join(share, max(float(of_second), 1e-3) / share, shift / share)


def calibrate_anew(made: Path, models: Path, joins: dict[str, Join]) -> None:
    """Copies a model folder to its place in `models`, with the calibration of the labels that a join is of."""
    folder = models / MODELS[1] / made.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    file = folder / "model.toml"
    document = policy.read(file)
    for label in document["labels"]:
        if label["name"] in joins:
            by, own = joins[label["name"]], label["calibration"]
            own["slope"], own["intercept"] = round(float(own["slope"]) * by.slope, 5), round(float(own["intercept"]) * by.slope + by.intercept, 5)
    policy.write(file, document)


def bands(scores: Scores, first: np.ndarray, second: np.ndarray, review: np.ndarray) -> list[tuple[float, float]]:
    """The logits of each category between which a text goes on; caution is off `first` and `second`. Above the band the first look
    is as good as sure: as few other texts as may lie there."""
    ends = []
    for place in range(len(scores.names)):
        offers = scores.calibration & scores.offers[:, place] & (second[:, place] >= review[place])
        others = scores.calibration & ~scores.offers[:, place] & (second[:, place] < review[place])
        # No other text that the second look would clear is left to the first look alone.
        top = max(float(first[others, place].max()), review[place]) + 1e-3
        inside = np.sort(first[offers & (first[:, place] <= top), place])
        lost = int((1 - KEPT) * offers.sum())
        ends.append((float(inside[min(lost, len(inside) - 1)]) - 1e-3, top))
    return ends


def goes_on(first: np.ndarray, ends: list[tuple[float, float]]) -> np.ndarray:
    return np.any([(first[:, place] >= least) & (first[:, place] <= most) for place, (least, most) in enumerate(ends)], axis=0)


def figures(scores: Scores, looks: dict[str, np.ndarray], on: np.ndarray, review: np.ndarray) -> list[dict]:
    """On the split test, of each way of looking. `looks`: logits, caution off; `on`: who is read twice."""
    rows, test, slices = scores.rows, scores.test, scores.rows.slices
    any_offer = scores.offers.any(axis=1)
    generated = test & any_offer & ~scores.real
    plain = np.char.startswith(slices, "offer_plain")
    hard = test & ~any_offer & ~scores.everyday & ~scores.look_alikes & (slices != "template")
    kinds = {
        "generated offers": generated & ~plain, "plain claims": generated & plain, "offers with code words": generated & np.isin(slices, ["offer_code", "offer_ordinary"]),
        "offers with hidden words": generated & np.char.endswith(slices, "obfuscated"), "offers, Chinese": generated & (scores.lang == "zh"), "offers, English": generated & (scores.lang == "en"),
        "texts that resemble offers": hard, "everyday titles": test & scores.everyday,
        **{f"{slice_} texts": test & ~any_offer & (slices == slice_) for slice_ in ("look_alike", "second_hand", "twin", "colour", "news", "public", "saying", "museum", "paraphrase")},
        "conservation, news and court texts": test & rows.kinds["conservation"], "benign texts gathered with the offers": test & (slices == "example") & scores.harmless,
        "look-alike offers": test & scores.look_alikes,
    }
    found = []

    def add(name: str, statistic, chosen: np.ndarray) -> None:
        if chosen.any():
            value, ends = interval(statistic, np.flatnonzero(chosen))
            found.append({"name": name, "value": round(value, 4), "interval": ends, "texts": int(chosen.sum())})

    for look, logits in looks.items():
        said = logits >= review
        for kind, chosen in kinds.items():
            add(f"{look}: {kind} at REVIEW", lambda rows: float(said.any(axis=1)[rows].mean()), chosen)  # noqa: B023
        for place, name in enumerate(scores.names):
            add(f"{look}: {name}: recall at REVIEW of generated offers", lambda rows: float(said[rows, place].mean()), generated & scores.offers[:, place])  # noqa: B023
            real = test & scores.real & (scores.lang == "en") & np.isin(slices, ["example", "title"]) & (scores.offers[:, place] | scores.harmless)
            if (real & scores.offers[:, place]).sum() >= 10:
                f1 = lambda rows: float(2 * (said & scores.offers)[rows, place].sum() / max(1, said[rows, place].sum() + scores.offers[rows, place].sum()))  # noqa: B023, E731
                add(f"{look}: {name}: F1 at REVIEW of real English posts", f1, real)
                add(f"{look}: {name}: F1 at REVIEW of real English posts, examples alone", f1, real & (slices == "example"))
    for kind, chosen in {"everyday titles": test & scores.everyday, "texts that resemble offers": hard, "offers": test & any_offer}.items():
        add(f"read twice: {kind}", lambda rows: float(on[rows].mean()), chosen)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("text_work", type=Path)
    parser.add_argument("sentence_work", type=Path)
    parser.add_argument("sentence", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--policy", type=Path, default=POLICY)
    parser.add_argument("--policy-out", type=Path, required=True)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--categories", type=Path, default=categories.SHIPPED)
    arguments = parser.parse_args()
    known = categories.read(arguments.categories)
    document = policy.read(arguments.policy)
    alone = float(document["text_caution"])
    scores = Scores(arguments.corpus, arguments.text_work, arguments.sentence_work, known, alone)
    review = np.array([review_logits(known, arguments.policy)[name] for name in scores.names])
    joins = {name: join(scores, place) for place, name in enumerate(scores.names)}
    joined = np.stack([by.of(scores.first[:, place], scores.second[:, place]) for place, by in enumerate(joins.values())], axis=1)
    less = round(scores.caution(joined, review), 4)
    joined, first = joined - less, scores.first - less
    ends = bands(scores, first, joined, review)
    on = goes_on(first, ends)
    looks = {"first look alone, with its own caution": scores.first - alone, "second look at everything": joined, "second look in the bands": np.where(on[:, None], joined, first)}
    told = figures(scores, looks, on, review)
    share = HARMLESS_SHARE * float(on[scores.test & scores.everyday].mean()) + (1 - HARMLESS_SHARE) * float(on[scores.test & ~scores.everyday].mean())
    print(f"caution {less}, share {share:.4f}, {joins}")

    document["text_caution"] = less
    for name in scores.names:
        policy.set_join(document, name, "texts", {MODELS[0]: round(1 - joins[name].weight, 2), MODELS[1]: joins[name].weight})
    probabilities = {name: (round(float(expit(least)), 6), round(float(expit(most)), 4)) for name, (least, most) in zip(scores.names, ends, strict=True)}
    for name, (least, most) in probabilities.items():
        print(f"band of {name}: {least} to {most}")
    policy.set_second_look(document, "texts", [MODELS[1]], MAY_TAKE, probabilities)
    policy.write(arguments.policy_out, document)
    calibrate_anew(arguments.sentence, arguments.models, joins)
    if arguments.figures:
        arguments.figures.write_text(json.dumps({"joins": {name: asdict(by) for name, by in joins.items()}, "text_caution": less, "bands": probabilities, "share": share, "figures": told}, indent=1))
    for figure in told:
        print(f"{figure['name']:96} {figure['value']:.4f} {figure['interval']} {figure['texts']}")


if __name__ == "__main__":
    main()
