#!/bin/sh
# `make install` puts a tree under DESTDIR that works from anywhere, and `make uninstall` takes it away.
set -e
build=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
make --no-print-directory install-files BUILD="$build" DESTDIR="$tree" PREFIX=/usr >/dev/null
test -f "$tree/usr/share/doc/ringside/machine.md"
test -f "$tree/usr/share/ringside/hv/hv.elf"
(cd "$tree" && usr/bin/ringside run usr/share/ringside/scenarios/native_walk.lua >/dev/null)
make --no-print-directory uninstall BUILD="$build" DESTDIR="$tree" PREFIX=/usr >/dev/null
test -z "$(find "$tree" -type f)"
