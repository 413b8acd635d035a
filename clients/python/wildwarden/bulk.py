"""What a task of an engine does: Arrow batches in, the same rows with the rating columns out, rated by this host's own server.

The server is asked in messages of a few listings, a few messages at once, and what it has not answered is all that is held. When it dies
or is full, what was not answered is asked again once it serves: a row says what its listing is rated, never what happened meanwhile.

Knows Arrow and this package. Knows no engine: `wildwarden.spark` and `wildwarden.ray` do.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from wildwarden import bundle as bundles
from wildwarden import host, rows
from wildwarden.cells import Cells, Reader, Unreadable, identifier
from wildwarden.channel import ChannelOptions
from wildwarden.client import Client
from wildwarden.errors import RateError, WildwardenError
from wildwarden.listing import Listing, NotRated, Outcome
from wildwarden.where import program

# The same listing is to get the same rating, whatever is being rated beside it. Looks are as the policy's bands say, whatever waits. And
# models that run on several texts at once give figures that differ in the seventh digit by which texts those are.
BULK_SETTINGS: Mapping[str, str] = {"batching.image_max_batch": "1", "batching.text_max_batch": "1", "looks.unhurried": "true"}
IN_FLIGHT = 4
# Listings of a message. Fewer than the server takes: it answers a message whole, and works at it while the next is made.
MAX_ITEMS = 16
# Rows of a batch that leaves. The JSON of a rating has some 2 to 20 kB.
ROWS_OUT = 256
# Seconds that one message may take, in a queue of those of all the host's tasks.
TIMEOUT = 300.0
# Seconds after which a server that does not answer, or is full, is this module's to wait for and not the client's.
CLIENT_PATIENCE = 1.0
# Seconds in which a task must get on by a listing at least. A server is started again within a few.
PATIENCE = 600.0
# These say nothing of a listing: the server is full, or it ends, or something between it and here does.
FULL = "RESOURCE_EXHAUSTED"
PASSING = frozenset((FULL, "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED"))
FULL_PAUSE = 1.0  # seconds
# No model could answer. Where that was the moment's, asking again helps; where it is the listing's, it is its row.
FAILED = frozenset(("INTERNAL", "UNKNOWN"))
FAILED_TRIES = 2
# Times in a row that no answer comes at all, after which listings are asked one by one, to find the one that is at fault.
TRIES_TOGETHER = 3
TRIES_ALONE = 4
# A proxy for the way to other machines is none for this one.
_LOCAL: ChannelOptions = (("grpc.enable_http_proxy", 0),)


class Stuck(WildwardenError):
    """A task that gives up: its server dies or refuses again and again. It names the listing."""


@dataclass(frozen=True)
class Wanted:
    """What is to be rated, and with what. Travels to the tasks, so it holds plain values only."""

    title: str | None
    description: str | None
    images: str | None
    listing_id: str | None
    images_root: str | None
    prefix: str
    keep: tuple[str, ...] | None
    bundle: str
    categories: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    idle_seconds: float
    in_flight: int

    @classmethod
    def of(
        cls,
        bundle: str | os.PathLike[str],
        *,
        title: str | None,
        description: str | None,
        images: str | None,
        listing_id: str | None,
        images_root: str | os.PathLike[str] | None,
        prefix: str,
        keep: Sequence[str] | None,
        settings: Mapping[str, str] | None,
        idle_seconds: float,
        in_flight: int,
    ) -> Wanted:
        """Reads the bundle's list and categories. Starts nothing.

        Raises `ValueError` where no column is named; `bundle.BundleError`.
        """
        if title is None and description is None and images is None:
            raise ValueError("name at least one column: title, description or images")
        return cls(
            title,
            description,
            images,
            listing_id,
            None if images_root is None else os.fspath(images_root),
            prefix,
            None if keep is None else tuple(keep),
            bundles.read(bundle).id,
            bundles.categories(bundle),
            tuple(sorted({**BULK_SETTINGS, **(settings or {})}.items())),
            idle_seconds,
            in_flight,
        )

    @property
    def inputs(self) -> dict[str, str]:
        """The column of each argument that was given."""
        given = {"title": self.title, "description": self.description, "images": self.images, "listing_id": self.listing_id}
        return {argument: name for argument, name in given.items() if name is not None}

    def kept(self, there: Sequence[str]) -> list[str]:
        """The input columns that leave, of those that are there.

        Raises `ValueError` where a column is missing or is there twice, or where a rating column's name is taken.
        """
        for argument, name in [*self.inputs.items(), *(("keep", name) for name in self.keep or ())]:
            if there.count(name) != 1:
                raise ValueError(f"{argument}: there is {'no' if name not in there else 'more than one'} column {name!r}")
        kept = list(there if self.keep is None else self.keep)
        taken = [column.name for column in self.columns if column.name in kept]
        if taken:
            raise ValueError(f"there is {', '.join(map(repr, taken))} already: rename, or set prefix, such as prefix='ww_'")
        return kept

    @property
    def columns(self) -> list[rows.Column]:
        """The rating columns, by their names in what leaves."""
        return [rows.Column(self.prefix + column.name, column.kind) for column in rows.columns(self.categories)]

    def schema(self, there: pa.Schema) -> pa.Schema:
        """Of what leaves, where this comes in."""
        rated = rows.schema(self.categories)
        fields = [there.field(name) for name in self.kept(there.names)]
        return pa.schema([*fields, *(field.with_name(self.prefix + field.name) for field in rated)], metadata=rated.metadata)


class Task:
    """Rates batches until it is closed. Holds a lease of this host's server and a connection to it.

    Args:
        fetch: where the bundle's file is on this host; called only where no server runs.
    """

    def __init__(self, wanted: Wanted, fetch: Callable[[], Path]) -> None:
        self._wanted = wanted
        self._reader = Reader(wanted.images_root)
        self._schema = rows.schema(wanted.categories)
        serving = host.Serving(wanted.bundle, wanted.settings, str(program()))
        self._lease = host.Lease(serving, fetch, idle_seconds=wanted.idle_seconds)

    def close(self) -> None:
        """Gives up the lease."""
        self._lease.close()

    def rate(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of the batches in their order, with the rating columns. Takes a batch when it needs one.

        Raises `Stuck`, `host.HostError`.
        """
        read: deque[pa.RecordBatch] = deque()

        def asked() -> Iterator[Listing | NotRated]:
            for batch in batches:
                if batch.num_rows:
                    read.append(batch)
                    yield from self._listings(batch)

        done, begun = [], 0
        for outcome in steady(self._lease, asked(), self._wanted.in_flight):
            batch = read[0]
            done.append(outcome)
            ends = begun + len(done) == batch.num_rows
            if ends or len(done) == ROWS_OUT:
                yield self._joined(batch.slice(begun, len(done)), done)
                begun, done = (0, []) if ends else (begun + len(done), [])
            if ends:
                read.popleft()

    def _cells(self, batch: pa.RecordBatch, row: int) -> Cells:
        # Cell by cell: a whole column of photos as Python's bytes would be all of them a second time.
        return Cells(**{argument: batch.column(name)[row].as_py() for argument, name in self._wanted.inputs.items()})

    def _listings(self, batch: pa.RecordBatch) -> Iterator[Listing | NotRated]:
        self._wanted.kept(batch.schema.names)
        for row in range(batch.num_rows):
            yield self._reader.listing(self._cells(batch, row))

    def _joined(self, batch: pa.RecordBatch, outcomes: Sequence[Outcome]) -> pa.RecordBatch:
        ids = batch.column(self._wanted.listing_id).to_pylist() if self._wanted.listing_id is not None else [None] * len(outcomes)
        made = [rows.row(outcome, self._wanted.categories, _id(cell)) for outcome, cell in zip(outcomes, ids, strict=True)]
        arrays = [batch.column(name) for name in self._wanted.kept(batch.schema.names)]
        arrays += [pa.array([row[field.name] for row in made], field.type) for field in self._schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self._wanted.schema(batch.schema))


