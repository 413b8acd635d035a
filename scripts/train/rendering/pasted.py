"""Heaps pasted together from pieces that are cut out of real photos: no scene is modelled, every pixel of the goods was seen by a lens.
One light for all pieces, shadows below them, the lower ones darker. Scales and look-alikes differ by what is cut alone."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .materials import Rng
from .photos import SCALES, Photos, Source, patch


def outline(kind: str, rng: Rng, columns: int = 40) -> np.ndarray:
    """A closed outline in [-1, 1]: x across, y from base -1 to tip 1."""
    t = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    if kind == "shield":
        y = np.linspace(-1, 1, columns // 2)
        belly = rng.uniform(-0.4, 0.1)
        past = np.clip((y - belly) / (1.001 - belly), 0, 1)  # the belly, towards the tip
        half = np.interp(y, [-1, belly], [rng.uniform(0.55, 0.9), 1.0]) * (1 - past ** rng.uniform(1.6, 2.6)) ** 0.6
        shape = np.concatenate([np.stack([half, y], 1), np.stack([-half, y], 1)[::-1]])
    elif kind == "strip":
        power = rng.uniform(0.3, 1.0)
        shape = np.stack([rng.uniform(0.25, 0.45) * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power, np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power], 1)
    else:
        radius = 1 + sum(rng.uniform(0.03, 0.16) * np.cos(k * t + rng.uniform(0, 6)) for k in (2, 3, 5))
        shape = np.stack([radius * np.cos(t), radius * np.sin(t)], 1) / radius.max()
    return shape * (1 + 0.02 * rng.normal(size=(len(shape), 1)))


def broken(shape: np.ndarray, rng: Rng, breaks: int) -> np.ndarray:
    for _ in range(breaks):
        angle = rng.uniform(0, 2 * np.pi)
        normal = np.array([np.cos(angle), np.sin(angle)])
        over = shape @ normal - rng.uniform(-0.1, 0.6) + 0.06 * rng.normal(size=len(shape))
        shape = shape - np.where(over > 0, over, 0)[:, None] * normal
    return shape


def piece(photo: Image.Image, base: np.ndarray, tip: np.ndarray, half: float, kind: str, size: float, light: np.ndarray, rng: Rng) -> Image.Image:
    """One cut, turned and lit; `size` is its length in pixels."""
    along = tip - base
    length = np.linalg.norm(along)
    high, wide = int(max(size, 8)), int(max(2 * half / length * size, 6))
    wide = int(np.clip(wide, 0.5 * high, 1.6 * high))
    side = np.array([-along[1], along[0]]) / length * half
    down, right = -along / high, 2 * side / wide
    corner = tip - side
    cut = photo.transform((wide, high), Image.Transform.AFFINE, (right[0], down[0], corner[0], right[1], down[1], corner[1]), Image.Resampling.BICUBIC)
    scale = 3  # the outline is drawn larger, so that its edge is smooth
    mask = Image.new("L", (wide * scale, high * scale), 0)
    shape = broken(outline(kind, rng), rng, int(rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1])))
    points = (shape * [1, -1] * 0.97 + 1) / 2 * [wide * scale, high * scale]
    ImageDraw.Draw(mask).polygon([tuple(point) for point in points], fill=255)
    cut.putalpha(mask.resize((wide, high), Image.Resampling.BOX))
    cut = cut.rotate(rng.uniform(0, 360), Image.Resampling.BICUBIC, expand=True)
    if rng.random() < 0.5:  # foreshortened: it leans
        cut = cut.resize((max(5, int(cut.width * rng.uniform(0.45, 1.0))), cut.height))
    alpha = np.asarray(cut.getchannel("A"), np.float32) / 255
    dome = np.asarray(cut.getchannel("A").filter(ImageFilter.GaussianBlur(float(0.12 * size))), np.float32) / 255
    rim = np.asarray(cut.getchannel("A").filter(ImageFilter.GaussianBlur(0.8)), np.float32) / 255
    slope_y, slope_x = np.gradient(dome)
    edge_y, edge_x = np.gradient(rim)
    tilt = rng.normal(0, 0.22)
    shade = 1 + tilt - rng.uniform(0.5, 1.3) * 0.1 * size * (slope_x * light[0] + slope_y * light[1])
    shade -= rng.uniform(0.2, 0.9) * (edge_x * light[0] + edge_y * light[1])
    colour = np.asarray(cut.convert("RGB"), np.float32) / 255
    colour = np.clip(colour * np.clip(shade, 0.25, 1.7)[..., None], 0, 1)
    return Image.fromarray((np.dstack([colour, alpha]) * 255).astype(np.uint8), "RGBA")


def goods(photo: Image.Image, box: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray, float]:
    """A patch that is not of the colour that the photo has at its edges, which is what the goods lie on."""
    borders = (0, 0, photo.width, 4), (0, photo.height - 4, photo.width, photo.height)
    edge = np.concatenate([np.asarray(photo.crop(border), float).reshape(-1, 3) for border in borders])
    for _ in range(8):
        base, tip, half = patch(rng, box, rng.uniform(0.15, 0.4))
        x, y = (base + tip) / 2
        own = np.asarray(photo.crop((int(x - half / 2), int(y - half / 2), int(x + half / 2) + 2, int(y + half / 2) + 2)), float).reshape(-1, 3).mean(0)
        if np.abs(own - np.median(edge, 0)).max() > 38:
            break
    return base, tip, half


def levelled(photo: Image.Image, box: tuple, body: np.ndarray, towards: float, bright: float) -> Image.Image:
    """The photo's mean colour within a box drawn to `body`, its mean light to `bright`."""
    pixels = np.asarray(photo, np.float32) / 255
    x0, y0, x1, y1 = (int(v) for v in box)
    mean = pixels[y0:y1, x0:x1].reshape(-1, 3).mean(0) + 1e-3
    gain = (1 - towards) + towards * body / body.mean() * mean.mean() / mean
    gain = np.clip(gain * bright / (mean * gain).mean(), 0.3, 2.5)
    return Image.fromarray((np.clip(pixels * gain, 0, 1) * 255).astype(np.uint8))


