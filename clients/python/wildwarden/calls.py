"""Calls of several threads that end together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Cancellable(Protocol):
    """A call of gRPC, or anything else that can be given up."""

    def cancel(self) -> object:
        """Gives it up."""


class Calls:
    """The calls under way for one caller, who may go at any time."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._under_way: list[Cancellable] = []

    @contextmanager
    def under_way(self, call: Cancellable) -> Iterator[None]:
        """Holds `call` while it runs."""
        with self._lock:
            self._under_way.append(call)
        # Begun after the end: `cancel` did not see it.
        if self.ended.is_set():
            call.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(call)

    def cancel(self) -> None:
        """Gives up all of them, and those that begin later."""
        self.ended.set()
        with self._lock:
            under_way = list(self._under_way)
        for call in under_way:
            call.cancel()
