"""Builds and runs the example clients as clients/examples/README.md says, against a server of its own. Run by scripts/test.sh.

Needs target/debug/wildwarden (or WILDWARDEN, a path), ONNX Runtime in .runtime, grpcio-tools and grpcio-status, and Debian's packages of
each language: the test of one that is missing is skipped and names them. npm fetches the packages of the example for Node.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

try:
    import grpc
    import grpc_tools  # noqa: F401
    from google.protobuf.any_pb2 import Any
    from google.rpc import code_pb2, error_details_pb2, status_pb2
    from grpc_status import rpc_status
except ImportError:
    grpc = None

from server_process import serve

ROOT = Path(__file__).parent.parent
TIMEOUT = 600

KEY = "a key that the server does not ask for"
LISTING = "clients/examples/load/build/listing.json"
CLASSIFY = "/wildwarden.v1.RiskService/Classify"
PREFIX = 5  # bytes that gRPC puts before a message
RETRY_AFTER = 0.3  # seconds
DEADLINE = 5  # seconds that the examples give the server

# A command or a file, and the package of Debian that has it.
GO = {
    "go": "golang-go",
    "protoc": "protobuf-compiler",
    "protoc-gen-go": "protoc-gen-go",
    "protoc-gen-go-grpc": "protoc-gen-go-grpc",
    "/usr/share/gocode/src/google.golang.org/grpc": "golang-google-grpc-dev",
    "/usr/share/gocode/src/github.com/golang/protobuf/proto/buffer.go": "golang-github-golang-protobuf-1-5-dev",
}
JAVA = {
    "javac": "openjdk-17-jdk-headless",
    "protoc": "protobuf-compiler",
    "grpc_java_plugin": "protobuf-compiler-grpc-java-plugin",
    "/usr/share/java/grpc-api.jar": "libgrpc-java",
    "/usr/share/java/protobuf.jar": "libprotobuf-java",
    "/usr/share/java/proto-google-common-protos.jar": "libgoogle-common-protos-java",
    "/usr/share/java/guava.jar": "libguava-java",
    "/usr/share/java/gson.jar": "libgoogle-gson-java",
    "/usr/share/java/netty-common.jar": "libnetty-java",
    "/usr/share/java/perfmark-api.jar": "libperfmark-java",
    "/usr/share/java/geronimo-annotation-1.3-spec.jar": "libgeronimo-annotation-1.3-spec-java",
}
NODE = {"node": "nodejs", "npm": "npm"}
LOAD = {"h2load": "nghttp2-client"}


@dataclass
class Door:
    """What stands before the server: it refuses the first calls with a delay, and passes on the others."""

    server: str
    refusals: int
    calls: list[dict] = field(default_factory=list)

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self.classify) if details.method == CLASSIFY else None

    def classify(self, request: bytes, context) -> bytes:
        headers = {key: value for key, value in context.invocation_metadata()}
        self.calls.append({"at": time.monotonic(), "left": context.time_remaining(), "authorization": headers.get("authorization")})
        if len(self.calls) <= self.refusals:
            delay = error_details_pb2.RetryInfo()
            delay.retry_delay.FromMilliseconds(int(RETRY_AFTER * 1000))
            # As the server does: another detail stands before the delay.
            details = [Any(), Any()]
            details[0].Pack(error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="wildwarden"))
            details[1].Pack(delay)
            context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="full", details=details)))
        with grpc.insecure_channel(self.server) as channel:
            return channel.unary_unary(CLASSIFY)(request, timeout=context.time_remaining())


def section(title: str) -> str:
    readme = (ROOT / "clients" / "examples" / "README.md").read_text(encoding="utf-8")
    return re.search(rf"^## {title}$(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)[1]


def block(title: str) -> list[str]:
    """The folder that the commands of a section run in, and the commands."""
    (found,) = re.findall(r"^```sh\ncd (.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    return found.splitlines()


def level(of: dict) -> str:
    return of["level"].removeprefix("LEVEL_")


def expected(rating: dict) -> str:
    """What every example prints for a rating, here in canonical JSON."""
    lines = [f"suggestion: {rating['suggestion'].removeprefix('SUGGESTION_')}", f"risk: {rating['risk']:.4f} ({level(rating)})"]
    for of in rating["categories"]:
        lines.append(f"category: {of['category']} " + ("unrated" if of.get("unrated") else f"{of['probability']:.4f} ({level(of)})"))
    for reason in rating["reasons"]:
        arguments = ", ".join(sorted(f"{name}={value}" for name, value in reason["arguments"].items()))
        lines.append(f"reason: {reason['code'].removeprefix('REASON_CODE_')} {reason.get('category') or 'listing'} ({arguments})")
    return "".join(line + "\n" for line in lines)


@unittest.skipUnless(grpc, "pip install grpcio-tools grpcio-status: the examples are not tested")
class Examples(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        # What the commands need of a checkout. They write, so not into this one.
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        built = shutil.ignore_patterns("build", "node_modules", "wildwarden", "__pycache__")
        shutil.copytree(ROOT / "clients" / "examples", cls.folder / "clients" / "examples", ignore=built)
        for name in ("proto", "tests", "clients/python"):
            (cls.folder / name).symlink_to(ROOT / name)
        cls.address = serve(cls.folder / "server.log", cls.addClassCleanup)["serving"]
        folder, write, *_ = block("Load")
        cls.run_in(folder, write)
        cls.wanted = expected(cls.rating())

    @classmethod
    def rating(cls) -> dict:
        """Of the listing that the README rates, by the other door of the server."""
        body = (cls.folder / LISTING).read_bytes()
        request = urllib.request.Request(f"http://{cls.address}/v1/listings:rate", body, {"content-type": "application/json"})
        # Not through a proxy that the environment names.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=TIMEOUT) as answer:
            return json.load(answer)

    @classmethod
    def run_in(cls, folder: str, command: str, address: str = "", check: bool = True) -> subprocess.CompletedProcess:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WILDWARDEN_ADDRESS": address or cls.address,
            "WILDWARDEN_KEY": KEY,
            # So short a run never earns back what compiling the compiler well takes: it is done in half the time without.
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1",
        }
        shell = ["bash", "-euo", "pipefail", "-c", command]
        run = subprocess.run(shell, cwd=cls.folder / folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
        if check and run.returncode != 0:
            raise AssertionError(f"{command}\n{run.stdout}\n{run.stderr}")
        return run

    def door(self, refusals: int) -> tuple[str, Door]:
        # With that option, another server could listen on the same port and get some of the calls.
        server = grpc.server(ThreadPoolExecutor(max_workers=1), options=[("grpc.so_reuseport", 0)])
        door = Door(self.address, refusals)
        server.add_generic_rpc_handlers([door])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        return f"127.0.0.1:{port}", door

    def need(self, title: str, packages: dict[str, str]) -> None:
        self.assertEqual([package for package in packages.values() if package not in section(title)], [], "the README does not name them")
        missing = [package for name, package in packages.items() if not (shutil.which(name) or Path(name).is_absolute() and Path(name).exists())]
        if missing:
            self.skipTest(f"apt-get install {' '.join(missing)}: the example is not tested")

    def check(self, title: str, packages: dict[str, str], tries: int = 2) -> None:
        self.need(title, packages)
        folder, *build, rate = block(title)
        self.run_in(folder, "\n".join(build))

        with self.subTest("it prints the server's rating"):
            self.assertEqual(self.run_in(folder, rate).stdout, self.wanted)

        with self.subTest("it waits as long as a refusal says, and sends key and deadline both times"):
            address, door = self.door(refusals=1)
            self.assertEqual(self.run_in(folder, rate, address).stdout, self.wanted)
            first, second = door.calls
            self.assertGreaterEqual(second["at"] - first["at"], RETRY_AFTER)
            self.assertTrue(0 < second["left"] < first["left"] - RETRY_AFTER / 2 < DEADLINE, door.calls)
            self.assertEqual([call["authorization"] for call in door.calls], [f"Bearer {KEY}"] * 2)

        with self.subTest("it asks no third time, or not after the deadline"):
            address, door = self.door(refusals=99)
            run = self.run_in(folder, rate, address, check=False)
            self.assertLessEqual(len(door.calls), tries)
            self.assertGreaterEqual(len(door.calls), 2)
            self.assertLess(door.calls[-1]["at"] - door.calls[0]["at"], DEADLINE)
            self.assertIn("RESOURCE_EXHAUSTED: full", run.stderr)
            self.assertEqual((run.returncode, run.stdout), (1, ""))

        with self.subTest("it says what was wrong with a listing"):
            run = self.run_in(folder, rate.partition(" --title")[0], check=False)
            self.assertIn("INVALID_ARGUMENT: ", run.stderr)
            self.assertEqual((run.returncode, run.stdout), (1, ""))

    def test_python(self) -> None:
        self.check("Python", {}, tries=int(DEADLINE / RETRY_AFTER) + 1)

    def test_go(self) -> None:
        self.check("Go", GO)

    def test_java(self) -> None:
        self.check("Java", JAVA)

    def test_node(self) -> None:
        self.check("Node", NODE)

    def test_load(self) -> None:
        self.need("Load", LOAD)
        folder, _, over_http, over_grpc = block("Load")
        for load in (over_http, over_grpc):
            with self.subTest(load):
                # One caller, whom the server has no cause to refuse, however busy the machine is.
                said = self.run_in(folder, re.sub(r"-n \d+ -c \d+", "-n 20 -c 1", load)).stdout
                self.assertIn("requests: 20 total, 20 started, 20 done, 20 succeeded, 0 failed, 0 errored, 0 timeout", said)
                self.assertIn("status codes: 20 2xx, 0 3xx, 0 4xx, 0 5xx", said)
        # A refusal over gRPC is a 200, too, but one without data. Answers differ by what the numbers of their timings take.
        (data,) = re.findall(r"\((\d+)\) data", said)
        self.assertEqual(round(int(data) / self.bytes_of_an_answer()), 20, said)

    def bytes_of_an_answer(self) -> int:
        """To what load/listing.py wrote, as it is on the wire."""
        message = (self.folder / LISTING).with_suffix(".grpc").read_bytes()[PREFIX:]
        with grpc.insecure_channel(self.address) as channel:
            return PREFIX + len(channel.unary_unary(CLASSIFY)(message, timeout=DEADLINE))


if __name__ == "__main__":
    unittest.main()
