"""Fits the fusion and the thresholds of policy.toml on listings that no model has seen.

    fusion.py POLICY.toml SCORES.jsonl [SCORES.jsonl ...] [--out POLICY.toml]

SCORES are what `wildwarden evaluate` keeps of the listings that listings.py composed. What the server multiplies its weights with
comes from `wildwarden policy terms`: it alone knows the formula (logistic stacking, Wolpert 1992). Both classes weigh the same, so
it holds at a prior of one half. More evidence must never lower the risk: the weights are fitted under that constraint. How little
a logit may count as, its floor, is chosen by cross-validation over the listings' groups.

Thresholds: the lowest fused probability whose precision at the deployment prior is, with 90 % confidence, at least the target, or that
comes nearest to it.
Only the numbers of [category.fusion] and of [suggestions] change in the file. Categories are those of the scores; a category of
which no listing is an offer keeps its fusion, and one with thresholds of its own keeps them.
"""

import argparse
import itertools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

import policy
import program
from common import fold_of

IMAGE_FLOORS, TEXT_FLOORS = (-4.0, -3.0, -2.0, -1.0, -0.5), (-3.0, -2.0, -1.0, -0.5, -0.25)
ROUNDING = 5e-5  # of the numbers, as policy.set_numbers writes them
PULL = 1e-3  # towards equal weights of both logits
# What a reviewer's time is worth: of seven listings sent to review one should be an offer; of ten held back, nine.
REVIEW_PRECISION, BLOCK_PRECISION = 0.15, 0.90
# With more, a harmless listing or two of thousands that look worst decide, and BLOCK is hardly ever said.
CONFIDENCE = 0.90


@dataclass(frozen=True)
class Terms:
    """What `wildwarden policy terms` says."""

    weights: list[str]  # their names, in the order of the terms
    bound: float  # largest logit that counts
    shift: float  # what the deployment prior adds to a fused logit
    of: dict[str, np.ndarray]  # category -> f64 [image floors, text floors, listings, weights]


def read_terms(file: Path, scores: list[Path]) -> Terms:
    with tempfile.TemporaryDirectory() as folder:
        # With =, for a list that begins with a minus is no option.
        floors = [f"--{name}-floors={','.join(map(str, floors))}" for name, floors in (("image", IMAGE_FLOORS), ("text", TEXT_FLOORS))]
        told = program.told("policy", "terms", file, *scores, "--out", folder, *floors)
        of = {name: np.load(Path(folder) / f"{name}.npy") for name in told["categories"]}
    return Terms(told["weights"], told["logit_bound"], told["prior_shift"], of)