def steady(lease: host.Lease, listings: Iterable[Listing | NotRated], in_flight: int) -> Iterator[Outcome]:
    """An outcome a listing, in their order, whatever becomes of servers meanwhile.

    Raises `Stuck` where a listing has no answer for `PATIENCE` seconds, or the server dies of it when it is asked alone;
    `host.HostError`.
    """
    source = iter(listings)
    # Of a part that is empty nobody need be asked.
    waiting: deque[Listing | NotRated] = deque(itertools.islice(source, 1))
    if not waiting:
        return
    tries, got_on = 0, time.monotonic()

    def asked(again: Sequence[Listing | NotRated]) -> Iterator[Listing | NotRated]:
        yield from again
        for listing in source:
            waiting.append(listing)
            yield listing

    while True:
        problem: RateError | NotRated | None = None
        alone = tries >= TRIES_TOGETHER
        with Client(lease.address(), timeout=TIMEOUT, patience=CLIENT_PATIENCE, priority="bulk", options=_LOCAL) as client:
            messages, items = (1, 1) if alone else (in_flight, MAX_ITEMS)
            outcomes = client.rate_many(asked(tuple(waiting)), timeout=TIMEOUT, in_flight=messages, max_items=items)
            try:
                for outcome in outcomes:
                    problem = _passing(outcome, tries)
                    if problem is not None:
                        break
                    waiting.popleft()
                    tries, got_on = 0, time.monotonic()
                    yield outcome
                    if alone:
                        # Whoever is at fault comes later: together again.
                        break
                else:
                    return
            except RateError as failed:
                if failed.code not in PASSING | FAILED:
                    raise
                problem = failed
            finally:
                # What is under way is given up: the server rates nothing for nobody.
                outcomes.close()
        if problem is None:
            continue
        if problem.code == FULL:
            time.sleep(problem.retry_after or FULL_PAUSE)
        else:
            tries += 1
        if tries == TRIES_TOGETHER + TRIES_ALONE or time.monotonic() > got_on + PATIENCE:
            first = waiting[0] if waiting else None
            which = f"listing {first.listing_id!r}" if isinstance(first, Listing) else "a listing"
            raise Stuck(f"{which} gets no answer, asked {tries} times: {problem.code}: {problem.message}")


def _passing(outcome: Outcome, tries: int) -> NotRated | None:
    """What is no outcome to be written down: asked again, the listing may have another."""
    if isinstance(outcome, NotRated) and (outcome.code in PASSING or outcome.code in FAILED and tries < FAILED_TRIES):
        return outcome
    return None


def _id(cell: object) -> str:
    try:
        return identifier(cell)
    except Unreadable:
        return ""
