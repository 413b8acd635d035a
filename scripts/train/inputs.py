"""Checks what a training run reads before hours are spent on it, and lists the photos with their sha256.

    inputs.py OUT DATA [DATA ...] --policy FILE [--exclude-licence WORDS ...]

Every category stands in the policy, the texts are there, every photo of the manifests is there; else one sentence and exit code 1.
OUT: a line a photo, sha256 and path, after those of the manifests: what steps that read photos depend on.
"""

import argparse
from pathlib import Path

import categories
import policy
from common import read_photos
from step import digest

TEXTS = ["examples.jsonl", "negatives_zh.txt", "negatives_en.txt", "page_paraphrases.jsonl"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--exclude-licence", action="append", default=[])
    arguments = parser.parse_args()
    known, document = categories.of_data(arguments.data[0]), policy.read(arguments.policy)
    for name in known.names:
        if not policy.category(document, name).get("enabled", True):
            raise SystemExit(f"{arguments.policy}: [[category]] {name} has enabled = false, and it is to be trained; leave it out of {known.file} or enable it")
    catalogues = [category.text.catalogue for category in known.read_from_words if category.text.catalogue]
    for name in [*TEXTS, *catalogues]:
        if not (arguments.data[0] / "text" / name).is_file():
            raise SystemExit(f"{arguments.data[0] / 'text' / name} is missing: see the docstring of scripts/train/corpus.py")
    paths = [folder / "images" / "manifest.csv" for folder in arguments.data]
    paths += [Path(photo.path) for photo in read_photos(arguments.data, arguments.exclude_licence)]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise SystemExit(f"{missing[0]} is missing{f', and {len(missing) - 1} more' if missing[1:] else ''}: the manifest names it")
    arguments.out.write_text("".join(f"{digest(path)}  {path}\n" for path in paths), encoding="utf-8")


if __name__ == "__main__":
    main()
