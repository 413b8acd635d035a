# Sourced by setup.sh and test.sh: puts into `jpeg` the feature of the JPEG decoder in C, if this machine can build it.
# libjpeg-turbo is C and assembly: it wants cmake and, on x86-64, nasm. Both are installed when that is possible unasked
# (Debian, as root); else the decoder written in Rust alone is built, and one line says so.

jpeg_tools_missing() {
  command -v cmake >/dev/null || printf 'cmake '
  case "$(uname -m)" in x86_64|amd64) command -v nasm >/dev/null || printf 'nasm ' ;; esac
}

tools=$(jpeg_tools_missing)
if [ -n "$tools" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  printf '==> installing %s(for libjpeg-turbo)\n' "$tools"
  # Word splitting is meant: one package a word.
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $tools; } >/dev/null 2>&1 || true
  tools=$(jpeg_tools_missing)
fi
jpeg=libjpeg-turbo
if [ -n "$tools" ]; then
  printf '==> without libjpeg-turbo: %smissing. Large photos take twice as long to decode. To change that, install and run again.\n' "$tools"
  jpeg=
fi
