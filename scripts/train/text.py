"""Fits the text classifier on a corpus and writes its model folder.

    text.py CORPUS.jsonl WORK_DIR MODELS_DIR [VERSION]

One logistic regression a label over hashed features, which the server's own `featurize` makes. The model is additive: a
logit is the bias plus what each feature adds, so contributions are exact. Fitted on the split "train", calibrated on
"calibration", reported on "test". WORK_DIR/scores.npz holds the calibrated logits of calibration and test, in the order of
their rows in CORPUS.jsonl, and those rows' numbers: fusion is fitted on them.
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

import logistic
from common import WILDWARDEN, write_folder
from text_report import measure

BUCKETS, WINDOW_TOKENS = 1 << 18, 20
LABELS = ["ivory", "pangolin_scale", "rhino_horn", "mammoth", "conservation", "benign"]
CATEGORIES = LABELS[:3]
STRENGTH = 3.0  # inverse regularisation, chosen on the split calibration
# Taken off every calibrated logit: chosen on the split calibration so that a text alone sends fewer than 2 % of news and court
# texts to REVIEW. Offers are rare, so a little less recall is worth it.
CAUTION = 0.5
HARD = ["look_alike", "second_hand", "twin", "colour"]  # slices of benign texts that resemble offers
DEALERS = ["GabrielDeml/IWT", "ParkerCase/wildlife-conservation-tracker"]  # whose benign titles read like the real offers
WORDS = Path(__file__).parent / "text" / "words.txt"


def features(corpus: Path, work: Path) -> tuple[csr_matrix, np.ndarray]:
    command = [WILDWARDEN, "featurize", str(corpus), "--out", str(work), "--words", str(WORDS)]
    subprocess.run([*command, "--buckets", str(BUCKETS), "--window-tokens", str(WINDOW_TOKENS)], check=True)
    ids, values, starts, texts = (np.load(work / f"{name}.npy") for name in ("ids", "values", "starts", "texts"))
    return csr_matrix((values, ids, starts), shape=(len(starts) - 1, BUCKETS)), texts


def strongest(window_logits: np.ndarray, texts: np.ndarray, count: int) -> np.ndarray:
    """A text's logit is its strongest window's. A text without windows is never scored by the server; here it counts as the least."""
    best = np.full(count, -np.inf)
    np.maximum.at(best, texts, window_logits)
    best[~np.isfinite(best)] = best[np.isfinite(best)].min()
    return best


def fit(matrix: csr_matrix, texts: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Fits on all windows, then again with only the strongest window of each positive text: the rest of a long offer is
    talk that benign texts share. Weights are rounded to half precision, as they are shipped."""
    count = texts.max() + 1
    weights, bias = logistic.fit(matrix, positive, weight, STRENGTH)
    logits = matrix @ weights + bias
    kept = ~positive | (logits >= strongest(logits, texts, count)[texts])
    weights, bias = logistic.fit(matrix[kept], positive[kept], weight[kept], STRENGTH)
    return weights.astype(np.float16).astype(np.float64), bias


def calibrate(logits: np.ndarray, positive: np.ndarray, hard: np.ndarray, plain: np.ndarray) -> tuple[float, float]:
    """Platt at a balanced prior, less CAUTION: offers weigh one half, texts that resemble offers 0.45, all others 0.05."""
    weight = np.zeros(len(logits))
    for chosen, share in ((positive, 0.5), (~positive & hard, 0.45), (~positive & ~hard, 0.05)):
        part = np.where(positive, plain, 1.0)[chosen]
        weight[chosen] = share * part / part.sum()
    model = LogisticRegression(C=1e6).fit(logits[:, None], positive, sample_weight=weight * len(logits))
    return max(float(model.coef_[0, 0]), 1e-3), float(model.intercept_[0]) - CAUTION


