"""What `wildwarden bundle` writes: models and policy in one file that travels with a job.

An uncompressed tar. Its first member, `bundle.json`, lists every other one with size and SHA-256, so a bundle is known by the hash of
that member. Reads and unpacks; never writes a bundle.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from wildwarden.errors import WildwardenError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = 1
LIST = "bundle.json"
MODELS = "models"
POLICY = "models/policy.toml"
# Bytes. The list is held in memory before anything about it is known, the policy to read its categories.
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_POLICY_BYTES = 16 * 1024 * 1024
PIECE = 1024 * 1024


class BundleError(WildwardenError):
    """A bundle that is not used: it says which file, what is wrong with it and, where it is one, which member."""


@dataclass(frozen=True)
class Entry:
    """A file of a bundle."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """What a bundle says of itself. `id`: the SHA-256 of its list, in hex, which fixes every byte of models and policy."""

    id: str
    program: str
    entries: Mapping[str, Entry]


def read(path: str | os.PathLike[str]) -> Bundle:
    """The list of a bundle. Its files are not looked at.

    Raises:
        BundleError: it is no bundle, or one that this version does not read.
    """
    with _archive(path) as tar:
        return _listed(tar, path)


def categories(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """What the policy of a bundle looks for, in the order of its answers and so of the rating columns.

    Raises:
        BundleError: it is no bundle, its policy is not the one it lists, or no policy.
    """
    with _archive(path) as tar:
        bundle = _listed(tar, path)
        if bundle.entries[POLICY].bytes > MAX_POLICY_BYTES:
            raise BundleError(f"{path}: {POLICY} has {bundle.entries[POLICY].bytes} bytes; a policy has at most {MAX_POLICY_BYTES}")
        for member in tar:
            if member.name == POLICY:
                content = b"".join(_pieces(tar, member, bundle.entries[POLICY], path))
                return _categories(content, path)
    raise BundleError(f"{path}: {POLICY} is listed and not there")


def unpack(path: str | os.PathLike[str], folder: str | os.PathLike[str], expected: str = "") -> Path:
    """Unpacks a bundle as `folder`, which appears whole or not at all, and returns its folder of models.

    Every size and hash is checked before the folder appears; a folder that is there with all its files is left as it is. Files are
    readable by their owner alone. Not for several processes at once: whoever calls holds a lock.

    Args:
        expected: the id of the bundle that must be in the file; empty: any.

    Raises:
        BundleError: the file is no bundle, another than expected, or not what its list says.
    """
    folder = Path(folder)
    with _archive(path) as tar:
        bundle = _listed(tar, path)
        if expected and bundle.id != expected:
            raise BundleError(f"{path} is bundle {bundle.id[:16]}, and {expected[:16]} is wanted")
        if _whole(folder, bundle):
            return folder / MODELS
        partial = folder.with_name(folder.name + ".part")
        for old in (partial, folder):
            _remove(old)
        partial.mkdir(mode=0o700, parents=True)
        try:
            _extract(tar, bundle, partial, path)
            os.rename(partial, folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return folder / MODELS


def _remove(path: Path) -> None:
    """Whatever is there, itself and not what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _extract(tar: tarfile.TarFile, bundle: Bundle, folder: Path, path: str | os.PathLike[str]) -> None:
    left = dict(bundle.entries)
    for member in tar:
        if member.name == LIST and member.offset == 0:
            continue
        entry = left.pop(member.name, None)
        if entry is None:
            again = "twice" if member.name in bundle.entries else "not in its list"
            raise BundleError(f"{path}: {member.name} is {again}")
        # The name is one of the list, and those were checked: it cannot leave the folder.
        *within, name = PurePosixPath(entry.path).parts
        place = folder
        for part in within:
            place /= part
            place.mkdir(mode=0o700, exist_ok=True)
        target = place / name
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            for piece in _pieces(tar, member, entry, path):
                out.write(piece)
    if left:
        raise BundleError(f"{path}: {min(left)} is listed and not there")


