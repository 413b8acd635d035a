"""Builds the wheel: lays out the models that it carries, then leaves the rest to maturin (PEP 517).

The models lie in the root of the repository, for the program and its tests. What git ignores there is fetched, and stays out.
"""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

import maturin

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
# `data` of pyproject.toml. What is below `data` in it lands in the environment's own folder: share/wildwarden/models.
MODELS = HERE / "build" / "wildwarden.data" / "data" / "share" / "wildwarden" / "models"

get_requires_for_build_wheel = maturin.get_requires_for_build_wheel


def fetched() -> set[str]:
    """What lies in models/ and is no part of the repository."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return {line.removeprefix("/models/").rstrip("/") for line in lines if line.startswith("/models/")}


def lay_out() -> None:
    """Copies the models to where maturin takes data from."""
    shutil.rmtree(MODELS, ignore_errors=True)
    leave = fetched()

    def ignore(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if any(fnmatch(name, one) for one in leave)} if Path(folder) == ROOT / "models" else set()

    shutil.copytree(ROOT / "models", MODELS, ignore=ignore)


def build_wheel(wheel_directory: str, config_settings: dict[str, object] | None = None, metadata_directory: str | None = None) -> str:
    """PEP 517."""
    lay_out()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: dict[str, object] | None = None) -> str:
    """PEP 517. The program's source is the repository."""
    raise NotImplementedError("wildwarden: only wheels are built, from a checkout of the repository")
