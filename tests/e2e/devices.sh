#!/bin/sh
# Devices that QEMU has as well: their guests print the same there.  (QEMU 7.2 ends if edu is to move its whole
# buffer.)  And the frames of a NIC as a file that tcpdump reads.   devices.sh BUILD
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

# ours GUEST ARGUMENTS: by a script of its own, or as a guest of the edu device
ours() {
    script=$root/tests/peers/$1.lua image=
    [ -f "$script" ] || script=$root/tests/peers/device.lua image=image=$1
    # shellcheck disable=SC2086 # there may be no image
    if "$build/ringside" run "$script" $image cmdline="$2" >"$work/ours" 2>"$work/err" && [ -s "$work/ours" ]; then
        ok "$1 $2"
    else
        cat "$work/ours" "$work/err"
        not_ok "$1 $2 fails"
    fi
}

# theirs GUEST ARGUMENTS QEMU'S-OPTIONS
theirs() {
    (cd "$work" && PEER_ENDS=1 PEER_OPTIONS=$3 timeout -s KILL 120 "$root/bench/peer" qemu "$build/guests/$1.elf" "$2" 3>&1 2>err | cat >log)
    if ! grep -q '^peer QEMU' "$work/log"; then
        echo "SKIPPED: QEMU is not compared: $(cat "$work/err")"
    elif sed 1d "$work/log" | diff -B "$work/ours" - >"$work/changes"; then
        ok "$1 $2 prints the same on QEMU"
    else
        cat "$work/changes"
        not_ok "$1 $2 prints something else on QEMU $3 (< here, > there)"
    fi
}

# passed GUEST ARGUMENTS: what the guest has just printed bare it prints in a VM that has the devices for itself
passed() {
    for posted in no yes; do
        if "$build/ringside" run "$root/tests/peers/passed.lua" image="$1" cmdline="$2" posted=$posted >"$work/passed" 2>"$work/err" &&
            diff "$work/ours" "$work/passed" >"$work/changes"; then
            ok "$1 $2 prints the same passed through, posted=$posted"
        else
            cat "$work/changes" "$work/err"
            not_ok "$1 $2 prints something else passed through, posted=$posted (< bare, > passed through)"
        fi
    done
}

ours board 3
theirs board 3 "-machine pc"
theirs board 3 "-machine q35"

for arguments in "10 1000" "33 4095" "1 1 code"; do
    ours edu "$arguments"
    passed edu "$arguments"
    theirs edu "$arguments" "-device edu"
done
ours iommu ""
theirs iommu "" "-machine q35 -device intel-iommu -device edu"

# What a device does by itself is in the trace, and code that it has written is read again.
"$build/ringside" run "$root/tests/peers/device.lua" cmdline="10 1000 code" --trace "$work/trace.txt" >"$work/ours" 2>"$work/err"
if grep -q ' A\.- device   -- dma device=0x8 .* write=yes size=64$' "$work/trace.txt" &&
    grep -q ' A\.- device   -- message device=0x8 .* vector=53 ' "$work/trace.txt"; then
    ok "a trace has the device's transfers and messages"
else
    not_ok "a trace has not the device's transfers and messages"
fi
# The spinning jmp becomes a nop under the core that is at it.
if [ "$(grep -v -e ' -- ' "$work/trace.txt" | grep -A 1 ' back+4000  *jmp ' | tail -n 1 | sed 's/.* back+4000  *//')" = nop ]; then
    ok "a trace has code as it is behind a transfer"
else
    grep 'back+4000 ' "$work/trace.txt" | tail -n 4
    not_ok "a trace has code as it was before a transfer"
fi

# Two that are joined.
joined="-netdev hubport,id=a,hubid=1 -netdev hubport,id=b,hubid=1 -device e1000,netdev=a -device e1000,netdev=b"
for arguments in "40 1000" "25 60" "17 1514 200"; do
    ours e1000 "$arguments"
    passed e1000 "$arguments"
    theirs e1000 "$arguments" "$joined"
done

# ---- frames in a file ----

# The n-th number of 4 bytes.
word() { od -A n -t x4 -j "$((4 * $1))" -N 4 "$work/frames" | tr -d ' '; }

"$build/ringside" run "$root/tests/peers/e1000.lua" cmdline="3 100" pcap="$work/frames" >"$work/ours" 2>&1
if [ "$(wc -c <"$work/frames")" -eq $((24 + 6 * (16 + 100))) ] && [ "$(word 0)$(word 5)" = a1b23c4d00000001 ] &&
    [ "$(word 8)$(word 9)" = 0000006400000064 ]; then
    ok "six frames of 100 bytes in a capture"
