"""The client for programs on `asyncio`."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Sequence
from types import TracebackType
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

from wildwarden import channel
from wildwarden.channel import DEFAULT_ADDRESS, ChannelOptions, Language, Priority, Tls
from wildwarden.client import BATCH_TIMEOUT, IN_FLIGHT, STREAM_IN_FLIGHT
from wildwarden.desk import Desk, identified
from wildwarden.errors import of_call
from wildwarden.listing import Listing, NotRated, Outcome, Rated
from wildwarden.packing import Batch, Packer, Room
from wildwarden.v1 import risk_pb2
from wildwarden.waiting import Waiting

Listings = Iterable[Listing] | AsyncIterable[Listing]

_Item = TypeVar("_Item")
_Asked = TypeVar("_Asked", contravariant=True)
_Answer = TypeVar("_Answer")
_Answered = TypeVar("_Answered", covariant=True)


class _Awaited(Protocol[_Answered]):
    def __await__(self) -> Generator[object, None, _Answered]: ...


class _Call(Protocol[_Asked, _Answered]):
    """A call of gRPC that is asked once and answered once."""

    def __call__(
        self, request: _Asked, /, *, timeout: float | None = None, metadata: channel.Metadata | None = None
    ) -> _Awaited[_Answered]: ...


class AsyncClient:
    """What `Client` is, for asyncio: the same arguments, calls and errors. It belongs to the loop that it is first used on."""

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
        self._address = address
        self._tls = tls
        self._options = channel.options(address, options)
        self._metadata = channel.metadata(key, language)
        self._timeout = timeout
        self._priority = priority
        self._patience = patience
        self._calls: _Methods | None = None

    @property
    def _methods(self) -> _Methods:
        # Not before a loop runs: gRPC binds a channel to the loop that it finds.
        if self._calls is None:
            self._calls = _Methods(self._address, self._tls, self._options)
        return self._calls

    async def rate(
        self,
        listing: Listing,
        *,
        timeout: float | None = None,
        explain_text: bool = False,
        explain_images: bool = False,
        categories: Sequence[str] = (),
    ) -> Rated:
        """The rating of one listing, as `Client.rate`."""
        wanted = channel.wanted(categories, self._priority, explain_text=explain_text, explain_images=explain_images)
        return await self._ask(self._methods.classify, identified(listing.request(wanted)), timeout)

    async def rate_many(
        self,
        listings: Iterable[Listing | NotRated] | AsyncIterable[Listing | NotRated],
        *,
        in_flight: int = IN_FLIGHT,
        timeout: float = BATCH_TIMEOUT,
        max_items: int | None = None,
        explain_text: bool = False,
        explain_images: bool = False,
        categories: Sequence[str] = (),
    ) -> AsyncGenerator[Outcome, None]:
        """An outcome a listing, in the order of the listings, as `Client.rate_many`. Who stops early closes it, with `aclosing`."""
        limits = (await self.info()).limits
        room = Room(min(limits.max_batch_items, max_items or limits.max_batch_items), limits.max_message_bytes)
        wanted = channel.wanted(categories, self._priority, explain_text=explain_text, explain_images=explain_images)
        under_way: deque[asyncio.Task[list[Outcome]]] = deque()
        try:
            async for batch in _packed(listings, wanted, room):
                under_way.append(asyncio.create_task(self._rate_batch(batch, timeout)))
                if len(under_way) >= in_flight:
                    # It stays in the queue until it is done, so that whoever goes while it is waited for cancels it, too.
                    outcomes = await under_way[0]
                    under_way.popleft()
                    for outcome in outcomes:
                        yield outcome
            while under_way:
                outcomes = await under_way[0]
                under_way.popleft()
                for outcome in outcomes:
                    yield outcome
        finally:
            await _end(under_way)

    async def rate_stream(
        self,
        listings: Listings,
        *,
        in_flight: int = STREAM_IN_FLIGHT,
        timeout: float | None = None,
        explain_text: bool = False,
        explain_images: bool = False,
        categories: Sequence[str] = (),
    ) -> AsyncGenerator[tuple[Listing, Outcome], None]:
        """Pairs of listing and outcome as they finish, as `Client.rate_stream`. Who stops early closes it, with `aclosing`."""
        wanted = channel.wanted(categories, self._priority, explain_text=explain_text, explain_images=explain_images)
        flow = _Flow(in_flight, self._patience)
        reader = asyncio.create_task(flow.read(listings, wanted))
        call = self._methods.classify_stream(flow.requests(), timeout=timeout, metadata=self._metadata)
        try:
            async for result in call:
                if answered := flow.answered(result):
                    yield answered
        except grpc.aio.AioRpcError as failed:
            if flow.problem is None:
                raise of_call(failed) from failed
        finally:
            call.cancel()
            await _end([reader])
        if flow.problem is not None:
            raise flow.problem

    async def info(self, *, timeout: float | None = None) -> risk_pb2.GetServerInfoResponse:
        """The limits in force, the categories, and the versions of policy and models."""
        return await self._ask(self._methods.get_server_info, risk_pb2.GetServerInfoRequest(), timeout)

    async def close(self) -> None:
        """Ends the connection. Calls under way fail."""
        if self._calls is not None:
            await self._calls.channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _ask(self, call: _Call[_Asked, _Answer], request: _Asked, timeout: float | None) -> _Answer:
        waiting = Waiting(self._patience, self._timeout if timeout is None else timeout)
        while True:
            try:
                return await call(request, timeout=waiting.left, metadata=self._metadata)
            except grpc.aio.AioRpcError as failed:
                failure = of_call(failed)
                delay = waiting.delay(failure)
                if delay is None:
                    raise failure from failed
            await asyncio.sleep(delay)

    async def _rate_batch(self, batch: Batch, timeout: float) -> list[Outcome]:
        waiting = Waiting(self._patience, None)
        while batch.open:
            try:
                answer = await self._methods.classify_batch(batch.message(), timeout=timeout, metadata=self._metadata)
                delay = batch.answered(answer, waiting)
            except grpc.aio.AioRpcError as failed:
                delay = batch.failed(of_call(failed), waiting)
            await asyncio.sleep(delay)
        return batch.outcomes()


class _Methods:
    """A channel and the calls on it."""

    def __init__(self, address: str, tls: Tls | None, options: list[tuple[str, str | int]]) -> None:
        made = grpc.aio.secure_channel(address, tls.credentials(), options) if tls else grpc.aio.insecure_channel(address, options)
        self.channel = made
        self.classify = made.unary_unary(
            channel.SERVICE + "Classify", risk_pb2.ClassifyRequest.SerializeToString, risk_pb2.ClassifyResponse.FromString
        )
        self.classify_batch = made.unary_unary(
            channel.SERVICE + "ClassifyBatch", risk_pb2.ClassifyBatchRequest.SerializeToString, risk_pb2.ClassifyBatchResponse.FromString
        )
        self.classify_stream = made.stream_stream(
            channel.SERVICE + "ClassifyStream", risk_pb2.ClassifyRequest.SerializeToString, risk_pb2.ClassifyResult.FromString
        )
        self.get_server_info = made.unary_unary(
            channel.SERVICE + "GetServerInfo", risk_pb2.GetServerInfoRequest.SerializeToString, risk_pb2.GetServerInfoResponse.FromString
        )


class _Flow:
    """A stream's listings on their way to the server. Its tasks wake each other by `_changed`."""

    def __init__(self, in_flight: int, patience: float) -> None:
        self.problem: Exception | None = None
        self._desk = Desk(patience)
        self._in_flight = in_flight
        self._arrived: deque[tuple[Listing, risk_pb2.ClassifyRequest]] = deque()
        self._no_more = False
        self._changed = asyncio.Event()

    async def read(self, listings: Listings, wanted: risk_pb2.Options) -> None:
        """Takes listings in while there is room."""
        try:
            async for listing in _each(listings):
                while len(self._desk) + len(self._arrived) >= self._in_flight:
                    await self._change(None)
                self._arrived.append((listing, listing.request(wanted)))
                self._tell()
        except Exception as problem:  # the caller's own iterator's: it is raised where the outcomes are taken
            self.problem = problem
        finally:
            self._no_more = True
            self._tell()

    async def requests(self) -> AsyncIterator[risk_pb2.ClassifyRequest]:
        """What is to be sent, until every listing has its answer."""
        while self._arrived or self._desk or not self._no_more:
            if request := self._desk.due():
                yield request
            elif self._arrived:
                try:
                    yield self._desk.take(*self._arrived.popleft())
                except ValueError as problem:
                    self.problem = problem
                    return
            else:
                await self._change(self._desk.until_due())

    def answered(self, result: risk_pb2.ClassifyResult) -> tuple[Listing, Outcome] | None:
        """The listing that a result belongs to, and its outcome; None where it is to be sent again."""
        answered = self._desk.answered(result)
        self._tell()
        return answered

    def _tell(self) -> None:
        # Whoever waits holds the old event; whoever comes to wait looks first.
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, seconds: float | None) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)


async def _each(listings: Iterable[_Item] | AsyncIterable[_Item]) -> AsyncIterator[_Item]:
    if isinstance(listings, AsyncIterable):
        async for listing in listings:
            yield listing
    else:
        for listing in listings:
            yield listing


async def _packed(
    listings: Iterable[Listing | NotRated] | AsyncIterable[Listing | NotRated], wanted: risk_pb2.Options, room: Room
) -> AsyncIterator[Batch]:
    packer = Packer(room)
    async for listing in _each(listings):
        if batch := packer.add(listing, wanted):
            yield batch
    if batch := packer.flush():
        yield batch


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
