"""What the two text models learn from and how: rows of the corpus and their weights, bags of windows, calibration, caution.

A model is a function of a window; a text is an offer when one of its windows is. Fitted on the split "train", calibrated on
"calibration", reported on "test".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from categories import Categories

NEGATIVE_WINDOWS = 5  # of a text, that are learnt from
OTHER_PRODUCT = 0.3  # weight of another product's offers in a category's fit: a listing may offer several
# Most of the texts of a kind, of the split calibration, that a text alone may send to REVIEW. Offers are rare, so a little less
# recall is worth it: what is needed for that the policy takes off every calibrated logit. Conservation texts are few, 162, and two of
# their headlines read like an offer word for word: a share so small that those alone set the caution costs half of all offers.
FALSE_ALARMS = {"look_alike": 0.03, "conservation": 0.03, "title": 0.001}
HARD = ["look_alike", "second_hand", "twin", "colour", "saying"]  # slices of benign texts that resemble offers
DEALERS = ["GabrielDeml/IWT", "ParkerCase/wildlife-conservation-tracker"]  # whose benign titles read like the real offers

# Fits windows f32 [windows, features] to whether they are positive, by weight; gives weights and bias.
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, float]]


class Rows:
    """The corpus as columns, f64 or bool [rows]."""

    def __init__(self, rows: list[dict], known: Categories) -> None:
        self.rows, self.labels = rows, known.labels
        self.names = [category.name for category in known.read_from_words]
        self.split, self.slices = (np.array([row[key] for row in rows]) for key in ("split", "slice"))
        source = np.array([row["source"] for row in rows])
        self.says = {name: np.array([name in row["labels"] for row in rows]) for name in self.labels}
        self.offer = np.any([self.says[name] for name in self.names], axis=0)
        reports, slices = self.says[known.report], self.slices
        # Real texts are few and worth more than generated ones; among the benign, those that resemble offers are.
        dealer = (slices == "title") & np.isin(source, DEALERS)
        self.weight = np.select([(slices == "example") & reports, slices == "example", dealer, np.isin(slices, ["news", "public"]), np.isin(slices, HARD)], [25.0, 5.0, 6.0, 8.0, 3.0], 1.0)
        # Generated offers hide and rename more than offers in the field: calibration counts those less.
        self.plain = np.select([np.char.endswith(slices, "obfuscated") | (slices == "offer_ordinary"), np.isin(slices, ["offer_code", "offer_template"])], [0.25, 0.5], 1.0)
        self.hard = ~self.says[known.harmless] | np.isin(slices, [*HARD, "example"]) | dealer
        self.kinds = {"look_alike": slices == "look_alike", "conservation": (slices == "example") & reports, "title": slices == "title"}

    def weight_of(self, name: str) -> np.ndarray:
        """Of each row in the fit of a label."""
        other = self.offer & ~self.says[name] & (name in self.names)
        return np.where(other, OTHER_PRODUCT, 1.0) * self.weight


@dataclass(frozen=True)
class Fitted:
    """Weights f64 [features], bias and Platt's slope and intercept of each label, and calibrated logits f64 [rows]."""

    weights: list[np.ndarray]
    biases: list[float]
    platt: dict[str, tuple[float, float]]
    logits: dict[str, np.ndarray]


def strongest(window_logits: np.ndarray, texts: np.ndarray, count: int) -> np.ndarray:
    """A text's logit is its strongest window's. A text without windows is never scored by the server; here it counts as the least."""
    best = np.full(count, -np.inf)
    np.maximum.at(best, texts, window_logits)
    best[~np.isfinite(best)] = best[np.isfinite(best)].min()
    return best


def leading(key: np.ndarray, texts: np.ndarray, most: int) -> np.ndarray:
    """Which windows are among the `most` of their text with the highest key."""
    order = np.lexsort((-key, texts))
    sorted_texts = texts[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_texts, sorted_texts)
    chosen = np.zeros(len(key), bool)
    chosen[order[rank < most]] = True
    return chosen


def fit_bags(fit: Fit, matrix, long: np.ndarray, texts: np.ndarray, positive: np.ndarray, weight: np.ndarray, rounds: int) -> tuple[np.ndarray, float]:
    """Fitted on the longest window of each text first, then again and again on the strongest window of each positive text and the
    strongest few of each negative one, until what the server will take for the strongest is what was learnt."""
    kept = long
    for turn in range(rounds):
        weights, bias = fit(matrix[kept], positive[kept], weight[kept])
        if turn + 1 < rounds:
            logits = matrix @ weights + bias
            hard = leading(logits, texts, NEGATIVE_WINDOWS)
            kept = (positive & leading(logits, texts, 1)) | (~positive & (hard | long | kept))
    return weights, bias


