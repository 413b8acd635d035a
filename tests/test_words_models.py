"""What scripts/models/text_readers.py makes of a package, on made-up graphs. Needs scripts/train/requirements.txt."""

import hashlib
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from onnx import TensorProto, helper

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "models"))

import text_readers  # noqa: E402

CHARACTERS = ["象", "牙", "\u3000", "a"]


def graph(metadata: dict[str, str]) -> bytes:
    tensor = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [tensor], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]))
    helper.set_model_props(model, metadata)
    return model.SerializeToString()


class WordsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.sources, self.models, manifests = self.root / "sources", self.root / "models", self.root / "manifests"
        self.sources.mkdir()
        graphs = {"text_detector": graph({}), "text_recognizer": graph({"character": "\n".join(CHARACTERS)})}
        for name, content in graphs.items():
            (self.sources / text_readers.SOURCES[name]).write_bytes(content)
            files = {"model.onnx": content} | ({"characters.txt": text_readers.characters(content)} if name == "text_recognizer" else {})
            (manifests / name).mkdir(parents=True)
            (manifests / name / "model.toml").write_text("[files]\n" + "".join(f'"{file}" = "{hashlib.sha256(data).hexdigest()}"\n' for file, data in files.items()))
        patch = mock.patch.object(text_readers, "HERE", manifests)
        patch.start()
        self.addCleanup(patch.stop)

    def run_main(self):
        with mock.patch.object(sys, "argv", ["text_readers.py", str(self.sources), str(self.models)]):
            text_readers.main()

    def test_folders_hold_the_graphs_as_they_are_and_a_character_a_line(self):
        self.run_main()
        self.run_main()  # again changes nothing
        for name, source in text_readers.SOURCES.items():
            self.assertEqual((self.models / name / "1/model.onnx").read_bytes(), (self.sources / source).read_bytes())
            self.assertEqual((self.models / name / "1/model.toml").read_bytes(), (text_readers.HERE / name / "model.toml").read_bytes())
        self.assertEqual((self.models / "text_recognizer/1/characters.txt").read_text().split("\n"), [*CHARACTERS, ""])

    def test_another_graph_than_the_pinned_is_refused_and_what_is_there_stays(self):
        self.run_main()
        source = self.sources / text_readers.SOURCES["text_recognizer"]
        before = source.read_bytes()
        source.write_bytes(graph({"character": "x"}))
        with self.assertRaisesRegex(SystemExit, "has the sha256"):
            self.run_main()
        self.assertEqual((self.models / "text_recognizer/1/model.onnx").read_bytes(), before)
        self.assertEqual(sorted(path.name for path in (self.models / "text_recognizer").iterdir()), ["1"])

    def test_the_shipped_manifests_pin_every_file(self):
        for name, file in (("text_detector", "model.onnx"), ("text_recognizer", "characters.txt")):
            manifest = toml(ROOT / "scripts/models" / name / "model.toml")
            self.assertRegex(manifest["files"][file], "^[0-9a-f]{64}$")


def toml(path: Path) -> dict:
    return text_readers.tomllib.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
