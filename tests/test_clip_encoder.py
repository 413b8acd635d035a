"""What scripts/models/clip_encoder.py builds, on made-up weights. Needs scripts/train/requirements.txt."""

import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "models"))

import clip_encoder  # noqa: E402

LAYERS, WIDTH = 2, clip_encoder.WIDTH
WIDTHS = {"q_proj": (1, 1), "k_proj": (1, 1), "v_proj": (1, 1), "out_proj": (1, 1), "fc1": (1, 4), "fc2": (4, 1)}
MATRICES = [f"{layer}.{part}" for layer in range(LAYERS) for part in WIDTHS]


def made_up() -> dict[str, np.ndarray]:
    """Weights named as in the source: matrices by number, the rest as CLIP calls it."""
    rng, found = np.random.default_rng(1), {}
    for name in ("pre_layrnorm", "post_layernorm", *(f"encoder.layers.{layer}.layer_norm{i}" for layer in range(LAYERS) for i in (1, 2))):
        found |= {f"{name}.weight": rng.uniform(0.5, 1.5, WIDTH), f"{name}.bias": rng.normal(0, 0.1, WIDTH)}
    found["embeddings.patch_embedding.weight"] = rng.normal(0, 0.05, (WIDTH, 3, 16, 16))
    found["embeddings.position_embedding.weight"] = np.repeat(rng.normal(0, 0.2, (1, WIDTH)), 197, axis=0)  # resized it stays as it is
    found["embeddings.class_embedding"] = rng.normal(0, 0.2, WIDTH)
    for name in MATRICES:
        layer, part = name.split(".")
        place = "mlp" if part.startswith("fc") else "self_attn"
        found[f"encoder.layers.{layer}.{place}.{part}.bias"] = rng.normal(0, 0.1, WIDTHS[part][1] * WIDTH)
    stored = {f"vision_model.{name}": value.astype(np.float32) for name, value in found.items()}
    for number, name in enumerate(MATRICES):
        rows, columns = (width * WIDTH for width in WIDTHS[name.split(".")[1]])
        stored[f"onnx::MatMul_{1000 + number}_quantized"] = rng.integers(-63, 64, (rows, columns)).astype(np.int8) * np.int8(2)  # loses nothing in 7 bits
        stored[f"onnx::MatMul_{1000 + number}_scale"] = rng.uniform(0.5, 1.5, columns).astype(np.float32) / np.float32(74 * np.sqrt(rows))
    return stored


def expected(stored: dict[str, np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """The embedding of one photo f64 [WIDTH], without rounding of activations."""
    weights = {name.removeprefix("vision_model."): value.astype(np.float64) for name, value in stored.items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        number, (layer, part) = 1000 + MATRICES.index(name), name.split(".")
        bias = weights[f"encoder.layers.{layer}.{'mlp' if part.startswith('fc') else 'self_attn'}.{part}.bias"]
        return x @ (weights[f"onnx::MatMul_{number}_quantized"] * weights[f"onnx::MatMul_{number}_scale"]) + bias

    side = clip_encoder.GRID
    patches = pixels.reshape(3, side, 16, side, 16).transpose(1, 3, 0, 2, 4).reshape(side * side, -1)
    patches = patches @ weights["embeddings.patch_embedding.weight"].reshape(WIDTH, -1).T
    x = np.concatenate([weights["embeddings.class_embedding"][None], patches]) + weights["embeddings.position_embedding.weight"][:1]
    x = norm(x, "pre_layrnorm")
    for layer in range(LAYERS):
        y = norm(x, f"encoder.layers.{layer}.layer_norm1")
        query, key, value = (linear(y, f"{layer}.{part}").reshape(-1, 12, 64).transpose(1, 0, 2) for part in ("q_proj", "k_proj", "v_proj"))
        shares = np.exp(query @ key.transpose(0, 2, 1) / 8)
        seen = (shares / shares.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(-1, WIDTH)
        x = x + linear(seen, f"{layer}.out_proj")
        y = linear(norm(x, f"encoder.layers.{layer}.layer_norm2"), f"{layer}.fc1")
        x = x + linear(y / (1 + np.exp(-1.702 * y)), f"{layer}.fc2")
    return norm(x[0], "post_layernorm")


class ClipEncoder(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.stored = made_up()
        graph = helper.make_graph([], "source", [], [], [numpy_helper.from_array(value, name) for name, value in cls.stored.items()])
        cls.source = helper.make_model(graph).SerializeToString()
        with mock.patch.multiple(clip_encoder, LAYERS=LAYERS, MATRICES=MATRICES):
            cls.model, again = clip_encoder.build(cls.source), clip_encoder.build(cls.source)
        assert cls.model == again, "the same source gives the same bytes"
        cls.session = onnxruntime.InferenceSession(cls.model, providers=["CPUExecutionProvider"])
        cls.pixels = np.random.default_rng(2).normal(0, 1, (3, 3, 160, 160)).astype(np.float32)

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        return self.session.run(["embedding"], {"input": pixels})[0]

    def test_it_computes_what_a_vision_transformer_does(self) -> None:
        for pixels, found in zip(self.pixels, self.embed(self.pixels)):
            wanted = expected(self.stored, pixels)
            self.assertGreater(wanted @ found / np.linalg.norm(wanted) / np.linalg.norm(found), 0.999)

    def test_photos_beside_a_photo_change_nothing(self) -> None:
        together = self.embed(self.pixels)
        for row, pixels in enumerate(self.pixels):
            np.testing.assert_allclose(self.embed(pixels[None])[0], together[row], atol=0.05)

    def test_a_row_of_places_is_resized_without_gain_or_loss(self) -> None:
        np.testing.assert_allclose(clip_encoder.cubic(14, 10).sum(1), 1)
        np.testing.assert_allclose(clip_encoder.cubic(14, 14), np.eye(14), atol=1e-12)
        line = clip_encoder.cubic(14, 10) @ np.arange(14.0)
        np.testing.assert_allclose(line[3:7], (np.arange(10)[3:7] + 0.5) * 1.4 - 0.5, atol=0.03)

    def test_another_file_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source.onnx"
            source.write_bytes(self.source)
            with mock.patch.object(sys, "argv", ["clip_encoder.py", str(source), f"{folder}/clip_encoder/1"]), self.assertRaisesRegex(SystemExit, "sha256 is"):
                clip_encoder.main()
            self.assertFalse((Path(folder) / "clip_encoder").exists())


if __name__ == "__main__":
    unittest.main()
