"""What stands in the cells of a table: texts, ids and photos. Reads files below one folder, and nothing else from anywhere."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wildwarden.errors import WildwardenError
from wildwarden.listing import Listing, NotRated
from wildwarden.rows import UNREADABLE

# More than any server takes in one message, and less than would fill the memory.
MOST_BYTES = 256 << 20


class Unreadable(WildwardenError):
    """A cell that holds nothing that can be rated. Its row has this in the column `error`, and the other rows are rated."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one row. None, NaN and pandas' NA are an empty cell."""

    title: object = None
    description: object = None
    images: object = None
    listing_id: object = None


class Reader:
    """Makes listings of rows. `images_root`: the folder that paths are relative to, and that none of them may leave."""

    def __init__(self, images_root: str | os.PathLike[str] | None = None) -> None:
        self._root = Path(images_root).resolve(strict=True) if images_root is not None else None

    def listing(self, cells: Cells) -> Listing | NotRated:
        """The row's listing, or why it has none."""
        try:
            return Listing(
                title=text(cells.title, "title"),
                description=text(cells.description, "description"),
                images=list(self._photos(cells.images)),
                listing_id=identifier(cells.listing_id),
            )
        except Unreadable as problem:
            return NotRated(UNREADABLE, str(problem))

    def _photos(self, cell: object) -> Iterator[bytes]:
        several = isinstance(cell, Iterable) and not isinstance(cell, (str, bytes, bytearray, memoryview, dict, os.PathLike))
        for index, value in enumerate(cell if several and isinstance(cell, Iterable) else [cell]):
            if missing(value):
                continue
            where = f"images[{index}]"
            if isinstance(value, (bytes, bytearray, memoryview)):
                yield bytes(value)
            elif isinstance(value, (str, os.PathLike)):
                yield self._file(where, os.fspath(value))
            else:
                raise Unreadable(f"{where}: a photo is bytes or a path, not {type(value).__name__}")

    def _file(self, where: str, path: str) -> bytes:
        if self._root is None:
            # Of every row, so no fault of this one.
            raise ValueError(f"{where} is a path, {path!r}: images_root must name the folder that the photos lie in")
        try:
            # Links are followed before it is asked where they lead.
            found = (self._root / path).resolve(strict=True)
            if not found.is_relative_to(self._root):
                raise Unreadable(f"{where}: {path!r} leaves images_root")
            return _regular_file(found)
        except OSError as problem:
            raise Unreadable(f"{where}: {path!r}: {problem.strerror or problem}") from problem
        except (ValueError, RuntimeError) as problem:  # a NUL in the name; links in a circle
            raise Unreadable(f"{where}: {path!r}: {problem}") from problem


def missing(cell: object) -> bool:
    """Whether a cell is empty."""
    # Asked by name: neither pandas nor numpy need be there. Only NaN differs from itself.
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def text(cell: object, field: str) -> str:
    """A title or a description."""
    if missing(cell):
        return ""
    if not isinstance(cell, str):
        raise Unreadable(f"{field}: a text is a string, not {type(cell).__name__}")
    try:
        cell.encode()
    except UnicodeEncodeError as problem:
        raise Unreadable(f"{field}: no UTF-8 at character {problem.start}") from problem
    return cell


def identifier(cell: object) -> str:
    """An id, which may be a number. Where a column of whole numbers had a gap, pandas has made them floats."""
    if missing(cell):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else text(str(cell), "listing_id")


def _regular_file(path: Path) -> bytes:
    # Nothing waits for a pipe's other end, and nobody exchanges the file for a link meanwhile.
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        of = os.fstat(opened)
        if not stat.S_ISREG(of.st_mode):
            raise OSError(errno.EINVAL, "not a file")
        if of.st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"{of.st_size} bytes, more than {MOST_BYTES}")
        with open(opened, "rb", closefd=False) as file:
            return file.read(MOST_BYTES)
    finally:
        os.close(opened)
