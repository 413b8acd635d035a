#!/usr/bin/env bash
# Everything that must pass: format, lints, documentation, tests. Ends with the number of tests. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."
# Python's onnxruntime reports to its maker without it.
export ORT_DISABLE_TELEMETRY=1
say() { printf '==> %s\n' "$*"; }

scripts/setup.sh --runtime-only
. scripts/jpeg.sh
build_jpeg_library
. scripts/heif.sh
. scripts/tools.sh
features=(--no-default-features --features "lab $jpeg $heif")

python=.runtime/python
if ! "$python/bin/python" -c 'import cv2, grpc_status, grpc_tools, kubernetes_validate, mypy, onnx, pandas, PIL, polars, pyspark, ray, simpy, sklearn, tokenizers, tomlkit' 2>/dev/null; then
  say "setting up Python, for the clients in the tests, Spark, Ray, and the training scripts"
  python3 -m venv "$python" || { echo "wildwarden test: python3 cannot make environments: install venv (Debian: apt-get install python3-venv)" >&2; exit 2; }
  "$python/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/train/requirements.txt --requirement tests/requirements.txt
  # Its types are read, not imported: without the hundred packages that it needs.
  "$python/bin/pip" install --quiet --disable-pip-version-check --no-deps 'kserve==0.21.0'
fi

# An environment of its own: tritonclient needs protobuf below 7, grpcio-tools 1.85.1 needs 7.
triton=.runtime/triton
if ! "$triton/bin/python" -c 'import tritonclient.grpc, onnxruntime' 2>/dev/null; then
  say "setting up Python, for Triton's client in the tests"
  python3 -m venv "$triton"
  "$triton/bin/pip" install --quiet --disable-pip-version-check 'tritonclient[grpc]==2.73.0' 'onnxruntime==1.31.1'
fi

# An environment of its own: a tester brings packages that nothing else here should come to need.
openapi=.runtime/openapi
if ! "$openapi/bin/python" -c 'import schemathesis, openapi_spec_validator' 2>/dev/null; then
  say "setting up Python, for the tests of the OpenAPI document"
  python3 -m venv "$openapi"
  "$openapi/bin/pip" install --quiet --disable-pip-version-check --no-compile 'schemathesis==4.32.5' 'openapi-spec-validator==0.9.0'
fi

say "format"
cargo fmt --check
say "lints"
cargo clippy --locked --workspace --all-targets --quiet "${features[@]}" -- -D warnings
say "lints of the server alone, without libjpeg-turbo"
cargo clippy --locked --package wildwarden --no-default-features --quiet -- -D warnings
say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet "${features[@]}"
say "tests"
log=.runtime/test.log
cargo test --locked --workspace "${features[@]}" 2>&1 | tee "$log"
say "tests in Python"
# Two files at a time: most of a test's time is a server's that starts.
logs=.runtime/tests
rm -rf "$logs" && mkdir -p "$logs"
run_file() {
  local began=$SECONDS log
  log=$logs/$(basename "$2" .py).log
  "$1" -m unittest discover --start-directory tests --pattern "$(basename "$2")" >"$log" 2>&1 || { tail -n 100 "$log"; printf '==> %s failed\n' "$2"; return 1; }
  printf '==> %s: %s, %s s\n' "$2" "$(tail -n 1 "$log")" $((SECONDS - began))
}
export -f run_file
export logs
find tests -name 'test_*.py' ! -name test_wheel.py -print0 | sort -z | xargs -0 -n 1 -P 2 bash -euc 'run_file "$0" "$1"' "$python/bin/python"
# Last, since it puts another program into the place of the one that the others test: stripped, and named by what it asks of the system.
say "the wheel"
listed=$(printf '%s,' lab $jpeg $heif)
clients/python/wheel.sh --compatibility linux --profile dev --no-default-features --features "${listed%,}"
run_file "$python/bin/python" tests/test_wheel.py
cat "$logs"/*.log >>"$log"
skipped=$(sed -n 's/^OK (skipped=\([0-9]*\))$/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
passed=$(awk -v skipped="$skipped" '/^test result:/ { sum += $4 } /^Ran [0-9]+ tests? in/ { sum += $2 } END { print sum - skipped }' "$log")
ignored=$(awk -v skipped="$skipped" '/^test result:/ { sum += $8 } END { print sum + skipped }' "$log")
say "$passed tests passed, 0 failed, $ignored ignored"
