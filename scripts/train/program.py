"""The server's own program, which embeds images, hashes texts and evaluates: what training sees is what is served."""

import hashlib
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

WILDWARDEN = os.environ.get("WILDWARDEN", "target/release/wildwarden")


@cache
def identity() -> str:
    """What tells one build of the program from another: sha256 of its file and the version of ONNX Runtime it loads."""
    found, runtime = shutil.which(WILDWARDEN), Path(".runtime/version")
    if found is None:
        raise SystemExit(f"WILDWARDEN={WILDWARDEN} is no program that can be run")
    with open(found, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() + (f" {runtime.read_text().strip()}" if runtime.exists() else "")


def told(*arguments: str | Path) -> dict:
    """What a command of the program says in JSON. Ends with exit code 1 when it fails: it has said why."""
    command = [WILDWARDEN, *map(str, arguments)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if finished.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {finished.returncode}")
    return json.loads(finished.stdout)


def embed(paths: list[str], out: Path, encoder: Path, *, tensors: bool = False) -> np.ndarray:
    """Embeddings f32 [images, D] by the folder `encoder`; kept in `out` and reused for the same list, files, encoder and program.
    Rows of images that can't be read are NaN. With `tensors`, OUT/tensors.npy holds what the encoder is given."""
    out.mkdir(parents=True, exist_ok=True)
    listing = "\n".join(paths) + "\n"
    stats = [(stat.st_size, stat.st_mtime_ns) for stat in map(os.stat, paths)]
    manifest = (encoder / "model.toml").read_bytes()  # holds the hash of the encoder's files
    key = hashlib.sha256(repr((listing, stats, manifest, tensors, identity())).encode()).hexdigest()
    done = out / "key"
    if not (done.exists() and done.read_text() == key):
        (out / "list.txt").write_text(listing)
        command = [WILDWARDEN, "embed", str(out / "list.txt"), "--out", str(out), "--encoder", str(encoder), *(["--tensors"] if tensors else [])]
        done.unlink(missing_ok=True)
        finished = subprocess.run(command, check=False)
        if finished.returncode not in (0, 1):  # 1: some images failed
            raise SystemExit(f"{' '.join(command)} ended with exit code {finished.returncode}")
        done.write_text(key)
    return np.load(out / "embeddings.npy")
