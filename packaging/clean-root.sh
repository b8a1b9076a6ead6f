#!/usr/bin/env bash
# clean-root.sh SUITE FOLDER COMMAND...: runs a command in FOLDER, a Debian source tree, inside a root of another release of
# Debian that has the tree's build dependencies and nothing else. The root is made once with mmdebstrap and kept in
# build/roots; the command sees a mount namespace of its own, FOLDER with what lies beside it, and the compiler cache.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
suite=$1 folder=$2
shift 2
mirror=${BULKHEAD_MIRROR:-http://deb.debian.org/debian}

# Names only: the first of alternatives, without versions.
needs=$(sed -n '/^Build-Depends:/,/^[A-Z]/p' "$folder/debian/control" | sed '$d; s/^Build-Depends://; s/[(|][^,]*//g' | tr -d ' \n')
needs=${needs/debhelper-compat/debhelper},ccache
tree=$ROOT/build/roots/$suite-$(echo "$needs" "$mirror" | sha256sum | cut -c1-16)
if [[ ! -d $tree ]]; then
  [[ $EUID -eq 0 ]] || { echo "package: making a root of $suite needs root" >&2; exit 1; }
  echo "==> making a root of $suite to build in"
  mkdir -p "$ROOT/build/roots"
  rm -rf "$tree.new"
  mmdebstrap --mode=root --variant=buildd --format=directory --include="$needs" \
    --dpkgopt=path-exclude=/usr/share/doc/* --dpkgopt=path-exclude=/usr/share/locale/* \
    "$suite" "$tree.new" "deb $mirror $suite main"
  rm -rf "$ROOT/build/roots/$suite-"????????????????
  mv "$tree.new" "$tree"
fi

mkdir -p "$CCACHE_DIR"
# shellcheck disable=SC2016  # the arguments are the inner shells'
exec unshare --mount --pid --fork --kill-child bash -euc '
  tree=$1 beside=$2 folder=$3 cache=$4; shift 4
  for path in "$beside" "$cache"; do mkdir -p "$tree$path"; mount --bind "$path" "$tree$path"; done
  mount -t proc proc "$tree/proc"
  mount --bind /dev "$tree/dev"
  exec chroot "$tree" /bin/bash -euc '\''cd "$1"; shift; exec "$@"'\'' bash "$folder" "$@"
' bash "$tree" "$(dirname "$folder")" "$folder" "$CCACHE_DIR" "$@"
