"""Figures for model cards, each with its 95 % interval: ROC-AUC, average precision, recall at given false-positive rates."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from common import interval


@dataclass(frozen=True)
class Rows:
    """Labels (0 or 1), scores, groups that are drawn whole, and which rows count."""

    y: np.ndarray
    score: np.ndarray
    groups: np.ndarray
    chosen: np.ndarray


def recall_at(rate: float, y: np.ndarray, score: np.ndarray) -> float:
    """Share of positives above the score that `rate` of the negatives exceed."""
    return float((score[y == 1] > np.quantile(score[y == 0], 1 - rate)).mean())


def ranking(what: str, rows: Rows, protocol: str) -> list[dict]:
    """Metrics of a card for the chosen rows; none where one of the two kinds is missing, for then nothing is measured."""
    y = rows.y[rows.chosen]
    positives, negatives = int(y.sum()), int((y == 0).sum())
    if not positives or not negatives:
        return []
    statistics = {
        "ROC-AUC": roc_auc_score, "average precision": average_precision_score,
        "recall at 5 % false positives": lambda y, s: recall_at(0.05, y, s), "recall at 1 % false positives": lambda y, s: recall_at(0.01, y, s),
    }
    found = []
    for name, statistic in statistics.items():
        def value(chosen: np.ndarray, statistic=statistic) -> float | None:
            y = rows.y[chosen]
            return float(statistic(y, rows.score[chosen])) if 0 < y.sum() < len(y) else None
        point, ends = interval(value, rows.chosen, rows.groups)
        metric = {"name": f"{what}: {name}", "value": round(point, 4)} | ({"interval": ends} if ends else {})
        found.append(metric | {"protocol": f"{protocol}{positives} positive, {negatives} negative"})
    return found
