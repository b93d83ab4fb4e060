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

# ours IMAGE ARGUMENTS [SCRIPT]
ours() {
    if "$build/ringside" run "$root/tests/peers/${3-device}.lua" image="$1" cmdline="$2" >"$work/ours" 2>"$work/err" && [ -s "$work/ours" ]; then
        ok "$1 $2"
    else
        cat "$work/ours" "$work/err"
        not_ok "$1 $2 fails"
    fi
}

# theirs IMAGE ARGUMENTS [OPTION...]
theirs() {
    guest=$1
    arguments=$2
    shift 2
    (cd "$work" && PEER_ENDS=1 timeout -s KILL 120 "$root/bench/peer" qemu "$build/guests/$guest.elf" "$arguments" "$@" 3>&1 2>err | cat >log)
    if ! grep -q '^peer QEMU' "$work/log"; then
        echo "SKIPPED: QEMU is not compared: $(cat "$work/err")"
    elif sed 1d "$work/log" | diff -B "$work/ours" - >"$work/changes"; then
        ok "$guest $arguments prints the same on QEMU $*"
    else
        cat "$work/changes"
        not_ok "$guest $arguments prints something else on QEMU $* (< here, > there)"
    fi
}

ours board 3 board
theirs board 3 -machine pc
theirs board 3 -machine q35

export PEER_DEVICE=edu
for arguments in "10 1000" "33 4095" "1 1"; do
    ours edu "$arguments"
    theirs edu "$arguments"
done
export PEER_IOMMU=intel-iommu
ours iommu ""
theirs iommu ""

# What was pressed is in the log of inputs.
if "$build/ringside" run --record "$work/keys.log" "$root/tests/peers/keys.lua" >"$work/pressed" && grep -q keyboard "$work/keys.log" &&
    "$build/ringside" run --replay "$work/keys.log" "$root/tests/peers/keys.lua" | diff "$work/pressed" -; then
    ok "keys are replayed"
else
    not_ok "keys are not replayed"
fi
exit "$failed"
