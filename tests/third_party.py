"""Models as other people make them: small graphs of many shapes with random weights, folders for them, and what ONNX Runtime and
Pillow make of them by themselves. Used by test_third_party.py."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tomlkit
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

RNG = np.random.default_rng(21)
DTYPES = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.UINT8: "uint8", TensorProto.INT32: "int32", TensorProto.INT64: "int64"}
CLAMP = 1e-7


@dataclass
class Shape:
    """A model of somebody's, and what the server must make of it."""

    name: str
    model: onnx.ModelProto
    manifest: dict
    inputs: list  # of golden samples: paths of photos, embeddings or texts
    expected: Callable[[object], np.ndarray] | None = None  # an input -> golden output; None: refused
    refused: str = ""  # what the refusal must say
    tolerance: float = 1e-4
    files: dict[str, bytes] = field(default_factory=dict)


# Graphs


def tensor(name: str, array: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(array, name)


def graph(nodes: list, inputs: list, outputs: list, initializers: list, opset: int = 17) -> onnx.ModelProto:
    made = helper.make_graph(nodes, "third_party", inputs, outputs, initializers)
    ir = 8 if opset <= 19 else 10 if opset <= 22 else 13
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=min(ir, 13))


def classifier(
    side: int = 32, columns: int = 3, *, layout: str = "nchw", dtype: int = TensorProto.FLOAT, rows: int | str = "N", free: bool = False,
    end: str = "", output: str = "logits", shape: str = "rows", opset: int = 17, half: bool = False, second: bool = False, scale: float = 1 / 64,
) -> onnx.ModelProto:
    """Pools to 4x4 cells and weighs them. `end`: Sigmoid or Softmax. `shape`: rows [N, L], cells [N, L, 1, 1] or flat [N]."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    number = np.float16 if half else np.float32
    sides = ["H", "W"] if free else [side, side]
    axes = [rows, 3, *sides] if layout == "nchw" else [rows, *sides, 3]
    nodes, at = [], "image"
    if dtype != kind:
        nodes.append(helper.make_node("Cast", [at], ["number"], to=kind))
        at = "number"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [at], ["planes"], perm=[0, 3, 1, 2]))
        at = "planes"
    if free:
        nodes.append(helper.make_node("GlobalAveragePool", [at], ["pooled"]))
        features = 3
    else:
        nodes.append(helper.make_node("AveragePool", [at], ["pooled"], kernel_shape=[side // 4] * 2, strides=[side // 4] * 2))
        features = 48
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    weights = (RNG.normal(size=(features, columns)) * scale).astype(number)
    nodes.append(helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"]))
    at = "scores"
    if end:
        nodes.append(helper.make_node(end, [at], ["ended"], **({"axis": 1} if end == "Softmax" else {})))
        at = "ended"
    initializers = [tensor("weights", weights), tensor("bias", (RNG.normal(size=columns) * 0.5).astype(number))]
    sizes: list = [rows, columns]
    if shape == "cells":
        initializers.append(tensor("shape", np.array([-1, columns, 1, 1], np.int64)))
        sizes = [rows, columns, 1, 1]
    elif shape == "flat":
        initializers.append(tensor("shape", np.array([-1], np.int64)))
        sizes = [rows]
    nodes.append(helper.make_node("Reshape", [at, "shape"], [output]) if shape != "rows" else helper.make_node("Identity", [at], [output]))
    outputs = [helper.make_tensor_value_info(output, kind, sizes)]
    if second:
        nodes.append(helper.make_node("Neg", [at], ["other"]))
        outputs.insert(0, helper.make_tensor_value_info("other", kind, [rows, columns]))
    return graph(nodes, [helper.make_tensor_value_info("image", dtype, axes)], outputs, initializers, opset)


def pixels(side: tuple[int, int]) -> onnx.ModelProto:
    """An encoder whose embedding is what it is fed: it shows how pictures are prepared."""
    height, width = side
    nodes = [helper.make_node("Flatten", ["image"], ["embedding"])]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, height, width])]
    return graph(nodes, inputs, [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 3 * height * width])], [])


def encoder(side: int = 32, dimensions: int = 8, *, cells: bool = False, embedding: str = "embedding", feature_map: str = "", unit: bool = False) -> onnx.ModelProto:
    """A convolution and its mean, as `cells` [N, D, 1, 1], of length 1 if `unit`."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["map"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
    ]
    at = "mean"
    if not cells:
        nodes.append(helper.make_node("Flatten", [at], ["flat"]))
        at = "flat"
    nodes.append(helper.make_node("LpNormalization", [at], [embedding], axis=1, p=2) if unit else helper.make_node("Identity", [at], [embedding]))
    outputs = [helper.make_tensor_value_info(embedding, TensorProto.FLOAT, ["N", dimensions, 1, 1] if cells else ["N", dimensions])]
    if feature_map:
        nodes.append(helper.make_node("Identity", ["map"], [feature_map]))
        outputs.append(helper.make_tensor_value_info(feature_map, TensorProto.FLOAT, ["N", dimensions, side // 8, side // 8]))
    kernel = tensor("kernel", (RNG.normal(size=(dimensions, 3, 8, 8)) / 64).astype(np.float32))
    return graph(nodes, [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, side, side])], outputs, [kernel])


def head(dimensions: int = 8, columns: int = 1, *, end: str = "", dtype: int = TensorProto.FLOAT, output: str = "logits") -> onnx.ModelProto:
    number = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    nodes = [helper.make_node("Gemm", ["features", "weights", "bias"], ["scores"])]
    nodes.append(helper.make_node(end or "Identity", ["scores"], [output]))
    initializers = [tensor("weights", RNG.normal(size=(dimensions, columns)).astype(number)), tensor("bias", RNG.normal(size=columns).astype(number))]
    inputs = [helper.make_tensor_value_info("features", dtype, ["N", dimensions])]
    return graph(nodes, inputs, [helper.make_tensor_value_info(output, dtype, ["N", columns])], initializers)


# What is expected, by other means than the server's


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto, fed: np.ndarray, output: str) -> np.ndarray:
    """One row; a graph of several rows is fed the same in each."""
    made = session(model)
    rows = made.get_inputs()[0].shape[0]
    fed = np.repeat(fed, rows, 0) if isinstance(rows, int) else fed
    return made.run([output], {made.get_inputs()[0].name: fed})[0][0].astype(np.float64).reshape(-1)


