"""Cuts from real photos, laid over rendered scales, and over what looks like them, as colour. Where the data lack the photos, there
are none. All cuts of a scene come from one fold, the scene's own, so that no photo is trained on and tested on at once."""

import csv
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import bpy
import numpy as np
from PIL import Image

from common import FOLDS, fold_of

from .materials import Rng, darker, shade
from .nodes import Graph

# In photos of live pangolins: scales that are seen whole, as middle of the base, tip and half the width, in pixels; and a box full
# of scales, for chips of which one cannot see where on a scale they grew.
SCALES: dict[str, tuple[tuple[int, int, int, int], list[tuple[int, int, int, int, int]]]] = {
    "pangolin_scales/MelGabutan+Zoohackathon2020__pangolin_crop.jpg": ((20, 200, 460, 340), [
        (12, 262, 116, 245, 72), (105, 262, 225, 240, 70), (218, 270, 346, 255, 72), (345, 275, 455, 245, 65), (25, 190, 118, 122, 25),
        (105, 200, 205, 122, 28), (190, 205, 292, 130, 28), (290, 200, 395, 140, 35), (150, 370, 265, 365, 38)]),
    "pangolin_scales/wdaweb+css-zen-garden-Errol03__穿山甲icon_crop.jpg": ((100, 150, 450, 420), [
        (140, 345, 222, 325, 65), (225, 345, 310, 310, 65), (310, 340, 395, 305, 65), (60, 335, 138, 310, 55), (235, 175, 312, 170, 28),
        (262, 130, 325, 120, 20), (325, 120, 385, 130, 33), (385, 290, 455, 270, 45), (45, 80, 135, 85, 22)]),
    "pangolin_scales/EaatMee+verdensvilldyr__pangolin_crop.jpg": ((100, 100, 360, 300), [
        (100, 170, 175, 148, 28), (120, 215, 188, 212, 28), (150, 150, 224, 145, 25), (85, 180, 125, 178, 22), (130, 265, 190, 270, 27),
        (190, 250, 250, 245, 22)]),
    "pangolin_scales/gougui+tensorflow-labex__pangolin_crop.jpg": ((40, 20, 300, 190), []),
    "pangolin/macrodev22+uwcs__463cbc91_images_pangolin.jpg": ((180, 180, 380, 320), [
        (270, 190, 272, 237, 24), (230, 215, 228, 268, 24), (285, 225, 288, 278, 24), (180, 160, 180, 205, 22), (225, 170, 222, 217, 22),
        (190, 195, 190, 240, 22), (265, 35, 300, 95, 22)]),
    "pangolin_scales/handel2611+Exoctic-Animals__pangolin_crop.jpg": ((170, 90, 350, 300), [
        (160, 272, 165, 248, 30), (235, 203, 237, 175, 33), (235, 245, 240, 208, 36), (310, 202, 310, 170, 30), (320, 287, 318, 250, 33),
        (245, 280, 245, 245, 32), (155, 210, 160, 185, 28)]),
    "pangolin_scales/CalBru+cams-crazy-creatures__pangolin_crop.jpg": ((110, 110, 330, 230), [
        (392, 165, 322, 165, 31), (262, 132, 205, 150, 25), (358, 265, 308, 262, 24), (315, 225, 275, 225, 23), (265, 208, 230, 215, 23)]),
}
# Kinds of photo whose middle shows stuff that is no animal's.
OTHERS = {"dried_herb_or_tcm", "shell_fossil", "wood_product", "wood_carving", "bark", "shell_pieces", "scale_like_plant", "wood_craft"}


@dataclass(frozen=True)
class Source:
    file: str
    group: str


