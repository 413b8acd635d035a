"""Fits linear heads on the embeddings of the views.

    linear_heads.py VIEWS ENCODER_FOLDER OUT.npz [--leave-out FOLD]

One logistic regression a category on standardised embeddings, folded into one linear layer, so that its class-activation map
is exact. OUT.npz: "heads.names" [heads], "heads.w" f32 [heads, D], "heads.b" f32 [heads], as finetune.py leaves them, of the
categories that have enough photos. The embeddings come from the server's code.
"""

import argparse
import csv
import tomllib
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from common import heads_of
from program import embed

# Inverse regularisation by encoder: the best of those tried, by listing photos of sellers left out.
STRENGTH = {"image_encoder": 0.0003, "clip_encoder": 0.01}


def fit(x: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    """Weights and bias on raw embeddings."""
    mean, scale = x.mean(0), x.std(0) + 1e-3
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000).fit((x - mean) / scale, y)
    weights = model.coef_[0] / scale
    return weights, float(model.intercept_[0] - weights @ mean)


def names_of(rows: list[dict]) -> list[str]:
    """The categories of which views.py drew views, in the order of their rows in heads.w."""
    return sorted({row["head"] for row in rows} - {""})


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
    name = tomllib.loads((arguments.encoder / "model.toml").read_text(encoding="utf-8"))["name"]
    x = embed(files, arguments.views / f"seen_by_{name}", arguments.encoder)
    kept = np.array([int(row["fold"]) != arguments.leave_out for row in rows]) & np.isfinite(x).all(1)
    made = heads_of([(row["head"], int(row["fold"])) for row in rows], names_of(rows))
    if not made:
        raise SystemExit("no category has photos enough for a head: give more photos")
    found = [fit(x[kept], np.array([row["head"] == head for row in rows])[kept], STRENGTH[name]) for head in made]
    np.savez(arguments.out, **{"heads.names": np.array(made), "heads.w": np.stack([w for w, _ in found]).astype(np.float32), "heads.b": np.float32([b for _, b in found])})


if __name__ == "__main__":
    main()