def log_odds(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, CLAMP, 1 - CLAMP)
    return np.log(p / (1 - p))


def resized(picture: Image.Image, image: dict) -> np.ndarray:
    """u8 [height, width, 3] as the entries of [image] say, by Pillow."""
    size, filter_ = (image["width"], image["height"]), {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "area": Image.BOX}[image.get("filter", "bilinear")]
    how = image["resize"]
    if how == "stretch":
        return np.asarray(picture.resize(size, filter_))
    if how == "center_crop":
        ratio = min(picture.width / size[0], picture.height / size[1])
        width, height = size[0] * ratio, size[1] * ratio
        left, top = (picture.width - width) / 2, (picture.height - height) / 2
        return np.asarray(picture.resize(size, filter_, box=(left, top, left + width, top + height)))
    if "letterbox" in how:
        scale = min(size[0] / picture.width, size[1] / picture.height)
        inner = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), filter_)
        ground = Image.new("RGB", size, tuple(how["letterbox"]))
        ground.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
        return np.asarray(ground)
    if "shorter_side" in how:
        side, (width, height) = how["shorter_side"], picture.size
        whole = (side, int(side * height / width)) if width < height else (int(side * width / height), side)
    else:
        whole = tuple(how["stretch_to"])
    picture = picture.resize(whole, filter_)
    left, top = (whole[0] - size[0]) // 2, (whole[1] - size[1]) // 2
    return np.asarray(picture.crop((left, top, left + size[0], top + size[1])))


def prepared(file: Path, image: dict, dtype: str) -> np.ndarray:
    """The tensor of one picture as the entries of [image] say."""
    bytes_ = resized(Image.open(file).convert("RGB"), image).astype(np.float32)
    if image.get("channels") == "bgr":
        bytes_ = bytes_[:, :, ::-1]
    values = (bytes_ - np.array(image["mean"], np.float32)) / np.array(image["std"], np.float32)
    if image.get("layout") != "nhwc":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[None]).astype(dtype)


def joined(scores: np.ndarray, groups: list[list[int]], holds: str, join: str) -> np.ndarray:
    """A logit for each group of columns."""
    def one(columns: list[int]) -> float:
        inside = scores[columns]
        if holds == "class_logits":
            softmax = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
            return float(log_odds(softmax[columns].sum()) if join == "sum" else log_odds(softmax[columns]).max())
        if holds == "softmax" and join == "sum":
            return float(log_odds(inside.sum()))
        logits = inside if holds == "logits" else log_odds(inside)
        return float(np.log(np.exp(logits).sum()) if join == "logsumexp" else logits.max())
    return np.array([one(columns) for columns in groups])


# Folders


