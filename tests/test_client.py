"""The Python package in clients/python, against a server of its own. Run by scripts/test.sh.

Needs target/debug/wildwarden (or WILDWARDEN, a path), ONNX Runtime in .runtime, and from pip grpcio-tools, pandas, polars, pyarrow, mypy, ruff
and the types that mypy reads (types-grpcio, types-protobuf, pandas-stubs).
"""

import asyncio
import filecmp
import functools
import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "clients" / "python"
sys.path.insert(0, str(PACKAGE))

try:
    import grpc
    import grpc_tools  # noqa: F401
    import mypy  # noqa: F401
    import pandas
    import polars
    import pyarrow
    from google.protobuf import json_format
    from google.rpc import code_pb2, error_details_pb2, status_pb2

    import wildwarden
    from wildwarden import AsyncClient, Client, Image, Listing, NotRated, rows
    from wildwarden.cells import Cells, Reader
    from wildwarden.errors import DETAILS, error
    from wildwarden.frames import rate_dataframe
    from wildwarden.packing import Room, pack
    from wildwarden.v1 import risk_pb2
    from wildwarden.waiting import Waiting
except ImportError as problem:
    if str(problem.name).startswith("wildwarden"):
        raise
    grpc = None

from server_process import serve

IMAGES = ROOT / "tests" / "fixtures" / "images"
RENDERED = IMAGES / "rendered"
BANGLE = RENDERED / "bangle.jpg"
TITLE = "老象牙手镯 包浆好 家传 私聊"
TIMEOUT = 120  # seconds, on a busy machine
RETRY_AFTER = 0.3
SERVICE = "/wildwarden.v1.RiskService/"
WATCH = "/grpc.health.v1.Health/Watch"
SERVING = b"\x08\x01"
# Sections of the package's README whose blocks are run here.
SECTIONS = ("One listing", "Many listings", "Data frames")

MISSING = "pip install grpcio-tools pandas polars pyarrow mypy ruff: the client is not tested"


def listings(number: int) -> "list[Listing]":
    """Of different kinds, told apart by their ids."""
    photo = BANGLE.read_bytes()
    kinds = [
        lambda index: Listing(title=TITLE, images=[photo], listing_id=f"l{index}"),
        lambda index: Listing(title=f"vintage teak chair no. {index}", listing_id=f"l{index}"),
        lambda index: Listing(description="ivory bangle, old, private message", listing_id=f"l{index}"),
    ]
    return [kinds[index % len(kinds)](index) for index in range(number)]


def ids(outcomes) -> list[str]:
    return [outcome.listing_id for outcome in outcomes]


def same(rating) -> dict:
    """A rating without what differs between two of the same listing."""
    written = json_format.MessageToDict(rating)
    for name in ("requestId", "timings", "ratedAt"):
        written.pop(name, None)
    for image in written.get("images", []):
        image.pop("cached", None)
    return written


@unittest.skipUnless(grpc, MISSING)
class Packing(unittest.TestCase):
    def sent(self, given, room) -> list:
        return [batch.message() for batch in pack(iter(given), risk_pb2.Options(), room)]

    def test_messages_keep_order_and_both_limits(self) -> None:
        given = [Listing(title="x" * (index * 37 % 400), listing_id=str(index)) for index in range(200)]
        for most in (450, 1000, 5000):
            messages = self.sent(given, Room(items=7, bytes=most))
            self.assertEqual([item.listing_id for message in messages for item in message.items], [str(index) for index in range(200)])
            for message, after in zip(messages, messages[1:], strict=False):
                self.assertLessEqual(message.ByteSize(), most)
                self.assertLessEqual(len(message.items), 7)
                # The next listing had no room in it.
                fuller = risk_pb2.ClassifyBatchRequest(items=[*message.items, after.items[0]])
                self.assertTrue(len(fuller.items) > 7 or fuller.ByteSize() > most)

    def test_a_message_of_exactly_the_limit_is_one_message(self) -> None:
        given = [Listing(title="x" * size) for size in (10, 120, 130, 17_000)]
        whole = risk_pb2.ClassifyBatchRequest(items=[listing.request(risk_pb2.Options()) for listing in given]).ByteSize()
        self.assertEqual(len(self.sent(given, Room(64, whole))), 1)
        self.assertEqual(len(self.sent(given, Room(64, whole - 1))), 2)

    def test_what_alone_is_too_large_or_unread_keeps_its_place(self) -> None:
        given = [Listing(title="a"), NotRated("UNREADABLE", "gone"), Listing(title="x" * 500), Listing(title="b")]
        (batch,) = pack(given, risk_pb2.Options(), Room(64, 300))
        self.assertEqual([item.title for item in batch.message().items], ["a", "b"])
        batch.answered(risk_pb2.ClassifyBatchResponse(results=[{"response": {}}, {"response": {}}]), Waiting(0, None))
        kinds = [outcome.code if isinstance(outcome, NotRated) else "" for outcome in batch.outcomes()]
        self.assertEqual(kinds, ["", "UNREADABLE", "INVALID_ARGUMENT", ""])
        self.assertIn("larger than the limit of 300 bytes (limits.max_message_bytes)", batch.outcomes()[2].message)

    def test_listings_are_taken_when_they_are_needed(self) -> None:
        taken = []
        batches = pack((taken.append(index) or Listing(title=str(index)) for index in range(100)), risk_pb2.Options(), Room(10, 10_000))
        self.assertEqual(taken, [])
        next(batches)
        self.assertLessEqual(len(taken), 11)


