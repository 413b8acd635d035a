"""A stream of listings for programs that block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, TypeAlias

import grpc

from wildwarden.desk import Desk
from wildwarden.errors import of_call
from wildwarden.listing import Listing, Outcome
from wildwarden.v1 import risk_pb2


class Results(Protocol):
    """The answering side of a call of gRPC."""

    def __iter__(self) -> Iterator[risk_pb2.ClassifyResult]: ...
    def cancel(self) -> object:
        """Gives it up."""


_Asked: TypeAlias = tuple[Listing, risk_pb2.ClassifyRequest]
_Begin: TypeAlias = Callable[[Iterator[risk_pb2.ClassifyRequest]], Results]


class ClassifyStream:
    """Pairs of a listing and its outcome, as the outcomes come. Made by `Client.rate_stream`; iterate once.

    Three threads meet here: one reads the listings, one of gRPC's sends them, and the caller's takes the outcomes.
    """

    def __init__(self, begin: _Begin, listings: Iterator[_Asked], in_flight: int, patience: float) -> None:
        self._desk = Desk(patience)
        self._in_flight = in_flight
        self._changed = threading.Condition()
        # All below is read and written while `_changed` is held.
        self._arrived: list[_Asked] = []
        self._no_more = False
        self._ended = False
        self._problem: BaseException | None = None
        self._results = begin(self._requests())
        # Nobody can end a thread that waits for the next listing: it must not hold up the end of the program.
        threading.Thread(target=self._read, args=(listings,), name="wildwarden-listings", daemon=True).start()

    def __iter__(self) -> Iterator[tuple[Listing, Outcome]]:
        try:
            for result in self._results:
                with self._changed:
                    answered = self._desk.answered(result)
                    self._changed.notify_all()
                if answered:
                    yield answered
        except grpc.RpcError as failed:
            if self._problem is None:
                raise of_call(failed) from failed
        finally:
            self.close()
        if self._problem is not None:
            raise self._problem

    def close(self) -> None:
        """Ends the stream. What was not answered by now is not."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._results.cancel()

    def __enter__(self) -> ClassifyStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read(self, listings: Iterator[_Asked]) -> None:
        try:
            for asked in listings:
                with self._changed:
                    self._changed.wait_for(lambda: self._ended or len(self._desk) + len(self._arrived) < self._in_flight)
                    if self._ended:
                        return
                    self._arrived.append(asked)
                    self._changed.notify_all()
        except BaseException as problem:  # the caller's own iterator's: it is raised in the caller's thread
            with self._changed:
                self._problem = problem
        finally:
            with self._changed:
                self._no_more = True
                self._changed.notify_all()

    def _requests(self) -> Iterator[risk_pb2.ClassifyRequest]:
        while (request := self._next()) is not None:
            yield request

    def _next(self) -> risk_pb2.ClassifyRequest | None:
        with self._changed:
            while not self._ended:
                if request := self._desk.due():
                    return request
                if self._arrived:
                    try:
                        return self._desk.take(*self._arrived.pop(0))
                    except ValueError as problem:
                        self._problem = problem
                        return None
                if self._no_more and not self._desk:
                    return None
                self._changed.wait(self._desk.until_due())
            return None
