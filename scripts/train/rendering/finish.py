"""From linear light to what is seen on a marketplace: exposure, lens, sensor, seller's captions, JPEG.

Captions say the same for every class: a model must not read them.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from .materials import Rng

CJK_FONTS = ["/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"]
LATIN_FONTS = ["/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"]
CHINESE = ["包邮 正品保证", "微信同号 私聊优惠", "现货 批发价 ¥{n}", "老货 收藏", "厂家直销", "实物拍摄", "特价 ¥{n}", "诚信交易 支持验货", "新到一批", "顺丰发货", "店铺 {n} 号", "手机实拍"]
ENGLISH = ["SALE ${n}", "FREE SHIPPING", "Best quality", "NEW IN STOCK", "only {n} left", "Shop No. {n}", "DM for price", "vintage", "IMG_{n}", "real photo", "100% natural", "LOT {n}"]


def fonts() -> tuple[str | None, str | None]:
    """Paths of a Chinese and a Latin font, or None where there is none."""
    return tuple(next((path for path in paths if Path(path).exists()), None) for paths in (CJK_FONTS, LATIN_FONTS))


def develop(linear: np.ndarray, rng: Rng, table: float | None = None) -> Image.Image:
    """A phone's development: exposure by the picture's own light, white balance a little off, a filmic shoulder. Keeps alpha.

    A cut-out is exposed as if a table of radiance `table` filled the frame: by its own light alone, dark horn would turn pale.
    """
    alpha = np.clip(linear[..., 3:], 0, 1)
    colour = linear[..., :3] / np.maximum(alpha, 1e-3)
    light = (colour @ [0.21, 0.72, 0.07])[alpha[..., 0] > 0.6]
    light = light if light.size > 50 else np.array([0.3])
    middle = table or np.exp(np.log(np.maximum(light, 1e-3)).mean())
    exposure = min(rng.uniform(0.14, 0.3) / middle, rng.uniform(0.75, 1.1) / np.percentile(light, 98.5))
    exposure *= rng.choice([1.0, 0.45, 1.4], p=[0.82, 0.12, 0.06])
    tint = np.exp(rng.normal(0, 0.05, 3) + rng.choice([0, 0.12, -0.1], p=[0.7, 0.2, 0.1]) * np.array([1, 0, -1]))
    x = np.clip(colour * exposure * tint, 0, None)
    x = np.where(x < 0.6, x, 0.6 + 0.4 * np.tanh((x - 0.6) / 0.4 * 0.8))
    srgb = np.where(x < 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
    contrast = rng.uniform(0.9, 1.2)
    srgb = np.clip(0.5 + (srgb - 0.5) * contrast, 0, 1)
    rgba = np.concatenate([srgb, alpha], -1)
    return Image.fromarray((rgba * 255 + 0.5).astype(np.uint8), "RGBA")


def backdrop(photo: Image.Image, size: tuple[int, int], rng: Rng, closer: float = 1.6) -> Image.Image:
    """A piece of a photo, out of focus."""
    scale = max(size[0] / photo.width, size[1] / photo.height) * rng.uniform(1.0, closer)
    photo = photo.convert("RGB").resize((max(size[0], int(photo.width * scale)), max(size[1], int(photo.height * scale))))
    x, y = rng.integers(0, photo.width - size[0] + 1), rng.integers(0, photo.height - size[1] + 1)
    return photo.crop((x, y, x + size[0], y + size[1])).filter(ImageFilter.GaussianBlur(float(rng.choice([0.6, 2.0, 5.0]))))


def compose(cutout: Image.Image, background: Image.Image, rng: Rng) -> Image.Image:
    """A cut-out, its soft shadow included, before a photo."""
    size = cutout.size
    photo = backdrop(background, size, rng)
    if rng.random() < 0.5:
        cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    factor = rng.uniform(0.65, 1.05)
    small = cutout.resize((int(size[0] * factor), int(size[1] * factor)))
    at = [int(rng.uniform(min(0, s - t), max(0, s - t))) for s, t in zip(size, small.size)]
    photo.paste(small, tuple(at), small)
    return photo


def collage(views: list[Image.Image], rng: Rng) -> Image.Image:
    """Two by two of one object's views and close-ups, as sellers upload."""
    width, height = views[0].size
    sheet = Image.new("RGB", (width, height), tuple(int(c) for c in rng.choice([0, 255], 1).repeat(3)))
    gap = int(rng.integers(0, 5))
    for i in range(4):
        view = views[i % len(views)]
        part = 1.0 if i < len(views) else rng.uniform(0.5, 0.75)
        w, h = int(view.width * part), int(view.height * part)
        x, y = (view.width - w) // 2, (view.height - h) // 2
        cell = view.crop((x, y, x + w, y + h)).resize((width // 2 - gap, height // 2 - gap))
        sheet.paste(cell, ((i % 2) * (width // 2 + gap), (i // 2) * (height // 2 + gap)))
    return sheet


def caption(image: Image.Image, rng: Rng) -> None:
    """A price banner, a caption or a slanted watermark."""
    cjk, latin = fonts()
    lines, font_path = (CHINESE, cjk) if cjk and (rng.random() < 0.6 or not latin) else (ENGLISH, latin)
    text = str(rng.choice(lines)).replace("{n}", str(rng.integers(2, 9999)))
    size = int(image.height * rng.uniform(0.05, 0.12))
    font = ImageFont.truetype(font_path, size) if font_path else ImageFont.load_default()
    colour = tuple(int(c) for c in [(255, 255, 255), (230, 30, 30), (255, 220, 0), (0, 0, 0), (20, 90, 200)][rng.integers(5)])
    kind = rng.choice(["banner", "caption", "watermark"])
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    if kind == "banner":
        top = int(rng.choice([0, image.height - size * 1.5]))
        draw.rectangle([0, top, image.width, top + int(size * 1.5)], fill=(*[(200, 20, 30), (255, 220, 0), (20, 20, 20), (240, 240, 240)][rng.integers(4)], 230))
        draw.text((size // 2, top + size // 6), text, font=font, fill=(*colour, 255))
    elif kind == "caption":
        draw.text((int(rng.uniform(0, image.width * 0.5)), int(rng.uniform(0, image.height * 0.9))), text, font=font, fill=(*colour, 255))
    else:
        for y in range(0, image.height, image.height // int(rng.integers(2, 5))):
            draw.text((int(rng.uniform(0, image.width * 0.5)), y), text, font=font, fill=(*colour, 90))
        layer = layer.rotate(rng.uniform(-30, 30))
    image.paste(layer, (0, 0), layer)


def page(image: Image.Image, rng: Rng) -> Image.Image:
    """A screenshot of a shop's page: the picture, a title, a price, a button, in one of a few places."""
    cjk, latin = fonts()
    lines, path = (CHINESE, cjk) if cjk and (rng.random() < 0.5 or not latin) else (ENGLISH, latin)
    width, height = image.size
    paper = [(255, 255, 255), (245, 242, 236), (24, 24, 28)][rng.choice(3, p=[0.6, 0.25, 0.15])]
    dark, accent = ((30, 30, 30) if sum(paper) > 300 else (235, 235, 235)), [(220, 60, 20), (20, 120, 60), (200, 20, 40), (30, 80, 180)][rng.integers(4)]
    sheet = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(sheet)
    part = rng.uniform(0.5, 0.75)
    if rng.random() < 0.5:  # words below
        small, at, text = image.resize((int(width * part * 1.2), int(height * part))), (int(width * 0.05), int(height * 0.04)), (0.06, part + 0.07)
    else:  # words beside
        small, at, text = image.resize((int(width * part), int(height * part * 1.1))), (int(width * (0.97 - part)), int(height * 0.15)), (0.03, 0.05)
    sheet.paste(small, at)
    size = max(9, int(height * rng.uniform(0.045, 0.07)))
    font = ImageFont.truetype(path, size) if path else ImageFont.load_default()
    x, y = int(text[0] * width), int(text[1] * height)
    for k in range(int(rng.integers(2, 5))):
        words = str(rng.choice(lines)).replace("{n}", str(rng.integers(2, 9999)))
        draw.text((x, y + int(k * 1.35 * size)), words, font=font, fill=accent if k == 1 else dark)
    if rng.random() < 0.5:
        box = [int(0.62 * width), int(0.9 * height), int(0.96 * width), int(0.98 * height)]
        draw.rectangle(box, fill=accent)
        draw.text((box[0] + size, box[1]), str(rng.choice(["BUY NOW", "立即购买"] if cjk and path == cjk else ["BUY NOW", "ADD TO CART"])), font=font, fill=(255, 255, 255))
    return sheet


def degrade(image: Image.Image, rng: Rng) -> bytes:
    """Lens, motion, sensor noise, vignette, crop, captions, JPEG: the file's bytes."""
    image = image.convert("RGB")
    width, height = image.size
    if rng.random() < 0.3:
        part = rng.uniform(0.7, 0.97)
        x, y = int(rng.uniform(0, 1 - part) * width), int(rng.uniform(0, 1 - part) * height)
        image = image.crop((x, y, x + int(part * width), y + int(part * height))).resize((width, height), Image.Resampling.BICUBIC)
    if rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6)))
    if rng.random() < 0.08:
        kernel = np.zeros((5, 5))
        kernel[2, :] = 0.2
        image = image.filter(ImageFilter.Kernel((5, 5), (kernel if rng.random() < 0.5 else kernel.T).ravel().tolist(), 1.0))
    if rng.random() < 0.2:
        small = image.resize((int(width * rng.uniform(0.4, 0.8)), int(height * rng.uniform(0.4, 0.8))), Image.Resampling.BILINEAR)
        image = small.resize((width, height), Image.Resampling.BILINEAR)
    image = ImageEnhance.Color(image).enhance(rng.uniform(0.75, 1.25))
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.UnsharpMask(1.2, int(rng.uniform(60, 160)), 2))
    pixels = np.asarray(image, np.float32)
    if rng.random() < 0.3:
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        pixels = pixels * (1 - rng.uniform(0.1, 0.45) * (x**2 + y**2) / 2)[..., None]
    pixels = pixels + rng.normal(0, 1, pixels.shape) * rng.choice([1.0, 3.0, 7.0], p=[0.5, 0.35, 0.15])
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    words = rng.random()
    if words < 0.09:
        image = page(image, rng)
    elif words < 0.3:
        caption(image, rng)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=int(rng.choice([35, 55, 75, 85, 92], p=[0.08, 0.17, 0.3, 0.3, 0.15])))
    return out.getvalue()
