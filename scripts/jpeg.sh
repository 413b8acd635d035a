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

# The library alone, from the source in its crate: the crate itself would build tools and tests with it, which takes as long again.
build_jpeg_library() {
  [ -n "$jpeg" ] || return 0
  local crate library
  crate=$(cargo metadata --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" | python3 -c 'import json, pathlib, sys
print(next(pathlib.Path(p["manifest_path"]).parent for p in json.load(sys.stdin)["packages"] if p["name"] == "turbojpeg-sys"))') || crate=
  # Where cargo cannot say, the crate builds its own.
  [ -n "$crate" ] || return 0
  library=$(pwd -P)/.runtime/$(basename "$crate")
  # A folder that was moved still names its old place.
  grep -qsxF "CMAKE_CACHEFILE_DIR:INTERNAL=$library" "$library/CMakeCache.txt" || rm -rf "$library"
  # Where that fails the crate tries, and says what is wrong.
  [ -f "$library/Makefile" ] || cmake -S "$crate/libjpeg-turbo" -B "$library" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DENABLE_SHARED=OFF -DREQUIRE_SIMD=ON >/dev/null || return 0
  cmake --build "$library" --target turbojpeg-static --parallel 2 >/dev/null || return 0
  export TURBOJPEG_SOURCE=explicit TURBOJPEG_STATIC=1 TURBOJPEG_LIB_DIR=$library TURBOJPEG_INCLUDE_DIR=$crate/libjpeg-turbo/src
}