@unittest.skipUnless(grpc, MISSING)
class Waits(unittest.TestCase):
    def refusal(self, retry_after: float | None = None, code: str = "RESOURCE_EXHAUSTED"):
        return error(code, "full", retry_after=retry_after)

    def test_the_servers_delay_is_kept_to_while_patience_lasts(self) -> None:
        waiting = Waiting(patience=1.0, timeout=None)
        self.assertEqual([waiting.delay(self.refusal(0.4)) for _ in range(3)], [0.4, 0.4, None])

    def test_no_answer_is_waited_for_that_comes_after_the_deadline(self) -> None:
        self.assertIsNone(Waiting(patience=60, timeout=0.2).delay(self.refusal(0.4)))

    def test_a_server_that_is_away_is_asked_at_growing_intervals(self) -> None:
        waiting = Waiting(patience=60, timeout=None)
        delays = [waiting.delay(self.refusal(code="UNAVAILABLE")) for _ in range(8)]
        for delay, middle in zip(delays, (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0), strict=True):
            self.assertAlmostEqual(delay, middle, delta=middle * 0.2 + 1e-9)

    def test_a_refusal_without_a_delay_is_not_this_servers_and_will_not_pass(self) -> None:
        self.assertIsNone(Waiting(patience=60, timeout=None).delay(self.refusal()))

    def test_a_delay_of_nothing_uses_patience_up_all_the_same(self) -> None:
        waiting = Waiting(patience=0.1, timeout=None)
        self.assertLess(len(list(iter(lambda: waiting.delay(self.refusal(0.0)), None))), 20)

    def test_what_will_not_pass_is_not_waited_for(self) -> None:
        for code in ("INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "INTERNAL", "UNAUTHENTICATED"):
            self.assertIsNone(Waiting(patience=60, timeout=None).delay(self.refusal(code=code)), code)


@dataclass
class Door:
    """What stands before the server: it refuses the first calls, or items, with a delay, and passes on the others."""

    server: str
    calls: int = 0
    items: int = 0
    code: int = 0
    delay: float | None = RETRY_AFTER
    seen: list = field(default_factory=list)
    """When each call came, its method, its time left, its key, and how many items it had."""

    def service(self, details):
        if details.method == WATCH:
            return grpc.unary_stream_rpc_method_handler(self.watch)
        if not details.method.startswith(SERVICE):
            return None
        if details.method.endswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(lambda requests, context: self.stream(details.method, requests, context))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.unary(details.method, request, context))

    def watch(self, request: bytes, context):
        """It is well until somebody hangs up."""
        gone = threading.Event()
        if context.add_callback(gone.set):
            yield SERVING
            gone.wait()

    def note(self, method: str, context, items: int) -> None:
        headers = dict(context.invocation_metadata())
        left = context.time_remaining()
        self.seen.append({"at": time.monotonic(), "method": method.removeprefix(SERVICE), "left": left, "headers": headers, "items": items})

    def refusal(self, code: int) -> "status_pb2.Status":
        status = status_pb2.Status(code=code, message="full")
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="wildwarden"))
        if self.delay is not None:
            wait = error_details_pb2.RetryInfo()
            wait.retry_delay.FromMilliseconds(round(self.delay * 1000))
            status.details.add().Pack(wait)
        return status

    def unary(self, method: str, request: bytes, context) -> bytes:
        batch = risk_pb2.ClassifyBatchRequest.FromString(request) if method.endswith("Batch") else None
        self.note(method, context, len(batch.items) if batch else 1)
        if self.calls and not method.endswith("Info"):
            self.calls -= 1
            code = self.code or code_pb2.RESOURCE_EXHAUSTED
            context.set_trailing_metadata(((DETAILS, self.refusal(code).SerializeToString()),))
            context.abort(next(status for status in grpc.StatusCode if status.value[0] == code), "full")
        with grpc.insecure_channel(self.server) as channel:
            answer = channel.unary_unary(method)(request, timeout=TIMEOUT)
        if batch and self.items:
            answer = self.without_items(risk_pb2.ClassifyBatchResponse.FromString(answer)).SerializeToString()
        return answer

    def without_items(self, answer):
        """Every second one is refused."""
        for result in answer.results[1::2][: self.items]:
            result.error.CopyFrom(self.item_refusal())
            self.items -= 1
        return answer

    def item_refusal(self):
        return risk_pb2.ItemError(code=code_pb2.RESOURCE_EXHAUSTED, message="full", retry_after_ms=round(self.delay * 1000))

    def stream(self, method: str, requests, context):
        self.note(method, context, 0)
        with grpc.insecure_channel(self.server) as channel:
            for answer in channel.stream_stream(method)(requests, timeout=TIMEOUT):
                result = risk_pb2.ClassifyResult.FromString(answer)
                if self.items:
                    self.items -= 1
                    result.error.CopyFrom(self.item_refusal())
                yield result.SerializeToString()


