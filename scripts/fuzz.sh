#!/usr/bin/env bash
# Fuzzes what reads bytes of others: decoders of pictures, requests, tensors, texts, tokenizers, model.toml, the policy, ONNX files. Each
# target runs for a bounded time on the corpus that is left of earlier runs and on seeds from the tests and the shipped models. What it
# finds lies in fuzz/artifacts/; the exit code is 1 then.
#   scripts/fuzz.sh [--seconds S] [TARGET...]     60 seconds each, all targets
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '==> %s\n' "$*"; }
missing() { printf 'wildwarden fuzz: %s\n' "$*" >&2; exit 2; }

seconds=60
targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=${2:-}; shift 2 ;;
    --help|-h) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) missing "$1 is no option; scripts/fuzz.sh --help" ;;
    *) targets+=("$1"); shift ;;
  esac
done
case "$seconds" in ''|*[!0-9]*) missing "--seconds: ${seconds:-nothing} must be a whole number" ;; esac
all=()
for file in fuzz/targets/*.rs; do
  name=$(basename "$file" .rs)
  [ "$name" = image ] || all+=("$name") # what the targets of pictures share
done
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")
for target in "${targets[@]}"; do
  [ -f "fuzz/targets/$target.rs" ] || missing "there is no target $target; there are ${all[*]}"
done
command -v cargo-fuzz >/dev/null || missing "cargo-fuzz is missing: cargo install cargo-fuzz"
. scripts/jpeg.sh
. scripts/heif.sh
features=(--no-default-features --features "$jpeg $heif")

# seeds TARGET FILE...: into its corpus, by their content, so that a second run adds nothing.
seeds() {
  local target=$1 file
  shift
  mkdir -p "fuzz/corpus/$target"
  for file in "$@"; do
    [ -f "$file" ] && cp -n "$file" "fuzz/corpus/$target/$(sha256sum "$file" | cut -c1-16)"
  done
  return 0
}
images=tests/fixtures/images
for format in jpg png webp gif bmp tif heic avif; do
  case $format in jpg) target=jpeg ;; tif) target=tiff ;; heic | avif) target=heif ;; *) target=$format ;; esac
  seeds "$target" "$images"/*."$format" "$images"/hostile/*."$format" "$images"/rendered/*."$format"
done
seeds model_toml models/*/*/model.toml
seeds policy models/policy.toml
seeds onnx tests/fixtures/models/*.onnx
seeds tokenizer models/*/*/tokenizer.json
python3 - <<'PYTHON'
"""Texts of the listings that tests read, and the same as messages on the wire."""
import hashlib
import json
from pathlib import Path


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    size, varint = len(content), b""
    while size > 127:
        varint += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([size]) + content


def put(target: str, content: bytes) -> None:
    folder = Path("fuzz/corpus") / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


for line in Path("tests/fixtures/listings.jsonl").read_text().splitlines():
    listing = json.loads(line)
    title = str(listing.get("title", "")).encode()
    for target in ("text", "tokens"):
        put(target, title)
    put("request", field(1, b"id") + field(3, title) + field(5, field(1, b"a") + field(2, b"\xff\xd8\xff")))
put("infer", field(1, b"model") + field(5, field(1, b"image") + field(2, b"FP32") + field(3, b"\x01\x03\x02\x02")) + field(7, b"\0" * 48))
PYTHON

found=0
for target in "${targets[@]}"; do
  [ "$target" != heif ] || [ -n "$heif" ] || continue
  say "$target, $seconds s"
  # A stable toolchain has the sanitizers, but not the flags.
  RUSTC_BOOTSTRAP=1 cargo fuzz run "${features[@]}" "$target" -- -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 -verbosity=0 -print_final_stats=1 ||
    { found=1; printf 'wildwarden fuzz: %s: see fuzz/artifacts/%s\n' "$target" "$target" >&2; }
done
exit $found
