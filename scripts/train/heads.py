"""Calibrates the heads on photos they have not seen, measures them, and writes their model folders.

    heads.py WORK OUT DATA [DATA ...] [--encoder FOLDER] [--version V] [--tuned] [--findings FILE] [--exclude-licence WORDS ...]

WORK/set_0, set_1, set_2 and set_all each hold heads.npz and the folder image_encoder/: in set_<fold> neither the encoder's
fine-tuning nor the heads have seen that fold. With --encoder the heads are those of a second encoder, NAME/VERSION, which has seen
no label and so is one for all sets: of the NAME clip_encoder they are in set_<fold>/clip_encoder_heads.npz, and called ivory_clip
where the category is ivory. Every photo is scored by the set that has not seen it, through the server's own
code; calibration is fitted on those scores (Platt 1999), and for the photos of a fold on the scores of the other two, so that
nothing is calibrated on what it is measured on. The shipped heads are those of set_all, with a calibration from all folds.

Writes OUT/all/<head>/<version>, which are shipped, OUT/<fold>/<head>/<version> to evaluate with, and those calibrated scores as
OUT/unseen.npz for bands.py: "paths" [photos], "categories" [heads], "logits" f64 [photos, heads]. OUT is emptied first.
"""

import argparse
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import roc_auc_score

import categories
from categories import Category, Slice
from common import FOLDS, Photo, fit_platt, heads_of, photo_folds, read_photos
from measure import Rows, ranking
from model_folder import findings, write_folder
from program import embed


def summary(category: Category, photos: list[Photo]) -> str:
    mine = sum(photo.head == category.name for photo in photos)
    return f"{category.what}, learnt from {mine} photos, against {len(photos) - mine} others."


def failures(category: Category, photos: list[Photo]) -> list[str]:
    """What the photos themselves say of where it may fail."""
    mine = [photo for photo in photos if photo.head == category.name]
    found = []
    rendered = sum(photo.source == "render" for photo in mine)
    if rendered:
        found.append(f"{rendered} of the {len(mine)} photos it learnt from are rendered: how well real photos of what they show are found is UNMEASURED.")
    live = sum(photo.label in category.live for photo in mine)
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
    return "Apache-2.0 for this head's weights; " + ("part of the training data is for research use only, see data" if research else "of the training data see data")


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


