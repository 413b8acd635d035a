"""Texts as windows of tokens, and their embeddings: what the server does with a model that has [tokens].

The tokenizer is the same library that the server has, and windows are cut by the rule of its `tokens.rs`: the golden samples of
the model folder, which are made here, hold both together.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MAX_LENGTH, OVERLAP, MOST_WINDOWS = 64, 16, 8
RUN_TOKENS = 1 << 9  # of a run: more do not fit the caches


class Windows:
    """Cuts texts into windows, special tokens and all."""

    def __init__(self, tokenizer: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.encode_special_tokens = True
        around = self.tokenizer.encode("", add_special_tokens=True).ids
        self.before, self.after = around[:-1], around[-1:]
        self.room = MAX_LENGTH - len(around)
        self.pad = self.tokenizer.token_to_id("<pad>")

    def of(self, text: str) -> list[list[int]]:
        """Ids of each window, in order; of more than are read the first and the last. None: a text without tokens."""
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        step = self.room - OVERLAP
        count = max(-(-max(0, len(ids) - OVERLAP) // step), int(bool(ids)))
        starts = [window * step for window in range(count)]
        if count > MOST_WINDOWS:
            last = MOST_WINDOWS // 2
            starts = starts[: MOST_WINDOWS - last] + [max(0, len(ids) - self.room - back * step) for back in reversed(range(last))]
        return [self.before + ids[start : start + self.room] + self.after for start in starts]


def session(model: bytes | str, threads: int = 1) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(model: onnxruntime.InferenceSession, windows: list[list[int]], pad: int, progress: Callable[[int], None] = lambda _: None) -> np.ndarray:
    """The first output of each window, f32 [windows, columns]. Windows of like length share a run."""
    order = sorted(range(len(windows)), key=lambda i: len(windows[i]))
    rows: np.ndarray | None = None
    at = 0
    while at < len(order):
        most = at + 1
        while most < len(order) and (most + 1 - at) * len(windows[order[most]]) <= RUN_TOKENS:
            most += 1
        part = order[at:most]
        longest = len(windows[part[-1]])
        ids = np.full((len(part), longest), pad, np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(part):
            ids[row, : len(windows[window])] = windows[window]
            mask[row, : len(windows[window])] = 1
        given = model.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        if rows is None:
            rows = np.empty((len(windows), given.shape[1]), np.float32)
        rows[part] = given
        at = most
        progress(at)
    return rows if rows is not None else np.empty((0, 0), np.float32)
