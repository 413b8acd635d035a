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
from sklearn.linear_model import LogisticRegression

import categories
import logistic
import policy
import words
from model_folder import findings, write_folder
from program import WILDWARDEN
from text_report import POLICY, measure, review_logits

BUCKETS, WINDOW_TOKENS = 1 << 18, 20
STRENGTH = 3.0  # inverse regularisation, chosen on the split calibration
ROUNDS, NEGATIVE_WINDOWS = 3, 5
OTHER_PRODUCT = 0.3  # weight of another product's offers in a category's fit: a listing may offer several
# Most of the texts of a kind, of the split calibration, that a text alone may send to REVIEW. Offers are rare, so a little less
# recall is worth it: what is needed for that the policy takes off every calibrated logit. Conservation texts are few: one of 162 is
# the most at which 3 % of all of them is ruled out (one-sided, 95 %).
FALSE_ALARMS = {"look_alike": 0.03, "conservation": 0.006, "title": 0.001}
HARD = ["look_alike", "second_hand", "twin", "colour"]  # slices of benign texts that resemble offers
DEALERS = ["GabrielDeml/IWT", "ParkerCase/wildlife-conservation-tracker"]  # whose benign titles read like the real offers
WORDS = words.FOLDER / "words.txt"


def features(corpus: Path, work: Path) -> tuple[csr_matrix, np.ndarray]:
    """A row a window, and the text each is of."""
    command = [WILDWARDEN, "featurize", str(corpus), "--out", str(work), "--words", str(WORDS)]
    subprocess.run([*command, "--buckets", str(BUCKETS), "--window-tokens", str(WINDOW_TOKENS)], check=True)
    ids, values, starts, texts = (np.load(work / f"{name}.npy") for name in ("ids", "values", "starts", "texts"))
    return csr_matrix((values, ids.astype(np.int32), starts), shape=(len(starts) - 1, BUCKETS)), texts


def strongest(window_logits: np.ndarray, texts: np.ndarray, count: int) -> np.ndarray:
    """A text's logit is its strongest window's. A text without windows is never scored by the server; here it counts as the least."""
    best = np.full(count, -np.inf)
    np.maximum.at(best, texts, window_logits)
    best[~np.isfinite(best)] = best[np.isfinite(best)].min()
    return best


def leading(key: np.ndarray, texts: np.ndarray, most: int) -> np.ndarray:
    """Which windows are among the `most` of their text with the highest key."""
    order = np.lexsort((-key, texts))
    sorted_texts = texts[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_texts, sorted_texts)
    chosen = np.zeros(len(key), bool)
    chosen[order[rank < most]] = True
    return chosen


def fit(matrix: csr_matrix, texts: np.ndarray, positive: np.ndarray, weight: np.ndarray, rounds: int) -> tuple[np.ndarray, float]:
    """Learns from bags: a text is an offer when one of its windows is. Fitted on the longest windows first, then again and
    again on the strongest window of each positive text and the strongest few of each negative one, until what the server will
    take for the strongest is what was learnt. Weights are rounded to half precision, as they are shipped."""
    long = leading(np.diff(matrix.indptr).astype(float), texts, 1)
    kept = long
    for turn in range(rounds):
        weights, bias = logistic.fit(matrix[kept], positive[kept], weight[kept], STRENGTH)
        if turn + 1 < rounds:
            logits = matrix @ weights + bias
            hard = leading(logits, texts, NEGATIVE_WINDOWS)
            kept = (positive & leading(logits, texts, 1)) | (~positive & (hard | long | kept))
    return weights.astype(np.float16).astype(np.float64), bias


def calibrate(logits: np.ndarray, positive: np.ndarray, hard: np.ndarray, plain: np.ndarray) -> tuple[float, float]:
    """Platt at a balanced prior: offers weigh one half, texts that resemble offers 0.45, all others 0.05."""
    weight = np.zeros(len(logits))
    for chosen, share in ((positive, 0.5), (~positive & hard, 0.45), (~positive & ~hard, 0.05)):
        part = np.where(positive, plain, 1.0)[chosen]
        weight[chosen] = share * part / part.sum()
    model = LogisticRegression(C=1e6).fit(logits[:, None], positive, sample_weight=weight * len(logits))
    return max(float(model.coef_[0, 0]), 1e-3), float(model.intercept_[0])


def caution(logits: dict[str, np.ndarray], review: dict[str, float], kinds: dict[str, np.ndarray]) -> float:
    """The least to take off the calibrated logits so that no kind of harmless texts has more false alarms than FALSE_ALARMS says.
    `review`: the logit of each category from which a text alone means REVIEW."""
    beyond = np.max([logits[name] - least for name, least in review.items()], axis=0)
    return max([0.0, *(float(np.quantile(beyond[kinds[kind]], 1 - share)) for kind, share in FALSE_ALARMS.items() if kinds[kind].any())])


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


