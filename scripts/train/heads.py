"""Calibrates the three heads on photos they have not seen, measures them, and writes their model folders.

    heads.py WORK MODELS DATA [DATA ...] [--version V] [--tuned] [--exclude-licence WORDS ...]

WORK/set_0, set_1, set_2 and set_all each hold heads.npz and the folder image_encoder/: in set_<fold> neither the encoder's
fine-tuning nor the heads have seen that fold. Every photo is scored by the set that has not seen it, through the server's own
code; calibration is fitted on those scores (Platt 1999), and for the photos of a fold on the scores of the other two, so that
nothing is calibrated on what it is measured on. The shipped heads are those of set_all, with a calibration from all folds.

Writes MODELS/<head>/<version>, WORK/set_<fold>/models/<head>/<version> to evaluate with, and WORK/photos.npz for the fusion.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import roc_auc_score

from common import FOLDS, HEADS, Photo, embed, findings, fit_platt, heads_of, photo_folds, read_photos, write_folder
from measure import Rows, ranking

WHAT = {"ivory": "Ivory objects and tusks", "pangolin_scale": "Pangolins and their scales", "rhino_horn": "Rhinoceroses and their horn"}


def summary(name: str, photos: list[Photo]) -> str:
    mine = sum(photo.head == name for photo in photos)
    return f"{WHAT[name]}, learnt from {mine} photos, against {len(photos) - mine} others."


def failures(name: str, photos: list[Photo]) -> list[str]:
    """What the photos themselves say of where it may fail."""
    mine = [photo for photo in photos if photo.head == name]
    found = []
    rendered = sum(photo.source == "render" for photo in mine)
    if rendered:
        found.append(f"{rendered} of the {len(mine)} photos it learnt from are rendered: how well real photos of what they show are found is UNMEASURED.")
    live = sum(photo.label in ("pangolin", "rhino") for photo in mine)
    if live:
        found.append(f"{live} of these photos show live animals: they are flagged, too.")
    sellers = Counter(photo.seller for photo in mine if photo.seller)
    if sellers:
        most = max(sellers.values())
        by = "one seller" if len(sellers) == 1 else f"{len(sellers)} sellers, {most} by one of them"
        found.append(f"{sellers.total()} of these photos are by {by}: how well other sellers' are found is known from few.")
    else:
        found.append("None of these photos is by a seller: how well listing photos are found is UNMEASURED.")
    return found


def licence(photos: list[Photo]) -> str:
    research = any("research" in photo.licence.lower() for photo in photos)
    return "Apache-2.0 for the weights; " + ("part of the training data is for research use only, see data" if research else "of the training data see data")


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


def unseen_logits(work: Path, photos: list[Photo], folds: np.ndarray, encoder: str) -> tuple[np.ndarray, np.ndarray]:
    """Raw logits [photos, heads] by the set that has not seen the photo, and a row of embeddings a fold for golden samples."""
    logits, samples = np.full((len(photos), len(HEADS)), np.nan), {}
    for fold in range(FOLDS):
        rows = np.flatnonzero(folds == fold)
        folder = work / f"set_{fold}"
        heads = np.load(folder / "heads.npz")
        embeddings = embed([photos[row].path for row in rows], folder / f"photos_{encoder}", encoder=folder / encoder)
        logits[rows] = embeddings @ heads["heads.w"].T + heads["heads.b"]
        samples[f"set_{fold}"] = embeddings[0]
    return logits, samples


def of_set(heads: Path, name: str) -> tuple[np.ndarray, float]:
    """Weights and bias of one head of a set."""
    found, index = np.load(heads), HEADS.index(name)
    return found["heads.w"][index], float(found["heads.b"][index])


def write_head(folder: Path, name: str, version: str, linear: tuple[np.ndarray, float], platt: tuple[float, float], sample: np.ndarray, card: dict) -> None:
    weights, bias = linear
    sample = sample.astype(np.float64).round(4)
    golden = {"samples": [{"embedding": sample.tolist(), "output": [float(np.float32(sample @ weights + bias))]}]}
    slope, intercept = platt
    manifest = {
        "name": name, "version": version, "kind": "head", "encoder": version, "file": "model.onnx",  # encoder and heads are made together
        "inputs": [{"name": "embedding", "dtype": "float32", "shape": [-1, len(weights)]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [-1, 1]}],
        "labels": [{"name": name} | ({"category": name} if name in HEADS else {}) | {"calibration": {"slope": round(slope, 5), "intercept": round(intercept, 5)}}],
        "golden": {"file": "golden.json", "tolerance": 0.01},
    }
    write_folder(folder, manifest, {"model.onnx": to_onnx(weights, bias), "golden.json": json.dumps(golden).encode()}, card)


def slices(name: str, photos: list[Photo], folds: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Named sets of photos to measure a head on: which rows count, positives and negatives together."""
    positive = np.array([photo.head == name for photo in photos])
    listing = np.array([bool(photo.seller) for photo in photos])
    rendered = np.array([photo.source == "render" for photo in photos])
    generic = np.array([photo.is_generic for photo in photos])
    real = ~rendered
    found = [("real photos", real), ("all photos", np.ones(len(photos), bool))]
    if name == "ivory":
        found += [("listing photos of sellers never seen, folds pooled", listing)]
        found += [(f"listing photos of sellers never seen, fold {fold}", listing & (folds == fold)) for fold in range(FOLDS)]
        found += [("museum ivory against generic photos", real & ~listing & (positive | generic))]
    if name == "pangolin_scale":
        found += [("real pangolins against real photos", real)]
    found += [("rendered product against rendered look-alikes", rendered)]
    if name == "rhino_horn":
        craft = np.array([photo.subclass == "horn_craft" for photo in photos])
        found += [("rendered horn against rendered look-alikes and buffalo-horn craft", rendered | craft)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--version", default="1")
    parser.add_argument("--exclude-licence", action="append", default=[])
    parser.add_argument("--findings", type=Path, help="known failures that people found, by model, as TOML")
    parser.add_argument("--tuned", action="store_true", help="the encoders were fine-tuned: say so in the cards")
    arguments = parser.parse_args()
    work, version = arguments.work, arguments.version
    photos = read_photos(arguments.data, arguments.exclude_licence)
    folds = photo_folds(photos)
    raw, samples = unseen_logits(work, photos, folds, "image_encoder")
    readable = np.isfinite(raw).all(1)
    photos, folds, raw = [photo for photo, ok in zip(photos, readable) if ok], folds[readable], raw[readable]
    full = unseen_logits(work, photos, folds, "fp32")[0] if (work / "set_0" / "fp32").is_dir() else None
    groups = np.array([photo.group for photo in photos])
    calibrated = np.zeros_like(raw)
    sources = Counter((photo.source, photo.licence) for photo in photos)
    for name in heads_of([(photo.head, int(fold)) for photo, fold in zip(photos, folds)]):
        index = HEADS.index(name)
        y = np.array([int(photo.head == name) for photo in photos])
        for fold in range(FOLDS):
            slope, intercept = fit_platt(raw[folds != fold, index], y[folds != fold])
            calibrated[folds == fold, index] = slope * raw[folds == fold, index] + intercept
            card = {"summary": f"Without fold {fold}, to evaluate on it.", "licence": "not for release", "known_failures": [], "data": [], "metrics": []}
            write_head(work / f"set_{fold}" / "models" / name / version, name, version, of_set(work / f"set_{fold}" / "heads.npz", name), (slope, intercept), samples[f"set_{fold}"], card)
        protocol = f"{FOLDS} folds by object, scene and seller, {'encoder fine-tuned and ' if arguments.tuned else ''}head fitted without the fold; 95 % bootstrap over groups; "
        metrics = []
        for what, chosen in slices(name, photos, folds):
            metrics += ranking(what, Rows(y, calibrated[:, index], groups, np.flatnonzero(chosen)), protocol)
        if full is not None:
            metrics += lost_by_int8(Rows(y, raw[:, index], groups, np.arange(len(y))), full[:, index], protocol)
        card = {
            "summary": summary(name, photos), "licence": licence(photos),
            "known_failures": failures(name, photos) + findings(arguments.findings, name),
            "data": [{"source": source, "licence": licence, "count": count} for (source, licence), count in sources.most_common()],
            "metrics": metrics,
        }
        sample = embed([photos[0].path], work / "set_all" / "sample", encoder=work / "set_all" / "image_encoder")[0]
        write_head(arguments.models / name / version, name, version, of_set(work / "set_all" / "heads.npz", name), fit_platt(raw[:, index], y), sample, card)
        for metric in metrics:
            print(f"{name:15} {metric['name']:85} {metric['value']:.4f} {metric.get('interval', '')}")
    fields = {field: np.array([getattr(photo, field) for photo in photos]) for field in ("path", "label", "subclass", "source", "group", "seller", "head")}
    np.savez(work / "photos.npz", logits=calibrated, fold=folds, **fields)


def lost_by_int8(rows: Rows, full: np.ndarray, protocol: str) -> list[dict]:
    """ROC-AUC by fp32 less that by int8: both at the same photos, each by the set that has not seen them."""
    loss = roc_auc_score(rows.y, full) - roc_auc_score(rows.y, rows.score)
    return [{"name": "ROC-AUC lost by int8", "value": round(float(loss), 5), "protocol": protocol + "all photos"}]


if __name__ == "__main__":
    main()
