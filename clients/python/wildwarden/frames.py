"""Ratings of the rows of a data frame, of pandas or of Polars."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from wildwarden import rows
from wildwarden.cells import Cells, Reader, Unreadable, identifier
from wildwarden.client import Client
from wildwarden.rows import Column

if TYPE_CHECKING:
    import pandas
    import polars

Frame = TypeVar("Frame", "pandas.DataFrame", "polars.DataFrame")


def rate_dataframe(
    frame: Frame,
    *,
    client: Client | None = None,
    title: str | None = None,
    description: str | None = None,
    images: str | None = None,
    listing_id: str | None = None,
    images_root: str | os.PathLike[str] | None = None,
    prefix: str = "",
) -> Frame:
    """The frame with the rating columns (`wildwarden.rows.columns`) behind its own, row by row; the given one stays as it is.

    `title`, `description`, `images`, `listing_id`: names of its columns. A cell of `images` is a photo or a list of them, each as bytes
    or as a path below `images_root`. A path that leaves that folder, also by a link, or that cannot be read makes its row
    UNREADABLE in `error_code`. Nothing is fetched from a network.
    `client`: None is one to a server on this machine, closed afterwards. `prefix`: before each rating column's name.

    Raises `ValueError` where a column is missing, or a rating column's name is taken; `RateError` as `Client.rate_many`.
    """
    if client is None:
        with Client() as own:
            return rate_dataframe(
                frame,
                client=own,
                title=title,
                description=description,
                images=images,
                listing_id=listing_id,
                images_root=images_root,
                prefix=prefix,
            )
    library = type(frame).__module__.partition(".")[0]
    if library not in ("pandas", "polars") or type(frame).__name__ != "DataFrame":
        raise TypeError(f"a DataFrame of pandas or Polars is rated, not {library}.{type(frame).__name__}")
    names = {"title": title, "description": description, "images": images, "listing_id": listing_id}
    _check_inputs(list(frame.columns), names)
    categories = [category.name for category in client.info().categories]
    columns = [Column(prefix + column.name, column.kind) for column in rows.columns(categories)]
    _check_names(list(frame.columns), columns)
    values = _rated(client, Reader(images_root), list(_cells(frame, names)), categories)
    # By place: the names of `values` have no prefix.
    data = {column.name: of for column, of in zip(columns, values, strict=True)}
    joined = _to_pandas(frame, columns, data) if library == "pandas" else _to_polars(frame, columns, data)
    return joined  # type: ignore[no-any-return]


def _check_inputs(there: Sequence[str], names: dict[str, str | None]) -> None:
    given = {argument: name for argument, name in names.items() if name is not None}
    if not given.keys() - {"listing_id"}:
        raise ValueError("name at least one column: title, description or images")
    for argument, name in given.items():
        if there.count(name) != 1:
            raise ValueError(f"{argument}: the frame has {'no' if name not in there else 'more than one'} column {name!r}")


def _check_names(there: Sequence[str], columns: Sequence[Column]) -> None:
    taken = [column.name for column in columns if column.name in there]
    if taken:
        raise ValueError(f"the frame has {', '.join(map(repr, taken))} already: rename, or set prefix, such as prefix='ww_'")


def _cells(frame: Any, names: dict[str, str | None]) -> Iterator[Cells]:  # noqa: ANN401  # of either library
    empty: Iterable[object] = [None] * len(frame)
    return map(Cells, *(empty if name is None else frame[name] for name in names.values()))


def _rated(client: Client, reader: Reader, cells: Sequence[Cells], categories: Sequence[str]) -> list[list[object]]:
    """The values of each rating column."""
    values: list[list[object]] = [[] for _ in rows.columns(categories)]
    # Photos are read when their message is made, and forgotten with it.
    outcomes = client.rate_many(map(reader.listing, cells))
    for cell, outcome in zip(cells, outcomes, strict=True):
        for of, value in zip(values, rows.row(outcome, categories, _id(cell)).values(), strict=True):
            of.append(value)
    return values


def _id(cells: Cells) -> str:
    try:
        return identifier(cells.listing_id)
    except Unreadable:
        return ""


def _to_pandas(frame: Any, columns: Sequence[Column], data: dict[str, list[object]]) -> Any:  # noqa: ANN401
    import pandas

    types = {"utf8": "string", "float64": "float64", "bool": "boolean", "list<utf8>": "object"}
    series = {
        column.name: pandas.Series(data[column.name], index=frame.index, dtype=types[column.kind], name=column.name) for column in columns
    }
    return pandas.concat([frame, *series.values()], axis="columns")


def _to_polars(frame: Any, columns: Sequence[Column], data: dict[str, list[object]]) -> Any:  # noqa: ANN401
    import polars

    types = {"utf8": polars.String(), "float64": polars.Float64(), "bool": polars.Boolean(), "list<utf8>": polars.List(polars.String())}
    return frame.hstack(polars.DataFrame(data, schema={column.name: types[column.kind] for column in columns}))
