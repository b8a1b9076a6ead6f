#!/usr/bin/env bash
# ./dev package: builds the Debian packages from what git would commit now; debian/ has to lie at the top for that, so it
# happens in a copy below build/package, which is kept: the next call compiles only what changed, if ccache is there.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
OUT=$ROOT/build/package
VERSION=$(dpkg-parsechangelog -l "$ROOT/packaging/debian/changelog" -S Version)
COPY=$OUT/bulkhead-$VERSION

grep -q "^project(bulkhead VERSION $VERSION " "$ROOT/CMakeLists.txt" || {
  echo "package: packaging/debian/changelog says $VERSION, CMakeLists.txt says another version" >&2; exit 1; }

rm -rf "$COPY"
rm -f "$OUT"/*.deb "$OUT"/*.buildinfo "$OUT"/*.changes
mkdir -p "$COPY"
git -C "$ROOT" ls-files -coz --exclude-standard |
  (cd "$ROOT" && tar --null --files-from=- --ignore-failed-read --warning=no-failed-read -cf -) | tar -C "$COPY" -xf -
cp -r "$COPY/packaging/debian" "$COPY/debian"

# dh gives the build a home of its own, and ccache would begin anew with it.
export CCACHE_DIR=${CCACHE_DIR:-$HOME/.cache/ccache}
export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-parallel=${BULKHEAD_JOBS:-$(nproc)}}
(cd "$COPY" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps)
lintian --fail-on error,warning --tag-display-limit 0 "$OUT"/bulkhead_*.changes
ls -l "$OUT"/*.deb
