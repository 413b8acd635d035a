"""Random views of a photo, as sellers and phones would make them. Pixels are uint8 [height, width, 3], RGB.

What the label rests on must stay in sight: an object is never cropped to less than a third of the photo, and colour is moved
within what lamps and cameras do. Banners, watermarks, white backdrops and collages go onto every class alike, so that none
of them can stand for a class.
"""

import cv2
import numpy as np

WORDS = (
    "SALE free shipping www shop NEW 50% OFF best price Special offer BUY NOW ANTIQUE vintage genuine 100% natural "
    "$990 $1,250 $45 No.12 lot 88 rare gift limited stock call us follow @store 2024"
).split(" ")
FONTS = [cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_ITALIC]


def crop(photo: np.ndarray, rng: np.random.Generator, least: float = 0.35) -> np.ndarray:
    """A part with at least `least` of the area, its sides stretched by up to a quarter."""
    height, width = photo.shape[:2]
    area, stretch = rng.uniform(least, 1.0), np.exp(rng.uniform(-0.25, 0.25))
    w, h = min(width, int(width * np.sqrt(area * stretch))), min(height, int(height * np.sqrt(area / stretch)))
    x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
    return photo[y : y + h, x : x + w]


def light(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, saturation and the colour of the lamp."""
    pixels = photo.astype(np.float32)
    grey = pixels.mean(2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(0.6, 1.35)
    pixels = (pixels - 128) * rng.uniform(0.75, 1.25) + 128
    warmth = rng.uniform(-0.12, 0.12)
    pixels *= rng.uniform(0.65, 1.25) * np.array([1 + warmth, 1 + rng.uniform(-0.03, 0.03), 1 - warmth], np.float32)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def backdrop(photo: np.ndarray, rng: np.random.Generator, others: list[np.ndarray]) -> np.ndarray:
    """Studio photos: what is connected to the border and alike becomes white, black, a colour, or another photo."""
    height, width = photo.shape[:2]
    smooth = cv2.GaussianBlur(photo, (5, 5), 0)
    mask = np.zeros((height + 2, width + 2), np.uint8)
    tolerance = (6, 6, 6)
    for x, y in [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1), (width // 2, 0), (0, height // 2), (width - 1, height // 2)]:
        cv2.floodFill(smooth, mask, (x, y), 0, tolerance, tolerance, cv2.FLOODFILL_MASK_ONLY | (255 << 8) | 8)
    outside = mask[1:-1, 1:-1]
    if not 0.2 < (outside > 0).mean() < 0.92:  # no studio backdrop, or nothing left of the object
        return photo
    share = cv2.GaussianBlur(outside, (5, 5), 0).astype(np.float32)[:, :, None] / 255
    kind = rng.random()
    if kind < 0.5:
        new = np.full_like(photo, 255 if rng.random() < 0.8 else 8)
    elif kind < 0.7 or not others:
        new = np.full_like(photo, rng.integers(0, 256, 3).astype(np.uint8))
    else:
        new = cv2.resize(others[rng.integers(len(others))], (width, height), interpolation=cv2.INTER_AREA)
    return (photo * (1 - share) + new * share).astype(np.uint8)


def write(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A banner with words, a watermark, or both, as shops put on their photos."""
    out = photo.copy()
    height, width = out.shape[:2]

    def words(count: int) -> str:
        return " ".join(rng.choice(WORDS, count))

    if rng.random() < 0.6:
        tall = int(height * rng.uniform(0.06, 0.18))
        top = 0 if rng.random() < 0.4 else height - tall
        left, right = (0, width) if rng.random() < 0.6 else sorted(rng.integers(0, width, 2).tolist())
        cv2.rectangle(out, (left, top), (right, top + tall), rng.integers(0, 256, 3).tolist(), -1)
        cv2.putText(out, words(3), (left + 4, top + int(tall * 0.75)), FONTS[rng.integers(len(FONTS))], tall / 40, rng.integers(0, 256, 3).tolist(), 1, cv2.LINE_AA)
    if rng.random() < 0.6:
        layer = out.copy()
        for _ in range(rng.integers(1, 5)):
            place = (int(rng.integers(0, max(1, width // 2))), int(rng.integers(height // 8, height)))
            cv2.putText(layer, words(2), place, FONTS[rng.integers(len(FONTS))], width * rng.uniform(0.0012, 0.004), rng.integers(90, 256, 3).tolist(), 1, cv2.LINE_AA)
        visible = rng.uniform(0.25, 0.9)
        out = cv2.addWeighted(layer, visible, out, 1 - visible, 0)
    return out


def beside(photo: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The photo as a part of a larger picture: on another photo, or next to it."""
    side = 288
    if rng.random() < 0.5:
        canvas = cv2.resize(other, (side, side), interpolation=cv2.INTER_AREA)
        size = int(side * rng.uniform(0.45, 0.8))
        x, y = rng.integers(0, side - size + 1, 2)
        canvas[y : y + size, x : x + size] = cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA)
        return canvas
    halves = [cv2.resize(part, (side // 2, side), interpolation=cv2.INTER_AREA) for part in (photo, other)]
    joined = np.concatenate(halves if rng.random() < 0.5 else halves[::-1], 1)
    return joined if rng.random() < 0.5 else np.rot90(joined).copy()


def degrade(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, few pixels, noise and strong JPEG, each sometimes."""
    out = photo
    if rng.random() < 0.2:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.6, 2.2))
    if rng.random() < 0.2:
        small = int(rng.integers(72, 180))
        out = cv2.resize(cv2.resize(out, (small, small), interpolation=cv2.INTER_AREA), out.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.15:
        out = np.clip(out + rng.normal(0, rng.uniform(3, 14), out.shape), 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        packed = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(22, 92))])[1]
        out = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return out


def view(photo: np.ndarray, rng: np.random.Generator, others: list[np.ndarray], size: int) -> np.ndarray:
    """One random view, uint8 [size, size, 3]. `others` are photos without any of the products, to stand beside or behind."""
    out = photo
    if rng.random() < 0.55:
        out = backdrop(out, rng, others)
    if rng.random() < 0.9:
        out = crop(out, rng)
    if rng.random() < 0.5:
        out = out[:, ::-1]
    if rng.random() < 0.3:
        centre, angle = (out.shape[1] / 2, out.shape[0] / 2), rng.uniform(-25, 25)
        out = cv2.warpAffine(np.ascontiguousarray(out), cv2.getRotationMatrix2D(centre, angle, 1.1), out.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    if rng.random() < 0.9:
        out = light(np.ascontiguousarray(out), rng)
    if others and rng.random() < 0.15:
        out = beside(np.ascontiguousarray(out), others[rng.integers(len(others))], rng)
    out = cv2.resize(np.ascontiguousarray(out), (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        out = write(out, rng)
    return degrade(out, rng)