def specs(values: list) -> list[dict]:
    def spec(value: onnx.ValueInfoProto) -> dict:
        of = value.type.tensor_type
        return {"name": value.name, "dtype": DTYPES.get(of.elem_type, "float32"), "shape": [d.dim_value if d.HasField("dim_value") else -1 for d in of.shape.dim]}
    return [spec(value) for value in values]


def write(shape: Shape, root: Path, version: str = "1") -> Path:
    """The folder of a shape, with golden samples of what is expected."""
    folder = root / shape.name / version
    folder.mkdir(parents=True)
    samples, files = [], {"model.onnx": shape.model.SerializeToString(), **shape.files}
    for given in shape.inputs:
        sample = {"output": [float(value) for value in (shape.expected(given) if shape.expected else [0.0])]}
        if isinstance(given, Path):
            files[given.name] = given.read_bytes()
            sample["image"] = given.name
        elif isinstance(given, str):
            sample["text"] = given
        else:
            sample["embedding"] = [float(value) for value in given]
        samples.append(sample)
    files["golden.json"] = json.dumps({"samples": samples}).encode()
    manifest = {
        "name": shape.name, "version": version, "file": "model.onnx", "inputs": specs(shape.model.graph.input), "outputs": specs(shape.model.graph.output),
    } | shape.manifest
    manifest["golden"] = {"file": "golden.json", "tolerance": shape.tolerance}
    manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest["card"] = {"summary": "Random weights.", "licence": "CC0"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "model.toml").write_text(tomlkit.dumps(manifest), encoding="utf-8")
    return folder


# Texts


def text_classifier(
    vocabulary: int, columns: int = 3, *, dtype: int = TensorProto.INT64, types: bool = True, mask: bool = True, length: int | str = "T", of_tokens: bool = False, end: str = "", rows: int | str = "N",
) -> onnx.ModelProto:
    """Embeds tokens with their places' parity and their types, means those of the mask, weighs them: order and neighbours count by a
    pair of neighbours' product. `of_tokens`: scores of every token, not of a text."""
    width = 8
    ids = "ids64"
    nodes = [helper.make_node("Cast", ["input_ids"], [ids], to=TensorProto.INT64), helper.make_node("Gather", ["table", ids], ["embedded"])]
    initializers = [
        tensor("table", RNG.normal(size=(vocabulary, width)).astype(np.float32)), tensor("weights", RNG.normal(size=(width, columns)).astype(np.float32)),
        tensor("bias", RNG.normal(size=columns).astype(np.float32)), tensor("last", np.array([2], np.int64)), tensor("tokens", np.array([1], np.int64)),
    ]
    at = "embedded"
    if types:
        initializers.append(tensor("types", RNG.normal(size=(2, width)).astype(np.float32)))
        nodes += [
            helper.make_node("Cast", ["token_type_ids"], ["types64"], to=TensorProto.INT64), helper.make_node("Gather", ["types", "types64"], ["typed"]),
            helper.make_node("Add", [at, "typed"], ["both"]),
        ]
        at = "both"
    nodes.append(helper.make_node("Tanh", [at], ["states"]))
    at = "states"
    if mask:
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["counted"], to=TensorProto.FLOAT), helper.make_node("Unsqueeze", ["counted", "last"], ["column"]),
            helper.make_node("Mul", [at, "column"], ["masked"]),
        ]
        at = "masked"
    if of_tokens:
        nodes += [helper.make_node("MatMul", [at, "weights"], ["weighed"]), helper.make_node("Add", ["weighed", "bias"], ["scores"])]
    else:
        nodes.append(helper.make_node("ReduceSum", [at, "tokens"], ["sum"], keepdims=0))
        # The square makes what a token adds depend on the others.
        nodes += [helper.make_node("Mul", ["sum", "sum"], ["square"]), helper.make_node("Tanh", ["square"], ["squashed"]), helper.make_node("Add", ["sum", "squashed"], ["pooled"])]
        nodes.append(helper.make_node("Gemm", ["pooled", "weights", "bias"], ["scores"]))
    nodes.append(helper.make_node(end or "Identity", ["scores"], ["logits"]))
    inputs = [helper.make_tensor_value_info("input_ids", dtype, [rows, length])]
    inputs += [helper.make_tensor_value_info("attention_mask", dtype, [rows, length])] if mask else []
    inputs += [helper.make_tensor_value_info("token_type_ids", dtype, [rows, length])] if types else []
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [rows, length, columns] if of_tokens else [rows, columns])]
    return graph(nodes, inputs, outputs, initializers)


