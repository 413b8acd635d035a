"""Clients that balance by themselves, as deploy/kubernetes/service-config.json tells them to, over three servers of this machine: while
listings are sent, one server is killed and comes back, and another drains and comes back. No call may fail.

Needs target/debug/wildwarden (or WILDWARDEN, a path), ONNX Runtime in .runtime, and grpcio-tools.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

try:
    import grpc
    import grpc_tools  # noqa: F401
except ImportError:
    grpc = None

from server_process import PROGRAM, ROOT, STARTS_WITHIN

CONFIG = ROOT / "deploy" / "kubernetes" / "service-config.json"
PHOTO = ROOT / "tests" / "fixtures" / "images" / "rendered" / "bangle.jpg"
# gRPC keeps this much of a call to send it once more, unless it is told otherwise. Listings are larger.
KEPT_BY_DEFAULT = 256 << 10
CALLERS = 3
DEADLINE = 120  # seconds a call may take on a busy machine: what is tested is whether it is answered
ENOUGH = 4  # answers that show that a server takes part
WITHIN = 240  # seconds until what is waited for has come about
GRACE = 15  # seconds in which a server that goes answers as before
# Admission is another test's: three servers share the cores of one machine here, and none may refuse for that.
SETTINGS = {"SCHEDULER_MAX_WAIT_MS": "600000", "SCHEDULER_WORKERS": "1", "SERVER_DRAIN_GRACE_SECONDS": str(GRACE), "LOG_FORMAT": "json"}


@dataclass
class Server:
    """A server that keeps its port over restarts."""

    log: Path
    port: int = 0
    admin: str = ""
    process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [str(PROGRAM), "serve", "--listen", f"127.0.0.1:{self.port}", "--admin-listen", "127.0.0.1:0"]
        environment = os.environ | {f"WILDWARDEN_{key}": value for key, value in SETTINGS.items()}
        with self.log.open("w") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
        until = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < until and self.process.poll() is None:
            said = [json.loads(line)["fields"] for line in self.log.read_text().splitlines() if line.startswith("{")]
            addresses = {fields["message"]: fields["address"] for fields in said if "address" in fields}
            if "serving" in addresses:
                self.port, self.admin = int(addresses["listening"].rpartition(":")[2]), addresses["listening for operators"]
                return
            time.sleep(0.1)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def rated(self) -> int:
        """Listings, since it was started. No client tells in Python who answered it."""
        # Not through a proxy that the environment names.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{self.admin}/metrics", timeout=STARTS_WITHIN) as page:
            return sum(map(int, re.findall(r"(?m)^wildwarden_listings_rated_total\{.*\} (\d+)", page.read().decode())))

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=STARTS_WITHIN)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.end(signal.SIGKILL)


@dataclass
class Calls:
    """What came of calls that are made until somebody says stop."""

    classify: object
    request: object
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    ratings: set[tuple] = field(default_factory=set)
    number: int = 0

    def run(self) -> None:
        while not self.ended.is_set():
            with self.lock:
                self.number += 1
                request = type(self.request)()
                request.CopyFrom(self.request)
                # Bytes after the end of a JPEG are none of the picture, and no cache knows them.
                request.images[0].content += self.number.to_bytes(8, "big")
                request.listing_id = str(self.number)
            try:
                answer = self.classify(request, timeout=DEADLINE)
            except grpc.RpcError as error:
                with self.lock:
                    self.failures.append(f"{error.code().name}: {error.details()}")
                continue
            with self.lock:
                self.answered += 1
                self.ratings.add((answer.listing_id == request.listing_id, round(answer.risk, 4), answer.suggestion, answer.degraded))


@unittest.skipUnless(grpc, "pip install grpcio-tools: balancing is not tested")
class Balancing(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        sys.path.insert(0, str(ROOT / "proto"))
        cls.addClassCleanup(sys.path.remove, str(ROOT / "proto"))
        cls.contract, cls.services = grpc.protos_and_services("wildwarden/v1/risk.proto")

    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.servers = [Server(folder / f"{number}.log") for number in range(3)]
        for server in self.servers:
            self.addCleanup(server.stop)
            server.start()

    def channel(self):
        options = [
            ("grpc.service_config", CONFIG.read_text(encoding="utf-8")),
            # Or a call with a photo of more than KEPT_BY_DEFAULT is never sent again.
            ("grpc.per_rpc_retry_buffer_size", 32 << 20),
            # Of several addresses gRPC makes a name with commas in it, which no server of HTTP/2 takes. Names that DNS knows are their own.
            ("grpc.default_authority", "wildwarden"),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        addresses = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return self.enterContext(grpc.insecure_channel(f"ipv4:{addresses}", options))

    def calls(self) -> Calls:
        photo = PHOTO.read_bytes()
        photo += bytes(KEPT_BY_DEFAULT + 1024)
        request = self.contract.ClassifyRequest(title="老象牙手镯 包浆好", images=[self.contract.Image(content=photo)])
        calls = Calls(self.services.RiskServiceStub(self.channel()).Classify, request)
        threads = [threading.Thread(target=calls.run) for _ in range(CALLERS)]
        self.addCleanup(lambda: [thread.join() for thread in threads])
        self.addCleanup(calls.ended.set)
        for thread in threads:
            thread.start()
        return calls

    def wait(self, what: str, come_about) -> None:
        until = time.monotonic() + WITHIN
        while not come_about():
            self.assertLess(time.monotonic(), until, f"{what}: {self.seen.answered}, {self.seen.failures}")
            time.sleep(0.05)

    def everybody(self, *servers: Server) -> None:
        """Waits until each of them has rated some more."""
        before = [server.rated() for server in servers]
        self.wait(f"{[server.port for server in servers]} rate", lambda: all(server.rated() >= count + ENOUGH for server, count in zip(servers, before)))

    def test_no_call_fails_while_servers_are_killed_drained_and_started(self) -> None:
        self.seen = self.calls()
        killed, drained, stays = self.servers
        self.everybody(*self.servers)

        killed.end(signal.SIGKILL)
        self.everybody(drained, stays)
        killed.start()
        self.everybody(*self.servers)

        drained.process.send_signal(signal.SIGTERM)
        # Within the grace it still answers. That nothing reaches it any more is the client's doing, who watches its health.
        time.sleep(GRACE / 5)
        self.assertIsNone(drained.process.poll(), "it still serves")
        before = drained.rated()
        self.everybody(killed, stays)
        self.assertEqual(drained.rated(), before)
        self.assertEqual(drained.process.wait(timeout=STARTS_WITHIN), 0)
        drained.start()
        self.everybody(*self.servers)

        self.seen.ended.set()
        self.assertEqual(self.seen.failures, [])
        self.assertEqual(len(self.seen.ratings), 1, "every server gives the same rating to the listing that was sent")

    def test_calls_wait_until_there_is_a_server(self) -> None:
        for server in self.servers:
            server.end(signal.SIGKILL)
        self.seen = self.calls()
        time.sleep(1)
        self.assertEqual((self.seen.answered, self.seen.failures), (0, []))
        self.servers[0].start()
        self.everybody(self.servers[0])
        self.seen.ended.set()
        self.assertEqual(self.seen.failures, [])


if __name__ == "__main__":
    unittest.main()
