"""One server a worker host, shared by all tasks there that rate with the same bundle and settings.

The first task that needs it starts a supervisor, which unpacks the bundle, runs `wildwarden serve` on a free port of the loopback
address and answers at a socket in a private folder. A task connects there, is told the server's address, and keeps the connection: that
is its lease, and it ends with the task's process, however that ends. The supervisor asks the server's health, starts another when it
dies or no longer answers, and ends it, itself and what it unpacked when nobody has had a lease for a while.

A lock in that folder decides who starts a supervisor: the supervisor holds it for as long as it lives, and the system frees it when it
dies, so there are never two, and a lock is never stale. When the supervisor itself is killed, its server is killed too.

Owns the folder, the processes and the leases. Knows nothing of listings. Linux and macOS.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from wildwarden.errors import WildwardenError

# Seconds that a server without a lease lives on: between two stages of a job there are none.
IDLE_SECONDS = 60.0
# Seconds from a task's first wish to an answering server, on a busy machine; models of 160 MB are unpacked and checked in it.
START_SECONDS = 180.0
# Starts in a row that fail before the tasks are told.
STARTS = 3
HEALTH_TIMEOUT = 5.0  # seconds
# Between two looks of the supervisor at its server, and of a task at a socket that is not there yet.
TICK = 0.2

LOCK, DOOR, STATE, LOG = "lock", "door", "state.json", "log"
# Bytes of a socket's path that every system takes.
MAX_SOCKET_PATH = 103
TAIL = 4000

# Run by a Python of its own. It forks before anything else, so that nobody has to wait for its end, and gets the path of the task's
# modules afterwards, at the end of its own.
LAUNCH = """
import os, sys
if os.fork():
    os._exit(0)
import json
order = json.load(sys.stdin)
sys.path[:] = [path for path in sys.path if path] + [path for path in order["path"] if path not in sys.path]
from wildwarden.supervisor import supervise
supervise(order)
"""


class HostError(WildwardenError):
    """This host has no server for a task: it says why, with the end of the server's log."""


@dataclass(frozen=True)
class Serving:
    """What is served. Tasks for which it is equal share a server.

    Args:
        bundle: the bundle's id.
        settings: the server's, by their keys in its configuration file, for example `("scheduler.workers", "2")`.
        program: the path of the program `wildwarden` on this host.
    """

    bundle: str
    settings: tuple[tuple[str, str], ...]
    program: str

    def key(self) -> str:
        """The name of its folder. A program that was replaced is another one.

        Raises:
            HostError: there is no such program.
        """
        try:
            there = os.stat(self.program)
        except OSError as error:
            raise HostError(f"there is no program {self.program}: {error.strerror}") from error
        said = [self.bundle, sorted(self.settings), os.path.realpath(self.program), there.st_size, there.st_mtime_ns]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def home() -> Path:
    """The folder of this user on this host: WILDWARDEN_HOST_DIR, else one in the system's folder for temporary files.

    Raises:
        HostError: it is another user's, or open to others.
    """
    given = os.environ.get("WILDWARDEN_HOST_DIR")
    folder = Path(given).absolute() if given else Path(tempfile.gettempdir()) / f"wildwarden-{os.getuid()}"
    _private(folder)
    return folder


def state(serving: Serving) -> dict[str, Any] | None:
    """What the supervisor last wrote of its server: `address`, `server` and `supervisor` (process ids), `starts`. For people and tests."""
    try:
        said: dict[str, Any] = json.loads((home() / serving.key() / STATE).read_text())
    except FileNotFoundError:
        return None
    return said