def offers_of(rows: list[dict], names: list[str]) -> list[str]:
    """How many offers are real: what is measured on the others says little of the trade."""
    found = []
    for lang, language in (("zh", "Chinese"), ("en", "English")):
        mine = [row for row in rows if row["lang"] == lang]
        real = {name: sum(row["source"] != "generated" and name in row["labels"] for row in mine) for name in names}
        none = [name for name, count in real.items() if not count]
        if not mine:
            found.append(f"There are no {language} texts in the data: {language} is UNMEASURED.")
            continue
        if none:
            found.append(f"Real {language} offers of {', '.join(none)} are UNMEASURED: there are none in the data, and offers are generated.")
        few = [f"{count} of {name}" for name, count in real.items() if count]
        if few:
            found.append(f"Real {language} offers are few, {', '.join(few)}: their intervals are wide. All others are generated.")
    return found


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
    split, slices = (np.array([row[key] for row in rows]) for key in ("split", "slice"))
    says = {name: np.array([name in row["labels"] for row in rows]) for name in labels}
    harmless, reports = says[known.harmless], says[known.report]
    offer = np.any([says[name] for name in names], axis=0)
    # Real texts are few and worth more than generated ones; among the benign, those that resemble offers are.
    dealer = (slices == "title") & np.isin([row["source"] for row in rows], DEALERS)
    weight = np.select([(slices == "example") & reports, slices == "example", dealer, slices == "news", np.isin(slices, HARD)], [25.0, 5.0, 6.0, 8.0, 3.0], 1.0)
    # Generated offers hide and rename more than offers in the field: calibration counts those less.
    plain = np.select([np.char.endswith(slices, "obfuscated") | (slices == "offer_ordinary"), np.isin(slices, ["offer_code", "offer_template"])], [0.25, 0.5], 1.0)
    hard = ~harmless | np.isin(slices, [*HARD, "example"]) | dealer
    train, calibration = split[texts] == "train", split == "calibration"
    weights, biases, logits, platt = [], [], [], {}
    for name in labels:
        positive = says[name]
        if not positive[split == "train"].any() or not positive[calibration].any():
            raise SystemExit(f"{name}: no text of this label is there to train and calibrate on; give examples of it, or words to generate offers from")
        other = offer & ~positive & (name in names)
        w, b = fit(matrix[train], texts[train], positive[texts][train], (np.where(other, OTHER_PRODUCT, 1.0) * weight)[texts][train], ROUNDS if name in names else 1)
        raw = strongest(matrix @ w + b, texts, len(rows))
        platt[name] = calibrate(raw[calibration], positive[calibration], hard[calibration], plain[calibration])
        weights.append(w), biases.append(b), logits.append(platt[name][0] * raw + platt[name][1])
        print(f"{name:15} fitted, slope {platt[name][0]:.3f}, intercept {platt[name][1]:.3f}", flush=True)
    kinds = {"look_alike": slices == "look_alike", "conservation": (slices == "example") & reports, "title": slices == "title"}
    less = round(caution({name: logits[i] for i, name in enumerate(labels)}, review, {kind: chosen & calibration for kind, chosen in kinds.items()}), 4)
    logits = [of_label - less for of_label in logits]
    document = policy.read(arguments.policy)
    document["text_caution"] = less
    policy.write(arguments.policy_out, document)
    print(f"caution {less}")
    scored = np.flatnonzero(split != "train")
    np.savez(work / "scores.npz", rows=scored, **{name: logits[i][scored] for i, name in enumerate(labels)})
    metrics = measure(rows, dict(zip(labels, logits, strict=True)), known, review)

    model = to_onnx(np.array(weights).T, np.array(biases))
    # Golden outputs come from numpy on the features of the text, not from ONNX Runtime.
    samples = []
    for text in (words.read(lang, [])["golden"] for lang in words.LANGUAGES):
        (work / "golden.jsonl").write_text(json.dumps({"text": text}) + "\n")
        row, _ = features(work / "golden.jsonl", work / "golden")
        samples.append({"text": text, "output": [float(np.float32((row @ w)[0] + b)) for w, b in zip(weights, biases, strict=True)]})
    sources = Counter((row["source"], row["licence"]) for row in rows if row["split"] != "test")
    card = {
        "summary": "Linear classifier over hashed words and character n-grams of Chinese and English listing texts.",
        "licence": "Apache-2.0 for the weights; most training texts state no licence, see data",
        "known_failures": [
            *offers_of(rows, names),
            f"Figures are of the probabilities that are answered: the policy takes {less:.2f} off the calibrated logits, so that news and court texts seldom reach REVIEW, and so they understate offers.",
            *findings(arguments.findings, "text_classifier"),
        ],
        "data": [{"source": source, "licence": licence, "count": count} for (source, licence), count in sources.most_common()],
        "metrics": metrics,
    }
    manifest = {
        "name": "text_classifier", "version": version, "kind": "text_classifier", "file": "model.onnx",
        "inputs": [{"name": "ids", "dtype": "int64", "shape": [-1, -1]}, {"name": "values", "dtype": "float32", "shape": [-1, -1]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [-1, len(labels)]}, {"name": "contributions", "dtype": "float32", "shape": [-1, -1, len(labels)]}],
        "labels": [{"name": name} | ({"category": name} if name in names else {}) | {"calibration": {"slope": round(platt[name][0], 5), "intercept": round(platt[name][1], 5)}} for name in labels],
        "text": {"feature_version": 2, "buckets": BUCKETS, "window_tokens": WINDOW_TOKENS, "words": "words.txt"},
        "golden": {"file": "golden.json", "tolerance": 0.01},
    }
    files = {"model.onnx": model, "words.txt": WORDS.read_bytes(), "golden.json": json.dumps({"samples": samples}, ensure_ascii=False).encode()}
    write_folder(arguments.models / "text_classifier" / version, manifest, files, card)
    for metric in metrics:
        print(f"{metric['name']:68} {metric['value']:.4f} {metric.get('interval', '')}")


if __name__ == "__main__":
    main()
