"""Contact sheets: one a class, a row a subclass, to be looked at by a person before anything is trained on them."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CELL, PER_ROW = 150, 10


def write_sheets(out: Path, seed: int = 1) -> None:
    with open(out / "images" / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        classes[row["class"]][row["subclass"]].append(row["file"])
    rng = np.random.default_rng(seed)
    for name, subclasses in classes.items():
        sheet = Image.new("RGB", (CELL * PER_ROW, CELL * len(subclasses)), "white")
        draw = ImageDraw.Draw(sheet)
        for y, (subclass, files) in enumerate(sorted(subclasses.items())):
            for x, i in enumerate(rng.permutation(len(files))[:PER_ROW]):
                image = Image.open(out / "images" / files[i]).convert("RGB")
                image.thumbnail((CELL, CELL))
                sheet.paste(image, (x * CELL, y * CELL))
            draw.rectangle([0, y * CELL, 180, y * CELL + 12], fill="white")
            draw.text((2, y * CELL), f"{subclass} ({len(files)})", fill="black")
        path = out / "sheets" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, quality=88)
        print(path)
