"""Fits the head that tells live animals from products, measures it, and writes its model folder.

    live_animal.py ENCODER_FOLDER OUT DATA [DATA ...] [--version V] [--exclude-licence WORDS ...]

A photo of the living animal is no offer of its parts: the policy's [live_animal] keeps such a photo, where no word names a product,
from being held back. Which photos show live animals is in categories.toml. The head, OUT/live_animal/<version>, feeds no category;
none is made of too few photos. OUT is emptied first. One logistic regression on the shipped encoder's embeddings, measured on folds
by object, scene and seller that it has not seen; a fine-tuned encoder has seen them, so figures are optimistic then.
"""

import argparse
import shutil
from collections import Counter
from pathlib import Path

import numpy as np

import categories
from common import FOLDS, fit_platt, interval, photo_folds, read_photos
from heads import licence, write_head
from linear_heads import fit
from measure import Rows, ranking
from program import embed

NAME = "live_animal"
STRENGTH = 0.001  # inverse regularisation
LEAST = 30  # photos of either kind
SURE = 0.9  # [live_animal] from of the shipped policy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--version", default="1")
    parser.add_argument("--exclude-licence", action="append", default=[])
    arguments = parser.parse_args()
    known, photos = categories.of_data(arguments.data[0]), read_photos(arguments.data, arguments.exclude_licence)
    # A render may stand before a living animal: then it says nothing of either.
    living = tuple(photo.path for photo in photos if photo.subclass in known.alive and photo.source != "render")
    photos = [photo for photo in photos if not photo.backdrop or not any(path.endswith(f"/{photo.backdrop}") for path in living)]
    y = np.array([int(photo.subclass in known.alive and photo.source != "render") for photo in photos])
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    if min(y.sum(), len(y) - y.sum()) < LEAST:
        print(f"{NAME}: no head is made: of {len(y)} photos {y.sum()} show live animals; of either kind {LEAST} are needed")
        return
    x = embed([photo.path for photo in photos], arguments.out.with_name(arguments.out.name + "_photos"), arguments.encoder)
    readable = np.isfinite(x).all(1)
    photos, x, y = [photo for photo, ok in zip(photos, readable) if ok], x[readable], y[readable]
    folds, raw = photo_folds(photos), np.zeros(len(y))
    for fold in range(FOLDS):
        weights, bias = fit(x[folds != fold], y[folds != fold], STRENGTH)
        raw[folds == fold] = x[folds == fold] @ weights + bias
    slope, intercept = fit_platt(raw, y)
    groups = np.array([photo.group for photo in photos])
    protocol = f"{FOLDS} folds by object, scene and seller, head fitted without the fold, on an encoder that may have seen it; 95 % bootstrap over groups; "
    metrics = ranking("all photos", Rows(y, slope * raw + intercept, groups, np.arange(len(y))), protocol)
    sure = 1 / (1 + np.exp(-slope * raw - intercept)) >= SURE
    of = {"live animals": y == 1, "products and other things": y == 0}
    of |= {each.name: np.array([photo.label in each.classes or photo.subclass in each.subclasses for photo in photos]) for each in known.animal_slices}
    for what, chosen in of.items():
        if chosen.any():
            value, ends = interval(lambda rows: float(sure[rows].mean()), np.flatnonzero(chosen), groups)
            metrics.append({"name": f"{what} taken for a live animal at {SURE}", "value": round(value, 4), "interval": ends, "protocol": f"{protocol}{int(chosen.sum())} photos"})
    card = {
        "summary": f"Live animals, learnt from {y.sum()} photos, against {len(y) - y.sum()} of products and other things. It feeds no category.",
        "licence": licence(photos),
        "known_failures": known.animal_failures,
        "data": [{"source": source, "licence": terms, "count": count} for (source, terms), count in Counter((photo.source, photo.licence) for photo in photos).most_common()],
        "metrics": metrics,
    }
    write_head(arguments.out / NAME / arguments.version, {}, fit(x, y, STRENGTH), (slope, intercept), x[0], card, arguments.version)
    for metric in metrics:
        print(f"{metric['name']:75} {metric['value']:.4f} {metric.get('interval', '')}")


if __name__ == "__main__":
    main()
