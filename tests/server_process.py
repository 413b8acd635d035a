"""A server of a test's own, as a process: on free ports of this machine, until the test ends."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = Path(os.environ.get("WILDWARDEN", ROOT / "target" / "debug" / "wildwarden")).absolute()
STARTS_WITHIN = 120  # seconds, on a busy machine


def serve(log: Path, cleanup: Callable[..., None], admin_listen: str = "", program: Path = PROGRAM, folder: Path = ROOT, **settings: str) -> dict[str, str]:
    """The addresses that the log tells, by message: "listening" is the callers'. `cleanup`: a test's addCleanup or addClassCleanup."""
    command = [str(program), "serve", "--listen", "127.0.0.1:0", "--admin-listen", admin_listen]
    environment = os.environ | {"WILDWARDEN_LOG_FORMAT": "json"} | {f"WILDWARDEN_{key}": value for key, value in settings.items()}
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
    cleanup(process.wait)
    cleanup(process.send_signal, signal.SIGTERM)
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        said = [json.loads(line)["fields"] for line in log.read_text().splitlines() if line.startswith("{")]
        addresses = {fields["message"]: fields["address"] for fields in said if "address" in fields}
        if "serving" in addresses:
            return addresses
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")