def _pieces(tar: tarfile.TarFile, member: tarfile.TarInfo, entry: Entry, path: str | os.PathLike[str]) -> Iterator[bytes]:
    """The bytes of a member; after the last it is known that they are those that are listed."""
    if member.size != entry.bytes:
        raise BundleError(f"{path}: {entry.path} has {member.size} bytes, and {entry.bytes} are listed")
    source, digest, left = _content(tar, member, path), hashlib.sha256(), entry.bytes
    while left > 0:
        piece = source.read(min(PIECE, left))
        if not piece:
            raise BundleError(f"{path} ends within {entry.path}")
        digest.update(piece)
        left -= len(piece)
        yield piece
    if digest.hexdigest() != entry.sha256:
        raise BundleError(f"{path}: the SHA-256 of {entry.path} is {digest.hexdigest()}, and {entry.sha256} is listed")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str | os.PathLike[str]) -> IO[bytes]:
    # Of the kinds that tarfile calls regular, sparse files are larger unpacked than they are here.
    # So are those that say it in a header of their own, which a bundle has none of.
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse() and not member.pax_headers
    source = tar.extractfile(member) if plain else None
    if source is None:
        raise BundleError(f"{path}: {member.name} is a link, a folder or something else that is no file")
    return source


@contextmanager
def _archive(path: str | os.PathLike[str]) -> Iterator[tarfile.TarFile]:
    try:
        file = open(path, "rb")
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise BundleError(f"{path} is no bundle: {error}") from error


def _listed(tar: tarfile.TarFile, path: str | os.PathLike[str]) -> Bundle:
    first = tar.next()
    if first is None or first.name != LIST:
        raise BundleError(f"{path} is no bundle: its first member is not {LIST}")
    if first.size > MAX_LIST_BYTES:
        raise BundleError(f"{path}: {LIST} has {first.size} bytes; at most {MAX_LIST_BYTES} are read")
    content = _content(tar, first, path).read()
    if len(content) != first.size:
        raise BundleError(f"{path} ends within {LIST}")
    try:
        said = json.loads(content)
        if said["format"] != FORMAT:
            raise BundleError(f"{path} is a bundle of format {said['format']!r}; this version reads {FORMAT}")
        entries = [_entry(one, path) for one in said["files"]]
        program = str(said["program"])
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{path}: {LIST} is not what `wildwarden bundle` writes: {error!r}") from error
    by_path = {entry.path: entry for entry in entries}
    if len(by_path) != len(entries):
        raise BundleError(f"{path}: {LIST} lists a file twice")
    if POLICY not in by_path:
        raise BundleError(f"{path}: {LIST} does not list {POLICY}")
    return Bundle(hashlib.sha256(content).hexdigest(), program, by_path)


def _entry(said: dict[str, Any], path: str | os.PathLike[str]) -> Entry:
    entry = Entry(said["path"], said["bytes"], said["sha256"])
    name = entry.path
    parts = name.split("/") if isinstance(name, str) else []
    if len(parts) < 2 or parts[0] != MODELS or any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
        raise BundleError(f"{path}: {LIST} lists {name!r}; every file of a bundle is below {MODELS}/")
    if type(entry.bytes) is not int or entry.bytes < 0:
        raise BundleError(f"{path}: {LIST} says that {name} has {entry.bytes!r} bytes")
    if not isinstance(entry.sha256, str) or len(entry.sha256) != 64 or set(entry.sha256) - set("0123456789abcdef"):
        raise BundleError(f"{path}: {LIST} gives {name} the SHA-256 {entry.sha256!r}; wanted are 64 hex digits in lower case")
    return entry


def _categories(policy: bytes, path: str | os.PathLike[str]) -> tuple[str, ...]:
    try:
        declared = tomllib.loads(policy.decode())["category"]
        names = tuple(str(one["name"]) for one in declared if one.get("enabled", True))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: {POLICY} is no policy: {error!r}") from error
    if not names:
        raise BundleError(f"{path}: {POLICY} looks for nothing")
    return names


def _whole(folder: Path, bundle: Bundle) -> bool:
    """Whether all files are there. What cleans temporary folders takes single old files; the server checks the hashes of models itself."""
    for entry in bundle.entries.values():
        try:
            there = (folder / entry.path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if there.st_size != entry.bytes:
            return False
    return True
