"""What hostile peers cost a server, and what others notice of them.

    hostile.py [--program target/release/wildwarden] [--seconds 15] [--only NAME] [--json FILE]

Starts a server with one key for those who behave and one for those who do not, and for each situation measures the resident memory and
the 99th percentile of a polite caller (40 photos a second, open loop) without and with the hostile peers, which speak HTTP/2 by hand:

    unfinished_one   256 messages of 32 MiB on one connection, each sent to 19 MiB and never ended
    unfinished_64    one such message on each of 64 connections
    stalling         100 streams that declare 30 MiB and send nothing more
    slow_senders     1000 connections that send a byte a second
    idle             5000 connections that say nothing at all
    rapid_reset      50000 streams, opened and reset at once
    entries          8 messages of 15 million empty images each

A situation passes where memory stays within limits.max_bytes_in_flight and a tenth above what the server had, the polite caller's calls
all succeed, and its p99 is at most half as much again. Loopback only. Needs Linux; raises its own limit of open files where it may.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from goodput import ROOT, Server, fast_policy

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
BUDGET_MIB = 512  # limits.max_bytes_in_flight
POLITE_RATE = 40
KEYS = {"polite": "a-polite-key", "hostile": "a-hostile-key"}


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header field, not indexed, not compressed (RFC 7541, 6.2.2)."""
    coded = b"\x00"
    for part in (name.encode(), value.encode()):
        if len(part) < 127:
            coded += bytes([len(part)]) + part
        else:
            rest, length = len(part) - 127, b"\x7f"
            while rest >= 128:
                length, rest = length + bytes([rest % 128 + 128]), rest // 128
            coded += length + bytes([rest]) + part
    return coded


def headers(key: str) -> bytes:
    fields = {":method": "POST", ":scheme": "http", ":path": "/wildwarden.v1.RiskService/Classify", ":authority": "a", "content-type": "application/grpc", "te": "trailers", "authorization": f"Bearer {key}"}
    return b"".join(literal(name, value) for name, value in fields.items())


