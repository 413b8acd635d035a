"""Writes model folders: the files, and a model.toml with their hashes and the model's card."""

import hashlib
import json
import shutil
import tomllib
from pathlib import Path


def findings(path: Path | None, model: str) -> list[str]:
    """What people found of a model's failures, from a file like findings.toml; [] without one."""
    return tomllib.loads(path.read_text(encoding="utf-8")).get(model, {}).get("known_failures", []) if path else []


def toml_value(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(float(value))
    return json.dumps(value, ensure_ascii=False)  # strings, integers and booleans read the same in TOML


def write_folder(folder: Path, manifest: dict, files: dict[str, bytes], card: dict) -> None:
    """A model folder: the files, and a model.toml with their hashes. Written beside and moved in, so never half there."""
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, content in files.items():
        (beside / name).write_bytes(content)
    lines = [f"{key} = {toml_value(value)}" for key, value in manifest.items() if not isinstance(value, dict)]
    for key, value in manifest.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]"] + [f"{k} = {toml_value(v)}" for k, v in value.items()]
    lines += ["", "[files]"] + [f'"{name}" = "{hashlib.sha256(content).hexdigest()}"' for name, content in files.items()]
    lines += ["", "[card]"] + [f"{k} = {toml_value(v)}" for k, v in card.items() if k not in ("data", "metrics")]
    for key in ("data", "metrics"):
        for row in card.get(key, []):
            lines += ["", f"[[card.{key}]]"] + [f"{k} = {toml_value(v)}" for k, v in row.items()]
    (beside / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
