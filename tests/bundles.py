"""Bundles for tests: the program's own, and others that are wrong in one way."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

from server_process import PROGRAM, ROOT


def write(path: Path) -> Path:
    """A bundle of the shipped models."""
    subprocess.run([PROGRAM, "bundle", "--out", path], cwd=ROOT, env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"}, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


def listed(files: dict[str, bytes], **said: object) -> dict:
    entries = [{"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()]
    return {"format": 1, "program": "0.1.0", "files": entries} | said


def write_of(path: Path, files: dict[str, bytes], listing: dict | None = None, members: list[tuple[tarfile.TarInfo, bytes]] | None = None) -> None:
    """A tar of these files. A test of a bad bundle says otherwise what its list and its members are."""
    said = json.dumps(listed(files) if listing is None else listing).encode()
    with tarfile.open(path, "w:", format=tarfile.USTAR_FORMAT) as tar:
        for info, content in [member("bundle.json", said), *(members if members is not None else [member(*file) for file in files.items()])]:
            tar.addfile(info, io.BytesIO(content))


def member(name: str, content: bytes, **said: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in said.items():
        setattr(info, key, value)
    return info, content
