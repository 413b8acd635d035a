"""What decoding at the size needed does to scores: difference in probability from a decode in full, on real photos.

    WILDWARDEN=target/release/wildwarden .runtime/python/bin/python scripts/bench/decode_quality.py DATA [--work DIR]

DATA holds images/manifest.csv, as for training. Its photos may be smaller than what sellers send, so three sets are made:
as they are; as they are, for an encoder that takes half the side, so that as much detail is dropped as of photos twice the
size; and enlarged to the size of phone photos. Photos that a margin does not reduce are left out of its row. Ends with exit
code 1 when the default margin's median is above 0.01 or its 99th percentile above 0.05 in one set and head.
"""

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
import categories  # noqa: E402
from common import read_photos  # noqa: E402
from model_folder import write_folder  # noqa: E402
from program import WILDWARDEN  # noqa: E402

MARGINS = [1.0, 1.5, 2.0]
DEFAULT = 1.5  # `MARGIN` in src/core/preprocess/image/wanted.rs
MOST = {"median": 0.01, "p99": 0.05}
ENCODER = Path("models/image_encoder/1")
ENLARGED = 600
SHORT_SIDES = (450, 3100)
JPEG_QUALITY = 92


def embed(paths: list[Path], encoder: Path, margin: float, out: Path) -> np.ndarray:
    """Embeddings f32 [photos, D] of the server's own code."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "list.txt").write_text("".join(f"{path}\n" for path in paths))
    command = [WILDWARDEN, "embed", out / "list.txt", "--out", out, "--encoder", encoder, "--decode-margin", str(margin)]
    subprocess.run(command, check=True)
    return np.load(out / "embeddings.npy")


def probabilities(embeddings: np.ndarray, head: str) -> np.ndarray:
    """Calibrated, as the server gives them, before fusion."""
    folder = Path("models") / head / "1"
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(folder / "model.onnx").graph.initializer}
    calibration = tomllib.loads((folder / "model.toml").read_text())["labels"][0]["calibration"]
    logits = (embeddings @ weights["weights"] + weights["bias"])[:, 0]
    return 1 / (1 + np.exp(-(calibration["slope"] * logits + calibration["intercept"])))


def half_size_encoder(folder: Path) -> Path:
    """The encoder behind an enlargement: it takes half the side and sees a blurred picture."""
    manifest = tomllib.loads((ENCODER / "model.toml").read_text())
    model = onnx.load(ENCODER / "model.onnx")
    given = model.graph.input[0]
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == given.name:
                node.input[place] = "enlarged"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "enlarging"))
    model.graph.node.insert(0, helper.make_node("Resize", [given.name, "", "enlarging"], ["enlarged"], mode="linear"))
    for axis, side in ((2, "height"), (3, "width")):
        manifest["image"][side] //= 2
        manifest["inputs"][0]["shape"][axis] //= 2
        given.type.tensor_type.shape.dim[axis].dim_value //= 2
    del model.graph.value_info[:]
    card = manifest.pop("card")
    for key in ("files", "golden"):
        manifest.pop(key, None)
    write_folder(folder, manifest, {"model.onnx": model.SerializeToString()}, card)
    return folder


def enlarge(paths: list[Path], folder: Path) -> list[Path]:
    """Copies whose short sides spread evenly, on a logarithmic scale, from a listing photo's to a phone photo's."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    chosen = rng.permutation(len(paths))[:ENLARGED]
    made = []
    for number, short in zip(chosen, np.geomspace(*SHORT_SIDES, len(chosen)), strict=True):
        target = folder / f"{number}.jpg"
        if not target.exists():
            picture = cv2.imread(str(paths[number]))
            factor = short / min(picture.shape[:2])
            larger = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(target), larger, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        made.append(target)
    return made


def is_reduced(size: tuple[int, int], margin: float, side: int) -> bool:
    return all(-(-length // 2) >= np.ceil(side * margin) for length in size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".runtime/decode_quality"))
    options = parser.parse_args()

    photos = [Path(photo.path) for photo in read_photos([options.data])]
    sets = {
        "as they are": (photos, ENCODER),
        "as they are, input halved": (photos, half_size_encoder(options.work / "half")),
        "enlarged": (enlarge(photos, options.work / "enlarged"), ENCODER),
    }
    print("| photos | margin | head | n | median | p99 | max |\n| --- | --- | --- | --- | --- | --- | --- |")
    failed = False
    for name, (paths, encoder) in sets.items():
        side = tomllib.loads((encoder / "model.toml").read_text())["image"]["width"]
        sizes = [cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION).shape[:2] for path in paths]
        full = embed(paths, encoder, float("inf"), options.work / "full")
        for margin in MARGINS:
            reduced = np.array([is_reduced(size, margin, side) for size in sizes])
            if not reduced.any():
                continue
            scaled = embed(paths, encoder, margin, options.work / "scaled")
            for head in categories.of_data(options.data).names:
                off = np.abs(probabilities(scaled, head) - probabilities(full, head))[reduced]
                median, p99 = np.median(off), np.percentile(off, 99)
                print(f"| {name} | {margin} | {head} | {len(off)} | {median:.4f} | {p99:.4f} | {off.max():.4f} |", flush=True)
                failed |= margin == DEFAULT and (median > MOST["median"] or p99 > MOST["p99"])
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
