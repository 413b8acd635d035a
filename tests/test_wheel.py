"""The wheel alone: installed into a new environment, its program serves and scans in an empty folder, and its client rates.

Needs the newest wheel in clients/python/dist, which clients/python/wheel.sh builds, and a package index. Run by scripts/test.sh.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

from server_process import ROOT, serve

WHEELS = sorted((ROOT / "clients" / "python" / "dist").glob("wildwarden-*.whl"))
MOST_BYTES = 100 * 1024 * 1024  # of a file, at package indexes
LISTING = {"id": "1", "title": "老象牙手镯 包浆好 私聊"}
RATE = """
import sys
from wildwarden import Client, Listing
from wildwarden.v1.risk_pb2 import Suggestion
with Client(sys.argv[1], timeout=60) as client:
    rating = client.rate(Listing(title=sys.argv[2]))
    print(rating.categories[0].category, Suggestion.Name(rating.suggestion))
"""


@unittest.skipUnless(WHEELS, "needs a wheel: clients/python/wheel.sh")
class AWheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.environment = Path(folder.name) / "environment"
        subprocess.run([sys.executable, "-m", "venv", cls.environment], check=True)
        cls.python, cls.program = cls.environment / "bin" / "python", cls.environment / "bin" / "wildwarden"
        subprocess.run([cls.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", WHEELS[-1]], check=True)
        # Neither this checkout's library nor its settings.
        before = dict(os.environ)
        cls.addClassCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        for name in [name for name in os.environ if name.startswith(("WILDWARDEN", "ORT_DYLIB", "PYTHONPATH"))]:
            del os.environ[name]

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.empty = Path(folder.name)

    def test_what_it_carries(self) -> None:
        self.assertLess(WHEELS[-1].stat().st_size, MOST_BYTES)
        names = zipfile.ZipFile(WHEELS[-1]).namelist()
        models = {name.split("/models/", 1)[1] for name in names if "/share/wildwarden/models/" in name}
        self.assertLessEqual({"policy.toml", "image_encoder/1/model.onnx", "ivory/1/model.toml"}, models)
        self.assertFalse([name for name in models if name.startswith(("clip_encoder", "text_detector", "state.json"))], "what is fetched, or a server's own")
        self.assertTrue(any(name.endswith("wildwarden/py.typed") for name in names))

    def test_its_server_and_its_client_rate_in_an_empty_folder(self) -> None:
        with tempfile.NamedTemporaryFile(suffix=".log") as log:
            address = serve(Path(log.name), self.addCleanup, program=self.program, folder=self.empty)["listening"]
            said = subprocess.run([self.python, "-c", RATE, address, LISTING["title"]], cwd=self.empty, capture_output=True, text=True)
        self.assertEqual(said.returncode, 0, said.stderr)
        category, suggestion = said.stdout.split()
        self.assertEqual(category, "ivory")
        self.assertIn(suggestion, ("SUGGESTION_REVIEW", "SUGGESTION_BLOCK"))

    def test_it_scans_in_an_empty_folder(self) -> None:
        (self.empty / "listings.jsonl").write_text(json.dumps(LISTING, ensure_ascii=False) + "\n", encoding="utf-8")
        said = subprocess.run([self.python, "-m", "wildwarden", "scan", "listings.jsonl", "--out", "ratings"], cwd=self.empty, capture_output=True, text=True)
        self.assertEqual(said.returncode, 0, said.stderr)
        summary = json.loads((self.empty / "ratings" / "summary.json").read_text(encoding="utf-8"))
        self.assertEqual((summary["rows"], summary["rated"]), (1, 1))


if __name__ == "__main__":
    unittest.main()