@functools.cache
def server() -> str:
    """The address of the one that all tests share, until the last of them."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    # The same listing always gets the same rating: it is not refused for a busy machine, and no text shares a run with others.
    settings = {"SCHEDULER_MAX_WAIT_MS": "60000", "BATCHING_TEXT_MAX_BATCH": "1"}
    return serve(Path(folder.name) / "server.log", unittest.addModuleCleanup, **settings)["listening"]


class Served(unittest.TestCase):
    """What needs a server."""

    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        if not grpc:
            raise unittest.SkipTest(MISSING)
        cls.address = server()
        cls.client = cls.enterClassContext(Client(cls.address, timeout=TIMEOUT))

    def door(self, **refuses) -> tuple[str, Door]:
        door = Door(self.address, **refuses)
        # With that option, another server could listen on the same port and get some of the calls.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        server = grpc.server(ThreadPoolExecutor(max_workers=16), options=options)
        server.add_generic_rpc_handlers([door])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        return f"127.0.0.1:{port}", door

    def through(self, address: str, **settings) -> "Client":
        return self.enterContext(Client(address, **{"timeout": TIMEOUT} | settings))


class Blocking(Served):
    def test_a_listing_is_rated(self) -> None:
        listing = Listing(title=TITLE, images=[Image(BANGLE.read_bytes(), "bangle.jpg")], listing_id="42", request_id="r-1")
        rating = self.client.rate(listing, explain_text=True)
        self.assertEqual((rating.listing_id, rating.request_id, rating.images[0].image_id), ("42", "r-1", "bangle.jpg"))
        self.assertEqual(rating.suggestion, risk_pb2.SUGGESTION_REVIEW)
        self.assertTrue(any(score.tokens for text in rating.texts for score in text.scores))
        self.assertEqual([of.category for of in self.client.rate(listing, categories=["rhino_horn"]).categories], ["rhino_horn"])

    def test_reasons_are_in_the_callers_language(self) -> None:
        said = [self.through(self.address, language=language).rate(Listing(title=TITLE)).reasons[0].text for language in ("en", "zh")]
        self.assertTrue(said[0].startswith("Ivory"), said)
        self.assertRegex(said[1], "[一-鿿]")

    def test_what_is_wrong_with_a_listing_is_said(self) -> None:
        with self.assertRaises(wildwarden.InvalidListing) as caught:
            self.client.rate(Listing())
        self.assertEqual((caught.exception.code, caught.exception.reason), ("INVALID_ARGUMENT", "FIELD_INVALID"))
        self.assertTrue(caught.exception.message)
        with self.assertRaises(wildwarden.InvalidListing) as caught:
            self.client.rate(Listing(title="a", listing_id="x" * 999))
        self.assertEqual(caught.exception.field, "listing_id")

    def test_a_refused_listing_is_asked_again_after_the_servers_delay(self) -> None:
        address, door = self.door(calls=1)
        # Of a longer time gRPC sends whole seconds.
        self.through(address, key="secret").rate(Listing(title=TITLE), timeout=9)
        first, second = door.seen
        self.assertGreaterEqual(second["at"] - first["at"], RETRY_AFTER)
        self.assertLess(second["left"], first["left"] - RETRY_AFTER / 2)
        self.assertEqual([seen["headers"]["authorization"] for seen in door.seen], ["Bearer secret"] * 2)

    def test_a_refusal_is_raised_once_patience_or_time_is_used_up(self) -> None:
        for settings, most in (({"patience": 0}, 1), ({"patience": RETRY_AFTER * 1.5}, 2), ({"timeout": RETRY_AFTER * 0.9}, 1)):
            address, door = self.door(calls=99)
            with self.subTest(settings), self.assertRaises(wildwarden.Full) as caught:
                self.through(address, **settings).rate(Listing(title=TITLE))
            self.assertEqual((caught.exception.retry_after, caught.exception.reason, len(door.seen)), (RETRY_AFTER, "QUEUE_FULL", most))

    def test_a_server_that_is_away_for_a_moment_is_asked_again(self) -> None:
        address, door = self.door(calls=2, code=code_pb2.UNAVAILABLE if grpc else 0, delay=None)
        self.through(address).rate(Listing(title=TITLE))
        self.assertEqual(len(door.seen), 3)

    def test_no_server_is_unavailable(self) -> None:
        with self.assertRaises(wildwarden.Unavailable):
            self.through("127.0.0.1:1", patience=0.2).rate(Listing(title=TITLE))

    def test_the_deadline_holds(self) -> None:
        many = [BANGLE.read_bytes() + bytes([index]) for index in range(9)]
        begun = time.monotonic()
        with self.assertRaises((wildwarden.DeadlineExceeded, wildwarden.Full)):
            self.client.rate(Listing(title=TITLE, images=many), timeout=0.001)
        self.assertLess(time.monotonic() - begun, 5)

    def test_several_servers_take_turns_and_a_lost_one_is_not_missed(self) -> None:
        address, door = self.door()
        ports = [of.rpartition(":")[2] for of in (address, self.address)]
        both = self.through(f"ipv4:127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}")
        calls, until = 0, time.monotonic() + TIMEOUT
        # Both are connected to at some time, and neither gets all calls from then on.
        while not 2 <= len(door.seen) < calls and time.monotonic() < until:
            both.rate(Listing(title=TITLE))
            calls += 1
        self.assertTrue(2 <= len(door.seen) < calls, (len(door.seen), calls))
        one_dead = self.through(f"ipv4:127.0.0.1:1,127.0.0.1:{ports[1]}")
        for _ in range(10):
            one_dead.rate(Listing(title=TITLE))


class Guarded(unittest.TestCase):
    """A server that asks for a key, and has a certificate."""

    @classmethod
    def setUpClass(cls) -> None:
        if not grpc or not shutil.which("openssl"):
            raise unittest.SkipTest(f"{MISSING}; or openssl is not there")
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.certificate, key = folder / "server.pem", folder / "server.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cls.certificate)]
        subprocess.run(command, check=True, capture_output=True)
        key_sha256 = hashlib.sha256(b"right").hexdigest()
        config = f'tls.certificate = "{cls.certificate}"\ntls.key = "{key}"\n'
        config += f'auth.keys = [{{ name = "test", sha256 = "{key_sha256}", roles = ["classify"] }}]\n'
        (folder / "wildwarden.toml").write_text(config)
        cls.address = serve(folder / "server.log", cls.addClassCleanup, CONFIG=str(folder / "wildwarden.toml"))["listening"]

    def client(self, **settings) -> "Client":
        return self.enterContext(Client(self.address, **{"timeout": TIMEOUT, "patience": 0} | settings))

    def test_a_key_opens_what_it_is_for(self) -> None:
        tls = wildwarden.Tls(ca=self.certificate.read_bytes())
        self.assertGreater(self.client(tls=tls, key="right").rate(Listing(title=TITLE)).risk, 0.5)
        for settings, code in (({}, "UNAUTHENTICATED"), ({"key": "wrong"}, "UNAUTHENTICATED")):
            with self.assertRaises(wildwarden.NotAllowed) as caught:
                self.client(tls=tls, **settings).rate(Listing(title=TITLE))
            self.assertEqual(caught.exception.code, code)
        with self.assertRaises(wildwarden.NotAllowed) as caught:
            next(self.client(tls=tls, key="right").rate_many(listings(1)))
        self.assertEqual(caught.exception.code, "PERMISSION_DENIED")

        async def rate():
            async with AsyncClient(self.address, tls=tls, key="right", timeout=TIMEOUT) as client:
                return await client.rate(Listing(title=TITLE))

        self.assertGreater(asyncio.run(rate()).risk, 0.5)

    def test_an_unknown_authority_is_not_trusted(self) -> None:
        for tls in (wildwarden.Tls(), None):
            with self.assertRaises(wildwarden.Unavailable):
                self.client(tls=tls, key="right").rate(Listing(title=TITLE))


class Many(Served):
    def test_outcomes_come_in_the_order_of_the_listings(self) -> None:
        address, door = self.door()
        given = listings(150)
        outcomes = list(self.through(address).rate_many(iter(given)))
        self.assertEqual(ids(outcomes), [listing.listing_id for listing in given])
        sent = [seen["items"] for seen in door.seen if seen["method"] == "ClassifyBatch"]
        self.assertEqual(sorted(sent), [22, 64, 64])
        for listing, outcome in zip(given[:6], outcomes, strict=False):
            self.assertEqual(same(outcome), same(self.client.rate(listing)))

    def test_one_bad_listing_spoils_no_other(self) -> None:
        given = [*listings(3), Listing(listing_id="empty"), NotRated("UNREADABLE", "gone"), Listing(images=[b"no photo"]), *listings(2)]
        outcomes = list(self.client.rate_many(given))
        codes = [outcome.code if isinstance(outcome, NotRated) else "" for outcome in outcomes]
        self.assertEqual(codes, ["", "", "", "INVALID_ARGUMENT", "UNREADABLE", "INVALID_ARGUMENT", "", ""])

    def test_a_listing_larger_than_a_message_is_not_rated_and_the_others_are(self) -> None:
        most = self.client.info().limits.max_message_bytes
        given = [Listing(title="first"), Listing(title="large", images=[bytes(most)]), Listing(title="third")]
        outcomes = list(self.client.rate_many(given))
        self.assertEqual([type(outcome) is NotRated for outcome in outcomes], [False, True, False])
        self.assertIn("limits.max_message_bytes", outcomes[1].message)

    def test_photos_are_packed_by_their_bytes(self) -> None:
        address, door = self.door()
        # Its tail is no part of the picture, and makes the message large.
        photo = BANGLE.read_bytes() + bytes(6_000_000)
        outcomes = list(self.through(address).rate_many([Listing(images=[photo], listing_id=str(index)) for index in range(12)]))
        self.assertEqual(ids(outcomes), [str(index) for index in range(12)])
        self.assertEqual(sorted(seen["items"] for seen in door.seen if seen["method"] == "ClassifyBatch"), [2, 5, 5])

    def test_refused_items_are_asked_again_after_the_delay_and_nothing_else_is(self) -> None:
        address, door = self.door(items=3)
        given = listings(10)
        outcomes = list(self.through(address).rate_many(given))
        self.assertEqual(ids(outcomes), [listing.listing_id for listing in given])
        first, second = [seen for seen in door.seen if seen["method"] == "ClassifyBatch"]
        self.assertEqual((first["items"], second["items"]), (10, 3))
        self.assertGreaterEqual(second["at"] - first["at"], RETRY_AFTER)

    def test_a_refused_message_is_asked_again(self) -> None:
        address, door = self.door(calls=2)
        self.assertEqual(ids(self.through(address).rate_many(listings(5))), [f"l{index}" for index in range(5)])
        at = [seen["at"] for seen in door.seen if seen["method"] == "ClassifyBatch"]
        self.assertEqual(len(at), 3)
        self.assertGreaterEqual(at[2] - at[0], 2 * RETRY_AFTER)

    def test_what_stays_refused_is_not_rated(self) -> None:
        address, _ = self.door(items=99)
        outcomes = list(self.through(address, patience=RETRY_AFTER * 1.5).rate_many(listings(4)))
        self.assertEqual([outcome.code if isinstance(outcome, NotRated) else "" for outcome in outcomes], ["", "", "", "RESOURCE_EXHAUSTED"])
        address, _ = self.door(calls=99)
        outcomes = list(self.through(address, patience=0).rate_many(listings(2)))
        self.assertEqual([(outcome.code, outcome.retry_after) for outcome in outcomes], [("RESOURCE_EXHAUSTED", RETRY_AFTER)] * 2)

    def test_a_server_that_does_not_come_back_ends_it(self) -> None:
        address, _ = self.door(calls=99, code=code_pb2.UNAVAILABLE if grpc else 0, delay=None)
        with self.assertRaises(wildwarden.Unavailable):
            list(self.through(address, patience=0.3).rate_many(listings(2)))

    def test_it_reads_no_further_ahead_than_its_messages(self) -> None:
        taken = 0

        def endless():
            nonlocal taken
            while True:
                taken += 1
                yield Listing(title="vintage teak chair", listing_id=str(taken))

        rated = self.client.rate_many(endless(), in_flight=2, max_items=4)
        self.assertEqual(ids(next(rated) for _ in range(4)), ["1", "2", "3", "4"])
        self.assertLessEqual(taken, 9)
        begun = time.monotonic()
        rated.close()
        self.assertLess(time.monotonic() - begun, 30)
        self.assertEqual([thread.name for thread in threading.enumerate() if thread.name.startswith("wildwarden")], [])

    def test_what_the_callers_iterator_raises_comes_through(self) -> None:
        def broken():
            yield from listings(2)
            raise KeyError("mine")

        with self.assertRaisesRegex(KeyError, "mine"):
            list(self.client.rate_many(broken()))


class Streams(Served):
    def test_every_listing_gets_its_own_outcome(self) -> None:
        given = listings(40)
        answered = {listing.listing_id: outcome for listing, outcome in self.client.rate_stream(given, in_flight=8)}
        self.assertEqual(sorted(answered), sorted(listing.listing_id for listing in given))
        self.assertTrue(all(outcome.listing_id == of for of, outcome in answered.items()))

    def test_listings_that_come_slowly_are_answered_before_the_last_one_came(self) -> None:
        answered = threading.Event()

        def slowly():
            yield Listing(title=TITLE)
            if not answered.wait(TIMEOUT):
                raise AssertionError("the first was not answered before the second came")
            yield Listing(title="vintage teak chair")

        count = 0
        for _, outcome in self.client.rate_stream(slowly()):
            self.assertNotIsInstance(outcome, NotRated)
            answered.set()
            count += 1
        self.assertEqual(count, 2)

    def test_refused_listings_are_sent_again_after_the_delay(self) -> None:
        address, door = self.door(items=3)
        begun = time.monotonic()
        outcomes = [outcome for _, outcome in self.through(address).rate_stream(listings(6))]
        self.assertEqual(sorted(ids(outcomes)), [f"l{index}" for index in range(6)])
        self.assertGreaterEqual(time.monotonic() - begun, RETRY_AFTER)
        self.assertEqual(door.items, 0)

    def test_a_bad_listing_has_an_outcome_of_its_own(self) -> None:
        given = [Listing(title=TITLE), Listing(listing_id="empty"), Listing(title="a", request_id="x" * 999)]
        outcomes = {listing: outcome for listing, outcome in self.client.rate_stream(given)}
        self.assertEqual([type(outcomes[listing]) is NotRated for listing in given], [False, True, True])

    def test_what_the_callers_iterator_raises_comes_through(self) -> None:
        def broken():
            yield from listings(2)
            raise KeyError("mine")

        outcomes = []
        with self.assertRaisesRegex(KeyError, "mine"):
            outcomes.extend(self.client.rate_stream(broken()))
        with self.assertRaisesRegex(ValueError, "request_id 'twice'"):
            list(self.client.rate_stream(Listing(title=TITLE, images=[BANGLE.read_bytes()] * 9, request_id="twice") for _ in range(50)))

    def test_whoever_stops_early_ends_it(self) -> None:
        def endless():
            while True:
                yield Listing(title="vintage teak chair")

        begun = time.monotonic()
        for _ in self.client.rate_stream(endless(), in_flight=2):
            break
        self.assertLess(time.monotonic() - begun, 30)
        until = time.monotonic() + 30
        while time.monotonic() < until and any(thread.name == "wildwarden-listings" for thread in threading.enumerate()):
            time.sleep(0.01)
        self.assertNotIn("wildwarden-listings", [thread.name for thread in threading.enumerate()])

    def test_a_lost_server_is_said(self) -> None:
        with self.assertRaises(wildwarden.Unavailable):
            list(self.through("127.0.0.1:1").rate_stream(listings(1)))


class Asynchronous(Served):
    def run_with(self, address: str, work, **settings):
        async def main():
            async with AsyncClient(address, **{"timeout": TIMEOUT} | settings) as client:
                return await work(client)

        return asyncio.run(main())

    def test_it_says_what_the_blocking_client_says(self) -> None:
        given = listings(6)

        async def work(client):
            one = await asyncio.gather(*(client.rate(listing) for listing in given))
            many = [outcome async for outcome in client.rate_many(given, max_items=4)]

            async def coming():
                for listing in given:
                    await asyncio.sleep(0)
                    yield listing

            streamed = {listing.listing_id: outcome async for listing, outcome in client.rate_stream(coming(), in_flight=2)}
            return one, many, [streamed[listing.listing_id] for listing in given], (await client.info()).version

        one, many, streamed, version = self.run_with(self.address, work)
        wanted = [same(self.client.rate(listing)) for listing in given]
        for outcomes in (one, many, streamed):
            self.assertEqual([same(outcome) for outcome in outcomes], wanted)
        self.assertEqual(version, self.client.info().version)

    def test_refusals_are_waited_for(self) -> None:
        async def rate(client):
            return await client.rate(Listing(title=TITLE))

        async def many(client):
            return [outcome async for outcome in client.rate_many(listings(6))]

        async def stream(client):
            return [outcome async for _, outcome in client.rate_stream(listings(6))]

        for work, refuses in ((rate, {"calls": 1}), (many, {"calls": 1}), (many, {"items": 2}), (stream, {"items": 2})):
            with self.subTest(work.__name__, **refuses):
                address, door = self.door(**refuses)
                begun = time.monotonic()
                found = self.run_with(address, work)
                self.assertGreaterEqual(time.monotonic() - begun, RETRY_AFTER)
                self.assertEqual((door.calls, door.items), (0, 0))
                if work is not rate:
                    self.assertEqual(sorted(ids(found)), [f"l{index}" for index in range(6)])
        address, door = self.door(calls=99)
        with self.assertRaises(wildwarden.Full):
            self.run_with(address, rate, patience=0)

    def test_whoever_stops_early_leaves_nothing_running(self) -> None:
        async def work(client):
            async with aclosing(client.rate_many(listings(40), max_items=2)) as rated:
                async for _ in rated:
                    break
            async with aclosing(client.rate_stream(listings(40), in_flight=2)) as streamed:
                async for _ in streamed:
                    break
            await asyncio.sleep(0)
            return [task.get_coro().__qualname__ for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        self.assertEqual([name for name in self.run_with(self.address, work) if "wildwarden" in name or "_Flow" in name or "_rate" in name], [])

    def test_what_the_callers_iterator_raises_comes_through(self) -> None:
        async def broken():
            yield Listing(title=TITLE)
            raise KeyError("mine")

        async def many(client):
            return [outcome async for outcome in client.rate_many(broken())]

        async def stream(client):
            return [outcome async for outcome in client.rate_stream(broken())]

        for work in (many, stream):
            with self.subTest(work.__name__), self.assertRaisesRegex(KeyError, "mine"):
                self.run_with(self.address, work)

    def test_the_deadline_holds(self) -> None:
        async def work(client):
            await client.rate(Listing(title=TITLE, images=[BANGLE.read_bytes() + b"deadline"] * 9), timeout=0.001)

        with self.assertRaises((wildwarden.DeadlineExceeded, wildwarden.Full)):
            self.run_with(self.address, work)


def expected_row(rating, categories: list[str]) -> dict:
    """The columns, from the rating's canonical JSON and by another way than the package's."""
    written = json.loads(json_format.MessageToJson(rating, always_print_fields_with_no_presence=True))
    by_name = {of["category"]: of for of in written["categories"]}
    row = {"listing_id": written["listingId"] or None, "error_code": None, "error": None, "risk": written["risk"]}
    row |= {"level": written["level"].split("_", 1)[1].lower(), "suggestion": written["suggestion"].split("_", 1)[1].lower()}
    for name in categories:
        of = by_name[name]
        row[f"probability_{name}"] = None if of["unrated"] else of["probability"]
        row[f"image_{name}"] = of.get("imageProbability")
        row[f"text_{name}"] = of.get("textProbability")
    ranked = sorted((of for of in written["categories"] if not of["unrated"]), key=lambda of: -of["probability"])
    row["best_image"] = (ranked[0]["bestImageId"] if ranked else "") or None
    row["reasons"] = [":".join(filter(None, (of["code"][len("REASON_CODE_") :].lower(), of["category"]))) for of in written["reasons"]]
    row |= {"degraded": written["degraded"], "missing": written["missing"]}
    row["versions"] = ["policy=" + written["policy"]["version"]] + [f"{of['name']}={of['version']}" for of in written["models"]]
    return row


class Rows(Served):
    def test_columns_are_those_of_the_layout(self) -> None:
        self.assertEqual(
            [f"{column.name} {column.kind}" for column in rows.columns(["ivory", "x"])],
            [
                *("listing_id utf8", "error_code utf8", "error utf8", "risk float64", "level utf8", "suggestion utf8"),
                *("probability_ivory float64", "image_ivory float64", "text_ivory float64"),
                *("probability_x float64", "image_x float64", "text_x float64"),
                *("best_image utf8", "reasons list<utf8>", "degraded bool", "missing list<utf8>", "versions list<utf8>", "rating utf8"),
            ],
        )
        schema = rows.schema(["ivory"])
        self.assertEqual(schema.names, [column.name for column in rows.columns(["ivory"])])
        self.assertTrue(all(of.nullable for of in schema))
        self.assertEqual((schema.metadata, schema.field("reasons").type), ({b"wildwarden.schema": b"1"}, pyarrow.list_(pyarrow.string())))

    def test_a_row_says_what_the_rating_says(self) -> None:
        categories = [category.name for category in self.client.info().categories]
        photos = [path.read_bytes() for path in sorted(RENDERED.glob("*.jpg"))[:3]]
        given = [*listings(3), Listing(title="象牙", images=photos), Listing(images=photos), Listing(images=[*photos, b"broken"], listing_id="é")]
        for rating in self.client.rate_many(given):
            row = rows.row(rating, categories)
            whole = row.pop("rating")
            self.assertEqual(row, expected_row(rating, categories))
            self.assertEqual(list(row), [column.name for column in rows.columns(categories)][:-1])
            self.assertEqual(json_format.Parse(whole, risk_pb2.ClassifyResponse()), rating)
            pyarrow.RecordBatch.from_pylist([row | {"rating": whole}], schema=rows.schema(categories))

    def test_a_row_without_a_rating_has_nothing_but_why(self) -> None:
        row = rows.row(NotRated("INVALID_ARGUMENT", "no"), ["ivory"], "42")
        self.assertEqual({name: of for name, of in row.items() if of is not None}, {"listing_id": "42", "error_code": "INVALID_ARGUMENT", "error": "no"})

    def test_the_best_image_is_that_of_the_first_of_equals_that_is_rated(self) -> None:
        of = [("a", 0.9, "0", True), ("b", 0.5, "1", False), ("c", 0.5, "2", False)]
        parts = [risk_pb2.CategoryRating(category=name, probability=at, best_image_id=image, unrated=un) for name, at, image, un in of]
        row = rows.row(risk_pb2.ClassifyResponse(categories=parts), ["a", "b", "c"])
        self.assertEqual((row["best_image"], row["probability_a"], row["probability_b"]), ("1", None, 0.5))

    def test_values_of_a_newer_server_are_numbers(self) -> None:
        rating = risk_pb2.ClassifyResponse(level=99, suggestion=98, reasons=[risk_pb2.Reason(code=97, category="ivory")])
        rating.categories.add(category="unheard_of", probability=0.5)
        row = rows.row(rating, ["ivory"])
        self.assertEqual((row["level"], row["suggestion"], row["reasons"]), ("99", "98", ["97:ivory"]))
        self.assertEqual(list(row), [column.name for column in rows.columns(["ivory"])])


class Frames(Served):
    def setUp(self) -> None:
        self.root = self.enterContext(tempfile.TemporaryDirectory())
        self.photos = Path(self.root) / "photos"
        (self.photos / "in").mkdir(parents=True)
        shutil.copy(BANGLE, self.photos / "in" / "bangle.jpg")
        shutil.copy(BANGLE, Path(self.root) / "outside.jpg")
        (self.photos / "link_out.jpg").symlink_to("../outside.jpg")
        (self.photos / "folder_out").symlink_to("..")
        (self.photos / "link_in.jpg").symlink_to("in/bangle.jpg")
        (self.photos / "circle").symlink_to("circle")
        os.mkfifo(self.photos / "pipe")

    # Paths of photos, and whether they are read.
    PATHS = (
        ("in/bangle.jpg", ""),
        ("link_in.jpg", ""),
        ("in/../in/bangle.jpg", ""),
        ("gone.jpg", "No such file"),
        ("../outside.jpg", "leaves images_root"),
        ("link_out.jpg", "leaves images_root"),
        ("folder_out/outside.jpg", "leaves images_root"),
        ("/etc/passwd", "leaves images_root"),
        ("in", "not a file"),
        ("pipe", "not a file"),
        ("circle", ""),
        ("nul\0.jpg", "null"),
        ("https://example.org/a.jpg", "No such file"),
    )

    def test_paths_stay_below_the_folder(self) -> None:
        reader = Reader(self.photos)
        for path, problem in self.PATHS:
            for cell in (path, Path(path) if "\0" not in path else path, [path], (path,)):
                with self.subTest(path, cell=type(cell).__name__):
                    listing = reader.listing(Cells(title="a", images=cell))
                    if not problem and path != "circle":
                        self.assertEqual(listing.images, [BANGLE.read_bytes()])
                    else:
                        self.assertEqual(listing.code, "UNREADABLE")
                        self.assertIn("images[0]", listing.message)
                        self.assertIn(problem, listing.message)
        with self.assertRaisesRegex(ValueError, "images_root"):
            Reader().listing(Cells(images="in/bangle.jpg"))
        with self.assertRaises(FileNotFoundError):
            Reader(self.photos / "gone")

    def test_cells_of_other_kinds_are_unreadable_or_empty(self) -> None:
        reader = Reader(self.photos)
        for cells, said in (
            (Cells(title=42), "title: a text is a string, not int"),
            (Cells(title="a", images=42), "images[0]: a photo is bytes or a path, not int"),
            (Cells(title="a", images=[b"x", {}]), "images[1]: a photo is bytes or a path, not dict"),
            (Cells(title="\ud800"), "title: no UTF-8 at character 0"),
        ):
            self.assertEqual(reader.listing(cells), NotRated("UNREADABLE", said))
        for empty in (None, math.nan, pandas.NA, pandas.NaT):
            self.assertEqual(reader.listing(Cells(title="a", description=empty, images=empty, listing_id=empty)), Listing(title="a", images=[]))
        self.assertEqual(reader.listing(Cells(title="a", images=[None, b"x"], listing_id=42.0)), Listing(title="a", images=[b"x"], listing_id="42"))

    def data(self) -> dict:
        return {
            "sku": [7, 8, 9, 10, 11],
            "goods_name": [TITLE, "vintage teak chair", None, "象牙", ""],
            "photo": [["in/bangle.jpg", "link_in.jpg"], None, ["in/bangle.jpg"], ["gone.jpg"], []],
        }

    def rated(self, frame, **more):
        names = {"title": "goods_name", "images": "photo", "listing_id": "sku", "images_root": self.photos}
        return rate_dataframe(frame, client=self.client, **names | more)

    def check(self, table: list[dict], prefix: str = "") -> None:
        categories = [category.name for category in self.client.info().categories]
        self.assertEqual([row[f"{prefix}error_code"] for row in table], [None, None, None, "UNREADABLE", "INVALID_ARGUMENT"])
        self.assertIn("gone.jpg", table[3][f"{prefix}error"])
        self.assertEqual([row[f"{prefix}listing_id"] for row in table], ["7", "8", "9", "10", "11"])
        photo = BANGLE.read_bytes()
        given = [Listing(TITLE, images=[photo, photo], listing_id="7"), Listing("vintage teak chair", listing_id="8"), Listing(images=[photo], listing_id="9")]
        for listing, row in zip(given, table, strict=False):
            wanted = expected_row(self.client.rate(listing), categories)
            self.assertEqual({name: row[prefix + name] for name in wanted}, wanted)
            whole = json_format.Parse(row[f"{prefix}rating"], risk_pb2.ClassifyResponse())
            self.assertEqual(same(whole), same(self.client.rate(listing)))

    def test_a_pandas_frame(self) -> None:
        frame = pandas.DataFrame(self.data(), index=["a", "b", "b", "c", "d"])
        before = frame.copy(deep=True)
        rated = self.rated(frame)
        pandas.testing.assert_frame_equal(frame, before)
        pandas.testing.assert_frame_equal(rated[list(frame.columns)], before)
        categories = [category.name for category in self.client.info().categories]
        self.assertEqual(list(rated.columns), [*frame.columns, *(column.name for column in rows.columns(categories))])
        kinds = {"utf8": "string", "float64": "float64", "bool": "boolean", "list<utf8>": "object"}
        self.assertEqual({c.name: str(rated[c.name].dtype) for c in rows.columns(categories)}, {c.name: kinds[c.kind] for c in rows.columns(categories)})
        table = rated.astype(object).to_dict("records")
        self.check([{name: None if not isinstance(of, list) and pandas.isna(of) else of for name, of in row.items()} for row in table])

    def test_a_polars_frame(self) -> None:
        rated = self.rated(polars.DataFrame(self.data(), schema={"sku": polars.Int64, "goods_name": polars.String, "photo": polars.List(polars.String)}))
        categories = [category.name for category in self.client.info().categories]
        self.assertEqual(rated.columns[3:], [column.name for column in rows.columns(categories)])
        self.assertEqual((rated.schema["reasons"], rated.schema["risk"], rated.schema["degraded"]), (polars.List(polars.String), polars.Float64, polars.Boolean))
        self.check(rated.to_dicts())

    def test_photos_as_bytes_and_as_lists_of_arrow(self) -> None:
        photo = BANGLE.read_bytes()
        wanted = same(self.client.rate(Listing(images=[photo])))
        table = pyarrow.table({"photo": pyarrow.array([[photo]], pyarrow.list_(pyarrow.binary()))})
        for frame in (pandas.DataFrame({"photo": [photo]}), polars.DataFrame({"photo": [photo]}), table.to_pandas(), polars.from_arrow(table)):
            rated = rate_dataframe(frame, client=self.client, images="photo")
            self.assertEqual(same(json_format.Parse(rated["rating"][0], risk_pb2.ClassifyResponse())), wanted)

    def test_an_empty_frame_gets_empty_columns(self) -> None:
        for frame in (pandas.DataFrame({"goods_name": []}), polars.DataFrame({"goods_name": []})):
            rated = rate_dataframe(frame, client=self.client, title="goods_name")
            self.assertEqual((len(rated), rated.columns[-1]), (0, "rating"))

    def test_a_name_that_is_taken_is_named_and_a_prefix_is_the_way_out(self) -> None:
        for library in (pandas, polars):
            frame = library.DataFrame({"goods_name": [TITLE, "象牙"], "risk": [1.0, 2.0], "level": ["x", "y"]})
            with self.assertRaisesRegex(ValueError, "'risk', 'level' already.*prefix"):
                rate_dataframe(frame, client=self.client, title="goods_name")
            rated = rate_dataframe(frame, client=self.client, title="goods_name", prefix="ww_")
            self.assertEqual((list(rated["risk"]), list(rated["level"])), ([1.0, 2.0], ["x", "y"]))
            self.assertGreater(rated["ww_risk"][0], 0.5)

    def test_columns_that_are_not_there_are_named(self) -> None:
        frame = pandas.DataFrame({"goods_name": ["a"]})
        with self.assertRaisesRegex(ValueError, "images: the frame has no column 'photo'"):
            rate_dataframe(frame, client=self.client, title="goods_name", images="photo")
        with self.assertRaisesRegex(ValueError, "at least one column"):
            rate_dataframe(frame, client=self.client, listing_id="goods_name")
        with self.assertRaisesRegex(TypeError, "polars.LazyFrame"):
            rate_dataframe(polars.DataFrame({"goods_name": ["a"]}).lazy(), client=self.client, title="goods_name")


class Readme(Served):
    def test_what_it_says_to_type_runs(self) -> None:
        text = (PACKAGE / "README.md").read_text(encoding="utf-8")
        ran = 0
        for title in SECTIONS:
            section = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
            for block in re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
                with self.subTest(title, block=block):
                    program = block.replace("127.0.0.1:50051", self.address)
                    environment = os.environ | {"PYTHONPATH": str(PACKAGE)}
                    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
                    self.assertEqual((run.returncode, run.stderr), (0, ""))
                    self.assertTrue(run.stdout)
                    ran += 1
        self.assertEqual(ran, 4)


@unittest.skipUnless(grpc, MISSING)
class Source(unittest.TestCase):
    def run_tool(self, *command: str) -> None:
        run = subprocess.run([sys.executable, "-m", *command], cwd=PACKAGE, capture_output=True, text=True, timeout=TIMEOUT * 5)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def load(self, name: str, path: Path):
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def test_the_stubs_are_what_the_contract_makes(self) -> None:
        stubs = self.load("stubs", PACKAGE / "stubs.py")
        out = Path(self.enterContext(tempfile.TemporaryDirectory()))
        stubs.make(out)
        made = sorted(path.name for path in (out / "wildwarden" / "v1").iterdir())
        self.assertEqual(len(made), 6)
        there = sorted(path.name for path in (PACKAGE / "wildwarden" / "v1").iterdir() if path.is_file() and path.name != "__init__.py")
        self.assertEqual(made, there)
        _, other, unread = filecmp.cmpfiles(out / "wildwarden" / "v1", PACKAGE / "wildwarden" / "v1", made, shallow=False)
        self.assertEqual((other, unread), ([], []), "run clients/python/stubs.py")

    def test_types_hold_strictly(self) -> None:
        self.run_tool("mypy", "--strict", "--cache-dir", self.enterContext(tempfile.TemporaryDirectory()), "-p", "wildwarden")

    def test_style_holds(self) -> None:
        self.run_tool("ruff", "check", "--no-cache", ".")

    def test_a_caller_sees_types(self) -> None:
        program = "from wildwarden import Client, Listing\n\nrisk: str = Client().rate(Listing(title='a')).risk\nListing(name='a')\n"
        file = Path(self.enterContext(tempfile.TemporaryDirectory())) / "caller.py"
        file.write_text(program)
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(file.parent), "--config-file", str(PACKAGE / "pyproject.toml"), str(file)]
        run = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=TIMEOUT * 5)
        self.assertIn('caller.py:3: error: Incompatible types in assignment (expression has type "float", variable has type "str")', run.stdout)
        self.assertIn('caller.py:4: error: Unexpected keyword argument "name" for "Listing"', run.stdout)

    def test_the_wheel_carries_the_models_of_the_repository_and_no_others(self) -> None:
        maturin = type(sys)("maturin")
        maturin.get_requires_for_build_wheel = lambda settings=None: []
        sys.modules.setdefault("maturin", maturin)
        backend = self.load("backend", PACKAGE / "build_backend" / "backend.py")
        backend.MODELS = Path(self.enterContext(tempfile.TemporaryDirectory())) / "models"
        backend.lay_out()
        laid = sorted(str(path.relative_to(backend.MODELS.parent)) for path in backend.MODELS.rglob("*") if path.is_file())
        listed = subprocess.run(["git", "ls-files", "models"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        self.assertEqual(laid, sorted(listed))

    def test_the_program_is_found_where_it_is_said_to_lie(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        program = folder / "wildwarden"
        program.write_text('#!/bin/sh\necho "ran $*"\n')
        program.chmod(0o755)
        said = {key: value for key, value in os.environ.items() if key != "WILDWARDEN"} | {"PYTHONPATH": str(PACKAGE)}
        for environment in (said | {"WILDWARDEN": str(program)}, said | {"PATH": f"{folder}:{said['PATH']}"}):
            command = [sys.executable, "-m", "wildwarden", "serve", "--help"]
            run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual((run.returncode, run.stdout), (0, "ran serve --help\n"), run.stderr)


if __name__ == "__main__":
    unittest.main()
