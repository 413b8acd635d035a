"""Runs the commands of "From your model to a served head" in models/README.md as they stand there. Run by scripts/test.sh.

Needs target/debug/wildwarden (or WILDWARDEN, a path), scikit-learn and onnx; with torch and onnxscript it runs the torch way, too.
"""

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = Path(os.environ.get("WILDWARDEN", ROOT / "target" / "debug" / "wildwarden")).absolute()
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT = 300  # seconds a block may take on a busy machine


def section(title: str = "From your model to a served head") -> str:
    (found,) = re.findall(rf"^## {title}$(.*?)^##? ", (ROOT / "models" / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return found


def blocks(title: str = "From your model to a served head") -> list[str]:
    return BLOCK.findall(section(title))


class Walkthrough(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        # A checkout as a newcomer has it after scripts/setup.sh, that may be written to.
        (self.folder / "target" / "release").mkdir(parents=True)
        (self.folder / "target" / "release" / "wildwarden").symlink_to(PROGRAM)
        (self.folder / ".runtime").symlink_to(ROOT / ".runtime")
        # Copies, not links: the commands write, and `cp -r` would follow a link into the project itself.
        for name in ("models", "tests/fixtures"):
            shutil.copytree(ROOT / name, self.folder / name)
        # One that is free now, in the place of the documented one, which somebody may use.
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = str(listener.getsockname()[1])
        self.environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def start(self, block: str) -> subprocess.Popen:
        shell = ["bash", "-euo", "pipefail", "-c", block.replace("50061", self.port).replace("50062", "0")]
        return subprocess.Popen(shell, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_block(self, block: str) -> str:
        process = self.start(block)
        output, errors = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0, f"{block}\n{output}\n{errors}")
        return output

    def serve(self, block: str) -> None:
        """The last command of `block` becomes the shell itself, so that it can be stopped."""
        before, serve = block.rsplit("\n", 2)[0], block.rstrip().rsplit("\n", 1)[1]
        process = self.start(f"{before}\nexec {serve}\n")
        self.addCleanup(process.communicate)
        self.addCleanup(process.terminate)
        late = threading.Timer(TIMEOUT, process.kill)
        late.start()
        self.addCleanup(late.cancel)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if " serving " in line:
                return
        self.fail(f"{block}\n{''.join(lines)}")

    def test_the_commands_lead_from_photos_to_an_answer_by_the_new_head(self) -> None:
        *training, checking, serving, asking = blocks()
        self.assertEqual(len(training), 4)
        for block in training:
            self.run_block(block)
        said = self.run_block(checking)
        self.assertIn("ivory 2 can serve", said)
        self.assertIn("golden samples reproduce  within tolerance", re.sub(" {2,}", "  ", said))
        self.assertIn("24 listings", said)
        self.serve(serving)
        (answer,) = [json.loads(line) for line in self.run_block(asking).splitlines()]
        versions = {model["name"]: model["version"] for model in answer["models"]}
        self.assertEqual(versions["ivory"], "2")
        self.assertEqual(versions["image_encoder"], "1")

    def test_models_that_others_made_are_read_checked_and_rate(self) -> None:
        keras, paddle, bert = blocks("Models that others made")
        for block, model, fed in ((keras, "ivory 2", {"ivory"}), (paddle, "wildanimals 1", {"ivory", "pangolin_scale", "rhino_horn"}), (bert, "text_bert 1", {"ivory"})):
            said = self.run_block(block)
            self.assertIn(f"{model} can serve", said)
            self.assertIn("golden samples reproduce  within tolerance", re.sub(" {2,}", "  ", said))
            answer = json.loads(said.splitlines()[-1])
            self.assertIn(tuple(model.split()), {(used["name"], used["version"]) for used in answer["models"]})
            key = "text_probability" if block is bert else "image_probability"
            self.assertLessEqual(fed, {category["category"] for category in answer["categories"] if category.get(key) is not None})
            if block is keras:
                explained = {score["category"]: score["explanation"]["attribution"] for score in answer["images"][0]["scores"]}
                self.assertEqual(explained, {"ivory": "ATTRIBUTION_OCCLUSION", "pangolin_scale": "ATTRIBUTION_EXACT"})
        (score,) = answer["texts"][0]["scores"]
        self.assertEqual(score["attribution"], "ATTRIBUTION_OCCLUSION")
        self.assertEqual([token["token"] for token in score["tokens"]], list("出售老象牙手串"))

    @unittest.skipUnless(all(map(importlib.util.find_spec, ("torch", "onnxscript"))), "needs torch and onnxscript, 5 GB")
    def test_a_head_of_torch_passes_the_check(self) -> None:
        embedding, _, folder, *_ = blocks()
        self.run_block(embedding)
        (torch,) = re.findall(r"^```python\n(.*?)^```$", section(), re.MULTILINE | re.DOTALL)
        self.run_block(f"python - <<'PYTHON'\nimport torch\n{torch}PYTHON\n")
        self.run_block(folder)
        self.assertIn("ivory 2 can serve", self.run_block("target/release/wildwarden model check work/ivory/2\n"))


if __name__ == "__main__":
    unittest.main()
