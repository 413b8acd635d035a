#!/usr/bin/env bash
# Sets everything up and serves on 127.0.0.1:50051 with the shipped models, and a console for browsers on http://127.0.0.1:50053 (or
# where WILDWARDEN_SERVER_CONSOLE_LISTEN says). Arguments go to `wildwarden serve`.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,3s/^# //p' "$0"; exit ;; esac
cd "$(dirname "$0")/.."
scripts/setup.sh --server
export WILDWARDEN_SERVER_CONSOLE_LISTEN="${WILDWARDEN_SERVER_CONSOLE_LISTEN-127.0.0.1:50053}"
exec target/release/wildwarden serve "$@"
