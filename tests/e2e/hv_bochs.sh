#!/bin/sh
# The hypervisor boots on Bochs, a PC with VT-x that is not ours: by GRUB, the same image as on Ringside.  The
# guest kernel in a VM there prints what it prints everywhere, with either way of virtualising memory.
#    hv_bochs.sh BUILD
set -u

build=$(cd "$1" && pwd) || exit 1
root=$(cd "$(dirname "$0")/../.." && pwd)
recorded=$root/tests/kernel/log
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
bad=0

# boot MMU: the host's console goes to $work/MMU/log.
boot() {
    mkdir "$work/$1"
    (
        cd "$work/$1" || exit 2
        PEER_ENDS=1 PEER_MODULE=$build/guests/kernel.elf \
            PEER_STRING="vm image=kernel ram=16M mmu=$1 -- sh all" \
            timeout -s KILL 240 "$root/bench/peer" bochs "$build/hv/hv.elf" '' 3>&1 2>err | cat >log
    )
}

for mmu in nested shadow; do
    boot $mmu
    version=$(sed -n '1s/^peer //p' "$work/$mmu/log")
    if [ -z "$version" ]; then
        echo "SKIPPED: the hypervisor does not boot on Bochs: $(cat "$work/$mmu/err")"
        continue
    fi
    sed -n 's/^\[vm\] //p' "$work/$mmu/log" >"$work/$mmu/lines"
    if diff "$recorded" "$work/$mmu/lines" >"$work/changes" &&
        grep -q '^hv: vm stopped, status 1;' "$work/$mmu/log"; then
        echo "ok - $version: the kernel in a VM, mmu=$mmu, prints the recorded $(wc -l <"$recorded") lines"
    else
        echo "not ok - $version, mmu=$mmu (< wanted, > printed); and what the hypervisor said"
        sed 's/^/#   /' "$work/changes"
        grep -v '^\[vm\]' "$work/$mmu/log" | sed 's/^/#   /'
        bad=1
    fi
done
exit "$bad"
