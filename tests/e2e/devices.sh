#!/bin/sh
# Devices that QEMU has as well: their guests print the same there.  (QEMU 7.2 ends if edu is to move its whole
# buffer.)   devices.sh BUILD
set -u

build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

ok() { echo "ok - $*"; }
not_ok() {
    echo "not ok - $*"
    failed=1
}

# ours IMAGE ARGUMENTS
ours() {
    if "$build/ringside" run "$root/tests/peers/device.lua" image="$1" cmdline="$2" >"$work/ours" 2>"$work/err" && [ -s "$work/ours" ]; then
        ok "$1 $2"
    else
        cat "$work/ours" "$work/err"
        not_ok "$1 $2 fails"
    fi
}

# theirs IMAGE ARGUMENTS
theirs() {
    (cd "$work" && PEER_ENDS=1 PEER_DEVICE=edu timeout -s KILL 120 "$root/bench/peer" qemu "$build/guests/$1.elf" "$2" 3>&1 2>err | cat >log)
    if ! grep -q '^peer QEMU' "$work/log"; then
        echo "SKIPPED: QEMU is not compared: $(cat "$work/err")"
    elif sed 1d "$work/log" | diff -B "$work/ours" - >"$work/changes"; then
        ok "$1 $2 prints the same on QEMU"
    else
        cat "$work/changes"
        not_ok "$1 $2 prints something else on QEMU (< here, > there)"
    fi
}

for arguments in "10 1000" "33 4095" "1 1"; do
    ours edu "$arguments"
    theirs edu "$arguments"
done
export PEER_IOMMU=intel-iommu
ours iommu ""
theirs iommu ""
exit "$failed"
