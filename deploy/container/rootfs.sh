#!/usr/bin/env bash
# Makes the file system of the container: the program, ONNX Runtime, models, policy, settings, and the few libraries of the system that
# the first two are linked with. No shell, no package manager, nothing else that runs.
#   rootfs.sh PROGRAM ONNXRUNTIME FOLDER     FOLDER must not be there yet
set -euo pipefail
[ $# = 3 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$(realpath -- "$1") runtime=$(realpath -- "$2") root=$3
cd "$(dirname "$0")/../.."
fail() { printf 'wildwarden rootfs: %s\n' "$*" >&2; exit 2; }
[ ! -e "$root" ] || fail "$root is there already"
for path in models/policy.toml models/{clip_encoder,text_detector,text_recognizer}/1/model.onnx; do
  # scripts/setup.sh goes on without what it could not fetch; an image that lacks half its models would not be noticed.
  [ -f "$path" ] || fail "$path is missing: scripts/models/fetch.sh makes it"
done

# A folder of the image that all may read, whatever the umask here.
umask 022
install -D -m 755 "$program" "$root/usr/local/bin/wildwarden"
install -D -m 644 "$runtime" "$root/usr/local/lib/wildwarden/libonnxruntime.so"
install -D -m 644 deploy/wildwarden.toml "$root/etc/wildwarden/wildwarden.toml"
install -D -m 644 LICENSE "$root/usr/local/share/doc/wildwarden/LICENSE"
[ ! -f .runtime/LICENSE ] || install -D -m 644 .runtime/LICENSE "$root/usr/local/share/doc/onnxruntime/LICENSE"
for model in models/*/; do
  # Only whole folders: what git ignores, as state.json and half-made copies, stays here.
  for manifest in "$model"[!.]*/model.toml; do
    [ -f "$manifest" ] || continue
    folder=$(dirname "$manifest")
    mkdir -p "$root/var/lib/wildwarden/$folder"
    cp -r --no-preserve=mode,ownership "$folder/." "$root/var/lib/wildwarden/$folder/"
  done
done
install -m 644 models/policy.toml "$root/var/lib/wildwarden/models/policy.toml"

# Each library where the loader looks for it, with the loader itself; linux-vdso has no file.
for object in "$program" "$runtime"; do ldd "$object"; done | grep -o '/[^ ]*' | sort -u | while read -r library; do
  [ -e "$root$library" ] || install -D -m 755 "$(realpath "$library")" "$root$library"
  package=$(dpkg-query --search "$(realpath "$library")" "$library" 2>/dev/null | head -1 | cut -d: -f1 || true)
  copyright=/usr/share/doc/$package/copyright
  [ -z "$package" ] || [ ! -f "$copyright" ] || install -D -m 644 "$(realpath "$copyright")" "$root$copyright"
done

printf 'root:x:0:0::/:/nonexistent\nwildwarden:x:65532:65532::/:/nonexistent\n' > "$root/etc/passwd"
printf 'root:x:0:\nwildwarden:x:65532:\n' > "$root/etc/group"
printf '==> %s in %s\n' "$(du -sh --apparent-size "$root" | cut -f1)" "$root"
