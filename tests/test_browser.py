"""Shows the console in Chromium, against servers of its own with the shipped models. Run by scripts/test.sh.

Needs target/debug/wildwarden (or WILDWARDEN, a path), ONNX Runtime in .runtime, and Debian's packages of Chromium, Node and npm, which
fetches what drives the browser and what looks for barriers: without them the test is skipped and names them.
WILDWARDEN_CONSOLE_FROM_DISK=1 shows the page's files as they are now, not as they were compiled in.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(os.environ.get("WILDWARDEN", ROOT / "target" / "debug" / "wildwarden")).absolute()
# A command, and the package of Debian that has it.
COMMANDS = {"chromium": "chromium", "node": "nodejs", "npm": "npm"}
MISSING = [package for command, package in COMMANDS.items() if not shutil.which(command)]
STARTS_WITHIN = 120  # seconds, on a busy machine
TIMEOUT = 300
FROM_DISK = "WILDWARDEN_CONSOLE_FROM_DISK"
# The program refuses what begins like one of its settings and is none.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != FROM_DISK}
ROLES = {"reader": ["classify", "info"], "admin": ["classify", "info", "metrics", "admin"]}
LISTENERS = {"serving": "grpc", "listening for operators": "admin", "listening for browsers": "console"}


def keys() -> str:
    """Settings by which the name of a key is the key."""
    entries = [
        f'{{ name = "{name}", sha256 = "{hashlib.sha256(name.encode()).hexdigest()}", roles = {json.dumps(roles)} }}'
        for name, roles in ROLES.items()
    ]
    return f"[auth]\nkeys = [{', '.join(entries)}]\n"


def repository(folder: Path) -> Path:
    """Models to serve, and a policy of their own that may be changed: what is decided about them is kept beside them."""
    models = folder / "models"
    models.mkdir(parents=True)
    for model in filter(Path.is_dir, (ROOT / "models").iterdir()):
        (models / model.name).symlink_to(model)
    shutil.copy(ROOT / "models" / "policy.toml", models)
    return models


@contextlib.contextmanager
def serving(folder: Path, settings: str = "") -> Iterator[dict[str, str]]:
    """Addresses of a server that serves what is in `folder`, by listener."""
    # The browser takes the same cores: what waits for it is not refused.
    (folder / "settings.toml").write_text(f"{settings}[scheduler]\nmax_wait_ms = 30000\n")
    models, log = folder / "models", folder / "server.log"
    flags = [f"--{listener}listen=127.0.0.1:0" for listener in ("", "admin-", "console-")]
    command = [str(PROGRAM), "serve", f"--config={folder / 'settings.toml'}", f"--models={models}", f"--policy={models / 'policy.toml'}", *flags]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT | {"WILDWARDEN_LOG_FORMAT": "json"}, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield addresses(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def addresses(process: subprocess.Popen, log: Path) -> dict[str, str]:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        said = [json.loads(line)["fields"] for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        found = {LISTENERS[fields["message"]]: fields["address"] for fields in said if fields["message"] in LISTENERS}
        if "grpc" in found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


def installed(folder: Path) -> Path:
    """What runs in node, with the packages it needs."""
    package = shutil.copytree(ROOT / "tests" / "browser", folder / "browser", ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=package, check=True, timeout=TIMEOUT)
    return package


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"WILDWARDEN_ROOT": str(ROOT), "CHROMIUM": shutil.which("chromium") or "", **more}


def try_another_policy(models: Path, server: dict[str, str]) -> None:
    """Has the server take a changed policy over and try a third, so that there is something to roll back twice."""
    policy = (models / "policy.toml").read_text()
    assert 'version = "1"\n' in policy
    (models / "strict.policy.toml").write_text(policy.replace('version = "1"\n', 'version = "3"\n'))
    (models / "strict.set.toml").write_text('policy = "strict.policy.toml"\n')
    (models / "new").write_text(policy.replace('version = "1"\n', 'version = "2"\n'))
    (models / "new").rename(models / "policy.toml")
    asked = urllib.request.Request(f"http://{server['console']}/v1/models", headers={"Authorization": "Bearer admin"})
    until = time.monotonic() + STARTS_WITHIN
    while json.load(urllib.request.urlopen(asked))["policy"]["version"] != "2":
        assert time.monotonic() < until, "the policy was not taken over"
        time.sleep(0.1)
    command = [str(PROGRAM), "model", "shadow", "--set=strict", "--share=1", f"--server=http://{server['admin']}"]
    subprocess.run(command, cwd=ROOT, env=ENVIRONMENT | {"WILDWARDEN_KEY": "admin"}, check=True, capture_output=True, timeout=TIMEOUT)


@unittest.skipIf(MISSING, f"apt-get install {' '.join(MISSING)}: the console is not shown in a browser")
class Browser(unittest.TestCase):
    def test_the_console_in_chromium(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        repository(folder / "open")
        models = repository(folder / "keyed")
        with ThreadPoolExecutor() as pool:
            packages = pool.submit(installed, folder)
            servers = [pool.submit(self.enterContext, serving(folder / name, more)) for name, more in (("open", ""), ("keyed", keys()))]
        package, open_server, keyed = (started.result() for started in (packages, *servers))
        try_another_policy(models, keyed)
        where = {"WILDWARDEN_CONSOLE": f"http://{open_server['console']}", "WILDWARDEN_CONSOLE_WITH_KEYS": f"http://{keyed['console']}"}
        run = subprocess.run(["npm", "test"], cwd=package, env=environment(**where), capture_output=True, text=True, timeout=TIMEOUT)
        said = run.stdout + run.stderr
        self.assertEqual(run.returncode, 0, said)
        self.assertRegex(said, r"(?m)^\S+ fail 0$")
        self.assertRegex(said, r"(?m)^\S+ skipped 0$")
        print(*re.findall(r"\d+ ms from opening the page.*", said), sep="\n")


if __name__ == "__main__":
    unittest.main()