class Peer:
    """An HTTP/2 connection that sends what it is told, as far as the other side's windows let it, and counts what comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.window, self.windows, self.initial = 65535, {}, 65535
        self.ended: set[int] = set()
        self.closed = False
        self.moved = asyncio.Event()
        writer.write(PREFACE + frame(SETTINGS, 0, 0))
        self.listening = asyncio.create_task(self.listen())

    @staticmethod
    async def connect(address: str) -> "Peer":
        host, port = address.rsplit(":", 1)
        return Peer(*await asyncio.open_connection(host, int(port)))

    async def listen(self) -> None:
        try:
            while True:
                head = await self.reader.readexactly(9)
                length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
                stream = int.from_bytes(head[5:]) & 0x7FFFFFFF
                payload = await self.reader.readexactly(length)
                if kind == SETTINGS and not flags & 1:
                    for at in range(0, length, 6):
                        name, value = struct.unpack("!HI", payload[at : at + 6])
                        if name == 4:
                            self.windows = {one: left + value - self.initial for one, left in self.windows.items()}
                            self.initial = value
                    self.writer.write(frame(SETTINGS, 1, 0))
                elif kind == WINDOW_UPDATE:
                    grown = int.from_bytes(payload)
                    if stream == 0:
                        self.window += grown
                    elif stream in self.windows:
                        self.windows[stream] += grown
                elif kind == PING and not flags & 1:
                    self.writer.write(frame(PING, 1, 0, payload))
                elif kind == RST_STREAM or (kind == HEADERS and flags & 1):
                    self.ended.add(stream)
                self.moved.set()
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            self.closed = True
            self.moved.set()

    def open(self, stream: int, key: str) -> None:
        self.windows[stream] = self.initial
        self.writer.write(frame(HEADERS, 4, stream, headers(key)))

    async def send(self, stream: int, payload: bytes) -> None:
        """As much of it as the peer takes before it ends the stream or the connection."""
        at = 0
        while at < len(payload) and not self.closed and stream not in self.ended:
            part = min(16384, len(payload) - at, self.window, self.windows[stream])
            if part <= 0:
                self.moved.clear()
                await self.moved.wait()
                continue
            self.window, self.windows[stream] = self.window - part, self.windows[stream] - part
            self.writer.write(frame(DATA, 0, stream, payload[at : at + part]))
            at += part
            try:
                await self.writer.drain()
            except (ConnectionError, OSError):
                self.closed = True

    async def leave(self) -> None:
        self.listening.cancel()
        self.writer.close()


def prefix(declared: int) -> bytes:
    return b"\0" + struct.pack("!I", declared)


MIB = 1 << 20
BLOCK = bytes(MIB)


async def upload(peer: Peer, stream: int, declared: int, sent: int) -> None:
    await peer.send(stream, prefix(declared))
    for _ in range(sent // MIB):
        await peer.send(stream, BLOCK)


async def unfinished(address: str, connections: int, streams: int, seconds: float) -> tuple[list[Peer], str]:
    peers = [await Peer.connect(address) for _ in range(connections)]
    await asyncio.sleep(0.3)
    sending = []
    for peer in peers:
        for number in range(streams):
            peer.open(2 * number + 1, KEYS["hostile"])
            sending.append(asyncio.create_task(upload(peer, 2 * number + 1, 32 * MIB - 1, 19 * MIB)))
    await asyncio.wait(sending, timeout=seconds)
    for task in sending:
        task.cancel()
    ended = sum(len(peer.ended) for peer in peers)
    return peers, f"{ended} of {connections * streams} messages refused or given up"


async def stalling(address: str, seconds: float) -> tuple[list[Peer], str]:
    peer = await Peer.connect(address)
    await asyncio.sleep(0.3)
    for number in range(100):
        peer.open(2 * number + 1, KEYS["hostile"])
        await peer.send(2 * number + 1, prefix(30 * MIB))
    await asyncio.sleep(seconds)
    return [peer], f"{len(peer.ended)} of 100 given up"


async def slow_senders(address: str, seconds: float) -> tuple[list[Peer], str]:
    peers = [await Peer.connect(address) for _ in range(1000)]
    for peer in peers:
        peer.open(1, KEYS["hostile"])
        await peer.send(1, prefix(1000))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.gather(*(peer.send(1, b"x") for peer in peers))
        await asyncio.sleep(1)
    return peers, f"{sum(bool(peer.ended) or peer.closed for peer in peers)} of 1000 given up"


async def idle(address: str, seconds: float) -> tuple[list, str]:
    host, port = address.rsplit(":", 1)
    streams = [await asyncio.open_connection(host, int(port)) for _ in range(5000)]
    await asyncio.sleep(seconds)

    async def is_open(reader: asyncio.StreamReader) -> bool:
        try:
            while await asyncio.wait_for(reader.read(65536), 0.01):
                pass
            return False
        except TimeoutError:
            return True
        except OSError:
            return False

    left = sum(await asyncio.gather(*(is_open(reader) for reader, _ in streams)))
    return [writer for _, writer in streams], f"{5000 - left} of 5000 cut off"


async def rapid_reset(address: str, seconds: float) -> tuple[list[Peer], str]:
    opened, peers = 0, []
    until = time.monotonic() + seconds
    while opened < 50000 and time.monotonic() < until:
        peer = await Peer.connect(address)
        peers.append(peer)
        stream = 1
        while not peer.closed and opened < 50000 and time.monotonic() < until:
            peer.writer.write(frame(HEADERS, 4, stream, headers(KEYS["hostile"])) + frame(RST_STREAM, 0, stream, struct.pack("!I", 8)))
            opened, stream = opened + 1, stream + 2
            if stream % 64 == 1:
                try:
                    await peer.writer.drain()
                except (ConnectionError, OSError):
                    break
                await asyncio.sleep(0)
    return peers, f"{opened} streams reset, {sum(peer.closed for peer in peers)} of {len(peers)} connections ended by the server"


async def entries(address: str, seconds: float) -> tuple[list[Peer], str]:
    peer = await Peer.connect(address)
    await asyncio.sleep(0.3)
    message = b"\x2a\x00" * 15_000_000
    for number in range(8):
        stream = 2 * number + 1
        peer.open(stream, KEYS["hostile"])
        await peer.send(stream, prefix(len(message)) + message)
        peer.writer.write(frame(DATA, 1, stream))
    await asyncio.sleep(2)
    return [peer], f"{len(peer.ended)} of 8 refused"


SITUATIONS = {
    "unfinished_one": lambda address, seconds: unfinished(address, 1, 256, seconds),
    "unfinished_64": lambda address, seconds: unfinished(address, 64, 1, seconds),
    "stalling": stalling,
    "slow_senders": slow_senders,
    "idle": idle,
    "rapid_reset": rapid_reset,
    "entries": entries,
}


def polite(program: Path, server: Server, seconds: float) -> subprocess.Popen:
    command = [program, "bench", "open", "--images", ROOT / "tests/fixtures/images/rendered", "--unique", "--rate", POLITE_RATE, "--duration", seconds, "--warmup", 1, "--server", server.address, "--key", KEYS["polite"], "--allow-errors", "--json", "-"]
    return subprocess.Popen([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: subprocess.Popen) -> dict:
    out, said = process.communicate()
    if not out.strip().startswith("{"):
        sys.exit(f"the polite caller: {said}")
    return json.loads(out)["steps"][0]


async def watched(situation, server: Server, seconds: float) -> tuple[list, str, float]:
    """The situation, and the most memory that the server had meanwhile, in MiB."""
    most, done = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, server.resident_mib())
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    peers, said = await situation(server.address, seconds)
    done.set()
    await watching
    for peer in peers:
        if isinstance(peer, Peer):
            await peer.leave()
        else:
            peer.close()
    return peers, said, most


def run(program: Path, name: str, seconds: float, folder: Path) -> dict:
    keys = ", ".join(f'{{ name = "{name}", sha256 = "{hashlib.sha256(key.encode()).hexdigest()}", roles = ["classify", "info"] }}' for name, key in KEYS.items())
    server = Server(program, fast_policy(folder), AUTH_KEYS=f"[{keys}]")
    try:
        alone = told(polite(program, server, seconds))
        before = server.resident_mib()
        caller = polite(program, server, seconds)
        time.sleep(1.5)
        _, said, most = asyncio.run(watched(SITUATIONS[name], server, seconds))
        beside = told(caller)
        return {
            "situation": name, "said": said, "before_mib": round(before), "most_mib": round(most), "above_mib": round(most - before),
            "p99_alone_ms": alone["latency"]["p99_ms"], "p99_beside_ms": beside["latency"]["p99_ms"], "failed": beside["counts"]["failed"],
        }
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--only", choices=SITUATIONS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # connections that the server ends are what is looked for
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    rows = []
    print("situation        memory above   wanted   p99 alone  beside  wanted  polite calls failed   what became of the peers")
    with tempfile.TemporaryDirectory() as folder:
        for name in [options.only] if options.only else SITUATIONS:
            row = run(options.program, name, options.seconds, Path(folder))
            rows.append(row)
            print(
                f"{name:15} {row['above_mib']:9} MiB {BUDGET_MIB * 1.1:6.0f}   {row['p99_alone_ms']:8.1f}  {row['p99_beside_ms']:6.1f}  {1.5 * row['p99_alone_ms']:6.1f}  {row['failed'] or 'none'!s:20}  {row['said']}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    missed = [row["situation"] for row in rows if row["above_mib"] > BUDGET_MIB * 1.1 or row["failed"] or row["p99_beside_ms"] > 1.5 * row["p99_alone_ms"]]
    print("missed:", ", ".join(missed) or "none")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