def vessel(image: Image.Image, rng: Rng, middle: np.ndarray, radius: np.ndarray) -> None:
    """A bowl, a plate or a spread bag below the goods, by its rim and a shade."""
    kind = rng.choice(["none", "bowl", "bag", "none"])
    if kind == "none":
        return
    colours = {"bowl": [(196, 198, 200), (170, 172, 176), (235, 235, 232), (190, 40, 36)],
               "bag": [(228, 190, 40), (236, 234, 228), (196, 46, 44), (60, 100, 190)]}
    colour = np.array(colours[str(kind)][rng.integers(4)])
    layer, steps = Image.new("RGBA", image.size, (0, 0, 0, 0)), 14
    draw = ImageDraw.Draw(layer)
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ragged = 1 + (0.07 * np.sin(9 * t + rng.uniform(0, 6)) + 0.05 * rng.normal(size=60) if kind == "bag" else 0 * t)
    for k in range(steps):
        out = (1.45 - 0.035 * k) * ragged
        light = 0.55 + 0.5 * np.sin(np.pi * (k / steps) ** 0.7) + 0.05 * rng.normal()
        points = middle + np.stack([out * radius[0] * np.cos(t), out * radius[1] * np.sin(t)], 1)
        draw.polygon([tuple(p) for p in points], fill=(*np.clip(colour * light, 0, 255).astype(int).tolist(), 255))
    shadow = layer.getchannel("A").filter(ImageFilter.GaussianBlur(5)).point(lambda v: v * 0.5)
    image.paste((10, 8, 6), (3, 6), shadow)
    layer = layer.filter(ImageFilter.GaussianBlur(1.0))
    image.paste(layer, (0, 0), layer)


def heap(photos: Photos, scales: bool, ground: Image.Image, rng: Rng) -> Image.Image:
    """Upon `ground`, which gives the size. What is used is noted in `photos`."""
    image = ground.convert("RGB").copy()
    width, height = image.size
    sources = photos.scales if scales else photos.others
    source: Source = sources[rng.integers(len(sources))]
    photos.used.append(source)
    photo = Image.open(photos.folder / source.file).convert("RGB")
    box = np.array(SCALES[source.file][0] if scales else [0.28 * photo.width, 0.32 * photo.height, 0.72 * photo.width, 0.72 * photo.height], float)
    body = np.array([(0.44, 0.38, 0.31), (0.36, 0.31, 0.26), (0.5, 0.42, 0.33), (0.4, 0.37, 0.34)][rng.integers(4)])
    photo = levelled(photo, box, body, rng.uniform(0.1, 0.8), rng.uniform(0.24, 0.46))
    kinds = ["shield", "shield", "shield", "chip"] if scales else ["chip", "strip", "chip", "shield"]
    shape = kinds[rng.integers(4)]
    angle = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(angle), np.sin(angle)])
    full = rng.random() < 0.3  # nothing else in the frame
    size = min(width, height) * rng.uniform(0.09, 0.3)
    middle = np.array([width, height]) / 2 + rng.normal(0, 0.05, 2) * width
    radius = np.array([1.0, rng.uniform(0.55, 1.0)]) * width * (0.75 if full else rng.uniform(0.2, 0.38))
    few = not full and rng.random() < 0.2
    size *= rng.uniform(1.5, 2.6) if few else 1.0
    count = int(rng.integers(1, 7)) if few else int(np.clip(rng.uniform(4, 9) * np.prod(2 * radius) / size**2, 30, 450))
    if not full:
        vessel(image, rng, middle, radius)
    for k in range(count):
        if scales and SCALES[source.file][1] and rng.random() < 0.75:
            *ends, half = SCALES[source.file][1][rng.integers(len(SCALES[source.file][1]))]
            base, tip = np.array(ends[:2], float), np.array(ends[2:], float)
        else:
            base, tip, half = goods(photo, box, rng)
        own = shape if rng.random() < 0.7 else kinds[rng.integers(4)]
        cut = piece(photo, base, tip, half, own, size * rng.choice([0.5, 0.8, 1.0, 1.2]) * rng.uniform(0.8, 1.2), light, rng)
        deep = 1.0 if few else 0.5 + 0.5 * (k / count) ** 0.7
        cut = Image.merge("RGBA", [*(band.point(lambda v, f=deep: v * f) for band in cut.split()[:3]), cut.getchannel("A")])
        spread = np.sqrt(rng.random()) if not few else rng.uniform(0.0, 0.8)
        turn = rng.uniform(0, 2 * np.pi)
        at = middle + radius * spread * np.array([np.cos(turn), np.sin(turn)]) - np.array(cut.size) / 2
        x, y = int(at[0]), int(at[1])
        offset = -light * size * rng.uniform(0.03, 0.09)
        shadow = cut.getchannel("A").filter(ImageFilter.GaussianBlur(float(max(1.0, 0.05 * size)))).point(lambda v: v * 0.6)
        image.paste((8, 7, 6), (x - int(offset[0]), y - int(offset[1])), shadow)
        image.paste(cut, (x, y), cut)
    return image
