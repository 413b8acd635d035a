"""Makes the sentence encoder: multilingual-e5-small with the pieces of Chinese and English, as ONNX, and its tokenizer.

    sentence_encoder.py WEIGHTS.bin TOKENIZER.json CORPUS.jsonl OUT_DIR [--compare N]

OUT_DIR/encoder.onnx: input_ids, attention_mask i64 [N, T] -> embedding f32 [N, 384], the mean of the tokens, of length 1.
OUT_DIR/tokenizer.json puts the prefix "query: " before every window, as the model asks for. The table of pieces is in blocks of four
bits, as it comes; matrices have seven bits. Activations are rounded a row at a time, so that a text's embedding does not depend on
the texts that it shares a run with. --compare holds it against numpy on some texts.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.special import erf

import sentence_vocabulary
from sentence_weights import BLOCK, Blocks, Weights, read, stacked
from sentence_windows import MAX_LENGTH, Windows, run, session
from sources import GENERATED

PREFIX = "query: "
PARTS = ("q", "k", "v")  # what a token asks, is found by and tells


def seven_bits(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights i8 [inputs, outputs] in -63 to 63 and the scale of each output: products of eight-bit weights overflow on processors
    without VNNI."""
    scales = np.maximum(np.abs(matrix).max(0), 1e-12) / 63
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


