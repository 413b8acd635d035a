#!/usr/bin/env bash
# Sets everything up and serves on 127.0.0.1:50051 with the shipped models. Arguments go to `wildwarden serve`.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --server
exec target/release/wildwarden serve "$@"
