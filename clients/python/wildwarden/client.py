"""The client for programs that block."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, TypeVar

import grpc

from wildwarden import channel
from wildwarden.calls import Calls
from wildwarden.channel import DEFAULT_ADDRESS, ChannelOptions, Language, Priority, Tls
from wildwarden.desk import identified
from wildwarden.errors import of_call
from wildwarden.listing import Listing, NotRated, Outcome, Rated
from wildwarden.packing import Batch, Room, pack
from wildwarden.stream import ClassifyStream, Results
from wildwarden.v1 import risk_pb2
from wildwarden.waiting import Waiting

BATCH_TIMEOUT = 120.0
"""Seconds that the server has for one message of many listings."""

IN_FLIGHT = 4
"""Messages of many listings that are under way at once."""

STREAM_IN_FLIGHT = 64
"""Listings of a stream that are under way at once."""

_Asked = TypeVar("_Asked", contravariant=True)
_Answer = TypeVar("_Answer")
_Answered = TypeVar("_Answered", covariant=True)


class _Call(Protocol[_Asked, _Answered]):
    """A call of gRPC that is asked once and answered once."""

    def __call__(self, request: _Asked, /, timeout: float | None = None, metadata: channel.Metadata | None = None) -> _Answered: ...


class Client:
    """A connection to a server, or to several that do the same. Any number of threads may use it.

    `address`: `host:port`, `unix:/path`, or several as `ipv4:10.0.0.1:50051,10.0.0.2:50051`, of which those take turns that are well.
    `key`: goes with every call. Not over a network without `tls`, which `Tls()` turns on with the system's authorities.
    `timeout`: seconds that a call has in all, waits included; the server is told, and spends nothing on what would come later.
    `language`: of the sentences in `reasons`. `priority`: who goes first when the server is busy; None: as the contract says.
    `patience`: seconds that a listing may wait in all because the server refuses it for now, or is not there. 0: it is never asked again.
    `options`: of the channel, as gRPC names them.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        key: str | None = None,
        tls: Tls | None = None,
        timeout: float = 10.0,
        language: Language = "en",
        priority: Priority | None = None,
        patience: float = 60.0,
        options: ChannelOptions = (),
    ) -> None:
        made = channel.options(address, options)
        self._channel = grpc.secure_channel(address, tls.credentials(), made) if tls else grpc.insecure_channel(address, made)
        self._metadata = channel.metadata(key, language)
        self._timeout = timeout
        self._priority = priority
        self._patience = patience
        self._classify = self._channel.unary_unary(
            channel.SERVICE + "Classify", risk_pb2.ClassifyRequest.SerializeToString, risk_pb2.ClassifyResponse.FromString
        )
        self._classify_batch = self._channel.unary_unary(
            channel.SERVICE + "ClassifyBatch", risk_pb2.ClassifyBatchRequest.SerializeToString, risk_pb2.ClassifyBatchResponse.FromString
        )
        self._classify_stream = self._channel.stream_stream(
            channel.SERVICE + "ClassifyStream", risk_pb2.ClassifyRequest.SerializeToString, risk_pb2.ClassifyResult.FromString
        )
        self._get_server_info = self._channel.unary_unary(
            channel.SERVICE + "GetServerInfo", risk_pb2.GetServerInfoRequest.SerializeToString, risk_pb2.GetServerInfoResponse.FromString
        )

    def rate(
        self,
        listing: Listing,
        *,
        timeout: float | None = None,
        explain_text: bool = False,
        explain_images: bool = False,
        categories: Sequence[str] = (),
    ) -> Rated:
        """The rating of one listing. Asks again while it is refused for now and `timeout` and patience last.

        `explain_text`, `explain_images`: with what each word and each part of a photo says. `categories`: those to rate; none: all.

        Raises `RateError`: `InvalidListing`, `Full`, `DeadlineExceeded`, `Unavailable`, `NotAllowed`.
        """
        wanted = channel.wanted(categories, self._priority, explain_text=explain_text, explain_images=explain_images)
        return self._ask(self._classify, identified(listing.request(wanted)), timeout)

    def rate_many(
        self,
        listings: Iterable[Listing | NotRated],
        *,
        in_flight: int = IN_FLIGHT,
        timeout: float = BATCH_TIMEOUT,
        max_items: int | None = None,
        explain_text: bool = False,
        explain_images: bool = False,
        categories: Sequence[str] = (),
    ) -> Generator[Outcome, None, None]:
        """An outcome a listing, in the order of the listings: its rating, or `NotRated` where it alone could not be rated.
        A `NotRated` among them, of one that could not be read, comes out in its place.

        Listings are taken as they are needed and sent as many at once as the server's limits allow: at most `in_flight` messages of
        at most `max_items` are held. `timeout`: seconds that a message has each time it is asked. What the server refuses for now is
        asked again after the delay that it names, while patience lasts; the rest of its message is not.

        Raises `RateError` where no further listing can be rated: the server is not there, or does not allow it.
        """
        limits = self.info().limits
        room = Room(min(limits.max_batch_items, max_items or limits.max_batch_items), limits.max_message_bytes)
        wanted = channel.wanted(categories, self._priority, explain_text=explain_text, explain_images=explain_images)
        calls = Calls()
        under_way: deque[Future[list[Outcome]]] = deque()
        pool = ThreadPoolExecutor(in_flight, thread_name_prefix="wildwarden")
        try:
            for batch in pack(listings, wanted, room):
                under_way.append(pool.submit(self._rate_batch, batch, timeout, calls))
                if len(under_way) >= in_flight:
                    yield from under_way.popleft().result()
            while under_way:
                yield from under_way.popleft().result()
        finally:
            # Also where the caller wants no more: nothing is rated for nobody.
            calls.cancel()
            pool.shutdown(cancel_futures=True)

    def rate_stream(
        self,
        listings: Iterable[Listing],
        *,
        in_flight: int = STREAM_IN_FLIGHT,
        timeout: float | None = None,
        explain_text: bool = False,
        explain_images: bool = False,
        categories: Sequence[str] = (),
    ) -> ClassifyStream:
        """Listings as they come, answered as they finish: pairs of listing and outcome, in any order.

        For listings that arrive over time. `listings` is read by a thread of its own, at most `in_flight` ahead of the answers. One
        that is larger than a message ends the stream, and two that have the same `request_id` may not be under way at once.
        `timeout`: seconds for the whole stream. What is refused for now is sent again after the delay that the server names.

        Iterating raises `RateError` where the stream ends early, and whatever `listings` raises.
        """
        wanted = channel.wanted(categories, self._priority, explain_text=explain_text, explain_images=explain_images)

        def call(requests: Iterator[risk_pb2.ClassifyRequest]) -> Results:
            return self._classify_stream(requests, timeout=timeout, metadata=self._metadata)

        return ClassifyStream(call, ((listing, listing.request(wanted)) for listing in listings), in_flight, self._patience)

    def info(self, *, timeout: float | None = None) -> risk_pb2.GetServerInfoResponse:
        """The limits in force, the categories, and the versions of policy and models."""
        return self._ask(self._get_server_info, risk_pb2.GetServerInfoRequest(), timeout)

    def close(self) -> None:
        """Ends the connection. Calls under way fail."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _ask(self, call: _Call[_Asked, _Answer], request: _Asked, timeout: float | None) -> _Answer:
        waiting = Waiting(self._patience, self._timeout if timeout is None else timeout)
        while True:
            try:
                return call(request, timeout=waiting.left, metadata=self._metadata)
            except grpc.RpcError as failed:
                failure = of_call(failed)
                delay = waiting.delay(failure)
                if delay is None:
                    raise failure from failed
            time.sleep(delay)

    def _rate_batch(self, batch: Batch, timeout: float, calls: Calls) -> list[Outcome]:
        waiting = Waiting(self._patience, None)
        while batch.open:
            call = self._classify_batch.future(batch.message(), timeout=timeout, metadata=self._metadata)
            with calls.under_way(call):
                try:
                    delay = batch.answered(call.result(), waiting)
                except grpc.RpcError as failed:
                    delay = batch.failed(of_call(failed), waiting)
            if calls.ended.wait(delay):
                break
        return batch.outcomes()