def to_onnx(weights: np.ndarray, bias: np.ndarray) -> bytes:
    """ids i64 [N,T], values f32 [N,T] -> logits f32 [N,L], contributions f32 [N,T,L]. Weights f16, sums f32."""
    value = helper.make_tensor_value_info
    initializers = [
        numpy_helper.from_array(weights.astype(np.float16), "weights"),
        numpy_helper.from_array(bias.astype(np.float32), "bias"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
        numpy_helper.from_array(np.array([1], np.int64), "features"),
    ]
    nodes = [
        helper.make_node("Gather", ["weights", "ids"], ["halves"], axis=0),
        helper.make_node("Cast", ["halves"], ["rows"], to=TensorProto.FLOAT),
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


def main(corpus: Path, work: Path, models: Path, version: str = "1") -> None:
    rows = [json.loads(line) for line in corpus.open(encoding="utf-8")]
    matrix, texts = features(corpus, work)
    split, label, slices = (np.array([row[key] for row in rows]) for key in ("split", "label", "slice"))
    # Real texts are few and worth more than generated ones; among the benign, those that resemble offers are.
    dealer = (slices == "title") & np.isin([row["source"] for row in rows], DEALERS)
    weight = np.select([(slices == "example") & (label == "conservation"), slices == "example", dealer, np.isin(slices, [*HARD, "news"])], [10.0, 5.0, 6.0, 3.0], 1.0)
    # Generated offers hide and rename more than offers in the field: calibration counts those less.
    plain = np.select([np.char.endswith(slices, "obfuscated") | (slices == "offer_ordinary"), np.isin(slices, ["offer_code", "offer_template"])], [0.25, 0.5], 1.0)
    hard = (label != "benign") | np.isin(slices, [*HARD, "example"]) | dealer
    train, calibration = split[texts] == "train", split == "calibration"
    weights, biases, logits, platt = [], [], [], {}
    for name in LABELS:
        positive = label == name
        # A listing may offer two products: one category's words must not speak much against another.
        other = np.isin(label, CATEGORIES) & ~positive & (name in CATEGORIES)
        w, b = fit(matrix[train], texts[train], positive[texts][train], np.where(other, 0.1, 1.0)[texts][train] * weight[texts][train])
        raw = strongest(matrix @ w + b, texts, len(rows))
        platt[name] = calibrate(raw[calibration], positive[calibration], hard[calibration], plain[calibration])
        weights.append(w), biases.append(b), logits.append(platt[name][0] * raw + platt[name][1])
        print(f"{name:15} fitted, slope {platt[name][0]:.3f}, intercept {platt[name][1]:.3f}", flush=True)
    scored = np.flatnonzero(split != "train")
    np.savez(work / "scores.npz", rows=scored, **{name: logits[i][scored] for i, name in enumerate(LABELS)}, label=label[scored], split=split[scored])
    metrics = measure(rows, dict(zip(LABELS, logits, strict=True)), CATEGORIES)

    model = to_onnx(np.array(weights).T, np.array(biases))
    # Golden outputs come from numpy on the features of the text, not from ONNX Runtime.
    samples = []
    for text in ("老象牙手串 包浆好 私聊", "ivory lace wedding dress size 12"):
        (work / "golden.jsonl").write_text(json.dumps({"text": text}) + "\n")
        row, _ = features(work / "golden.jsonl", work / "golden")
        samples.append({"text": text, "output": [float(np.float32((row @ w)[0] + b)) for w, b in zip(weights, biases, strict=True)]})
    sources = Counter((row["source"], row["licence"]) for row in rows if row["split"] != "test")
    card = {
        "summary": "Linear classifier over hashed words and character n-grams of Chinese and English listing texts.",
        "licence": "Apache-2.0 for the weights; most training texts state no licence, see data",
        "known_failures": [
            "Real Chinese offers are unmeasured: there are next to none in public, so Chinese offers are generated.",
            "English offers of pangolin scales and rhino horn are nearly all generated.",
            "Real English ivory offers are few, so their intervals are wide, and nearly all are posts of antique dealers and auction houses.",
            "An English offer that names no material, or calls ivory bone, is not learnt: dealers of harmless things say the same.",
            "A Chinese code word never seen lifts an offer above 99 % of benign titles, but about half of such ivory offers stay below REVIEW on words alone.",
            "A word of everyday use without a seller's furtive phrase beside it is taken for what it says.",
            "News sentences in a form not seen in training are often taken for offers when they are short and name a product; real news and court texts seldom are.",
            "Benign titles that name a target material were taken out of the source; such texts are generated here.",
        ],
        "data": [{"source": source, "licence": licence, "count": count} for (source, licence), count in sources.most_common()],
        "metrics": metrics,
    }
    manifest = {
        "name": "text_classifier", "version": version, "kind": "text_classifier", "file": "model.onnx",
        "inputs": [{"name": "ids", "dtype": "int64", "shape": [-1, -1]}, {"name": "values", "dtype": "float32", "shape": [-1, -1]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [-1, len(LABELS)]}, {"name": "contributions", "dtype": "float32", "shape": [-1, -1, len(LABELS)]}],
        "labels": [{"name": name} | ({"category": name} if name in CATEGORIES else {}) | {"calibration": {"slope": round(platt[name][0], 5), "intercept": round(platt[name][1], 5)}} for name in LABELS],
        "text": {"feature_version": 1, "buckets": BUCKETS, "window_tokens": WINDOW_TOKENS, "words": "words.txt"},
        "golden": {"file": "golden.json", "tolerance": 0.01},
    }
    files = {"model.onnx": model, "words.txt": WORDS.read_bytes(), "golden.json": json.dumps({"samples": samples}, ensure_ascii=False).encode()}
    write_folder(models / "text_classifier" / version, manifest, files, card)
    for metric in metrics:
        print(f"{metric['name']:68} {metric['value']:.4f} {metric['interval']}")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:4]), *sys.argv[4:])
