"""Kills a server while it starts, swaps models and rates, and looks whether it starts again.

    killed.py [--times 100] [--seed 1] [--program target/release/wildwarden]

Of a copy of the first look's models: each time a new version of the head of ivory is put into its folder or taken out of it, the server
is started, told to promote what is there, sent listings, and killed (SIGKILL) after a random time of up to three seconds, so that it
meets starting, loading, swapping and writing state.json. Then it must start, serve, and rate a listing. Ends with 1 when it does not.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("image_encoder", "ivory", "live_animal", "pangolin_scale", "rhino_horn", "text_classifier")
STARTS_WITHIN = 60  # seconds


def copy(folder: Path) -> Path:
    """The first look's models, and a policy that asks for no other look."""
    for name in MODELS:
        shutil.copytree(ROOT / "models" / name / "1", folder / name / "1")
    kept, inside = [], False
    for line in (ROOT / "models/policy.toml").read_text(encoding="utf-8").splitlines():
        inside = line.startswith(("[looks", "[[looks")) if line.startswith("[") else inside
        if not inside and not line.startswith("join = "):
            kept.append(line)
    (folder / "policy.toml").write_text("\n".join(kept) + "\n", encoding="utf-8")
    return folder


def put(models: Path, version: int) -> None:
    """A further version of the head of ivory, with another calibration."""
    folder, beside = models / "ivory" / str(version), models / "ivory" / f".{version}"
    shutil.copytree(models / "ivory/1", beside)
    text = (beside / "model.toml").read_text(encoding="utf-8").replace('version = "1"', f'version = "{version}"', 1)
    (beside / "model.toml").write_text(re.sub(r"intercept = [-0-9.]+", f"intercept = {version / 1000}", text), encoding="utf-8")
    beside.rename(folder)


def start(program: Path, models: Path) -> tuple[subprocess.Popen, list[str]]:
    command = [program, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--models", models, "--policy", models / "policy.toml"]
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "WILDWARDEN_LOG_FORMAT": "text", "NO_COLOR": "1"})
    lines: list[str] = []

    def read() -> None:
        for line in process.stdout:
            lines.append(line)

    threading.Thread(target=read, daemon=True).start()
    return process, lines


def address(lines: list[str], what: str, within: float) -> str | None:
    until = time.monotonic() + within
    while time.monotonic() < until:
        for line in list(lines):
            found = re.search(rf"serve: {what} address=(\S+)", line)
            if found:
                return found.group(1)
        time.sleep(0.02)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/wildwarden")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    serving_when_killed = 0
    with tempfile.TemporaryDirectory() as folder:
        models, version = copy(Path(folder) / "models"), 1
        for number in range(options.times):
            process, lines = start(options.program, models)
            killer = threading.Timer(rng.uniform(0.0, 3.0), process.send_signal, [signal.SIGKILL])
            killer.start()
            operators = address(lines, "listening for operators", 3)
            served = address(lines, "serving", 3) if operators else None
            if served:
                version += 1
                put(models, version)
                subprocess.run([options.program, "model", "promote", f"ivory={version}", "--server", operators], capture_output=True, check=False, timeout=30)
                subprocess.run([options.program, "classify", "--title", "象牙", "--server", served], capture_output=True, check=False, timeout=30)
            process.wait(30)
            killer.join()
            serving_when_killed += served is not None
            if rng.random() < 0.3 and version > 1:
                shutil.rmtree(models / "ivory" / str(rng.randrange(2, version + 1)), ignore_errors=True)
            process, lines = start(options.program, models)
            served = address(lines, "serving", STARTS_WITHIN)
            rated = served and subprocess.run([options.program, "classify", "--title", "象牙手串 出售", "--server", served], capture_output=True, check=False, timeout=30).returncode == 0
            process.kill()
            process.wait(30)
            if not rated:
                sys.exit(f"after kill {number + 1} it did not serve:\n{''.join(lines[-20:])}")
            print(f"\r{number + 1} of {options.times}", end="", flush=True)
    print(f"\nkilled {options.times} times, {serving_when_killed} of them while it served; it started and rated after each")


if __name__ == "__main__":
    main()
