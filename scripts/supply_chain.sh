#!/usr/bin/env bash
# Checks what this project is made of, and writes it down. Safe to run again.
#   supply_chain.sh [SBOM]
# cargo-deny holds licences, doubled and forbidden packages, sources and known vulnerabilities against deny.toml; a bill of materials
# (CycloneDX, JSON) is written to SBOM where one is named. Exit codes: 0 all checked, 1 something is refused, 2 something could not
# be checked, which a line says; the bill is written all the same.
set -euo pipefail
[ $# -le 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
bill=${1:+$(realpath -m -- "$1")}
cd "$(dirname "$0")/.."
say() { printf '==> %s\n' "$*"; }
warn() { printf 'wildwarden supply chain: %s\n' "$*" >&2; }

command -v cargo >/dev/null || { warn "cargo is missing: install a Rust toolchain, 1.92 or newer"; exit 2; }
refused="" unchecked=""

if cargo deny --version >/dev/null 2>&1; then
  for manifest in Cargo.toml fuzz/Cargo.toml; do
    say "licences, packages and sources of $manifest"
    cargo deny --config deny.toml --manifest-path "$manifest" --locked --workspace check licenses bans sources || refused=yes
  done
  say "known vulnerabilities"
  # Fetched apart, since a database that cannot be had is not a package that is refused.
  if cargo deny --config deny.toml --locked fetch db; then
    cargo deny --config deny.toml --locked --workspace check advisories || refused=yes
  else
    warn "the database of advisories could not be fetched: known vulnerabilities were NOT looked for"
    unchecked=yes
  fi
else
  warn "cargo-deny is missing: licences, packages, sources and vulnerabilities were NOT checked (cargo install cargo-deny --locked)"
  unchecked=yes
fi

if [ -n "$bill" ]; then
  say "bill of materials"
  work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
  cargo metadata --locked --format-version 1 --all-features > "$work/metadata.json"
  # What is in the server as deploy/ builds it, on this machine.
  cargo tree --locked --edges normal --target "$(rustc -vV | sed -n 's/^host: //p')" --package wildwarden --no-default-features \
    --features libjpeg-turbo --prefix depth --no-dedupe > "$work/linked.txt"
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || true)} \
    python3 scripts/sbom.py --metadata "$work/metadata.json" --linked "$work/linked.txt" "$bill"
fi
[ -z "$refused" ] || exit 1
[ -z "$unchecked" ] || exit 2
