"""What the training scripts share: the data's manifest, grouped splits, intervals, model folders."""

import csv
import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WILDWARDEN = os.environ.get("WILDWARDEN", "target/release/wildwarden")


FOLDS = 3
HEADS = ["ivory", "pangolin_scale", "rhino_horn"]
CLASSES = {  # class of the manifest -> the head it is an example of; "" for none
    "ivory": "ivory", "pangolin": "pangolin_scale", "pangolin_scales": "pangolin_scale",
    "rhino": "rhino_horn", "rhino_horn": "rhino_horn", "elephant": "", "negative": "",
}


COLUMNS = ["file", "class", "subclass", "source_repo", "licence", "group", "sha256", "note"]


@dataclass(frozen=True)
class Photo:
    path: str
    label: str  # class of the manifest
    subclass: str
    source: str
    licence: str
    group: str  # near-duplicates, one object, one seller or one rendered scene: never split
    seller: str  # "" unless a listing photo

    @property
    def head(self) -> str:
        return CLASSES[self.label]

    @property
    def is_generic(self) -> bool:
        """From a data set of everyday things, not chosen for looking like a product."""
        return any(name in self.source.lower() for name in ("caltech", "imagenet"))


def is_excluded(licence: str, patterns: list[str]) -> bool:
    """Whether `licence` holds one of `patterns` or matches it as a glob. Case does not count."""
    licence = licence.lower()
    return any(pattern.lower() in licence or fnmatch.fnmatch(licence, pattern.lower()) for pattern in patterns)


def noted(note: str, key: str) -> str:
    """The value of `key=value` in a manifest's note, whose entries end in a semicolon; "" without."""
    return note.partition(f"{key}=")[2].split(";")[0].strip()


def fold_of(group: str, folds: int) -> int:
    """A fold that depends on the group's name alone, so that new data does not move old data."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) % folds


def read_photos(folders: list[Path], exclude_licences: list[str] = ()) -> list[Photo]:
    """Rows of images/manifest.csv in each folder, without those of an excluded licence, and without
    renders before a real photo of another fold. Columns: file, relative to images/; class, one of CLASSES; subclass, a finer
    name for reports, may be empty; source_repo, where the photo comes from; licence; group, which near-duplicates share, may
    be empty; sha256 of the file, the group of a photo without one; note, `key=value` between semicolons, of which `seller`
    and `background_group`, the group of the photo that a render stands before, are read."""
    photos = []
    for data in folders:
        manifest = data / "images" / "manifest.csv"
        with open(manifest, newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (table.fieldnames or [])]
            if missing:
                raise SystemExit(f"{manifest}: lacks the columns {', '.join(missing)}")
            for number, row in enumerate(table, 2):
                if row["class"] not in CLASSES:
                    raise SystemExit(f"{manifest}, line {number}: class {row['class']!r} is none of {', '.join(CLASSES)}")
                if is_excluded(row["licence"], exclude_licences):
                    continue
                seller = noted(row["note"], "seller")
                group = f"seller:{seller}" if seller else row["group"] or row["sha256"]
                behind = noted(row["note"], "background_group")
                if behind and fold_of(behind, FOLDS) != fold_of(group, FOLDS):
                    continue
                path = str(data / "images" / row["file"])
                photos.append(Photo(path, row["class"], row["subclass"], row["source_repo"], row["licence"], group, seller))
    return photos


def photo_folds(photos: list[Photo]) -> np.ndarray:
    """The fold in which each photo is tested. Sellers who show a product are dealt out in turn, the largest first, so that
    no fold is without; every other group goes where its name says."""
    shown = Counter(photo.group for photo in photos if photo.seller and photo.head)
    dealt = {group: turn % FOLDS for turn, (group, _) in enumerate(sorted(shown.items(), key=lambda item: (-item[1], item[0])))}
    return np.array([dealt.get(photo.group, fold_of(photo.group, FOLDS)) for photo in photos])


def heads_of(shown: list[tuple[str, int]]) -> list[str]:
    """The categories whose head can be trained and measured, of (head, fold) of every photo: its photos, and those of others,
    stand in two folds at least, so that each fold left out leaves some of both."""
    def folds(of) -> int:
        return len({fold for name, fold in shown if of(name)})
    enough = [head for head in HEADS if min(folds(lambda name: name == head), folds(lambda name: name != head)) > 1]
    for head in HEADS:
        if head not in enough:
            print(f"{head}: no head is made: its photos, by object, seller and scene, stand in {folds(lambda name: name == head)} of {FOLDS} folds, and two are needed", file=sys.stderr)
    return enough


def embed(paths: list[str], out: Path, *, tensors: bool = False, encoder: Path | None = None) -> np.ndarray:
    """Embeddings f32 [images, D] from the server's own code; kept in `out` and reused for the same list, files and encoder."""
    out.mkdir(parents=True, exist_ok=True)
    listing = "\n".join(paths) + "\n"
    stats = [(stat.st_size, stat.st_mtime_ns) for stat in map(os.stat, paths)]
    manifest = ((encoder or Path("models/image_encoder/1")) / "model.toml").read_bytes()  # holds the hash of the encoder's files
    key = hashlib.sha256(repr((listing, stats, manifest, tensors)).encode()).hexdigest()
    done = out / "key"
    if not (done.exists() and done.read_text() == key):
        (out / "list.txt").write_text(listing)
        command = [WILDWARDEN, "embed", str(out / "list.txt"), "--out", str(out)]
        command += ["--tensors"] if tensors else []
        command += ["--encoder", str(encoder)] if encoder else []
        done.unlink(missing_ok=True)
        finished = subprocess.run(command, check=False)
        if finished.returncode not in (0, 1):  # 1: some images failed; their rows are NaN
            raise SystemExit(f"{' '.join(command)} ended with exit code {finished.returncode}")
        done.write_text(key)
    return np.load(out / "embeddings.npy")


