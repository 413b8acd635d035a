"""The work that every peer does: JPEG bytes, decoded at reduced scale by Pillow, resized to what the model takes, the shipped int8 backbone.

PEER_MODEL names the ONNX file; one thread a session, no spinning, as this server runs it.
"""
import io
import os

import numpy as np
import onnxruntime
from PIL import Image


def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"])


def prepare(jpeg: bytes, side: int) -> np.ndarray:
    """float32 [3, side, side], (byte - 127) / 128."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (2 * side, 2 * side))
    pixels = np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)
    return ((pixels - 127.0) / 128.0).transpose(2, 0, 1)


def run(model: onnxruntime.InferenceSession, jpegs: list[bytes]) -> list[dict]:
    """The embedding's strongest place and its value, for each image."""
    image = model.get_inputs()[0]
    batch = np.stack([prepare(jpeg, image.shape[-1]) for jpeg in jpegs])
    rows = model.run(["embedding"], {image.name: batch})[0]
    return [{"top": int(row.argmax()), "value": round(float(row.max()), 4)} for row in rows]