else
    od -A d -t x4 "$work/frames" | head
    not_ok "the capture is not what it should be"
fi
if [ "$(tcpdump -n -vv -r "$work/frames" 2>/dev/null | grep -c 'udp sum ok')" -eq 6 ]; then
    ok "tcpdump finds six UDP packets with right sums"
else
    tcpdump -n -v -r "$work/frames"
    not_ok "tcpdump does not find the packets"
fi
echo "nothing that may go" >"$work/text"
if "$build/ringside" run "$root/tests/peers/e1000.lua" pcap="$work/text" >"$work/ours" 2>&1 || ! grep -q nothing "$work/text"; then
    not_ok "a file that is no capture was replaced"
else
    ok "a file that is no capture stays"
fi

# A virtio disk and a virtio NIC: what is printed, and what is on the disk afterwards.

virtio="-drive if=none,id=disk,format=raw,file=theirs.img -device virtio-blk-pci,disable-legacy=on,drive=disk
    -device virtio-net-pci,disable-legacy=on,mac=52:54:00:12:34:56"

# make_disk FILE
make_disk() {
    head -c 65536 "$build/guests/virtio.elf" >"$1"
}

our_disk() {
    "$build/ringside" run "$root/tests/peers/virtio.lua" cmdline="$1" disk="$work/ours.img" >"$work/ours" 2>"$work/err"
    if [ $? -eq 0 ] && [ ! -s "$work/err" ] && [ "$(wc -l <"$work/ours")" -eq 6 ]; then
        ok "virtio disk, $1"
    else
        cat "$work/ours" "$work/err"
        not_ok "virtio disk, $1, fails"
    fi
}

their_disk() {
    (cd "$work" && PEER_ENDS=1 PEER_OPTIONS="${2:-$virtio}" \
        timeout -s KILL 120 "$root/bench/peer" qemu "$build/guests/virtio.elf" "$1" 3>&1 2>err | cat >log)
    if ! grep -q '^peer QEMU' "$work/log"; then
        echo "SKIPPED: QEMU is not compared: $(cat "$work/err")"
    elif sed 1d "$work/log" | diff -B "$work/ours" - >"$work/changes" && cmp "$work/ours.img" "$work/theirs.img"; then
        ok "virtio disk, $1, prints and writes the same on QEMU"
    else
        cat "$work/changes"
        not_ok "virtio disk, $1, prints or writes something else on QEMU (< here, > there)"
    fi
}

# The same guest in a VM, whose disk and NIC are the hypervisor's: but for the NIC's address, which the switch gives.
vm_disk() {
    make_disk "$work/vm.img"
    if "$build/ringside" run "$root/tests/peers/virtio_vm.lua" by="$2" cmdline="$1" disk="$work/vm.img" >"$work/vm" 2>"$work/err" &&
        sed 's/ [0-9a-f:]\{17\},/,/' "$work/ours" >"$work/bare" && sed 's/ [0-9a-f:]\{17\},/,/' "$work/vm" | diff "$work/bare" - >"$work/changes" &&
        cmp "$work/ours.img" "$work/vm.img"; then
        ok "virtio disk, $1, prints and writes the same in a VM, by $2"
    else
        cat "$work/changes" "$work/err"
        not_ok "virtio disk, $1, prints or writes something else in a VM, by $2"
    fi
}

for arguments in "8" "100" "120"; do
    make_disk "$work/ours.img"
    make_disk "$work/theirs.img"
    our_disk "$arguments"
    vm_disk "$arguments" virtio
    vm_disk "$arguments" passthrough
    if cmp -s "$work/ours.img" "$work/theirs.img"; then
        not_ok "virtio disk, $arguments: nothing was written"
    fi
    their_disk "$arguments"
done
# Behind an IOMMU, which virtio devices of QEMU use if told to.
make_disk "$work/ours.img"
make_disk "$work/theirs.img"
our_disk "8 iommu"
their_disk "8 iommu" "-machine q35 -device intel-iommu $(echo "$virtio" | sed 's/disable-legacy=on/&,iommu_platform=on/')"
# What was pressed is in the log of inputs.
if "$build/ringside" run --record "$work/keys.log" "$root/tests/peers/keys.lua" >"$work/pressed" && grep -q keyboard "$work/keys.log" &&
    "$build/ringside" run --replay "$work/keys.log" "$root/tests/peers/keys.lua" | diff "$work/pressed" -; then
    ok "keys are replayed"
else
    not_ok "keys are not replayed"
fi
exit "$failed"
