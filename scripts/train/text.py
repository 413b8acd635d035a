"""Fits the text classifier on a corpus and writes its model folder.

    text.py CORPUS.jsonl WORK_DIR MODELS_DIR

One logistic regression a label over hashed features, which the server's own `featurize` makes. The model is additive: a
logit is the bias plus what each feature adds, so contributions are exact. Fitted on the split "train", calibrated on
"calibration", reported on "test".
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from common import WILDWARDEN, fit_platt, interval, write_folder

BUCKETS, WINDOW_TOKENS = 1 << 17, 48
LABELS = ["ivory", "pangolin_scale", "rhino_horn", "mammoth", "conservation", "benign"]
CATEGORIES = LABELS[:3]
STRENGTH = 30.0  # inverse regularisation, chosen beforehand
WORDS = Path(__file__).parent / "text" / "words.txt"


def features(corpus: Path, work: Path) -> tuple[csr_matrix, np.ndarray]:
    command = [WILDWARDEN, "featurize", str(corpus), "--out", str(work), "--words", str(WORDS)]
    subprocess.run([*command, "--buckets", str(BUCKETS), "--window-tokens", str(WINDOW_TOKENS)], check=True)
    ids, values, starts, texts = (np.load(work / f"{name}.npy") for name in ("ids", "values", "starts", "texts"))
    return csr_matrix((values, ids, starts), shape=(len(starts) - 1, BUCKETS)), texts


def strongest(window_logits: np.ndarray, texts: np.ndarray, count: int) -> np.ndarray:
    """A text's logit is its strongest window's; a text without windows has none."""
    best = np.full(count, -np.inf)
    np.maximum.at(best, texts, window_logits)
    return best


def to_onnx(weights: np.ndarray, bias: np.ndarray) -> bytes:
    """ids i64 [N,T], values f32 [N,T] -> logits f32 [N,L], contributions f32 [N,T,L]."""
    value = helper.make_tensor_value_info
    initializers = [
        numpy_helper.from_array(weights.astype(np.float32), "weights"),
        numpy_helper.from_array(bias.astype(np.float32), "bias"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
        numpy_helper.from_array(np.array([1], np.int64), "features"),
    ]
    nodes = [
        helper.make_node("Gather", ["weights", "ids"], ["rows"], axis=0),
        helper.make_node("Unsqueeze", ["values", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["contributions"]),
        helper.make_node("ReduceSum", ["contributions", "features"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "bias"], ["logits"]),
    ]
    inputs = [value("ids", TensorProto.INT64, ["N", "T"]), value("values", TensorProto.FLOAT, ["N", "T"])]
    outputs = [value("logits", TensorProto.FLOAT, ["N", len(bias)]), value("contributions", TensorProto.FLOAT, ["N", "T", len(bias)])]
    graph = helper.make_graph(nodes, "text", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def measure(rows: list[dict], logits: dict[str, np.ndarray], platt: dict) -> list[dict]:
    split, label, lang, source = (np.array([row[key] for row in rows]) for key in ("split", "label", "lang", "source"))
    test, real = split == "test", source != "generated"
    probability = {c: 1 / (1 + np.exp(-(platt[c][0] * logits[c] + platt[c][1]))) for c in CATEGORIES}
    highest = np.max([probability[c] for c in CATEGORIES], axis=0)
    groups = np.arange(len(rows))
    metrics = []

    def add(name: str, statistic, chosen: np.ndarray, protocol: str) -> None:
        value, ends = interval(statistic, np.flatnonzero(chosen), groups)
        metrics.append({"name": name, "value": round(value, 4), "interval": ends, "protocol": f"{protocol}; {int(chosen.sum())} texts of the split test, bootstrap over texts"})

    for category in CATEGORIES:
        y = (label == category).astype(int)
        add(f"{category}: ROC-AUC", lambda rows: roc_auc_score(y[rows], logits[category][rows]) if 0 < y[rows].sum() < len(rows) else None, test, "offers against all others")
        negatives = test & real & (label == "benign") & (lang == "zh")
        threshold = np.quantile(logits[category][negatives], 0.99)
        offers = test & (label == category) & (lang == "zh") & ~real
        add(f"{category}: recall at 1 % false positives, Chinese", lambda rows: float((logits[category][rows] > threshold).mean()), offers, "generated offers with patterns and words not seen in training, against real benign titles")
    y = (label == "ivory").astype(int)
    english = test & real & (lang == "en") & np.isin(label, ["ivory", "benign"])
    add("ivory: F1 at 0.5, English", lambda rows: f1_score(y[rows], probability["ivory"][rows] > 0.5, zero_division=0), english, "real offers against real benign texts")
    for name, chosen in {
        "benign Chinese titles above 0.9": test & (source == "negatives_zh"), "benign English titles above 0.9": test & (source == "negatives_en"),
        "benign uses of the same words above 0.9": test & (label == "benign") & ~real, "conservation, news and court texts above 0.9": test & (source == "examples") & (label == "conservation"),
        "museum catalogue entries of ivory above 0.9": test & (source == "museum"),
    }.items():
        add(name, lambda rows: float((highest[rows] > 0.9).mean()), chosen, "share whose highest calibrated probability is above 0.9")
    return metrics


def main(corpus: Path, work: Path, models: Path) -> None:
    rows = [json.loads(line) for line in corpus.open(encoding="utf-8")]
    matrix, texts = features(corpus, work)
    split = np.array([row["split"] for row in rows])
    label = np.array([row["label"] for row in rows])
    real_offer = np.array([row["source"] == "examples" and row["label"] in CATEGORIES for row in rows])
    train, calibration = split[texts] == "train", split == "calibration"
    weight = np.where(real_offer, 10.0, 1.0)  # real offers are few and worth more than generated ones
    weights, biases, logits, platt = [], [], {}, {}
    for name in LABELS:
        y = (label == name).astype(int)
        model = LogisticRegression(C=STRENGTH, solver="liblinear", class_weight="balanced", max_iter=300)
        model.fit(matrix[train], y[texts][train], sample_weight=weight[texts][train])
        weights.append(model.coef_[0]), biases.append(model.intercept_[0])
        logits[name] = strongest(matrix @ model.coef_[0] + model.intercept_[0], texts, len(rows))
        # A text without a window is never scored by the server; here it counts as the least of all.
        logits[name][~np.isfinite(logits[name])] = logits[name][np.isfinite(logits[name])].min()
        platt[name] = fit_platt(logits[name][calibration], y[calibration])
        print(f"{name:15} fitted, slope {platt[name][0]:.3f}, intercept {platt[name][1]:.3f}")
    metrics = measure(rows, logits, platt)
    np.savez(work / "test.npz", **{c: platt[c][0] * logits[c] + platt[c][1] for c in CATEGORIES}, label=label, split=split)

    model = to_onnx(np.array(weights).T, np.array(biases))
    # Golden outputs come from numpy on the features of the text, not from ONNX Runtime.
    samples = []
    for text in ("老象牙手串 包浆好 私聊", "ivory lace wedding dress size 12"):
        (work / "golden.jsonl").write_text(json.dumps({"text": text}) + "\n")
        row, _ = features(work / "golden.jsonl", work / "golden")
        samples.append({"text": text, "output": [float(np.float32((row @ w)[0] + b)) for w, b in zip(weights, biases)]})
    sources = Counter(("generated from patterns", "Apache-2.0") if row["source"] == "generated" else (f"shared text data: {row['source']}", "mostly none stated; research use") for row in rows if row["split"] != "test")
    card = {
        "summary": "Linear classifier over hashed words and character n-grams of Chinese and English listing texts.",
        "licence": "Apache-2.0 for the weights; most training texts state no licence, see data",
        "known_failures": [
            "Real Chinese offers are UNMEASURED: there are next to none in public, so Chinese offers are generated.",
            "A code word in a sentence unlike any pattern is missed; the policy's lexicon is the net below.",
            "English offers of pangolin scales and rhino horn are nearly all generated.",
            "Museum catalogue entries of ivory objects are mostly taken for offers: they read like dealers' posts.",
            "One in five benign uses of the same words (象牙芒果, 犀牛 toys and the like), generated, scores above 0.9.",
        ],
        "data": [{"source": source, "licence": licence, "count": count} for (source, licence), count in sources.most_common()],
        "metrics": metrics,
    }
    manifest = {
        "name": "text_classifier", "version": "1", "kind": "text_classifier", "file": "model.onnx",
        "inputs": [{"name": "ids", "dtype": "int64", "shape": [-1, -1]}, {"name": "values", "dtype": "float32", "shape": [-1, -1]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [-1, len(LABELS)]}, {"name": "contributions", "dtype": "float32", "shape": [-1, -1, len(LABELS)]}],
        "labels": [{"name": name} | ({"category": name} if name in CATEGORIES else {}) | {"calibration": {"slope": round(platt[name][0], 5), "intercept": round(platt[name][1], 5)}} for name in LABELS],
        "text": {"feature_version": 1, "buckets": BUCKETS, "window_tokens": WINDOW_TOKENS, "words": "words.txt"},
        "golden": {"file": "golden.json", "tolerance": 0.01},
    }
    files = {"model.onnx": model, "words.txt": WORDS.read_bytes(), "golden.json": json.dumps({"samples": samples}, ensure_ascii=False).encode()}
    write_folder(models / "text_classifier" / "1", manifest, files, card)
    for metric in metrics:
        print(f"{metric['name']:58} {metric['value']:.4f} {metric['interval']}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
