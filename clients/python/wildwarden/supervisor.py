"""The process that looks after a host's server: what `wildwarden.host` starts, and every task of the host connects to.

It unpacks the bundle, runs `wildwarden serve`, asks its health, starts another when it dies or hangs, tells the tasks where it answers, and
ends it, itself and what it unpacked when nobody has had a lease for a while.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from wildwarden import bundle as bundles
from wildwarden.host import DOOR, HEALTH_TIMEOUT, LOG, START_SECONDS, STARTS, STATE, TICK, created, serves, tail

UNPACKED = "bundle"
HEALTH_EVERY = 5.0  # seconds
# How often in a row health may be late before the server is taken to hang: a machine whose cores are all at work answers late.
LATE = 6
DRAIN_SECONDS = 10.0
TOLD_WITHIN = 5.0  # seconds that a supervisor which gives up waits for somebody to tell
# Seconds before a server that served and died is started again: 0 at first, doubled up to the last; forgotten once it lasts.
FIRST_PAUSE, LAST_PAUSE, LASTS = 0.5, 10.0, 60.0


@dataclass
class _Server:
    """A server's process, and a small one that kills it when the supervisor is no more."""

    process: subprocess.Popen[bytes]
    watch: subprocess.Popen[bytes]
    began: float
    read: int
    address: str = ""
    late: int = 0
    asked: float = 0.0

    @classmethod
    def start(cls, order: Mapping[str, Any], models: Path, log: Path) -> _Server:
        program = order["program"]
        command = [program, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "", "--models", str(models), "--policy", str(models / "policy.toml")]
        # What stands in the task's environment for a server of somebody else's would rate otherwise than the key says.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WILDWARDEN_")}
        environment |= {"WILDWARDEN_LOG_FORMAT": "json", "ORT_DISABLE_TELEMETRY": "1"}
        environment |= {"WILDWARDEN_" + key.upper().replace(".", "_"): value for key, value in order["settings"].items()}
        library = onnxruntime()
        if library and "ORT_DYLIB_PATH" not in environment:
            environment["ORT_DYLIB_PATH"] = library
        read = log.stat().st_size
        with log.open("ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=order["folder"], env=environment)
        return cls(process, _watch(process.pid), time.monotonic(), read)

    def look(self, log: Path) -> None:
        """Reads in the log where it serves."""
        with log.open("rb") as lines:
            lines.seek(self.read)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self.read += len(line)
                try:
                    fields = json.loads(line)["fields"]
                except (ValueError, KeyError, TypeError):
                    continue
                if fields.get("message") == "serving":
                    self.address = fields["address"]

    def hangs(self) -> bool:
        """Asks its health, now and then. Whether it was late too often."""
        if time.monotonic() - self.asked < HEALTH_EVERY:
            return False
        self.late = 0 if serves(self.address, HEALTH_TIMEOUT) else self.late + 1
        self.asked = time.monotonic()
        return self.late >= LATE

    def watched(self) -> None:
        """Starts its watch again, when somebody has ended it."""
        if self.watch.poll() is not None:
            if self.watch.stdin:
                self.watch.stdin.close()
            self.watch = _watch(self.process.pid)

    def stop(self, seconds: float) -> None:
        """Lets it finish what is under way, for so long."""
        if self.process.poll() is None and seconds > 0:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        # Its watch goes first: once the server is reaped its process id may become another's.
        self.watch.kill()
        self.watch.wait()
        if self.watch.stdin:
            self.watch.stdin.close()
        self.process.kill()
        self.process.wait()


def _watch(process: int) -> subprocess.Popen[bytes]:
    """It reads until the pipe's other end, which the supervisor alone holds, is closed, and kills the process then."""
    return subprocess.Popen(["/bin/sh", "-c", 'read _; kill -9 "$0"', str(process)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class _Supervisor:
    """Looks after one server for those who hold a lease of it."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        self.order = order
        self.folder = Path(order["folder"])
        self.log = self.folder / LOG
        self.server: _Server | None = None
        self.starts = 0
        self.failed = 0
        self.pause, self.next_start = 0.0, 0.0
        self.leases: set[socket.socket] = set()
        self.idle_since = time.monotonic()
        self.told_to_end = False
        self.selector = selectors.DefaultSelector()
        path = self.folder / DOOR
        path.unlink(missing_ok=True)
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(path))
        self.door.listen(1024)
        self.door.setblocking(False)
        self.selector.register(self.door, selectors.EVENT_READ)

    def run(self) -> None:
        """Until nobody needs it. Tasks may connect from before the bundle is unpacked: they wait for what they are told."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.end)
        why = ""
        try:
            models = bundles.unpack(self.order["bundle"], self.folder / UNPACKED, self.order["id"])
            while not self.told_to_end and not why and not self.idle():
                why = self.tend(models)
                self.leased(TICK)
        except (OSError, bundles.BundleError) as error:
            why = f"this host's server cannot start: {error}"
        self.close(why)

    def end(self, number: int, frame: FrameType | None) -> None:
        self.told_to_end = True

    def idle(self) -> bool:
        if self.leases:
            self.idle_since = time.monotonic()
        seconds: float = self.order["idle_seconds"]
        return time.monotonic() - self.idle_since > seconds

    def tend(self, models: Path) -> str:
        """Looks after the server. Says why when it is given up."""
        now = time.monotonic()
        if self.server is None:
            if now >= self.next_start:
                self.starts += 1
                self.server = _Server.start(self.order, models, self.log)
            return ""
        server = self.server
        code = server.process.poll()
        if code is None:
            server.watched()
        if not server.address:
            server.look(self.log)
            if server.address:
                self.failed = 0
                self.tell()
            elif code is not None or now - server.began > START_SECONDS / 2:
                self.failed += 1
                self.drop(f"the server does not start (exit status {code})")
                if self.failed == STARTS:
                    return f"this host's server does not start, {STARTS} times{tail(self.log)}"
        elif code is not None:
            self.drop(f"the server ended (exit status {code})")
        elif server.hangs():
            self.drop("the server no longer answers")
        return ""

    def drop(self, why: str) -> None:
        """The server is no more, or is no use: another is started."""
        if self.server is None:
            return
        lasted = time.monotonic() - self.server.began
        self.server.stop(0)
        self.server = None
        self.next_start = time.monotonic() + (0.0 if lasted > LASTS else self.pause)
        self.pause = FIRST_PAUSE if lasted > LASTS else min(max(2 * self.pause, FIRST_PAUSE), LAST_PAUSE)
        print(f"wildwarden.host: {why}; starting another", flush=True)

    def leased(self, seconds: float) -> None:
        """New leases, and those that end: nobody ever writes to the door, so what can be read is the end."""
        for key, _ in self.selector.select(seconds):
            lease = key.fileobj
            if lease is self.door:
                self.accept()
            elif isinstance(lease, socket.socket):
                try:
                    alive = lease.recv(1024) != b""
                except BlockingIOError:
                    continue
                except OSError:
                    alive = False
                if not alive:
                    self.part(lease)

    def accept(self) -> None:
        while True:
            try:
                lease, _ = self.door.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of files: those who wait are taken when others have gone.
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED):
                    return
                raise
            lease.setblocking(False)
            self.leases.add(lease)
            self.selector.register(lease, selectors.EVENT_READ)
            if self.server and self.server.address:
                self.say(lease, {"address": self.server.address})

    def part(self, lease: socket.socket) -> None:
        self.selector.unregister(lease)
        self.leases.discard(lease)
        lease.close()

    def say(self, lease: socket.socket, said: Mapping[str, Any]) -> None:
        try:
            lease.sendall(json.dumps(said).encode() + b"\n")
        except OSError:
            self.part(lease)

    def tell(self) -> None:
        """A server serves: the folder says so, and everybody is told."""
        if self.server is None:
            return
        address = self.server.address
        said = {"address": address, "server": self.server.process.pid, "supervisor": os.getpid(), "starts": self.starts}
        new = self.folder / (STATE + ".part")
        with open(created(new), "w") as out:
            json.dump(said, out)
        new.replace(self.folder / STATE)
        for lease in list(self.leases):
            self.say(lease, {"address": address})

    def close(self, why: str) -> None:
        """Ends all. Nobody comes in any more; who came meanwhile is told why, or asks anew once the lock is free. The lock's file stays: to remove
        one that others may have open would let two hold it."""
        if why:
            print(f"wildwarden.host: {why}", flush=True)
            # Who started this is about to ask.
            until = time.monotonic() + TOLD_WITHIN
            while not self.leases and time.monotonic() < until:
                self.leased(TICK)
        for name in (DOOR, STATE):
            (self.folder / name).unlink(missing_ok=True)
        self.accept()
        self.door.close()
        for lease in list(self.leases):
            if why:
                self.say(lease, {"error": why})
            lease.close()
        if self.server is not None:
            self.server.stop(DRAIN_SECONDS)
        shutil.rmtree(self.folder / UNPACKED, ignore_errors=True)


def supervise(order: dict[str, Any]) -> None:
    """The supervisor's process, for as long as it lives. It has inherited the lock and holds it by not closing it."""
    os.umask(0o077)
    _Supervisor(order).run()


def onnxruntime() -> str | None:
    """The library in the package `onnxruntime`, which is not imported for it."""
    found = importlib.util.find_spec("onnxruntime")
    for folder in found.submodule_search_locations or () if found else ():
        for pattern in ("libonnxruntime.so.*", "libonnxruntime.*.dylib"):
            for library in sorted(Path(folder, "capi").glob(pattern)):
                return str(library)
    return None
