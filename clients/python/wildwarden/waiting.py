"""How long a call may still wait: for its deadline, and for its caller's patience. No clock sleeps here."""

from __future__ import annotations

import random
import time

from wildwarden.errors import RateError

TEMPORARY = ("RESOURCE_EXHAUSTED", "UNAVAILABLE")
"""Statuses after which the same listing may be asked again."""

LEAST_DELAY = 0.01
FIRST_DELAY = 0.1
LONGEST_DELAY = 2.0


class Waiting:
    """The waits of one call, or of one message of many listings.

    A server that is full says when to come back, and that is kept to. One that is not there says nothing: the waits for it
    begin at `FIRST_DELAY` seconds and double up to `LONGEST_DELAY`, each a little off, so that callers do not return together.
    """

    def __init__(self, patience: float, timeout: float | None) -> None:
        self._patience = patience
        self._end = None if timeout is None else time.monotonic() + timeout
        self._next = FIRST_DELAY

    @property
    def left(self) -> float | None:
        """Seconds until the deadline; None where there is none."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)

    def delay(self, failure: RateError) -> float | None:
        """Seconds to wait before asking again; None where that would help nothing or come too late."""
        if failure.code not in TEMPORARY:
            return None
        delay = failure.retry_after
        if delay is None and failure.code == "RESOURCE_EXHAUSTED":
            # Not the server's, which names a delay: of a message that somebody on the way finds too large, for example.
            return None
        if delay is None:
            delay, self._next = self._next * random.uniform(0.8, 1.2), min(self._next * 2, LONGEST_DELAY)
        # Nobody asks again and again without end.
        delay = max(delay, LEAST_DELAY)
        # An answer that could only come too late is not waited for: the refusal says more than a passed deadline.
        if delay > self._patience or self._end is not None and time.monotonic() + delay >= self._end:
            return None
        self._patience -= delay
        return delay
