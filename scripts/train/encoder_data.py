"""Prepares the photos that quantise and check the encoder.

    encoder_data.py DATA_DIR SYNSETS.txt FP32_FOLDER WORK_DIR

WORK_DIR/calibration/tensors.npy: 256 photos of the training folds, none of them ImageNet's. WORK_DIR/known/tensors.npy and
known/classes.json: ImageNet sample photos, whose file names tell their class; SYNSETS.txt lists the classes in the order of
the original classifier. Tensors come from the server's own preprocessing.
"""

import json
import random
import re
import sys
from pathlib import Path

from common import embed, fold_of, read_photos

CALIBRATION_PHOTOS = 256


def main(data: Path, synsets: Path, encoder: Path, work: Path) -> None:
    order = {name: index for index, name in enumerate(synsets.read_text().split())}
    photos = read_photos(data)
    synset = {photo.path: re.search(r"n\d{8}", photo.path) for photo in photos}
    known = [(photo.path, order[match.group()]) for photo in photos if (match := synset[photo.path]) and match.group() in order]
    others = [photo.path for photo in photos if not synset[photo.path] and fold_of(photo.group, 5) != 0]
    random.Random(1).shuffle(others)
    embed(others[:CALIBRATION_PHOTOS], work / "calibration", tensors=True, encoder=encoder)
    embed([path for path, _ in known], work / "known", tensors=True, encoder=encoder)
    (work / "known" / "classes.json").write_text(json.dumps([index for _, index in known]))
    print(f"{min(len(others), CALIBRATION_PHOTOS)} photos to calibrate with, {len(known)} of known class")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
