"""Fits the heads ivory, pangolin_scale and rhino_horn over the encoder's embedding and writes their model folders.

    heads.py DATA_DIR WORK_DIR MODELS_DIR

A head is a logistic regression on standardised embeddings, folded into one linear layer, so its class-activation map is
exact. Measured in five folds by group (object, near-duplicates) and seller: each fold is scored by a model that saw three
others, with the remaining one for calibration. The shipped head is fitted on everything, its calibration on the scores that
the five models gave to photos they had not seen.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from common import Photo, embed, fit_platt, fold_of, interval, read_photos, write_folder

FOLDS = 5
STRENGTH = 0.003  # inverse regularisation, chosen beforehand
HEADS = {
    "ivory": {
        "positives": ["ivory"],
        "summary": "Ivory objects and tusks against other listings, museum objects and generic photos.",
        "known_failures": [
            "Mammoth ivory, which is legal in China, looks the same; so, mostly, do museum bone and pale resin.",
            "Most listing photos of ivory are one seller's, with banners and watermarks.",
        ],
    },
    "pangolin_scale": {
        "positives": ["pangolin", "pangolin_scales"],
        "summary": "A first head, on photos of live pangolins and crops of their scales: none of loose scales exist in the data.",
        "known_failures": ["Loose scales in sacks, jars or heaps are UNMEASURED.", "Live pangolins are flagged, too."],
    },
    "rhino_horn": {
        "positives": ["rhino", "rhino_horn"],
        "summary": "A first head, on photos of live rhinoceroses and crops of their horns: none of traded horn exist in the data.",
        "known_failures": ["Horn as a trade object (cups, slices, powder) is UNMEASURED.", "Live rhinoceroses are flagged, too."],
    },
}


def fit(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias on raw embeddings."""
    mean, scale = x.mean(0), x.std(0) + 1e-3
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=3000).fit((x - mean) / scale, y)
    weights = model.coef_[0] / scale
    return weights, float(model.intercept_[0] - weights @ mean)


def cross_validate(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every photo, from models that never saw it: the raw logit, and the calibrated one."""
    raw, calibrated = np.zeros(len(y)), np.zeros(len(y))
    for fold in range(FOLDS):
        test, calibration = folds == fold, folds == (fold + 1) % FOLDS
        weights, bias = fit(x[~test & ~calibration], y[~test & ~calibration])
        slope, intercept = fit_platt(x[calibration] @ weights + bias, y[calibration])
        raw[test] = x[test] @ weights + bias
        calibrated[test] = slope * raw[test] + intercept
    return raw, calibrated


def measure(name: str, photos: list[Photo], y: np.ndarray, logits: np.ndarray) -> list[dict]:
    groups = np.array([photo.group for photo in photos])
    everything = np.arange(len(y))
    listings = np.array([i for i, photo in enumerate(photos) if photo.seller])
    protocol = "five folds by object and seller, intervals by bootstrap over groups; "

    def recall_at(false_positive_rate: float):
        def statistic(rows: np.ndarray) -> float | None:
            negatives = logits[rows][y[rows] == 0]
            if len(negatives) == 0 or y[rows].sum() == 0:
                return None
            return float((logits[rows][y[rows] == 1] > np.quantile(negatives, 1 - false_positive_rate)).mean())
        return statistic

    def safe(score):
        return lambda rows: score(y[rows], logits[rows]) if 0 < y[rows].sum() < len(rows) else None

    metrics = []

    def add(what: str, statistic, rows: np.ndarray, data: str) -> None:
        value, ends = interval(statistic, rows, groups)
        metrics.append({"name": what, "value": round(value, 4), "interval": ends, "protocol": protocol + data})

    data = f"{int(y.sum())} positive, {int((y == 0).sum())} negative photos"
    add("ROC-AUC", safe(roc_auc_score), everything, data)
    add("average precision", safe(average_precision_score), everything, data)
    add("recall at 5 % false positives", recall_at(0.05), everything, data)
    if name == "ivory":
        data = f"listing photos only, sellers never seen in training: {int(y[listings].sum())} ivory, {int((y[listings] == 0).sum())} other"
        add("listings: ROC-AUC", safe(roc_auc_score), listings, data)
        add("listings: average precision", safe(average_precision_score), listings, data)
        add("listings: recall at 5 % false positives", recall_at(0.05), listings, data)
        add("listings: recall at 1 % false positives", recall_at(0.01), listings, data)
    return metrics


def to_onnx(weights: np.ndarray, bias: float) -> bytes:
    value = helper.make_tensor_value_info
    initializers = [
        numpy_helper.from_array(weights.astype(np.float32)[:, None], "weights"),
        numpy_helper.from_array(np.array([bias], np.float32), "bias"),
    ]
    node = helper.make_node("Gemm", ["embedding", "weights", "bias"], ["logits"])
    inputs, outputs = [value("embedding", TensorProto.FLOAT, ["N", len(weights)])], [value("logits", TensorProto.FLOAT, ["N", 1])]
    graph = helper.make_graph([node], "head", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def main(data: Path, work: Path, models: Path) -> None:
    photos = read_photos(data)
    x = embed([photo.path for photo in photos], work / "photos", encoder=models / "image_encoder" / "1").astype(np.float64)
    readable = np.isfinite(x).all(1)
    photos, x = [photo for photo, ok in zip(photos, readable) if ok], x[readable]
    folds = np.array([fold_of(photo.group, FOLDS) for photo in photos])
    # Photos of the animals are left out of the other animals' and of ivory's negatives only where they would be positives.
    for name, head in HEADS.items():
        y = np.array([int(photo.label in head["positives"]) for photo in photos])
        raw, calibrated = cross_validate(x, y, folds)
        metrics = measure(name, photos, y, calibrated)
        np.savez(work / f"{name}_out_of_fold.npz", logits=calibrated, labels=y, groups=[photo.group for photo in photos])
        slope, intercept = fit_platt(raw, y)
        weights, bias = fit(x, y)
        sources = Counter((photo.source, photo.licence) for photo in photos)
        card = {
            "summary": head["summary"],
            "licence": "Apache-2.0 for the weights; part of the training data is for research use only, see data",
            "known_failures": head["known_failures"],
            "data": [{"source": source, "licence": licence, "count": count} for (source, licence), count in sources.most_common()],
            "metrics": metrics,
        }
        sample = x[0].round(4)
        golden = {"samples": [{"embedding": sample.tolist(), "output": [float(np.float32(sample @ weights + bias))]}]}
        manifest = {
            "name": name, "version": "1", "kind": "head", "file": "model.onnx",
            "inputs": [{"name": "embedding", "dtype": "float32", "shape": [-1, x.shape[1]]}],
            "outputs": [{"name": "logits", "dtype": "float32", "shape": [-1, 1]}],
            "labels": [{"name": name, "category": name, "calibration": {"slope": round(slope, 5), "intercept": round(intercept, 5)}}],
            "golden": {"file": "golden.json", "tolerance": 0.01},
        }
        write_folder(models / name / "1", manifest, {"model.onnx": to_onnx(weights, bias), "golden.json": json.dumps(golden).encode()}, card)
        for metric in metrics:
            print(f"{name:15} {metric['name']:42} {metric['value']:.4f} {metric['interval']}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