def balanced(positive: np.ndarray, hard: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """Weights, 1 in all, of a balanced prior: offers one half, texts that resemble offers 0.45, all others 0.05."""
    weight = np.zeros(len(positive))
    for chosen, share in ((positive, 0.5), (~positive & hard, 0.45), (~positive & ~hard, 0.05)):
        part = np.where(positive, plain, 1.0)[chosen]
        weight[chosen] = share * part / part.sum()
    return weight


def calibrate(logits: np.ndarray, positive: np.ndarray, hard: np.ndarray, plain: np.ndarray) -> tuple[float, float]:
    """Platt at a balanced prior."""
    model = LogisticRegression(C=1e6).fit(logits[:, None], positive, sample_weight=balanced(positive, hard, plain) * len(logits))
    return max(float(model.coef_[0, 0]), 1e-3), float(model.intercept_[0])


def fit_labels(corpus: Rows, matrix, sizes: np.ndarray, texts: np.ndarray, fit: Fit, rounds: int) -> Fitted:
    """One model a label. `matrix`: a row a window; `sizes`: how long each is; `texts`: the row of the corpus it is of."""
    learnt, calibration = corpus.split == "train", corpus.split == "calibration"
    train = learnt[texts]
    inside, of = matrix[train], texts[train]
    long = leading(sizes[train].astype(float), of, 1)
    weights, biases, platt, logits = [], [], {}, {}
    for name in corpus.labels:
        positive = corpus.says[name]
        if not positive[learnt].any() or not positive[calibration].any():
            raise SystemExit(f"{name}: no text of this label is there to train and calibrate on; give examples of it, or words to generate offers from")
        w, b = fit_bags(fit, inside, long, of, positive[of], corpus.weight_of(name)[of], rounds if name in corpus.names else 1)
        raw = strongest(matrix @ w + b, texts, len(corpus.rows))
        platt[name] = calibrate(raw[calibration], positive[calibration], corpus.hard[calibration], corpus.plain[calibration])
        weights.append(w), biases.append(b)
        logits[name] = platt[name][0] * raw + platt[name][1]
        print(f"{name:15} fitted, slope {platt[name][0]:.3f}, intercept {platt[name][1]:.3f}", flush=True)
    return Fitted(weights, biases, platt, logits)


def caution(logits: dict[str, np.ndarray], review: dict[str, float], kinds: dict[str, np.ndarray]) -> float:
    """The least to take off the calibrated logits so that no kind of harmless texts has more false alarms than FALSE_ALARMS says.
    `review`: the logit of each category from which a text alone means REVIEW."""
    beyond = np.max([logits[name] - least for name, least in review.items()], axis=0)
    return max([0.0, *(float(np.quantile(beyond[kinds[kind]], 1 - share)) for kind, share in FALSE_ALARMS.items() if kinds[kind].any())])


def offers_of(rows: list[dict], names: list[str]) -> list[str]:
    """How many offers are real: what is measured on the others says little of the trade."""
    found = []
    for lang, language in (("zh", "Chinese"), ("en", "English")):
        mine = [row for row in rows if row["lang"] == lang]
        real = {name: sum(row["source"] != "generated" and name in row["labels"] for row in mine) for name in names}
        none = [name for name, count in real.items() if not count]
        if not mine:
            found.append(f"There are no {language} texts in the data: {language} is UNMEASURED.")
            continue
        if none:
            found.append(f"Real {language} offers of {', '.join(none)} are UNMEASURED: there are none in the data, and offers are generated.")
        few = [f"{count} of {name}" for name, count in real.items() if count]
        if few:
            found.append(f"Real {language} offers are few, {', '.join(few)}: their intervals are wide. All others are generated.")
    return found


def label_tables(fitted: Fitted, names: list[str]) -> list[dict]:
    """The labels of model.toml."""
    return [{"name": name} | ({"category": name} if name in names else {}) | {"calibration": {"slope": round(slope, 5), "intercept": round(intercept, 5)}} for name, (slope, intercept) in fitted.platt.items()]