@dataclass
class Photos:
    """Those of one fold, and which of them a scene has used."""

    folder: Path
    scales: list[Source]
    others: list[Source]
    used: list[Source] = field(default_factory=list)

    def scale(self, rng: Rng) -> bpy.types.Material:
        """A pangolin scale under a real one's surface."""
        source = self.used[0] if self.used else self.scales[rng.integers(len(self.scales))]  # of one animal
        box, marks = SCALES[source.file]
        if marks and rng.random() < 0.7:
            *ends, half = marks[rng.integers(len(marks))]
            base, tip = np.array(ends[:2], float), np.array(ends[2:], float)
        else:
            base, tip, half = patch(rng, np.array(box, float), rng.uniform(0.2, 0.4))
        body = shade(rng, "#7d7264", "#6b6156", "#574c40", "#8a7a62", "#655b50")
        return self.printed(rng, source, base, tip, half, body, rng.uniform(0.3, 0.8))

    def other(self, rng: Rng) -> bpy.types.Material:
        source = self.used[0] if self.used else self.others[rng.integers(len(self.others))]
        width, height = Image.open(self.folder / source.file).size
        middle = np.array([0.25 * width, 0.3 * height, 0.75 * width, 0.75 * height])
        base, tip, half = patch(rng, middle, rng.uniform(0.25, 0.6))
        body = shade(rng, "#7d6a54", "#6b5036", "#a58a62", "#574c40", "#c0a880")
        return self.printed(rng, source, base, tip, half, body, rng.uniform(0.3, 0.8))

    def printed(self, rng: Rng, source: Source, base: np.ndarray, tip: np.ndarray, half: float, body: tuple, towards: float):
        """fibre x, y on the photo's half-widths from base to tip. `towards`: how far the photo's mean colour goes to `body`."""
        if source not in self.used:
            self.used.append(source)
        path = str(self.folder / source.file)
        photo = np.asarray(Image.open(path).convert("RGB"), float) / 255
        height, width = photo.shape[:2]
        low, high = np.minimum(base, tip) - half / 2, np.maximum(base, tip) + half / 2
        seen = photo[int(max(low[1], 0)) : int(high[1]), int(max(low[0], 0)) : int(high[0])].reshape(-1, 3) ** 2.2
        mean = seen.mean(0)
        gain = np.clip((1 - towards) + towards * np.array(body) / mean, 0.3, 3.0)
        gain *= np.clip(rng.uniform(0.07, 0.2) / (mean * gain).mean(), 0.3, 3.0)
        g = Graph("photo")
        x, y, side = g.split(g.fibre())
        along = tip - base
        across = np.array([along[1], -along[0]]) / np.linalg.norm(along) * half * rng.choice([-0.85, 0.85])
        start = base + 0.04 * along  # a little within the mark
        u = g.math("MULTIPLY_ADD", x, across[0] / width, g.math("MULTIPLY_ADD", y, 0.92 * along[0] / width, start[0] / width))
        v = g.math("MULTIPLY_ADD", x, -across[1] / height, g.math("MULTIPLY_ADD", y, -0.92 * along[1] / height, 1 - start[1] / height))
        image = g.node("TexImage", {"Vector": g.node("CombineXYZ", {0: u, 1: v}).outputs[0]}, extension="EXTEND")
        image.image = bpy.data.images.load(path, check_existing=True)
        colour = g.mix(1.0, image.outputs["Color"], tuple(gain), "MULTIPLY")
        under = g.noise(g.fibre((6, 1.5, 1)), 1.0, 3)
        below = g.ramp(under, [(0.3, darker(body, 0.6)), (0.7, body)])
        colour = g.mix(g.step(side, 0.45, 0.3), colour, below)  # the photo shows the upper side alone
        light = g.node("RGBToBW", {0: image.outputs["Color"]}).outputs[0]
        return g.surface(g.vary(colour, 0.012, 0.3), rng.uniform(0.45, 0.85), g.bump(light, rng.uniform(0.2, 0.6), 0.1), specular=0.3)

    def note(self) -> str:
        files, groups = (",".join(values) for values in ([s.file for s in self.used], sorted({s.group for s in self.used})))
        return f"texture={files}; texture_group={groups}"


def patch(rng: Rng, box: np.ndarray, part: float) -> tuple[np.ndarray, np.ndarray, float]:
    """A piece of a box, in any direction: base, tip, half the width."""
    length = part * min(box[2] - box[0], box[3] - box[1])
    middle = rng.uniform(box[:2] + length / 2, box[2:] - length / 2)
    angle = rng.uniform(0, 2 * np.pi)
    arm = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    return middle - arm, middle + arm, length / 2


@cache
def by_fold(data: Path) -> list[Photos | None]:
    """For each fold its photos; None where it lacks scales or others: textures on one side only would give the class away."""
    with open(data / "images" / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    folds: list[Photos | None] = []
    for fold in range(FOLDS):
        mine = [row for row in rows if fold_of(row["group"] or row["sha256"], FOLDS) == fold and "seller=" not in row["note"]]
        scales = [Source(row["file"], row["group"] or row["sha256"]) for row in mine if row["file"] in SCALES]
        others = [Source(row["file"], row["group"] or row["sha256"]) for row in mine if row["class"] == "negative" and row["subclass"] in OTHERS]
        folds.append(Photos(data / "images", scales, others) if scales and others else None)
    return folds