def findings(path: Path | None, model: str) -> list[str]:
    """What people found of a model's failures, from a file like findings.toml; [] without one."""
    return tomllib.loads(path.read_text(encoding="utf-8")).get(model, {}).get("known_failures", []) if path else []


def interval(statistic, rows: np.ndarray, groups: np.ndarray, rounds: int = 500, seed: int = 1) -> tuple[float, list[float]]:
    """A statistic of row indices and its 95 % bootstrap interval, drawing whole groups."""
    rng = np.random.default_rng(seed)
    names, inverse = np.unique(groups[rows], return_inverse=True)
    members = [rows[inverse == i] for i in range(len(names))]
    draws = []
    for _ in range(rounds):
        value = statistic(np.concatenate([members[i] for i in rng.integers(0, len(names), len(names))]))
        if value is not None and np.isfinite(value):
            draws.append(value)
    return float(statistic(rows)), ends_of(draws)


def ends_of(draws: list[float]) -> list[float]:
    """The middle 95 % of bootstrap draws; [] when the statistic is defined in none: there is no interval then."""
    return [round(float(end), 4) for end in np.percentile(draws, [2.5, 97.5])] if draws else []


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and intercept at a balanced prior: both classes weigh the same."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        raise SystemExit("calibration needs examples of both classes, and there is one only: give more photos or texts")
    model = LogisticRegression(C=1e6, class_weight="balanced").fit(logits[:, None], labels)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    return max(slope, 1e-3), intercept


def toml_value(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(float(value))
    return json.dumps(value, ensure_ascii=False)  # strings, integers and booleans read the same in TOML


def write_folder(folder: Path, manifest: dict, files: dict[str, bytes], card: dict) -> None:
    """A model folder: the files, and a model.toml with their hashes. Written beside and moved in, so never half there."""
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, content in files.items():
        (beside / name).write_bytes(content)
    lines = [f"{key} = {toml_value(value)}" for key, value in manifest.items() if not isinstance(value, dict)]
    for key, value in manifest.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]"] + [f"{k} = {toml_value(v)}" for k, v in value.items()]
    lines += ["", "[files]"] + [f'"{name}" = "{hashlib.sha256(content).hexdigest()}"' for name, content in files.items()]
    lines += ["", "[card]"] + [f"{k} = {toml_value(v)}" for k, v in card.items() if k not in ("data", "metrics")]
    for key in ("data", "metrics"):
        for row in card.get(key, []):
            lines += ["", f"[[card.{key}]]"] + [f"{k} = {toml_value(v)}" for k, v in row.items()]
    (beside / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
