#!/usr/bin/env bash
# ./dev package: builds the Debian packages from what git would commit now. debian/ has to lie at the top for that, so it
# happens in a copy below build/, which is kept: the next call compiles only what changed, if ccache is there. Nothing is
# done when nothing changed.
#   --suite SUITE   for another release of Debian than this machine's, in a clean root of it
#   --previous      under an older version number, into a folder of its own: what upgrades are tried from
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC1091
HERE=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
VERSION=$(dpkg-parsechangelog -l "$ROOT/packaging/debian/changelog" -S Version)
suite=$HERE version=$VERSION out=$ROOT/build/package
while [[ $# -gt 0 ]]; do
  case $1 in
    --suite) suite=$2; shift 2 ;;
    --previous) version=0.0.9; shift ;;
    *) echo "package: unknown argument $1" >&2; exit 2 ;;
  esac
done
[[ $suite == "$HERE" ]] || out=$out-$suite
[[ $version == "$VERSION" ]] || out=$out-previous
copy=$ROOT/build/package-source

grep -q "^project(bulkhead VERSION $VERSION " "$ROOT/CMakeLists.txt" || {
  echo "package: packaging/debian/changelog says $VERSION, CMakeLists.txt says another version" >&2; exit 1; }

files() { git -C "$ROOT" ls-files -coz --exclude-standard | (cd "$ROOT" && while IFS= read -rd '' f; do
  [[ ! -f $f ]] || printf '%s\0' "$f"; done); }
# Tests are no part of the packages.
state="$version $(files | grep -zv '^tests/' | (cd "$ROOT" && xargs -0 sha256sum) | sha256sum)"
if [[ -f $out/state && $(<"$out/state") == "$state" ]]; then
  ls -l "$out"/*.deb
  exit
fi

mkdir -p "$ROOT/build"
exec 9>"$ROOT/build/package.lock"
flock 9
rm -rf "$copy" "$out"
mkdir -p "$copy" "$out"
files | (cd "$ROOT" && tar --null --files-from=- -cf -) | tar -C "$copy" -xf -
cp -r "$copy/packaging/debian" "$copy/debian"
if [[ $version != "$VERSION" ]]; then
  sed -i "1s/($VERSION)/($version)/" "$copy/debian/changelog"
  sed -i "s/^project(bulkhead VERSION $VERSION /project(bulkhead VERSION $version /" "$copy/CMakeLists.txt"
fi

# dh gives the build a home of its own, and ccache would begin anew with it.
export CCACHE_DIR=${CCACHE_DIR:-$HOME/.cache/ccache} CCACHE_BASEDIR=$copy
export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-terse parallel=${BULKHEAD_JOBS:-$(nproc)}}
[[ $version == "$VERSION" ]] || DEB_BUILD_OPTIONS+=" noautodbgsym"
if [[ $suite == "$HERE" ]]; then
  (cd "$copy" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps)
else
  "$ROOT/packaging/clean-root.sh" "$suite" "$copy" dpkg-buildpackage --build=binary --no-sign
fi
mv "$ROOT"/build/bulkhead*_"$version"_* "$out"
[[ $version != "$VERSION" ]] || lintian --fail-on error,warning --tag-display-limit 0 "$out"/bulkhead_*.changes
echo "$state" >"$out/state"
ls -l "$out"/*.deb
