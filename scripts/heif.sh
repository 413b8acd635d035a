# Sourced by test.sh: puts into `heif` the feature that decodes HEIC and AVIF, if this machine can build it: libheif is C++ from the source in
# its crate, and wants cmake, pkg-config, libde265 and dav1d. They are installed when that is possible unasked (Debian, as root).

heif_tools_missing() {
  command -v cmake >/dev/null || printf 'cmake '
  command -v c++ >/dev/null || printf 'g++ '
  command -v pkg-config >/dev/null || { printf 'pkg-config libde265-dev libdav1d-dev '; return; }
  pkg-config --exists libde265 || printf 'libde265-dev '
  pkg-config --exists dav1d || printf 'libdav1d-dev '
}

tools=$(heif_tools_missing)
if [ -n "$tools" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  printf '==> installing %s(for HEIC and AVIF)\n' "$tools"
  # Word splitting is meant: one package a word.
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $tools; } >/dev/null 2>&1 || true
  tools=$(heif_tools_missing)
fi
heif=heif
if [ -n "$tools" ]; then
  printf '==> without HEIC and AVIF: %smissing\n' "$tools"
  heif=
fi
