"""Fits linear heads on the embeddings of the views, for an encoder that was not fine-tuned.

    linear_heads.py VIEWS ENCODER_FOLDER OUT.npz [--leave-out FOLD]

One logistic regression a category on standardised embeddings, folded into one linear layer, so that its class-activation map
is exact. OUT.npz: "heads.w" [3, 1280], "heads.b" [3], as finetune.py leaves them;
zeros for a category with too few photos, whose head is not made. The embeddings come from the server's code.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from common import HEADS, embed, heads_of

STRENGTH = 0.0003  # inverse regularisation: the strongest of three tried, by listing photos of sellers left out


def fit(x: np.ndarray, y: np.ndarray, strength: float = STRENGTH) -> tuple[np.ndarray, float]:
    """Weights and bias on raw embeddings."""
    mean, scale = x.mean(0), x.std(0) + 1e-3
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000).fit((x - mean) / scale, y)
    weights = model.coef_[0] / scale
    return weights, float(model.intercept_[0] - weights @ mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--leave-out", type=int, default=-1, metavar="FOLD")
    arguments = parser.parse_args()
    with open(arguments.views / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    files = [str(arguments.views / row["file"]) for row in rows]
    x = embed(files, arguments.views / "embeddings", encoder=arguments.encoder)
    kept = np.array([int(row["fold"]) != arguments.leave_out for row in rows]) & np.isfinite(x).all(1)
    made = heads_of([(row["head"], int(row["fold"])) for row in rows])
    none = np.zeros(x.shape[1]), 0.0
    found = [fit(x[kept], np.array([row["head"] == head for row in rows])[kept]) if head in made else none for head in HEADS]
    np.savez(arguments.out, **{"heads.w": np.stack([w for w, _ in found]).astype(np.float32), "heads.b": np.float32([b for _, b in found])})


if __name__ == "__main__":
    main()