@dataclass(frozen=True)
class Look:
    """An encoder with heads, of each set its own or one for all."""

    work: Path
    name: str
    folder: Path | None = None  # that serves all sets

    def encoder(self, part: str) -> Path:
        return self.folder or self.work / f"set_{part}" / self.name

    def embed(self, paths: list[str], part: str, kept: str) -> np.ndarray:
        """By the encoder of a set; kept in a folder of that name, within the set's where it is of the set alone."""
        return embed(paths, (self.work if self.folder else self.work / f"set_{part}") / f"{kept}_{self.name}", self.encoder(part))

    def head(self, part: str, category: str) -> tuple[np.ndarray, float]:
        """Weights f32 [D] and bias of one head of a set."""
        found = np.load(self.work / f"set_{part}" / (f"{self.name}_heads.npz" if self.folder else "heads.npz"))
        index = found["heads.names"].tolist().index(category)
        return found["heads.w"][index], float(found["heads.b"][index])

    def called(self, category: str) -> str:
        """The head's name."""
        return f"{category}_{self.name.removesuffix('_encoder')}" if self.folder else category

    def unseen_logits(self, photos: list[Photo], folds: np.ndarray, made: list[str]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Raw logits [photos, heads made] by the set that has not seen the photo, and an embedding a fold for golden samples."""
        logits, samples, paths = np.full((len(photos), len(made)), np.nan), [], [photo.path for photo in photos]
        all_of_them = self.embed(paths, "all", "photos") if self.folder else None
        for fold in range(FOLDS):
            rows = np.flatnonzero(folds == fold)
            embeddings = self.embed([paths[row] for row in rows], str(fold), "photos") if all_of_them is None else all_of_them[rows]
            heads = [self.head(str(fold), name) for name in made]
            logits[rows] = embeddings @ np.stack([weights for weights, _ in heads]).T + np.float32([bias for _, bias in heads])
            samples.append(embeddings[0])
        return logits, samples


def write_head(folder: Path, category: dict, linear: tuple[np.ndarray, float], platt: tuple[float, float], sample: np.ndarray, card: dict, encoder: str) -> None:
    """The folder <head>/<version>; `category` is {"category": name}, or empty for a head that feeds none; `encoder` is
    what it reads, as the manifest says it."""
    weights, bias = linear
    name, version = folder.parent.name, folder.name
    sample = sample.astype(np.float64).round(4)
    golden = {"samples": [{"embedding": sample.tolist(), "output": [float(np.float32(sample @ weights + bias))]}]}
    slope, intercept = platt
    manifest = {
        "name": name, "version": version, "kind": "head", "encoder": encoder, "file": "model.onnx",
        "inputs": [{"name": "embedding", "dtype": "float32", "shape": [-1, len(weights)]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": [-1, 1]}],
        "labels": [{"name": name} | category | {"calibration": {"slope": round(slope, 5), "intercept": round(intercept, 5)}}],
        "golden": {"file": "golden.json", "tolerance": 0.01},
    }
    write_folder(folder, manifest, {"model.onnx": to_onnx(weights, bias), "golden.json": json.dumps(golden).encode()}, card)


def slices(name: str, photos: list[Photo], folds: np.ndarray, named: list[Slice]) -> list[tuple[str, np.ndarray]]:
    """Named sets of photos to measure a head on, `named` among them: which rows count, positives and negatives together."""
    positive = np.array([photo.head == name for photo in photos])
    listing = np.array([bool(photo.seller) for photo in photos])
    real = np.array([photo.source != "render" for photo in photos])
    kinds = np.array([photo.kind for photo in photos])
    found = [("real photos", real), ("all photos", np.ones(len(photos), bool))]
    found += [("listing photos of sellers never seen, folds pooled", listing)]
    found += [(f"listing photos of sellers never seen, fold {fold}", listing & (folds == fold)) for fold in range(FOLDS)]
    for each in named:
        if each.category in ("", name):
            found.append((each.name, np.where(positive, *(np.isin(kinds, of) if of else True for of in (each.positives, each.negatives)))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--encoder", type=Path, help="folder NAME/VERSION of a second encoder; without it the sets' own")
    parser.add_argument("--version", default="1")
    parser.add_argument("--exclude-licence", action="append", default=[])
    parser.add_argument("--findings", type=Path, help="known failures that people found, by model, as TOML")
    parser.add_argument("--tuned", action="store_true", help="the encoders were fine-tuned: say so in the cards")
    arguments = parser.parse_args()
    work, version = arguments.work, arguments.version
    known, photos = categories.of_data(arguments.data[0]), read_photos(arguments.data, arguments.exclude_licence)
    folds = photo_folds(photos)
    made = heads_of([(photo.head, int(fold)) for photo, fold in zip(photos, folds)], known.names)
    look = Look(work, arguments.encoder.parent.name, arguments.encoder) if arguments.encoder else Look(work, "image_encoder")
    encoder = "/".join(arguments.encoder.parts[-2:]) if arguments.encoder else version  # encoder and heads are made together
    raw, samples = look.unseen_logits(photos, folds, made)
    readable = np.isfinite(raw).all(1)
    photos, folds, raw = [photo for photo, ok in zip(photos, readable) if ok], folds[readable], raw[readable]
    full = None if arguments.encoder else Look(work, "fp32").unseen_logits(photos, folds, made)[0]
    groups = np.array([photo.group for photo in photos])
    calibrated = np.zeros_like(raw)
    sources = Counter((photo.source, photo.licence) for photo in photos)
    shutil.rmtree(arguments.out, ignore_errors=True)
    for index, name in enumerate(made):
        category = known.categories[known.names.index(name)]
        y = np.array([int(photo.head == name) for photo in photos])
        for fold in range(FOLDS):
            slope, intercept = fit_platt(raw[folds != fold, index], y[folds != fold])
            calibrated[folds == fold, index] = slope * raw[folds == fold, index] + intercept
            card = {"summary": f"Without fold {fold}, to evaluate on it.", "licence": "not for release", "known_failures": [], "data": [], "metrics": []}
            write_head(arguments.out / str(fold) / look.called(name) / version, {"category": name}, look.head(str(fold), name), (slope, intercept), samples[fold], card, encoder)
        protocol = f"{FOLDS} folds by object, scene and seller, {'encoder fine-tuned and ' if arguments.tuned else ''}head fitted without the fold; 95 % bootstrap over groups; "
        metrics = []
        for what, chosen in slices(name, photos, folds, known.slices):
            metrics += ranking(what, Rows(y, calibrated[:, index], groups, np.flatnonzero(chosen)), protocol)
        if full is not None:
            metrics += lost_by_int8(Rows(y, raw[:, index], groups, np.arange(len(y))), full[:, index], protocol)
        card = {
            "summary": summary(category, photos), "licence": licence(photos),
            "known_failures": failures(category, photos) + findings(arguments.findings, name),
            "data": [{"source": source, "licence": licence, "count": count} for (source, licence), count in sources.most_common()],
            "metrics": metrics,
        }
        sample = look.embed([photos[0].path], "all", "sample")[0]
        write_head(arguments.out / "all" / look.called(name) / version, {"category": name}, look.head("all", name), fit_platt(raw[:, index], y), sample, card, encoder)
        for metric in metrics:
            print(f"{look.called(name):19} {metric['name']:85} {metric['value']:.4f} {metric.get('interval', '')}")


    np.savez(arguments.out / "unseen.npz", paths=np.array([photo.path for photo in photos]), categories=np.array(made), logits=calibrated)


def lost_by_int8(rows: Rows, full: np.ndarray, protocol: str) -> list[dict]:
    """ROC-AUC by fp32 less that by int8: both at the same photos, each by the set that has not seen them."""
    loss = roc_auc_score(rows.y, full) - roc_auc_score(rows.y, rows.score)
    return [{"name": "ROC-AUC lost by int8", "value": round(float(loss), 5), "protocol": protocol + "all photos"}]


if __name__ == "__main__":
    main()
