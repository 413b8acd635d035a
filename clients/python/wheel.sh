#!/usr/bin/env bash
# Builds the wheel into clients/python/dist: the program, compiled in the release profile into target/, the models in the repository, and
# the client. Needs Rust; maturin comes into an environment of its own. Arguments go to maturin, as `--zig` or `--no-default-features`.
set -euo pipefail
cd "$(dirname "$0")"
environment=../../.runtime/wheel
if ! "$environment/bin/python" -c 'import maturin' 2>/dev/null; then
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check 'maturin==1.16.0'
fi
rm -rf dist
# With auditwheel, the wheel's name says the oldest glibc that the program runs with; with `--compatibility linux` it says only "linux".
case " $* " in *" --compatibility "*) compatibility= ;; *) compatibility="--compatibility pypi" ;; esac
MATURIN_PEP517_ARGS="$compatibility --locked $*" PATH="$PWD/$environment/bin:$PATH" \
  "$environment/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
ls dist/*.whl
