"""Logistic regression on sparse hashed features, each scaled by how much it tells the classes apart (Wang & Manning 2012)."""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix


def log_ratio(features: csr_matrix, positive: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """|log| of the ratio of a feature's shares in the two classes, smoothed: near 0 for what both say alike."""
    present = (features > 0).astype(np.float32)
    inside, outside = (1.0 + present.T @ (weight * chosen) for chosen in (positive, ~positive))
    return np.abs(np.log(inside / inside.sum()) - np.log(outside / outside.sum()))


def fit(features: csr_matrix, positive: np.ndarray, weight: np.ndarray, strength: float, iterations: int = 50) -> tuple[np.ndarray, float]:
    """Weights and bias for the features as they are: the scale is multiplied in, so the model stays a plain sum."""
    scale = log_ratio(features, positive, weight)
    transposed, sign = features.T.tocsr(), np.where(positive, 1.0, -1.0)

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (features @ (scale * v[:-1]) + v[-1])
        slope = -sign * weight / (1 + np.exp(np.clip(margin, -50, 50)))
        gradient = np.append(scale * (transposed @ slope), slope.sum())
        return 0.5 * v @ v + strength * (weight @ np.logaddexp(0, -margin)), v + strength * gradient

    found = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": iterations}).x
    return scale * found[:-1], float(found[-1])
