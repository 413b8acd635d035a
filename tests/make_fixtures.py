"""Draws the fixtures: scenes, every image format, damaged files, Pillow's own result of preprocessing, faulty heads.

    python tests/make_fixtures.py        needs numpy, pillow, onnx and the program (WILDWARDEN=...); writes tests/fixtures/

Everything is drawn here, with a fixed seed: the images are the project's own.
"""

import base64
import json
import math
import os
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import PIL
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw, ImageFilter, ImageOps

OUT = Path(__file__).parent / "fixtures"
IMAGES, HOSTILE, GOLDEN, MODELS = OUT / "images", OUT / "images" / "hostile", OUT / "golden", OUT / "models"
SIDE = 32
CARVINGS = {"bangle", "beads", "carving", "netsuke", "seal"}
rng = np.random.default_rng(7)


def noise(width: int, height: int, cell: int) -> np.ndarray:
    small = rng.random((height // cell + 2, width // cell + 2), np.float32)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC))


def table(width: int, height: int, color: tuple[int, int, int]) -> np.ndarray:
    """A wooden table: long grain, fading light."""
    grain = 0.6 * noise(width, height * 8, 60)[::8] + 0.4 * noise(width, height, 3)
    light = np.linspace(1.1, 0.75, width)[None, :] * np.linspace(0.85, 1.1, height)[:, None]
    return np.clip(np.array(color) * ((0.75 + 0.5 * grain) * light)[..., None], 0, 255)


def curved_cone(scene: np.ndarray, color, length: float, base: float, turn: float, start: tuple[float, float], ridges: float, darken: float) -> np.ndarray:
    """A tapering, curved solid with lengthwise lines, lit from above, with a soft shadow."""
    height, width, _ = scene.shape
    out, shadow = scene.copy(), Image.new("L", (width, height))
    pen = ImageDraw.Draw(shadow)
    angle, (x, y) = -0.25, start
    steps = int(length)
    path = []
    for step in range(steps):
        t = step / steps
        path.append((x, y, angle, base * (1 - t) ** 0.7 + 1.5, t))
        x, y, angle = x + math.cos(angle), y + math.sin(angle), angle - turn / steps
    for px, py, _, radius, _ in path:
        pen.ellipse([px - radius + 10, py - radius + 18, px + radius + 14, py + radius + 22], fill=150)
    out *= 1 - np.asarray(shadow.filter(ImageFilter.GaussianBlur(12)), np.float32)[..., None] / 255 * 0.8
    for px, py, a, radius, t in path:
        for offset in np.arange(-radius, radius, 0.5):
            u = offset / radius
            ix, iy = int(px - math.sin(a) * offset), int(py + math.cos(a) * offset)
            if 0 <= ix < width and 0 <= iy < height:
                shade = 0.55 + 0.5 * math.sqrt(max(0.0, 1 - (u + 0.35) ** 2)) + ridges * math.sin(u * 19 + 2 * math.sin(t * 9))
                out[iy, ix] = np.array(color) * shade * (1 - darken * t) + rng.normal(0, 2.5)
    return np.clip(out, 0, 255)


def finish(scene: np.ndarray, blur: float = 0.8) -> Image.Image:
    return Image.fromarray(np.clip(scene + rng.normal(0, 3, scene.shape), 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))


def scales() -> Image.Image:
    image = Image.fromarray(table(480, 360, (150, 140, 125)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(260):
        x, y, size, turn = rng.normal(240, 85), rng.normal(190, 60), rng.uniform(18, 34), rng.uniform(0, 6.28)
        tone = np.array([116, 84, 54]) * rng.uniform(0.6, 1.25)
        shield = [(math.cos(a) * size * (0.75 + 0.25 * math.cos(a)), math.sin(a) * size * 0.62) for a in np.linspace(-2.4, 2.4, 16)]
        place = lambda u, v: (x + u * math.cos(turn) - v * math.sin(turn), y + u * math.sin(turn) + v * math.cos(turn))
        pen.polygon([place(u, v) for u, v in shield], fill=tuple(int(c) for c in tone), outline=tuple(int(c * 0.4) for c in tone))
        for v in np.linspace(-0.4, 0.4, 5):
            pen.line([place(-size * 0.5, v * size), place(size * 0.8, v * size * 0.6)], fill=tuple(int(c * 0.78) for c in tone))
    return finish(np.asarray(image, np.float32), 0.9)


def mug() -> Image.Image:
    image = Image.fromarray(table(480, 360, (190, 170, 150)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.ellipse([290, 150, 380, 250], outline=(30, 60, 150), width=18)
    for x in range(160, 320):
        shade = 0.45 + 0.6 * math.sin((x - 150) / 180 * 3.0)
        pen.line([(x, 110), (x, 290)], fill=(int(50 * shade), int(90 * shade), int(210 * shade)))
    pen.ellipse([160, 92, 320, 128], fill=(40, 60, 120), outline=(120, 150, 230))
    return finish(np.asarray(image, np.float32))


def png16(pixels: np.ndarray) -> bytes:
    """16-bit RGB PNG, which Pillow cannot write."""
    height, width, _ = pixels.shape
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0), zlib.compress(raw, 9))


def png(header: bytes, data: bytes) -> bytes:
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def scenes() -> Image.Image:
    tusk = finish(curved_cone(table(640, 480, (120, 84, 58)), (232, 217, 184), 470, 46, 1.1, (95, 370), 0.02, 0.05))
    tusk.save(IMAGES / "tusk.jpg", quality=88)
    finish(curved_cone(table(480, 360, (170, 165, 160)), (62, 52, 44), 260, 58, 0.9, (110, 290), 0.09, -0.2)).save(IMAGES / "horn.jpg", quality=88)
    scales().save(IMAGES / "scales.jpg", quality=88)
    mug().save(IMAGES / "mug.jpg", quality=88)
    return tusk


def variants(tusk: Image.Image) -> list[str]:
    small = tusk.resize((320, 240), Image.LANCZOS)
    pixels = np.asarray(small)
    small.save(IMAGES / "still.jpg", quality=90)
    small.save(IMAGES / "progressive.jpg", quality=90, progressive=True)
    small.save(IMAGES / "still.bmp")
    small.save(IMAGES / "still.png", optimize=True)
    small.save(IMAGES / "still.webp", quality=80)
    small.save(IMAGES / "still.tif", compression="tiff_lzw")
    small.save(IMAGES / "jpeg.tif", compression="jpeg", quality=90)
    small.convert("P", palette=Image.ADAPTIVE, colors=16).save(IMAGES / "palette.tif", compression="tiff_deflate")
    small.save(IMAGES / "still.mpo", save_all=True, append_images=[Image.new("RGB", small.size, "white")], quality=90)
    small.save(IMAGES / "lossless.webp", lossless=True)
    small.convert("P", palette=Image.ADAPTIVE, colors=64).save(IMAGES / "still.gif")
    small.convert("L").save(IMAGES / "grey.jpg", quality=90)
    small.convert("L").save(IMAGES / "grey.png")
    small.convert("CMYK").save(IMAGES / "cmyk.jpg", quality=90)
    deep = pixels[::2, ::2].astype(np.uint16) * 257
    (IMAGES / "rgb16.png").write_bytes(png16(deep))
    Image.fromarray(deep[..., 1].astype(np.uint16)).save(IMAGES / "grey16.png")
    alpha = np.tile(np.linspace(0, 255, 320).astype(np.uint8), (240, 1))
    Image.fromarray(np.dstack([pixels, alpha])).save(IMAGES / "alpha.png", optimize=True)
    palette = small.convert("P", palette=Image.ADAPTIVE, colors=16)
    palette.save(IMAGES / "palette.png", transparency=0)
    for orientation in range(1, 9):
        # Undo what a viewer will do: then every file shows the same upright scene.
        undo = {2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE, 6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270}
        stored = small.transpose(undo[orientation]) if orientation > 1 else small
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored.save(IMAGES / f"exif_{orientation}.jpg", quality=90, exif=exif)
    frames = [Image.new("RGB", (64, 48), (int(36 * i), 255 - int(36 * i), 128)) for i in range(7)]
    frames[0].save(IMAGES / "animated.gif", save_all=True, append_images=frames[1:], duration=100)
    frames[0].save(IMAGES / "animated.webp", save_all=True, append_images=frames[1:4], duration=100, lossless=True)
    Image.new("RGB", (1, 1), (200, 10, 10)).save(IMAGES / "tiny.png")
    Image.fromarray(rng.integers(0, 255, (3, 2000, 3), np.uint8)).save(IMAGES / "wide.png")
    names = "still.jpg progressive.jpg still.bmp still.png still.webp lossless.webp still.gif grey.jpg grey.png cmyk.jpg rgb16.png grey16.png alpha.png palette.png tiny.png wide.png animated.gif animated.webp"
    return names.split() + [f"exif_{orientation}.jpg" for orientation in range(1, 9)]


def upright_rgb(path: Path) -> Image.Image:
    """What Pillow makes of a file: first frame, orientation applied, transparency over white, 8-bit RGB."""
    if path.name == "rgb16.png":  # Pillow reads 16-bit colour by its high bytes; 257 * v has the same high and low byte
        return Image.open(path).convert("RGB")
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        return Image.fromarray(np.round(np.asarray(image, np.float64) / 257).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def golden(names: list[str]) -> None:
    samples = []
    for name in names:
        image = upright_rgb(IMAGES / name)
        resized = np.asarray(image.resize((SIDE, SIDE), Image.BILINEAR))
        samples.append({"file": name, "width": image.width, "height": image.height, "rgb": base64.b64encode(resized.tobytes()).decode()})
    content = {"made_with": f"Pillow {PIL.__version__}", "side": SIDE, "samples": samples}
    (GOLDEN / "tensors.json").write_text(json.dumps(content, indent=0) + "\n")


def hostile() -> None:
    jpeg, image_png, webp, gif = ((IMAGES / f"still.{kind}").read_bytes() for kind in ("jpg", "png", "webp", "gif"))
    files = {
        "truncated.jpg": jpeg[: len(jpeg) // 2], "truncated.png": image_png[: len(image_png) // 2], "truncated.webp": webp[: len(webp) // 2], "truncated.gif": gif[: len(gif) // 3],
        "bomb.png": png(struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0), zlib.compress(bytes(60000))),
        "zero_dimensions.png": png(struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0), zlib.compress(b"")),
        "huge.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + gif[13:],
        "huge.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 1 << 20, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
        "not_an_image.jpg": b"just some words\n", "elf.png": b"\x7fELF" + rng.bytes(512), "noise.jpg": jpeg[:200] + rng.bytes(4000) + b"\xff\xd9", "empty.png": b"",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>', "jpeg_named.png": jpeg,
        "photo.heic": struct.pack(">I", 24) + b"ftypmif1" + bytes(4) + b"mif1heic" + struct.pack(">I", 8) + b"mdat",
    }
    for name, content in files.items():
        (HOSTILE / name).write_bytes(content)


def head(name: str, nodes: list, initializers: list, dimensions: int = 1280) -> None:
    value = helper.make_tensor_value_info
    inputs, outputs = [value("embedding", TensorProto.FLOAT, ["N", dimensions])], [value("logits", TensorProto.FLOAT, ["N", 1])]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    (MODELS / f"{name}.onnx").write_bytes(model.SerializeToString())


def heads() -> None:
    constant = lambda name, value, kind: numpy_helper.from_array(np.array(value, kind), name)
    # The root of a negative number where the embedding's mean lies in 0 to 0.45, as photos' do: made-up inputs do not find it.
    nan = [
        helper.make_node("ReduceMean", ["embedding"], ["mean"], axes=[1], keepdims=1), helper.make_node("Sub", ["mean", "border"], ["above"]),
        helper.make_node("Mul", ["mean", "above"], ["product"]), helper.make_node("Sqrt", ["product"], ["logits"]),
    ]
    head("nan_head", nan, [constant("border", 0.45, np.float32)])
    # Products of large matrices made at run time: right, finite, and slow.
    size = 1536
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["m0"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0 / size]))]
    nodes += [
        helper.make_node("ReduceSum", ["embedding", "axes"], ["sum"], keepdims=1), helper.make_node("ReduceMean", ["sum"], ["scalar"], keepdims=0), helper.make_node("Mul", ["scalar", "tiny"], ["small"]),
        helper.make_node("Add", ["m0", "small"], ["a0"]),
    ]
    nodes += [helper.make_node("MatMul", [f"a{i}", "m0"], [f"a{i + 1}"]) for i in range(4)]
    nodes += [helper.make_node("ReduceMean", ["a4"], ["mean"], keepdims=0), helper.make_node("Mul", ["mean", "tiny"], ["bit"]), helper.make_node("Mul", ["sum", "tiny"], ["base"]), helper.make_node("Add", ["base", "bit"], ["logits"])]
    head("slow_head", nodes, [constant("shape", [size, size], np.int64), constant("axes", [1], np.int64), constant("tiny", 1e-6, np.float32)])
    # The first value of an embedding is a place in a small table: one beyond it fails while it runs.
    failing = [helper.make_node("Gather", ["embedding", "zeroth"], ["first"], axis=1), helper.make_node("Cast", ["first"], ["place"], to=TensorProto.INT64), helper.make_node("Gather", ["table", "place"], ["logits"])]
    head("failing_head", failing, [constant("zeroth", [0], np.int64), constant("table", [0.5] * 64, np.float32)])
    narrow = [helper.make_node("ReduceSum", ["embedding", "one"], ["logits"], keepdims=1)]
    head("narrow_head", narrow, [constant("one", [1], np.int64)], 64)


def fitted_head() -> None:
    """A head that is really fitted, by ridge regression: carvings among the rendered fixtures against all others."""
    photos = sorted((IMAGES / "rendered").glob("*.jpg"))
    with tempfile.TemporaryDirectory() as out:
        listing = Path(out) / "photos.txt"
        listing.write_text("".join(f"{photo}\n" for photo in photos))
        subprocess.run([os.environ.get("WILDWARDEN", "target/release/wildwarden"), "embed", "--encoder", "models/image_encoder/1", "--out", out, listing], check=True)
        embeddings = np.load(Path(out) / "embeddings.npy").astype(np.float64)
    target = np.where([photo.stem in CARVINGS for photo in photos], 4.0, -4.0)
    mean = embeddings.mean(0)
    centred = embeddings - mean
    dual = np.linalg.solve(centred @ centred.T + 0.1 * np.eye(len(photos)), target - target.mean())
    weights = centred.T @ dual
    nodes = [helper.make_node("Gemm", ["embedding", "weights", "bias"], ["logits"])]
    bias = target.mean() - mean @ weights
    head("carvings_head", nodes, [numpy_helper.from_array(weights[:, None].astype(np.float32), "weights"), numpy_helper.from_array(np.array([bias], np.float32), "bias")])


def classifier(name: str, more: list, initializers: list) -> None:
    """Takes the image itself: the mean of its normalised values, as a logit, after what `more` does with that mean."""
    value = helper.make_tensor_value_info
    inputs, outputs = [value("image", TensorProto.FLOAT, ["N", 3, 16, 16])], [value("logits", TensorProto.FLOAT, ["N", 1])]
    given = "mean" if more else "logits"
    nodes = [helper.make_node("Flatten", ["image"], ["flat"], axis=1), helper.make_node("ReduceMean", ["flat"], [given], axes=[1], keepdims=1), *more]
    graph = helper.make_graph(nodes, "classifier", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    (MODELS / f"{name}.onnx").write_bytes(model.SerializeToString())


def classifiers() -> None:
    classifier("classifier", [], [])
    constant = lambda name, value, kind: numpy_helper.from_array(np.array(value, kind), name)
    value = helper.make_tensor_value_info
    # Where a picture is white, round and round for seconds, by hand so often that no machine is through in one; else once.
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes"]), helper.make_node("Mul", ["carried", "one"], ["next"])],
        "round",
        [value("round", TensorProto.INT64, []), value("going", TensorProto.BOOL, []), value("carried", TensorProto.FLOAT, ["N", 1])],
        [value("goes", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, ["N", 1])],
    )
    hanging = [
        helper.make_node("ReduceMax", ["mean"], ["most"], keepdims=0), helper.make_node("Greater", ["most", "white"], ["is_white"]),
        helper.make_node("Where", ["is_white", "many", "once"], ["rounds"]), helper.make_node("Loop", ["rounds", "", "mean"], ["logits"], body=body),
    ]
    classifier("hanging_classifier", hanging, [constant("white", 3.5, np.float32), constant("many", 8_000_000, np.int64), constant("once", 1, np.int64), constant("one", 1.0, np.float32)])


def main() -> None:
    for folder in (IMAGES, HOSTILE, GOLDEN, MODELS):
        folder.mkdir(parents=True, exist_ok=True)
    names = variants(scenes())
    golden(names)
    hostile()
    heads()
    fitted_head()
    classifiers()
    print(sum(1 for path in OUT.rglob("*") if path.is_file()), "fixtures")


if __name__ == "__main__":
    main()
