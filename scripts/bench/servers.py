"""Starting, loading and stopping servers: this one and the peers. Ends only the processes it started, by their ids."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/wildwarden"
PEERS = Path(__file__).resolve().parent / "peers"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def resident_mib(pids: list[int]) -> float:
    """Resident memory, shared pages counted once for each process that has them."""
    status = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return sum(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in status) / 1024


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in descendants(int(child)))]


def stop(process: subprocess.Popen) -> None:
    """Asks, waits, and then ends the whole process group that this script made for it."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


@contextmanager
def wildwarden(settings: dict[str, str], models: Path | None = None):
    """A server; settings are those of the environment without their prefix. Yields its address, process and seconds to SERVING."""
    environment = {**os.environ, **{f"WILDWARDEN_{key}": value for key, value in settings.items()}}
    command = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    command += ["--models", str(models)] if models else []
    with tempfile.TemporaryFile("w+") as log:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log, start_new_session=True)
        try:
            address = None
            while address is None:
                if process.poll() is not None or time.monotonic() - start > 60:
                    log.seek(0)
                    raise RuntimeError(f"the server did not start: {log.read()[-500:]}")
                log.seek(0)
                found = re.search(r"serving address=(\S+)", log.read())
                address = found and found[1]
                time.sleep(0.005)
            yield address, process, time.monotonic() - start
        finally:
            stop(process)


def load(address: str, mode: str, source: list[str], *more: str) -> dict:
    """The last step of a `wildwarden bench` run as it reports it. A wrong answer ends this script."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [PROGRAM, "bench", mode, *source, "--server", address, "--json", out.name, *more]
        run = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {run.stderr[-500:]}")
        report = json.load(open(out.name))
    step = report["steps"][-1]
    step["client_cpu_seconds"] = report["client"]["cpu_seconds"]
    step["stage"] = {stage["name"]: stage for stage in step["stages"]}
    return step


@contextmanager
def peer(name: str, model: Path, batch: int):
    """mosec or LitServe on a free port. Yields the port and the process."""
    port = free_port()
    command = [sys.executable, str(PEERS / f"{name}_app.py")]
    command += ["--address", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--timeout", "30000"] if name == "mosec" else [str(port)]
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PEER_MODEL": str(model), "PEER_BATCH": str(batch)}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env={**os.environ, **single}, stdout=log, stderr=log, start_new_session=True)
        try:
            yield port, process
        finally:
            stop(process)


def ask(port: int, name: str, photo: Path, wait: float = 60) -> dict:
    """A peer's answer to one photo; waits until it is up."""
    url = f"http://127.0.0.1:{port}/{'inference' if name == 'mosec' else 'predict'}"
    until = time.monotonic() + wait
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=photo.read_bytes()), timeout=30) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def load_peer(port: int, name: str, photos: list[Path], expect: str, callers: int, seconds: int) -> float:
    """Right answers a second, by wrk; every answer must hold the Lua pattern `expect`."""
    with tempfile.NamedTemporaryFile("w") as names:
        names.write("\n".join(map(str, photos)))
        names.flush()
        url = f"http://127.0.0.1:{port}/{'inference' if name == 'mosec' else 'predict'}"
        command = ["wrk", "-t1", f"-c{callers}", f"-d{seconds}s", "--timeout", "20s", "-s", str(PEERS / "load.lua"), url]
        run = subprocess.run(command, env={**os.environ, "BODIES": names.name, "EXPECT": expect}, capture_output=True, text=True, check=True)
    right, wrong, microseconds, _, _ = map(int, re.search(r"RESULT (.*)", run.stdout)[1].split())
    if wrong:
        raise RuntimeError(f"{name}: {wrong} answers were wrong or failed")
    return right / (microseconds / 1e6)
