"""Makes the model folders text_detector/1 and text_recognizer/1, which find and read words in photos.

    text_readers.py SOURCES FOLDER

SOURCES is rapidocr/models of the PyPI package rapidocr 3.10.0 (Apache-2.0), which carries PaddleOCR's PP-OCRv6 as ONNX; the graphs are
taken as they are. FOLDER, the model repository, gets them with the files of text_detector/ and text_recognizer/ beside this script,
whose model.toml pin what all others are. What the recognizer's columns mean stands in its graph's metadata and becomes
characters.txt, one a line. Needs onnx alone.
"""

import hashlib
import shutil
import sys
import tomllib
from pathlib import Path

import onnx

HERE = Path(__file__).parent
SOURCES = {"text_detector": "PP-OCRv6_det_small.onnx", "text_recognizer": "PP-OCRv6_rec_small.onnx"}


def characters(graph: bytes) -> bytes:
    """One a line, in the order of the columns."""
    told = {entry.key: entry.value for entry in onnx.load_from_string(graph).metadata_props}
    return ("\n".join(told["character"].split("\n")) + "\n").encode()


def make(name: str, source: Path, folder: Path) -> None:
    """Puts a model's files into FOLDER, all of them at once, or none.

    Raises SystemExit naming the file when one is not what its model.toml says.
    """
    graph = source.read_bytes()
    files = {"model.onnx": graph} | ({"characters.txt": characters(graph)} if name == "text_recognizer" else {})
    manifest = HERE / name / "model.toml"
    for file, sha256 in tomllib.loads(manifest.read_text())["files"].items():
        found = hashlib.sha256(files[file]).hexdigest()
        if found != sha256:
            sys.exit(f"{source}: {file} has the sha256 {found}, wanted is {sha256}")
    beside = folder.parent / f".{folder.name}.new"  # the server passes over names that begin with a dot
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for file, content in files.items():
        (beside / file).write_bytes(content)
    shutil.copy(manifest, beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def main() -> None:
    sources, repository = map(Path, sys.argv[1:])
    for name, source in SOURCES.items():
        make(name, sources / source, repository / name / "1")


if __name__ == "__main__":
    main()
