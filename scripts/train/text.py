"""Fits the text classifier on a corpus and writes its model folder.

    text.py CORPUS.jsonl WORK_DIR MODELS_DIR --policy-out FILE [--version V] [--policy FILE] [--categories FILE] [--findings FILE]

One logistic regression a label over hashed features, which the server's own `featurize` makes. The model is additive: a
logit is the bias plus what each feature adds, so contributions are exact. Fitted on the split "train", calibrated on
"calibration", reported on "test". Labels are those of the categories; what means REVIEW to a text alone is the policy's.
--policy-out is that policy with the caution that this model needs. WORK_DIR/scores.npz holds the calibrated logits of calibration
and test, less the caution, in the order of their rows in CORPUS.jsonl, and those rows' numbers: text_report.py reads them.
"""

import argparse
import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.sparse import csr_matrix

import categories
import logistic
import policy
import words
from model_folder import findings, write_folder
from program import WILDWARDEN
from text_fitting import Rows, caution, fit_labels, label_tables, offers_of
from text_report import POLICY, measure, review_logits

BUCKETS, WINDOW_TOKENS = 1 << 18, 20
STRENGTH = 3.0  # inverse regularisation, chosen on the split calibration
ROUNDS = 3  # of learning from the strongest windows
WORDS = words.FOLDER / "words.txt"


def features(corpus: Path, work: Path) -> tuple[csr_matrix, np.ndarray]:
    """A row a window, and the text each is of."""
    command = [WILDWARDEN, "featurize", str(corpus), "--out", str(work), "--words", str(WORDS)]
    subprocess.run([*command, "--buckets", str(BUCKETS), "--window-tokens", str(WINDOW_TOKENS)], check=True)
    ids, values, starts, texts = (np.load(work / f"{name}.npy") for name in ("ids", "values", "starts", "texts"))
    return csr_matrix((values, ids.astype(np.int32), starts), shape=(len(starts) - 1, BUCKETS)), texts


def fit(matrix: csr_matrix, positive: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights are rounded to half precision, as they are shipped."""
    weights, bias = logistic.fit(matrix, positive, weight, STRENGTH)
    return weights.astype(np.float16).astype(np.float64), bias


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--version", default="1")
    parser.add_argument("--policy", type=Path, default=POLICY)
    parser.add_argument("--policy-out", type=Path, required=True)
    parser.add_argument("--categories", type=Path, default=categories.SHIPPED)
    parser.add_argument("--findings", type=Path, help="known failures that people found, by model, as TOML")
    arguments = parser.parse_args()
    work, version, known = arguments.work, arguments.version, categories.read(arguments.categories)
    labels, names = known.labels, [category.name for category in known.read_from_words]
    review = review_logits(known, arguments.policy)
    rows = [json.loads(line) for line in arguments.corpus.open(encoding="utf-8")]
    matrix, texts = features(arguments.corpus, work)
    corpus = Rows(rows, known)
    fitted = fit_labels(corpus, matrix, np.diff(matrix.indptr), texts, fit, ROUNDS)
    less = round(caution(fitted.logits, review, {kind: chosen & (corpus.split == "calibration") for kind, chosen in corpus.kinds.items()}), 4)
    logits = {name: of_label - less for name, of_label in fitted.logits.items()}
    document = policy.read(arguments.policy)
    document["text_caution"] = less
    policy.write(arguments.policy_out, document)
    print(f"caution {less}")
    scored = np.flatnonzero(corpus.split != "train")
    np.savez(work / "scores.npz", rows=scored, **{name: of_label[scored] for name, of_label in logits.items()})
    metrics = measure(rows, logits, known, review)

    model = to_onnx(np.array(fitted.weights).T, np.array(fitted.biases))
    # Golden outputs come from numpy on the features of the text, not from ONNX Runtime.
    samples = []
    for text in (words.read(lang, [])["golden"] for lang in words.LANGUAGES):
        (work / "golden.jsonl").write_text(json.dumps({"text": text}) + "\n")
        row, _ = features(work / "golden.jsonl", work / "golden")
        samples.append({"text": text, "output": [float(np.float32((row @ w)[0] + b)) for w, b in zip(fitted.weights, fitted.biases, strict=True)]})
    sources = Counter((row["source"], row["licence"]) for row in rows if row["split"] != "test")
    card = {
        "summary": "Linear classifier over hashed words and character n-grams of Chinese and English listing texts.",
        "licence": "Apache-2.0 for the weights; most training texts state no licence, see data",
        "known_failures": [
            *offers_of(rows, names),
            f"Figures are of the probabilities that are answered: the policy takes {less:.2f} off the calibrated logits, so that news and court texts seldom reach REVIEW, and so they understate offers." if less > 0
            else "Figures are of the probabilities that are answered: the policy takes nothing off the calibrated logits.",
            *findings(arguments.findings, "text_classifier"),
        ],
        "data": [{"source": source, "licence": licence, "count": count} for (source, licence), count in sources.most_common()],
        "metrics": metrics,
    }
    manifest = {
        "name": "text_classifier", "version": version, "kind": "text_classifier", "file": "model.onnx",
        "inputs": [{"name": "ids", "dtype": "int64", "shape": [-1, -1]}, {"name": "values", "dtype": "float32", "shape": [-1, -1]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [-1, len(labels)]}, {"name": "contributions", "dtype": "float32", "shape": [-1, -1, len(labels)]}],
        "labels": label_tables(fitted, names),
        "text": {"feature_version": 2, "buckets": BUCKETS, "window_tokens": WINDOW_TOKENS, "words": "words.txt"},
        "golden": {"file": "golden.json", "tolerance": 0.01},
    }
    files = {"model.onnx": model, "words.txt": WORDS.read_bytes(), "golden.json": json.dumps({"samples": samples}, ensure_ascii=False).encode()}
    write_folder(arguments.models / "text_classifier" / version, manifest, files, card)
    for metric in metrics:
        print(f"{metric['name']:68} {metric['value']:.4f} {metric.get('interval', '')}")


if __name__ == "__main__":
    main()
