"""Prepares the photos that quantise and check an encoder.

    encoder_data.py FP32_FOLDER OUT DATA [DATA ...] [--leave-out FOLD] [--exclude-licence WORDS ...]

OUT/calibration/tensors.npy: at most 256 photos that set the ranges of int8 activations, none of the fold left out.
OUT/check/tensors.npy: as many others, to compare int8 with fp32 on. Tensors come from the server's own preprocessing.
"""

import argparse
import random
from pathlib import Path

from common import photo_folds, read_photos
from program import embed

PHOTOS, LEAST = 256, 16  # a half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--leave-out", type=int, default=-1, metavar="FOLD")
    parser.add_argument("--exclude-licence", action="append", default=[])
    arguments = parser.parse_args()
    photos = read_photos(arguments.data, arguments.exclude_licence)
    paths = [photo.path for photo, fold in zip(photos, photo_folds(photos)) if fold != arguments.leave_out]
    random.Random(1).shuffle(paths)
    count = min(PHOTOS, len(paths) // 2)
    if count < LEAST:
        raise SystemExit(f"there are {len(paths)} photos; to quantise an encoder and to check it takes {2 * LEAST} at least")
    for name, chosen in (("calibration", paths[:count]), ("check", paths[count : 2 * count])):
        embed(chosen, arguments.out / name, arguments.encoder, tensors=True)


if __name__ == "__main__":
    main()
