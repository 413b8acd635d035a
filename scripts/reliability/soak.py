"""Keeps a server busy for long with all that callers do, good and bad, and looks whether it stays as it was.

    soak.py [--minutes 30] [--rate 60] [--program target/release/wildwarden] [--json FILE]

Photos at a steady rate; beside them calls with deadlines of a few milliseconds, photos that are damaged, messages that never end,
streams that are reset, and every 20 seconds another version of the head of ivory, promoted and taken away again. Every ten seconds it
notes resident memory, threads and open files. Ends with 1 when a photo of the steady caller was not answered as it should, when memory in
the last third of the time is more than 5 % above the first third's after the first two minutes, or when threads or files have become more.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from goodput import ROOT, Server
from hostile import DATA, RST_STREAM, Peer, frame, prefix
from killed import copy, put

SWAP_EVERY, NOTE_EVERY, SETTLES = 20, 10, 120  # seconds


def noted(server: Server) -> dict:
    process = Path(f"/proc/{server.process.pid}")
    return {"resident_mib": server.resident_mib(), "threads": len(list((process / "task").iterdir())), "files": len(list((process / "fd").iterdir()))}


async def misbehave(server: Server, rng: random.Random) -> None:
    """A connection that sends a bit of everything, and leaves."""
    peer = await Peer.connect(server.address)
    await asyncio.sleep(0.05)
    for stream in range(1, 12, 2):
        peer.open(stream, "no key is asked for")
        await peer.send(stream, prefix(rng.randrange(1, 1 << 20)) + rng.randbytes(rng.randrange(2000)))
        if rng.random() < 0.3:
            peer.writer.write(frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))
        elif rng.random() < 0.3:
            peer.writer.write(frame(DATA, 1, stream))
    await asyncio.sleep(rng.uniform(0, 2))
    await peer.leave()


def damaged(folder: Path, rng: random.Random) -> Path:
    photo = bytearray((ROOT / "tests/fixtures/images/rendered/tusk.jpg").read_bytes())
    for _ in range(20):
        photo[rng.randrange(100, len(photo))] = rng.randrange(256)
    path = folder / "damaged.jpg"
    path.write_bytes(photo[: rng.randrange(len(photo) // 2, len(photo))])
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng, seconds = random.Random(1), 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        models = copy(Path(folder) / "models")
        server = Server(options.program, models / "policy.toml", MODELS_DIRECTORY=str(models), SERVER_STALL_SECONDS="5")

        def run(*arguments: object) -> None:
            subprocess.run([str(part) for part in (options.program, *arguments)], cwd=ROOT, capture_output=True, check=False, timeout=60)

        steady = subprocess.Popen(
            [str(part) for part in (options.program, "bench", "open", "--images", ROOT / "tests/fixtures/images/rendered", "--unique", "--rate", options.rate, "--duration", seconds, "--warmup", 2, "--server", server.address, "--allow-errors", "--allow-model-change", "--json", "-")],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        begun, notes, version, next_swap = time.monotonic(), [], 1, SWAP_EVERY
        while (now := time.monotonic() - begun) < seconds:
            asyncio.run(misbehave(server, rng))
            run("bench", "closed", "--images", ROOT / "tests/fixtures/images/rendered", "--unique", "--concurrency", 4, "--requests", 40, "--warmup", 0, "--deadline-ms", 4, "--server", server.address, "--allow-errors")
            run("classify", "--server", server.address, damaged(Path(folder), rng))
            if now > next_swap:
                version, next_swap = version + 1, next_swap + SWAP_EVERY
                put(models, version)
                run("model", "promote", f"ivory={version}", "--server", server.admin)
                if version > 2:
                    shutil.rmtree(models / "ivory" / str(version - 1), ignore_errors=True)
            if not notes or now - notes[-1]["at"] > NOTE_EVERY:
                notes.append({"at": now} | noted(server))
                print(f"\r{now / 60:5.1f} of {options.minutes:g} min, {notes[-1]['resident_mib']:.0f} MiB, {notes[-1]['threads']} threads, {notes[-1]['files']} files, {version} versions", end="", flush=True)
            time.sleep(0.5)
        out, said = steady.communicate(timeout=120)
        server.stop()
    if not out.strip().startswith("{"):
        sys.exit(f"\nthe steady caller: {said}")
    step = json.loads(out)["steps"][0]
    settled = [note for note in notes if note["at"] > min(SETTLES, seconds / 4)]
    third = max(1, len(settled) // 3)
    first, last = settled[:third], settled[-third:]
    of = lambda part, what: statistics.median(note[what] for note in part)
    grown = of(last, "resident_mib") / of(first, "resident_mib") - 1
    print(f"\nsteady caller: {step['counts']['right']} right, {step['counts']['wrong']} wrong, failed {step['counts']['failed'] or 'none'}; p99 {step['latency']['p99_ms']:.0f} ms")
    print(f"memory, first to last third: {grown:+.1%} (wanted at most +5 %); threads {of(first, 'threads'):.0f} to {of(last, 'threads'):.0f}; files {of(first, 'files'):.0f} to {of(last, 'files'):.0f}; {version} versions of the head")
    if options.json:
        options.json.write_text(json.dumps({"notes": notes, "step": step}, indent=1))
    missed = step["counts"]["wrong"] or step["counts"]["failed"] or grown > 0.05 or of(last, "threads") > of(first, "threads") or of(last, "files") > of(first, "files") + 5
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