CORPUS = [
    "出售老象牙手串 包浆好 家传 私聊", "犀牛角杯 老料 可小刀", "穿山甲鳞片 现货 药材", "陶瓷杯 白色 包邮 全新", "Antique ivory bangle, carved, private sale only",
    "Rhino horn libation cup, old estate, DM for price", "Ceramic mug, dishwasher safe, free shipping", "Naïve café déjà vu — 猛犸牙 fossil mammoth tusk 100% real",
]


def tokenizer(kind: str) -> "tokenizers.Tokenizer":
    """Trained on a few lines, as BERT, GPT or XLM-R have theirs."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    if kind == "wordpiece":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False)
        made.train_from_iterator(CORPUS, trainer)
        made.post_processor = processors.BertProcessing(("[SEP]", made.token_to_id("[SEP]")), ("[CLS]", made.token_to_id("[CLS]")))
        made.decoder = decoders.WordPiece()
    elif kind == "bpe":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
        made.train_from_iterator(CORPUS, trainer)
        made.post_processor = processors.RobertaProcessing(("</s>", made.token_to_id("</s>")), ("<s>", made.token_to_id("<s>")))
    else:
        made = Tokenizer(models.Unigram())
        made.normalizer, made.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], unk_token="<unk>", show_progress=False)
        made.train_from_iterator(CORPUS * 3, trainer)
        made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", made.token_to_id("<s>")), ("</s>", made.token_to_id("</s>"))])
    return made


def text_scores(model: onnx.ModelProto, made: "tokenizers.Tokenizer", text: str, tokens: dict) -> np.ndarray:
    """What ONNX Runtime gives for the first window of a text that `tokenizers` cuts."""
    from tokenizers import Tokenizer

    cut = Tokenizer.from_str(made.to_str())
    cut.enable_truncation(tokens["max_length"], stride=tokens.get("overlap", 0))
    window = cut.encode(text)
    runs = session(model)
    length = runs.get_inputs()[0].shape[1]
    fill = (length - len(window.ids) if isinstance(length, int) else 0) * [0]
    rows = runs.get_inputs()[0].shape[0]
    values = {"input_ids": window.ids + fill, "attention_mask": window.attention_mask + fill, "token_type_ids": window.type_ids + fill}
    dtype = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    fed = {given.name: np.array([values[given.name]] * (rows if isinstance(rows, int) else 1), dtype[given.type]) for given in runs.get_inputs()}
    scores = runs.run(["logits"], fed)[0][0].astype(np.float64)
    if "pool" in tokens:
        own = scores[: len(window.ids)]
        scores = own.max(0) if tokens["pool"] == "max" else own.mean(0)
    return scores


def spotter(vocabulary: int, found: dict[int, float], columns: int) -> onnx.ModelProto:
    """A logit is -8 and what the ids of a window add."""
    table = np.zeros((vocabulary, columns), np.float32)
    for token, added in found.items():
        table[token] = added
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["each"]), helper.make_node("ReduceMax", ["each"], ["most"], axes=[1], keepdims=0),
        helper.make_node("Add", ["most", "bias"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["N", "T"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", columns])]
    return graph(nodes, inputs, outputs, [tensor("table", table), tensor("bias", np.full(columns, -8, np.float32))])


def without_the_last_id(shape: Shape) -> None:
    """A table with one row less than the tokenizer has ids."""
    (table,) = [one for one in shape.model.graph.initializer if one.name == "table"]
    table.CopyFrom(tensor("table", numpy_helper.to_array(table)[:-1]))


def with_positions(shape: Shape, positions: int) -> None:
    """Positions are added up to so many tokens; a longer window fails."""
    made = shape.model.graph
    made.initializer.append(tensor("positions", RNG.normal(size=(positions, 8)).astype(np.float32)))
    made.initializer.extend([tensor("zero", np.array(0, np.int64)), tensor("one", np.array(1, np.int64))])
    (states,) = [node for node in made.node if node.op_type == "Tanh" and node.output[0] == "states"]
    given = states.input[0]
    states.input[0] = "placed"
    before = list(made.node)
    at = before.index(states)
    new = [
        helper.make_node("Shape", ["input_ids"], ["sizes"]), helper.make_node("Gather", ["sizes", "one"], ["count"], axis=0),
        helper.make_node("Range", ["zero", "count", "one"], ["places"]), helper.make_node("Gather", ["positions", "places"], ["placing"]),
        helper.make_node("Add", [given, "placing"], ["placed"]),
    ]
    del made.node[:]
    made.node.extend([*before[:at], *new, *before[at:]])
