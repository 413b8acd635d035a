"""Listings packed into messages of the server's size, and what becomes of the items of one. Knows nothing of a channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import grpc

from wildwarden.errors import RateError, error
from wildwarden.listing import Listing, NotRated, Outcome
from wildwarden.v1 import risk_pb2
from wildwarden.waiting import TEMPORARY, Waiting

# Failures of a whole message that are its listings' own: the next message may fare better.
_OF_THE_LISTINGS = ("RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
_CODES = {status.value[0]: status.name for status in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Room:
    """What one message may hold."""

    items: int
    bytes: int


def size_in_batch(request: risk_pb2.ClassifyRequest) -> int:
    """Bytes that a listing takes in a `ClassifyBatchRequest`: itself, its tag and its length, seven bits of which fit in a byte."""
    size = request.ByteSize()
    return 1 + max((size.bit_length() + 6) // 7, 1) + size


class Packer:
    """Gathers listings until a message is full."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._entries: list[risk_pb2.ClassifyRequest | NotRated] = []
        self._bytes = 0

    def add(self, listing: Listing | NotRated, options: risk_pb2.Options) -> Batch | None:
        """Takes a listing in, or what is none, which keeps its place; the message that was full without it, if one was."""
        entry, size = self._sized(listing, options)
        full = self.flush() if len(self._entries) >= self._room.items or self._bytes + size > self._room.bytes else None
        self._entries.append(entry)
        self._bytes += size
        return full

    def _sized(self, listing: Listing | NotRated, options: risk_pb2.Options) -> tuple[risk_pb2.ClassifyRequest | NotRated, int]:
        if isinstance(listing, NotRated):
            return listing, 0
        request = listing.request(options)
        size = size_in_batch(request)
        if size <= self._room.bytes:
            return request, size
        # It would be refused together with everything beside it.
        limit = f"larger than the limit of {self._room.bytes} bytes (limits.max_message_bytes)"
        return NotRated("INVALID_ARGUMENT", f"message: {size} bytes, {limit}", "message"), 0

    def flush(self) -> Batch | None:
        """What was gathered, if anything was."""
        entries, self._entries, self._bytes = self._entries, [], 0
        return Batch(entries) if entries else None


def pack(listings: Iterable[Listing | NotRated], options: risk_pb2.Options, room: Room) -> Iterator[Batch]:
    """Messages of the listings, made when they are asked for."""
    packer = Packer(room)
    for listing in listings:
        if batch := packer.add(listing, options):
            yield batch
    if batch := packer.flush():
        yield batch


class Batch:
    """Listings of one message, and their outcomes as they become known. A listing refused for now is asked again, alone with its like."""

    def __init__(self, entries: list[risk_pb2.ClassifyRequest | NotRated]) -> None:
        self._requests = {index: entry for index, entry in enumerate(entries) if not isinstance(entry, NotRated)}
        self._outcomes: dict[int, Outcome] = {index: entry for index, entry in enumerate(entries) if isinstance(entry, NotRated)}

    @property
    def open(self) -> bool:
        """Whether there is anything left to ask."""
        return bool(self._requests)

    def message(self) -> risk_pb2.ClassifyBatchRequest:
        """What is left to ask."""
        return risk_pb2.ClassifyBatchRequest(items=self._requests.values())

    def outcomes(self) -> list[Outcome]:
        """In the order of the listings."""
        return [self._outcomes[index] for index in sorted(self._outcomes)]

    def answered(self, answer: risk_pb2.ClassifyBatchResponse, waiting: Waiting) -> float:
        """Takes in an answer. Seconds to wait before what is still open is asked again."""
        refused: dict[int, risk_pb2.ClassifyRequest] = {}
        longest: RateError | None = None
        for (index, request), result in zip(self._requests.items(), answer.results, strict=True):
            outcome = self._outcomes[index] = outcome_of(result)
            if isinstance(outcome, NotRated) and outcome.code in TEMPORARY:
                refused[index] = request
                failure = error(outcome.code, outcome.message, retry_after=outcome.retry_after)
                longest = failure if longest is None or (failure.retry_after or 0) > (longest.retry_after or 0) else longest
        delay = waiting.delay(longest) if longest else None
        # What is not asked again keeps its refusal.
        self._requests = {} if delay is None else refused
        return delay or 0.0

    def failed(self, failure: RateError, waiting: Waiting) -> float:
        """Takes in that the whole call failed. Seconds to wait before what is still open is asked again.

        Raises the failure where it is none of these listings' own.
        """
        delay = waiting.delay(failure)
        if delay is None:
            if failure.code not in _OF_THE_LISTINGS:
                raise failure
            for index in self._requests:
                self._outcomes[index] = NotRated(failure.code, failure.message, failure.field, failure.retry_after)
            self._requests = {}
        return delay or 0.0


def outcome_of(result: risk_pb2.ClassifyResult) -> Outcome:
    """A rating, or why there is none."""
    if result.WhichOneof("outcome") == "response":
        return result.response
    code = _CODES.get(result.error.code, str(result.error.code))
    retry_after = result.error.retry_after_ms / 1000 if code == "RESOURCE_EXHAUSTED" else None
    return NotRated(code, result.error.message, result.error.field, retry_after)
