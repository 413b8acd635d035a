#!/usr/bin/env bash
# The whole performance comparison in one go, on loopback: the bare limit, this server, and other inference servers that
# decode the same JPEG and run the same int8 backbone. Writes scripts/bench/RESULTS.md. About 25 minutes; use a quiet machine.
#   scripts/bench/run.sh [--photos DIR] [--only PART,...] [--seconds S]     see compare.py --help
set -euo pipefail
cd "$(dirname "$0")/../.."
# Python's onnxruntime reports to its maker without it.
export ORT_DISABLE_TELEMETRY=1
say() { printf '==> %s\n' "$*"; }
missing() { printf 'wildwarden bench: %s\n' "$*" >&2; exit 2; }

command -v wrk >/dev/null || missing "wrk is missing: it loads the HTTP peers (Debian: apt-get install wrk)"
scripts/setup.sh
python=.runtime/bench
if ! "$python/bin/python" -c 'import mosec, litserve, onnx, grpc_tools, skimage' 2>/dev/null; then
  say "setting up the peers (mosec, LitServe) in $python"
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/bench/requirements.txt
fi
exec "$python/bin/python" scripts/bench/compare.py "$@"
