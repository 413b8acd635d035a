"""Fits the head that tells photos which show words, measures it, and writes its model folder.

    shows_words.py ENCODER_FOLDER READERS OUT DATA [DATA ...] [--version V] [--exclude-licence WORDS ...]

To read a photo costs as much as some fifty first looks, and most photos show no words: the policy's [looks.words] reads those of which
this head says that they do. READERS is a model repository with text_detector and text_recognizer, which are the teacher: a photo shows
words when they read LEAST_LETTERS in it. The head, OUT/shows_words/<version>, feeds no category; none is made without READERS or of too
few photos. OUT is emptied first. One logistic regression on the shipped encoder's embeddings, measured on folds by object, scene and
seller that it has not seen; renders are left out, which nobody writes on.
"""

import argparse
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np

from common import FOLDS, fit_platt, interval, photo_folds, read_photos
from heads import licence, write_head
from linear_heads import fit
from measure import Rows, ranking
from program import WILDWARDEN, embed

NAME = "shows_words"
STRENGTH = 0.001  # inverse regularisation
LEAST = 30  # photos of either kind
LEAST_LETTERS = 6  # read surely; a Chinese character counts twice
SURELY = 0.8
WORTH_IT = 0.5  # [looks.words] from of the shipped policy
READERS = ("text_detector", "text_recognizer", "text_classifier")


def read(paths: list[str], readers: Path, work: Path) -> list[list[tuple[str, float]]]:
    """The lines of each photo and how sure they are, as the server reads them; kept in WORK for the same photos."""
    work.mkdir(parents=True, exist_ok=True)
    rows, answers = work / "listings.jsonl", work / "answers.jsonl"
    listings = "".join(json.dumps({"listing_id": str(number), "images": [path]}) + "\n" for number, path in enumerate(paths))
    if not (answers.exists() and rows.exists() and rows.read_text() == listings):
        models = work / "models"
        shutil.rmtree(models, ignore_errors=True)
        for name in READERS:
            shutil.copytree(readers / name, models / name)
        policy = (readers / "policy.toml").read_text(encoding="utf-8")
        kept, inside = [], False
        for line in policy.splitlines():
            inside = line.startswith(("[looks", "[[looks")) if line.startswith("[") else inside
            if not inside and not line.startswith("join = "):
                kept.append(line)
        (work / "policy.toml").write_text("\n".join(kept) + '\n[looks]\nprofile = "thorough"\n[looks.words]\nshare = 1.0\nlines = 12\n', encoding="utf-8")
        rows.write_text(listings)
        command = [WILDWARDEN, "classify", "--embedded", "--json", "--models", str(models), "--policy", str(work / "policy.toml")]
        with rows.open() as given, (work / "answers.new").open("w") as told:
            subprocess.run(command, stdin=given, stdout=told, check=False)  # 1: some photos are broken
        (work / "answers.new").rename(answers)
    found = [[] for _ in paths]
    for answer in map(json.loads, answers.read_text(encoding="utf-8").splitlines()):
        for text in answer.get("texts", []):
            written = text.get("written") or {"lines": []}
            for line in written["lines"]:
                span = line["span"]
                found[int(answer["listing_id"])].append((written["text"][span["char_start"] : span["char_end"]], line["confidence"]))
    return found


def shows_words(lines: list[tuple[str, float]]) -> bool:
    letters = (letter for text, confidence in lines if confidence >= SURELY for letter in text if letter.isalnum())
    return sum(2 if "一" <= letter <= "鿿" else 1 for letter in letters) >= LEAST_LETTERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("readers", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--version", default="1")
    parser.add_argument("--exclude-licence", action="append", default=[])
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    if not all((arguments.readers / name).is_dir() for name in READERS):
        print(f"{NAME}: no head is made: {arguments.readers} lacks one of {', '.join(READERS)}; see scripts/models/fetch.sh")
        return
    photos = [photo for photo in read_photos(arguments.data, arguments.exclude_licence) if photo.source != "render"]
    work = arguments.out.with_name(arguments.out.name + "_photos")
    y = np.array([int(shows_words(lines)) for lines in read([photo.path for photo in photos], arguments.readers, work / "read")])
    if min(y.sum(), len(y) - y.sum()) < LEAST:
        print(f"{NAME}: no head is made: of {len(y)} photos {y.sum()} show words; of either kind {LEAST} are needed")
        return
    x = embed([photo.path for photo in photos], work, arguments.encoder)
    readable = np.isfinite(x).all(1)
    photos, x, y = [photo for photo, ok in zip(photos, readable) if ok], x[readable], y[readable]
    folds, raw = photo_folds(photos), np.zeros(len(y))
    for fold in range(FOLDS):
        weights, bias = fit(x[folds != fold], y[folds != fold], STRENGTH)
        raw[folds == fold] = x[folds == fold] @ weights + bias
    slope, intercept = fit_platt(raw, y)
    groups = np.array([photo.group for photo in photos])
    protocol = f"{FOLDS} folds by object, scene and seller, head fitted without the fold, on an encoder that may have seen it; what the readers read is taken for true; 95 % bootstrap over groups; "
    metrics = ranking("all photos", Rows(y, slope * raw + intercept, groups, np.arange(len(y))), protocol)
    worth = 1 / (1 + np.exp(-slope * raw - intercept)) >= WORTH_IT
    for what, chosen in {"photos with words": y == 1, "photos without": y == 0}.items():
        value, ends = interval(lambda rows: float(worth[rows].mean()), np.flatnonzero(chosen), groups)
        metrics.append({"name": f"{what} that are read at {WORTH_IT}", "value": round(value, 4), "interval": ends, "protocol": f"{protocol}{int(chosen.sum())} photos"})
    card = {
        "summary": f"Photos that show words, learnt from {y.sum()}, against {len(y) - y.sum()} without. It feeds no category.",
        "licence": licence(photos),
        "known_failures": [
            "Nobody marked these photos: they show words where text_detector and text_recognizer read some. What those miss, this misses.",
            "Most photos with words here are watermarks and banners of a few shops, price cards and coins: posters made of words alone are UNMEASURED.",
        ],
        "data": [{"source": source, "licence": terms, "count": count} for (source, terms), count in Counter((photo.source, photo.licence) for photo in photos).most_common()],
        "metrics": metrics,
    }
    write_head(arguments.out / NAME / arguments.version, {}, fit(x, y, STRENGTH), (slope, intercept), x[0], card, arguments.version)
    for metric in metrics:
        print(f"{metric['name']:75} {metric['value']:.4f} {metric.get('interval', '')}")


if __name__ == "__main__":
    main()