class Graph:
    """Nodes and initializers, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.constant("last", np.array([-1], np.int64))
        self.constant("step", np.float32(1 / 127)), self.constant("middle", np.uint8(128))

    def constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def product(self, name: str, x: str, blocks: Blocks, bias: np.ndarray) -> str:
        """x @ weights + bias in integers. Each row of x is scaled to its own largest value, so that rows know nothing of each other."""
        codes, scales = seven_bits(blocks.dense().T)
        largest = self.add("ReduceMax", [self.add("Abs", [x], f"{name}.sizes"), "last"], f"{name}.largest", keepdims=1)
        rows = self.add("QuantizeLinear", [self.add("Div", [x, largest], f"{name}.scaled"), "step", "middle"], f"{name}.rows")
        inputs = [rows, self.constant(f"{name}.weights", codes), "step", self.constant(f"{name}.steps", scales), "middle"]
        sums = self.add("MatMulIntegerToFloat", inputs, f"{name}.sums", domain="com.microsoft")
        return self.add("Add", [self.add("Mul", [sums, largest], f"{name}.of_x"), self.constant(f"{name}.bias", bias)], name)

    def norm(self, name: str, x: str, scale: np.ndarray, bias: np.ndarray, epsilon: float) -> str:
        return self.add("LayerNormalization", [x, self.constant(f"{name}.scale", scale), self.constant(f"{name}.shift", bias)], name, axis=-1, epsilon=epsilon)


def encoder(weights: Weights, kept: list[int]) -> Graph:
    """input_ids, attention_mask -> embedding."""
    graph = Graph()
    table = weights["emb.word"].rows(np.array(kept))
    codes = graph.constant("pieces.codes", table.codes.reshape(len(kept), -1))
    # Kept as they come, in half the room; ONNX Runtime widens them once, when it loads the graph.
    scales = graph.add("Cast", [graph.constant("pieces.halves", table.scales)], "pieces.scales", to=TensorProto.FLOAT)
    graph.add("GatherBlockQuantized", [codes, "input_ids", scales], "pieces", domain="com.microsoft", gather_axis=0, quantize_axis=1, block_size=BLOCK, bits=4)
    places = graph.constant("positions", (weights["emb.pos"][:MAX_LENGTH] + weights["emb.type"][0]).astype(np.float32))
    graph.add("Shape", ["input_ids"], "tokens", start=1, end=2)
    zero, first = graph.constant("zero", np.array([0], np.int64)), graph.constant("first", np.array([0], np.int64))
    graph.add("Slice", [places, zero, "tokens", first], "places")
    graph.add("Add", ["pieces", "places"], "placed")
    x = graph.norm("begin", "placed", weights["emb.ln.w"], weights["emb.ln.b"], weights.epsilon)
    mask = graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    for layer in range(weights.layers):
        at = lambda part: weights[f"l{layer}.{part}"]  # noqa: B023, E731
        together = graph.product(f"{layer}.qkv", x, stacked([at(f"{part}.w") for part in PARTS]), np.concatenate([at(f"{part}.b") for part in PARTS]))
        names = [f"{layer}.{part}" for part in PARTS]
        graph.nodes.append(helper.make_node("Split", [together], names, axis=2, num_outputs=3))
        looked = graph.add("MultiHeadAttention", [*names, "", mask], f"{layer}.looked", domain="com.microsoft", num_heads=weights.heads)
        out = graph.product(f"{layer}.out", looked, at("ao.w"), at("ao.b"))
        x = graph.norm(f"{layer}.seen", graph.add("Add", [x, out], f"{layer}.seen_sum"), at("aln.w"), at("aln.b"), weights.epsilon)
        inner = graph.add("Gelu", [graph.product(f"{layer}.in", x, at("fi.w"), at("fi.b"))], f"{layer}.inner")
        out = graph.product(f"{layer}.back", inner, at("fo.w"), at("fo.b"))
        x = graph.norm(f"{layer}.end", graph.add("Add", [x, out], f"{layer}.end_sum"), at("oln.w"), at("oln.b"), weights.epsilon)
    graph.add("Cast", ["attention_mask"], "counts", to=TensorProto.FLOAT)
    graph.add("Unsqueeze", ["counts", "last"], "column")
    graph.add("Mul", [x, "column"], "counted")
    # The sum, not the mean: both have the same direction.
    graph.add("ReduceSum", ["counted", graph.constant("of_tokens", np.array([1], np.int64))], "sum", keepdims=0)
    graph.add("LpNormalization", ["sum"], "embedding", axis=1, p=2)
    return graph


def model(graph: Graph, outputs: dict[str, int]) -> onnx.ModelProto:
    """With these outputs, f32 [N, columns]."""
    value = helper.make_tensor_value_info
    inputs = [value(name, TensorProto.INT64, ["N", "T"]) for name in ("input_ids", "attention_mask")]
    made = helper.make_graph(graph.nodes, "sentence", inputs, [value(name, TensorProto.FLOAT, ["N", columns]) for name, columns in outputs.items()], graph.initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)], ir_version=9)


def by_numpy(weights: Weights, ids: list[int]) -> np.ndarray:
    """The embedding of one window by float32 arithmetic on the same weights; ids are those of the whole vocabulary."""
    norm = lambda x, name: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + weights.epsilon) * weights[f"{name}.w"] + weights[f"{name}.b"]  # noqa: E731
    x = norm(weights["emb.word"].rows(np.array(ids)).dense() + weights["emb.pos"][: len(ids)] + weights["emb.type"][0], "emb.ln")
    for layer in range(weights.layers):
        linear = lambda x, part: x @ weights[f"l{layer}.{part}.w"].dense().T + weights[f"l{layer}.{part}.b"]  # noqa: B023, E731
        q, k, v = (linear(x, part).reshape(len(ids), weights.heads, -1).transpose(1, 0, 2) for part in PARTS)
        looks = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        looks = np.exp(looks - looks.max(-1, keepdims=True))
        seen = (looks / looks.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + linear(seen, "ao"), f"l{layer}.aln")
        inner = linear(x, "fi")
        x = norm(x + linear(0.5 * inner * (1 + erf(inner / np.sqrt(2))), "fo"), f"l{layer}.oln")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def compare(weights: Weights, kept: list[int], out: Path, texts: list[str]) -> dict[str, float]:
    """How near the embeddings are to float32 arithmetic on the same weights."""
    cut, made = Windows(out / "tokenizer.json"), session(str(out / "encoder.onnx"))
    windows = [cut.of(text)[0] for text in texts]
    cosines = [float(row @ by_numpy(weights, [kept[id_] for id_ in window])) for window, row in zip(windows, run(made, windows, cut.pad), strict=True)]
    return {"mean": float(np.mean(cosines)), "least": float(np.min(cosines)), "texts": len(cosines)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--compare", type=int, default=200)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.corpus.open(encoding="utf-8")]
    weights = read(arguments.weights)
    whole = sentence_vocabulary.lowered(sentence_vocabulary.read(arguments.tokenizer))
    # The texts of the split "test" choose nothing, not even pieces; nor do generated ones, so that a new word in their lists leaves
    # the encoder as it is.
    real = [row["text"] for row in rows if row["split"] != "test" and row["source"] != GENERATED]
    part, kept = sentence_vocabulary.pruned(whole, real, PREFIX)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "tokenizer.json").write_text(json.dumps(part, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    made = model(encoder(weights, kept), {"embedding": weights.width})
    (arguments.out / "encoder.onnx").write_bytes(made.SerializeToString())
    test = [row["text"] for row in rows if row["split"] == "test"]
    alike, able = sentence_vocabulary.cut_alike(whole, part, kept, test)
    figures = {"pieces": len(kept), "test texts": len(test), "test texts of kept pieces alone": able, "of these cut alike": alike}
    figures["cosine with float32 arithmetic"] = compare(weights, kept, arguments.out, test[:: max(1, len(test) // arguments.compare)])
    (arguments.out / "figures.json").write_text(json.dumps(figures))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
