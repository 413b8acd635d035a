"""Draws augmented views of every photo, for fine-tuning the encoder and for fitting heads.

    views.py OUT DATA [DATA ...] [--exclude-licence WORDS ...] [--scale S] [--jobs N]

OUT/index.csv: one row a view, with file, photo (row of the photo list), head and fold. Views are 160x160 JPEG. How many a photo
gets is in categories.toml. A view is named by all it is drawn from: the photo's content, its number, and the code and companions
that draw it. So views that exist are kept, and those that are no longer drawn so are taken away.
"""

import argparse
import csv
import hashlib
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

import augment
import categories
from common import Photo, photo_folds, read_photos

SIZE = 160  # as the first encoder and the second see a photo
COMPANIONS = 60
CODE = [Path(__file__), Path(augment.__file__)]  # that draws


def views_of(photo: Photo, known: categories.Categories, scale: float) -> int:
    count = known.render_views if photo.source == "render" else known.seller_views if photo.seller else known.views[photo.label]
    return max(1, round(count * scale))


def read(path: str) -> np.ndarray:
    """RGB, at most 400 pixels on the longer side."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"{path} can't be decoded")
    shrink = 400 / max(pixels.shape[:2])
    if shrink < 1:
        pixels = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return pixels[:, :, ::-1]


@lru_cache
def companions(paths: tuple[str, ...]) -> list[np.ndarray]:
    return [read(path) for path in paths]


@lru_cache
def look(others: tuple[str, ...]) -> str:
    """What tells views that are drawn by this code beside these companions from others."""
    return hashlib.sha256(b"".join(hashlib.sha256(Path(path).read_bytes()).digest() for path in (*CODE, *others))).hexdigest()[:8]


def draw(photo: Photo, count: int, out: Path, others: tuple[str, ...]) -> list[str]:
    """Files of the photo's views, drawn where they do not exist yet."""
    content = hashlib.sha256(Path(photo.path).read_bytes()).hexdigest()[:16]
    files = [f"{content}_{number}_{look(others)}.jpg" for number in range(count)]
    missing = [number for number in range(count) if not (out / files[number]).exists()]
    pixels = read(photo.path) if missing else None
    for number in missing:
        rng = np.random.default_rng([int(content, 16), number])
        drawn = augment.view(pixels, rng, companions(others), SIZE)
        temporary = out / f"{os.getpid()}.partial.jpg"
        cv2.imwrite(str(temporary), drawn[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        temporary.replace(out / files[number])
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--exclude-licence", action="append", default=[])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    known, photos = categories.of_data(arguments.data[0]), read_photos(arguments.data, arguments.exclude_licence)
    folds = photo_folds(photos)
    arguments.out.mkdir(parents=True, exist_ok=True)
    tasks, rng, pools = [], np.random.default_rng(1), {fold: [] for fold in set(folds.tolist())}
    # Companions come from the photo's own fold: nothing of a fold is seen while another is tested.
    for photo, fold in zip(photos, folds.tolist()):
        if photo.label in known.companions and photo.source != "render":
            pools[fold].append(photo.path)
    chosen = {fold: tuple(rng.choice(pool, min(COMPANIONS, len(pool)), replace=False).tolist()) for fold, pool in sorted(pools.items())}
    drawn = set()
    with ProcessPoolExecutor(arguments.jobs) as pool, open(arguments.out / "index.csv.new", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "photo", "label", "head", "fold"])
        for photo, fold in zip(photos, folds.tolist()):
            tasks.append(pool.submit(draw, photo, views_of(photo, known, arguments.scale), arguments.out, chosen[fold]))
        for number, (photo, fold, task) in enumerate(zip(photos, folds.tolist(), tasks)):
            writer.writerows([name, number, photo.label, photo.head, fold] for name in task.result())
            drawn.update(task.result())
            if number % 50 == 0 or number + 1 == len(photos):
                print(f"\r{number + 1}/{len(photos)} photos", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    os.replace(arguments.out / "index.csv.new", arguments.out / "index.csv")
    for file in arguments.out.glob("*.jpg"):
        if file.name not in drawn:
            file.unlink()


if __name__ == "__main__":
    main()
