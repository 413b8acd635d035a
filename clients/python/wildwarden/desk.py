"""Who of a stream waits for what: listings that were sent, and those that are to be sent again. No thread and no channel here."""

from __future__ import annotations

import heapq
import itertools
import time
import uuid
from dataclasses import dataclass

from wildwarden.errors import error
from wildwarden.listing import Listing, NotRated, Outcome
from wildwarden.packing import outcome_of
from wildwarden.v1 import risk_pb2
from wildwarden.waiting import Waiting


@dataclass(slots=True)
class _Sent:
    listing: Listing
    request: risk_pb2.ClassifyRequest
    waiting: Waiting


class Desk:
    """The listings of one stream that have no answer yet, by the id that their answers will carry."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._sent: dict[str, _Sent] = {}
        self._again: list[tuple[float, int, risk_pb2.ClassifyRequest]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._sent)

    def take(self, listing: Listing, request: risk_pb2.ClassifyRequest) -> risk_pb2.ClassifyRequest:
        """A new listing's message, to be sent now. Its answer must be told from the others': it gets an id where it has none."""
        if request.request_id in self._sent:
            raise ValueError(f"request_id {request.request_id!r} is another listing's of the same stream, which has no answer yet")
        identified(request)
        self._sent[request.request_id] = _Sent(listing, request, Waiting(self._patience, None))
        return request

    def due(self) -> risk_pb2.ClassifyRequest | None:
        """What was refused and is to be sent again now."""
        if self._again and self._again[0][0] <= time.monotonic():
            return heapq.heappop(self._again)[2]
        return None

    def until_due(self) -> float | None:
        """Seconds until `due` has something; None: it waits for nothing."""
        return max(self._again[0][0] - time.monotonic(), 0.0) if self._again else None

    def answered(self, result: risk_pb2.ClassifyResult) -> tuple[Listing, Outcome] | None:
        """The listing that a result belongs to, and its outcome; None where it is to be sent again."""
        sent, outcome = self._sent[result.request_id], outcome_of(result)
        if isinstance(outcome, NotRated):
            delay = sent.waiting.delay(error(outcome.code, outcome.message, retry_after=outcome.retry_after))
            if delay is not None:
                heapq.heappush(self._again, (time.monotonic() + delay, next(self._order), sent.request))
                return None
        del self._sent[result.request_id]
        return sent.listing, outcome


def identified(request: risk_pb2.ClassifyRequest) -> risk_pb2.ClassifyRequest:
    """With an id, where it had none: by it an answer is told from others, and one that was lost is not worked out again."""
    request.request_id = request.request_id or uuid.uuid4().hex
    return request