def serves(address: str, timeout: float) -> bool:
    """Whether the server there says SERVING (grpc.health.v1) within `timeout` seconds."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        # An empty HealthCheckRequest asks for the whole server; field 1 of the answer is its status, 1 is SERVING.
        check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=_nothing, response_deserializer=bytes)
        try:
            status: bytes = check(None, timeout=timeout)
        except grpc.RpcError:
            return False
        return status == b"\x08\x01"


class Lease:
    """A task's claim on this host's server. The server lives at least as long.

    Args:
        serving: what is to be served.
        fetch: makes the bundle's file; called by who starts the supervisor only. The file is of no use after the first address.
        idle_seconds: how long the server lives on without leases; the one that starts it decides.
    """

    def __init__(self, serving: Serving, fetch: Callable[[], Path], *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._serving = serving
        self._fetch = fetch
        self._idle_seconds = idle_seconds
        self._folder = home() / serving.key()
        self._door: socket.socket | None = None
        self._said = b""
        self._address: str | None = None

    def address(self, *, within: float = START_SECONDS) -> str:
        """Where the server answers now. Starts one, or waits until another task has, or until it is up again.

        Raises:
            HostError: it cannot be started, or does not serve within so many seconds.
        """
        until = time.monotonic() + within
        while True:
            if self._door is None:
                try:
                    self._door = self._enter(until)
                except OSError as error:
                    raise HostError(f"this host's server cannot be reached or started in {self._folder}: {error}") from error
            self._listen(0.0 if self._address else TICK)
            if self._address and serves(self._address, HEALTH_TIMEOUT):
                return self._address
            if time.monotonic() > until:
                raise HostError(f"the server of this host does not serve within {within:.0f} s{self._tail()}")
            if self._address:
                time.sleep(TICK)

    def close(self) -> None:
        """Gives the claim back."""
        if self._door is not None:
            self._door.close()
        self._door, self._address, self._said = None, None, b""

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _listen(self, timeout: float) -> None:
        """Takes what the supervisor says: an address, a later one after a restart, or why there is none."""
        if self._door is None:
            return
        while True:
            self._door.settimeout(timeout or 1e-6)
            try:
                piece = self._door.recv(65536)
            except (TimeoutError, BlockingIOError):
                return
            except ConnectionError:
                piece = b""
            if not piece:
                self.close()
                return
            *lines, self._said = (self._said + piece).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "error" in said:
                    self.close()
                    raise HostError(said["error"])
                self._address = said["address"]
            timeout = 0.0

    def _enter(self, until: float) -> socket.socket:
        _private(self._folder)
        starts = 0
        while True:
            door = _connected(self._folder / DOOR)
            if door is not None:
                return door
            lock = _locked(self._folder / LOCK)
            if lock is not None:
                try:
                    if starts == STARTS:
                        raise HostError(f"the supervisor of this host's server ends at once, {STARTS} times{self._tail()}")
                    starts += 1
                    self._start(lock)
                finally:
                    os.close(lock)
            elif time.monotonic() > until:
                raise HostError(f"this host's server neither starts nor ends: {self._folder / LOCK} is held and nobody answers{self._tail()}")
            time.sleep(TICK / 4)

    def _start(self, lock: int) -> None:
        """Starts the supervisor, which takes the lock over. The file that holds the bundle must be there until it has said an address."""
        order = {
            "folder": str(self._folder),
            "bundle": str(self._fetch()),
            "id": self._serving.bundle,
            "program": self._serving.program,
            "settings": dict(self._serving.settings),
            "idle_seconds": self._idle_seconds,
            "lock": lock,
            "path": sys.path,
        }
        # A session of its own: what ends a task, or the process that tasks are made of, ends whole groups of processes.
        with open(created(self._folder / LOG), "wb") as log:
            started = subprocess.Popen(
                [sys.executable, "-c", LAUNCH], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self._folder, pass_fds=[lock], start_new_session=True
            )
        started.communicate(json.dumps(order).encode())

    def _tail(self) -> str:
        return tail(self._folder / LOG)


def _nothing(_: object) -> bytes:
    return b""


def _private(folder: Path) -> None:
    """Makes it, for this user alone. One that was there before must be: in a folder that all may write to, anybody may have made it."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        pass
    except OSError as error:
        raise HostError(f"{folder} cannot be made: {error.strerror}; WILDWARDEN_HOST_DIR names another place") from error
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid() or there.st_mode & 0o077:
        raise HostError(f"{folder} must be a folder of user {os.getuid()} that nobody else may enter (mode 0700); WILDWARDEN_HOST_DIR names another place")


def created(path: Path) -> int:
    """An open file for this user alone, empty."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)


def _locked(path: Path) -> int | None:
    """The open lock, which whoever inherits it holds too; none while somebody else does."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except BaseException:
        os.close(lock)
        raise
    return lock


def _connected(path: Path) -> socket.socket | None:
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise HostError(f"{path} is too long a path for a socket ({MAX_SOCKET_PATH} bytes); WILDWARDEN_HOST_DIR names a shorter place")
    door = socket.socket(socket.AF_UNIX)
    try:
        door.settimeout(10)
        door.connect(str(path))
    except (FileNotFoundError, ConnectionError, TimeoutError):
        door.close()
        return None
    except BaseException:
        door.close()
        raise
    return door


def tail(log: Path) -> str:
    """The end of a log, for a message."""
    try:
        said = log.read_bytes()[-TAIL:].decode(errors="replace").strip()
    except OSError:
        return ""
    return f":\n{said}" if said else ""