def log_loss(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean over both classes alike, and its gradient."""
    share = np.where(y == 1, 0.5 / max(y.sum(), 1), 0.5 / max((1 - y).sum(), 1))
    z = x @ weights
    return float((share * (np.logaddexp(0, z) - y * z)).sum()), x.T @ (share * (1 / (1 + np.exp(-z)) - y))


def fit(x: np.ndarray, y: np.ndarray, terms: Terms) -> np.ndarray:
    logits, interaction = [terms.weights.index(name) for name in ("image", "text")], terms.weights.index("interaction")
    centre = np.zeros(len(terms.weights))
    centre[logits] = 1
    slack = (1 + terms.bound) * ROUNDING  # it holds for the numbers as they are written, too

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = log_loss(x, y, weights)
        return value + PULL * ((weights - centre) ** 2).sum(), gradient + 2 * PULL * (weights - centre)

    constraints = [
        {"type": "ineq", "fun": lambda w, i=i, sign=sign: w[i] - terms.bound * sign * w[interaction] - slack}
        for i in logits for sign in (1, -1)
    ]
    return minimize(loss, centre, jac=True, method="SLSQP", constraints=constraints, options={"maxiter": 500}).x


def choose(terms: Terms, category: str, y: np.ndarray, parts: np.ndarray) -> tuple[tuple[int, int], np.ndarray]:
    """Floors, by their places, by five-fold cross-validation, then the weights on everything."""
    def unseen(floors: tuple[int, int]) -> float:
        x = terms.of[category][floors]
        return sum(log_loss(x[parts == part], y[parts == part], fit(x[parts != part], y[parts != part], terms))[0] for part in range(5))
    floors = min(itertools.product(range(len(IMAGE_FLOORS)), range(len(TEXT_FLOORS))), key=unseen)
    return floors, fit(terms.of[category][floors], y, terms)


def threshold(risk: np.ndarray, y: np.ndarray, groups: np.ndarray, prior: float, target: float, rounds: int = 300) -> float:
    """Lowest risk whose precision at the prior reaches the target in CONFIDENCE of the bootstrap's rounds; where none does, the one
    that comes nearest."""
    rng, candidates = np.random.default_rng(1), np.unique(np.quantile(risk, np.linspace(0, 1, 400)))
    names, inverse = np.unique(groups, return_inverse=True)
    precision = np.zeros((rounds, len(candidates)))
    for row in range(rounds):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[inverse]
        rates = []
        for label in (1, 0):
            weight = drawn * (y == label)
            order = np.argsort(risk)
            above = weight.sum() - np.concatenate([[0], np.cumsum(weight[order])])[np.searchsorted(risk[order], candidates)]
            rates.append((above + (1 - label) * 0.5) / (weight.sum() + 1))  # half a false positive is always expected
        precision[row] = prior * rates[0] / (prior * rates[0] + (1 - prior) * rates[1])
    lower = np.quantile(precision, 1 - CONFIDENCE, axis=0)
    return float(candidates[np.argmax(lower >= target) if (lower >= target).any() else np.argmax(lower)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policy", type=Path)
    parser.add_argument("scores", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    document = policy.read(arguments.policy)
    prior = float(document["deployment_prior"])
    rows = [json.loads(line) for path in arguments.scores for line in path.read_bytes().splitlines()]
    groups = np.array([row["group"] or row["id"] for row in rows])
    parts = np.array([fold_of(group, 5) for group in groups])
    risk = np.zeros(len(rows))
    names = list(dict.fromkeys(name for row in rows for name in [*row["categories"], *row["labels"]]))
    tables = {name: policy.category(document, name)["fusion"] for name in names}
    terms = read_terms(arguments.policy, arguments.scores)
    for head in names:
        y = np.array([float(head in row["labels"]) for row in rows])
        if not y.any():
            print(f"{head:15} no listing offers it: its fusion stays as it is")
            continue
        floors, weights = choose(terms, head, y, parts)
        numbers = dict(zip(terms.weights, weights, strict=True)) | {"image_floor": IMAGE_FLOORS[floors[0]], "text_floor": TEXT_FLOORS[floors[1]]}
        policy.set_numbers(tables[head], numbers)
        print(f"{head:15} " + ", ".join(f"{key} {value:.3f}" for key, value in numbers.items()))
        risk = np.maximum(risk, expit(terms.of[head][floors] @ weights + terms.shift))
    y = np.array([float(bool(row["labels"])) for row in rows])
    review, block = (threshold(risk, y, groups, prior, target) for target in (REVIEW_PRECISION, BLOCK_PRECISION))
    # Rounded away from more alarms than were measured; BLOCK stays above REVIEW.
    review = min(max(review, prior * 2), 0.97)
    block = min(max(block, review + 0.01), 0.99)
    policy.set_numbers(document["suggestions"], {"review": review, "block": block})
    for name, at in (("review", review), ("block", block)):
        print(f"{name:15} from {at:.4f}: {(risk[y == 1] >= at).mean():.3f} of the offers, {(risk[y == 0] >= at).mean():.4f} of the others")
    policy.write(arguments.out or arguments.policy, document)


if __name__ == "__main__":
    main()
