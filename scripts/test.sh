#!/usr/bin/env bash
# Everything that must pass: format, lints, documentation, tests. Ends with the number of tests. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '==> %s\n' "$*"; }

scripts/setup.sh --runtime-only

python=.runtime/python
if ! "$python/bin/python" -c 'import grpc_tools' 2>/dev/null; then
  say "setting up the Python client's environment"
  python3 -m venv "$python" || { echo "wildwarden test: python3 cannot make environments: install venv (Debian: apt-get install python3-venv)" >&2; exit 2; }
  "$python/bin/pip" install --quiet --disable-pip-version-check 'grpcio-tools==1.85.1'
fi

say "format"
cargo fmt --check
say "lints"
cargo clippy --locked --all-targets --quiet -- -D warnings
say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
say "tests"
log=.runtime/test.log
cargo test --locked 2>&1 | tee "$log"
passed=$(awk '/^test result:/ { sum += $4 } END { print sum + 0 }' "$log")
ignored=$(awk '/^test result:/ { sum += $8 } END { print sum + 0 }' "$log")
say "$passed tests passed, 0 failed, $ignored ignored"
