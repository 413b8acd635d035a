"""Embeddings of windows, kept between runs: a corpus that grew costs what is new in it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sentence_windows import Windows, run, session

AT_ONCE = 20_000  # windows, after which what is done is kept


def embeddings(encoder: Path, texts: list[str], store: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """f16 [windows, D], the text each window is of and how many tokens it has, in order. `encoder` is the folder that sentence_encoder.py makes."""
    cut = Windows(encoder / "tokenizer.json")
    windows, of = [], []
    for number, text in enumerate(texts):
        for window in cut.of(text):
            windows.append(window), of.append(number)
    maker = hashlib.sha256((encoder / "encoder.onnx").read_bytes()).digest()
    keys = [hashlib.sha256(maker + np.array(window, np.int32).tobytes()).digest() for window in windows]
    known = read(store)
    new = {key: window for key, window in zip(keys, windows, strict=True) if key not in known}
    if new:
        made = session(str(encoder / "encoder.onnx"))
        for part in parts(list(new)):
            rows = run(made, [new[key] for key in part], cut.pad).astype(np.float16)
            known |= zip(part, rows, strict=True)
            write(store, known)
            print(f"{len(known)} windows embedded, {len(new)} of them new", flush=True)
    return np.stack([known[key] for key in keys]), np.array(of), np.array([len(window) for window in windows])


def parts(keys: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]


def read(store: Path) -> dict[bytes, np.ndarray]:
    if not store.exists():
        return {}
    kept = np.load(store)
    return dict(zip((key.tobytes() for key in kept["keys"]), kept["rows"], strict=True))


def write(store: Path, known: dict[bytes, np.ndarray]) -> None:
    """The file, whole or as it was."""
    beside = store.with_name(store.stem + ".new.npz")
    store.parent.mkdir(parents=True, exist_ok=True)
    np.savez(beside, keys=np.stack([np.frombuffer(key, np.uint8) for key in known]), rows=np.stack(list(known.values())))
    beside.replace(store)
