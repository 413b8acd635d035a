"""What the training scripts share: the data's manifest, grouped splits, intervals, calibration."""

import csv
import fnmatch
import hashlib
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import categories

FOLDS = 3
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
    head: str  # the category it is an example of; "" for none
    kind: str  # of categories.toml, for reports
    backdrop: str = ""  # of a render: the file, as its manifest names it, of the photo that it stands before


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
    renders that borrow from a real photo of another fold. Columns: file, relative to images/; class, one of those that the first folder's
    categories name; subclass, a finer name for reports, may be empty; source_repo, where the photo comes from; licence; group,
    which near-duplicates share, may be empty; sha256 of the file, the group of a photo without one; note, `key=value` between
    semicolons, of which `seller` and, of a render, `background_group` and `texture_group` are read: groups, between commas, of the photos
    that it stands before and whose surfaces it wears."""
    photos, known = [], categories.of_data(folders[0])
    heads = known.heads
    for data in folders:
        manifest = data / "images" / "manifest.csv"
        with open(manifest, newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (table.fieldnames or [])]
            if missing:
                raise SystemExit(f"{manifest}: lacks the columns {', '.join(missing)}")
            for number, row in enumerate(table, 2):
                if row["class"] not in heads:
                    raise SystemExit(f"{manifest}, line {number}: class {row['class']!r} is none of {', '.join(heads)}, the classes of {known.file}")
                if is_excluded(row["licence"], exclude_licences):
                    continue
                seller = noted(row["note"], "seller")
                group = f"seller:{seller}" if seller else row["group"] or row["sha256"]
                borrowed = [part for key in ("background_group", "texture_group") for part in noted(row["note"], key).split(",") if part]
                if any(fold_of(part, FOLDS) != fold_of(group, FOLDS) for part in borrowed):
                    continue
                path = str(data / "images" / row["file"])
                kind = known.kind_of(row["source_repo"], row["subclass"], seller)
                photos.append(Photo(path, row["class"], row["subclass"], row["source_repo"], row["licence"], group, seller, heads[row["class"]], kind, noted(row["note"], "background")))
    return photos


def photo_folds(photos: list[Photo]) -> np.ndarray:
    """The fold in which each photo is tested. Sellers who show a product are dealt out in turn, the largest first, so that
    no fold is without; every other group goes where its name says."""
    shown = Counter(photo.group for photo in photos if photo.seller and photo.head)
    dealt = {group: turn % FOLDS for turn, (group, _) in enumerate(sorted(shown.items(), key=lambda item: (-item[1], item[0])))}
    return np.array([dealt.get(photo.group, fold_of(photo.group, FOLDS)) for photo in photos])


def heads_of(shown: list[tuple[str, int]], names: list[str]) -> list[str]:
    """Those of the categories `names` whose head can be trained and measured, of (head, fold) of every photo: its photos, and
    those of others, stand in two folds at least, so that each fold left out leaves some of both."""
    def folds(of) -> int:
        return len({fold for name, fold in shown if of(name)})
    enough = [head for head in names if min(folds(lambda name: name == head), folds(lambda name: name != head)) > 1]
    for head in names:
        if head not in enough:
            print(f"{head}: no head is made: its photos, by object, seller and scene, stand in {folds(lambda name: name == head)} of {FOLDS} folds, and two are needed", file=sys.stderr)
    return enough


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
