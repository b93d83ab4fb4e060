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

# ours ARGUMENTS
ours() {
    if "$build/ringside" run "$root/tests/peers/edu.lua" cmdline="$1" >"$work/ours" 2>"$work/err" && [ -s "$work/ours" ]; then
        ok "edu $1"
    else
        cat "$work/ours" "$work/err"
        not_ok "edu $1 fails"
    fi
}

# theirs ARGUMENTS
theirs() {
    (cd "$work" && PEER_ENDS=1 PEER_DEVICE=edu timeout -s KILL 120 "$root/bench/peer" qemu "$build/guests/edu.elf" "$1" 3>&1 2>err | cat >log)
    if ! grep -q '^peer QEMU' "$work/log"; then
        echo "SKIPPED: QEMU is not compared: $(cat "$work/err")"
    elif sed 1d "$work/log" | diff -B "$work/ours" - >"$work/changes"; then
        ok "edu $1 prints the same on QEMU"
    else
        cat "$work/changes"
        not_ok "edu $1 prints something else on QEMU (< here, > there)"
    fi
}

for arguments in "10 1000" "33 4095" "1 1"; do
    ours "$arguments"
    theirs "$arguments"
done
exit "$failed"
