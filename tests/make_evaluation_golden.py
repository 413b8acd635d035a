"""Golden numbers for `src/lab/evaluate`, computed by scikit-learn and numpy: tests/fixtures/golden/evaluation.json.

    pip install numpy==2.4.6 scikit-learn==1.9.1
    python tests/make_evaluation_golden.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn import metrics

PRIOR = 0.01
BINS = 15


def recall_where(reached: np.ndarray, recall: np.ndarray) -> float:
    return float(recall[reached].max(initial=0.0))


def expected_calibration_error(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    """Bins of equal weight; equal probabilities stay together, in the bin of the middle of their weight."""
    values = np.unique(p)
    mass = np.array([w[p == value].sum() for value in values])
    middle = (np.cumsum(mass) - mass / 2) / w.sum()
    bin_of_value = np.minimum((middle * BINS).astype(int), BINS - 1)
    bin_of = bin_of_value[np.searchsorted(values, p)]
    error = 0.0
    for b in range(BINS):
        inside = (bin_of == b) & (w > 0)
        if inside.any():
            stated = np.average(p[inside], weights=w[inside])
            observed = np.average(y[inside], weights=w[inside])
            error += w[inside].sum() / w.sum() * abs(stated - observed)
    return float(error)


def figures(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> dict[str, float]:
    fpr, tpr, _ = metrics.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(y, p, sample_weight=w)
    at_prior = w * np.where(y == 1, PRIOR / w[y == 1].sum(), (1 - PRIOR) / w[y == 0].sum())
    precision_prior, recall_prior, _ = metrics.precision_recall_curve(y, p, sample_weight=at_prior)
    slack = 1e-12
    return {
        "roc_auc": float(metrics.roc_auc_score(y, p, sample_weight=w)),
        "average_precision": float(metrics.average_precision_score(y, p, sample_weight=w)),
        "average_precision_at_prior": float(metrics.average_precision_score(y, p, sample_weight=at_prior)),
        "recall_at_low_fpr": recall_where(fpr <= 0.01 + slack, tpr),
        "recall_at_high_fpr": recall_where(fpr <= 0.05 + slack, tpr),
        "recall_at_precision": recall_where(precision >= 0.9 - slack, recall),
        "recall_at_precision_at_prior": recall_where(precision_prior >= 0.9 - slack, recall_prior),
        "brier": float(metrics.brier_score_loss(y, p, sample_weight=w)),
        "ece": expected_calibration_error(p, y, w),
        "brier_at_prior": float(metrics.brier_score_loss(y, p, sample_weight=at_prior)),
        "ece_at_prior": expected_calibration_error(p, y, at_prior),
    }


def sample(rng: np.random.Generator, positives: int, negatives: int, apart: float, digits: int) -> dict:
    """Scores of two classes `apart` standard deviations apart, rounded so that some are equal."""
    y = np.r_[np.ones(positives, int), np.zeros(negatives, int)]
    logit = rng.normal(np.where(y == 1, apart / 2, -apart / 2), 1.0) * 1.5
    p = np.round(1 / (1 + np.exp(-logit)), digits)
    w = rng.integers(0, 4, len(y)).astype(float)
    order = rng.permutation(len(y))
    p, y, w = p[order], y[order], w[order]
    return {
        "scores": p.tolist(),
        "positive": y.astype(bool).tolist(),
        "weights": w.tolist(),
        "unweighted": figures(p, y, np.ones(len(y))),
        "weighted": figures(p, y, w),
    }


def main() -> None:
    rng = np.random.default_rng(3)
    cases = [sample(rng, 40, 160, 2.0, 2), sample(rng, 12, 60, 4.0, 1), sample(rng, 90, 90, 0.3, 3)]
    values = np.round(rng.normal(size=37), 4)
    percentiles = {str(q): float(np.percentile(values, 100 * q)) for q in (0.0, 0.025, 0.5, 0.975, 1.0)}
    golden = {
        "made_by": f"tests/make_evaluation_golden.py, numpy {np.__version__}",
        "prior": PRIOR,
        "cases": cases,
        "percentiles": {"values": values.tolist(), "expected": percentiles},
    }
    path = Path(__file__).parent / "fixtures/golden/evaluation.json"
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
