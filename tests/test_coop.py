"""Runs the tests of the plugin for Coop, clients/coop, against a server of its own. Run by scripts/test.sh.

Needs target/debug/wildwarden (or WILDWARDEN, a path), ONNX Runtime in .runtime, and npm, which fetches the TypeScript compiler.
"""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from server_process import serve

ROOT = Path(__file__).parent.parent
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
        address = serve(folder / "server.log", self.addCleanup)["serving"]
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=plugin, check=True, timeout=TIMEOUT)
        environment = os.environ | {"WILDWARDEN_SERVER": f"http://{address}"}
        run = subprocess.run(["npm", "test"], cwd=plugin, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
        said = run.stdout + run.stderr
        self.assertEqual(run.returncode, 0, said)
        self.assertRegex(said, r"(?m)^\S+ fail 0$")
        self.assertRegex(said, r"(?m)^\S+ skipped 0$")


if __name__ == "__main__":
    unittest.main()
