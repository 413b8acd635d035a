"""Runs the tests of the plugin for Coop, clients/coop, against a server of its own. Run by scripts/test.sh.

Needs target/debug/wildwarden (or WILDWARDEN, a path), ONNX Runtime in .runtime, and npm, which fetches the TypeScript compiler.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = Path(os.environ.get("WILDWARDEN", ROOT / "target" / "debug" / "wildwarden")).absolute()
STARTS_WITHIN = 120  # seconds, on a busy machine
TIMEOUT = 600


class Coop(unittest.TestCase):
    @unittest.skipUnless(shutil.which("npm"), "npm is missing: the plugin for Coop is not tested")
    def test_signals_of_a_real_server(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        # Laid out as here: a test of the plugin reads a photo of the repository's.
        plugin = shutil.copytree(ROOT / "clients" / "coop", folder / "clients" / "coop", ignore=shutil.ignore_patterns("node_modules", "dist"))
        photo = folder / "tests/fixtures/images/tusk.jpg"
        photo.parent.mkdir(parents=True)
        shutil.copy(ROOT / "tests/fixtures/images/tusk.jpg", photo)
        address = self.server(folder / "server.log")
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=plugin, check=True, timeout=TIMEOUT)
        environment = os.environ | {"WILDWARDEN_SERVER": f"http://{address}"}
        run = subprocess.run(["npm", "test"], cwd=plugin, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
        said = run.stdout + run.stderr
        self.assertEqual(run.returncode, 0, said)
        self.assertRegex(said, r"(?m)^\S+ fail 0$")
        self.assertRegex(said, r"(?m)^\S+ skipped 0$")

    def server(self, log: Path) -> str:
        """The address of a server that serves until the test ends."""
        command = [str(PROGRAM), "serve", "--listen", "127.0.0.1:0", "--admin-listen", ""]
        with log.open("w") as out:
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"WILDWARDEN_LOG_FORMAT": "json"}, stdout=out, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.send_signal, signal.SIGTERM)
        until = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < until and process.poll() is None:
            for line in filter(lambda line: line.startswith("{"), log.read_text().splitlines()):
                fields = json.loads(line)["fields"]
                if fields.get("message") == "serving":
                    return re.sub(r"^.*?(\d[\d.:]+)$", r"\1", fields["address"])
            time.sleep(0.1)
        self.fail(f"the server did not start:\n{log.read_text()}")


if __name__ == "__main__":
    unittest.main()
