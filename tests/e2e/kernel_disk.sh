#!/bin/sh
# The guest kernel's disk: its tools print the same on Ringside, in VMs and on QEMU, and each finds what the other has
# written; power cuts; disks that can only be read; and a NIC beside it, whose frames tcpdump reads.   kernel_disk.sh BUILD
# shellcheck disable=SC2317 # functions are called through all
set -u

build=$(cd "$1" && pwd) || exit 1
root=$(cd "$(dirname "$0")/../.." && pwd)
image=$build/guests/kernel.elf
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work" || exit 1
bad=0

ok() { echo "ok - $*"; }
not_ok() {
    echo "not ok - $*"
    bad=1
}

# verdict NAME WANTED GOT: two files.
verdict() {
    if diff "$2" "$3" >changes; then
        ok "$1"
    else
        not_ok "$1 (< wanted, > printed)"
        sed 's/^/#   /' changes
    fi
}

# empty FILE: a disk of 1 MiB
empty() { head -c 1048576 /dev/zero >"$1"; }

# run COMMANDS OPTIONS...: what the kernel prints
run() {
    commands=$1
    shift
    timeout 120 "$build/ringside" exec "$image" -a "$commands" "$@" </dev/null 2>&1
}

# ---- the same everywhere ----

# Command lines of VMs are short.
set -- \
    'df, ls /disk, mkfs, mkfs, df, echo hello > /disk/a, echo there >> /disk/a, cat /disk/a, mkdir /disk/d, mkdir /disk/d' \
    'cp source.txt /disk/d/s, cat /disk/d/s | wc, fill /disk/d/long 70000 5, mv /disk/a /disk/d/b, rm /disk/d, rm /disk, cat /disk/a' \
    'mv /disk/d /disk/d/d, cp /disk/d/s /disk/s, mv /disk/d/b /disk/s, fill /disk/no/way 1 1, ls /disk, ls /disk/d, tree, df, fsck' \
    'rm /disk/d/long /disk/d/s /disk/d, fill /disk/full 900000 1, tree, fsck, rm /disk/full, fsck, df, cat /disk/s'

cat >wanted.1 <<'END'
kernel: /disk: no file system is on it: mkfs makes one
kernel: ready
df: there is no file system
ls: '/disk' cannot be read
kernel: /disk: ready
mkfs: there is one, which would be lost: mkfs again
188 of 188 blocks of 4096 bytes and 62 of 63 inodes are free
hello
there
mkdir: '/disk/d' cannot be made
END
cat >wanted.2 <<'END'
kernel: /disk: ready
kernel: ready
14 246 1236
rm: '/disk/d' cannot be removed
rm: '/disk' cannot be removed
cat: there is no '/disk/a'
END
cat >wanted.3 <<'END'
kernel: /disk: ready
kernel: ready
mv: it cannot be
fill: '/disk/no/way' cannot be written whole
s 12
d/
s 1236
long 70000
/disk/s 12 321c235c
/disk/d/
/disk/d/s 1236 26713aed
/disk/d/long 70000 579762ae
165 of 188 blocks of 4096 bytes and 58 of 63 inodes are free
fsck: whole: 3 files, 2 directories, 23 blocks
END
cat >wanted.4 <<'END'
kernel: /disk: ready
kernel: ready
fill: '/disk/full' cannot be written whole
/disk/s 12 321c235c
/disk/full 753664 a37e4462
fsck: whole: 2 files, 1 directories, 187 blocks
fsck: whole: 1 files, 1 directories, 2 blocks
186 of 188 blocks of 4096 bytes and 61 of 63 inodes are free
hello
there
END

ours() { run "$1" --disk "$disk" --commit >got; }
vm() { "$build/ringside" run "$root/tests/kernel/disk_vm.lua" way="$way" mmu="$mmu" disk="$disk" cmdline="$1" >got 2>&1; }
theirs() {
    rm -rf qemu.d
    mkdir qemu.d
    (cd qemu.d && PEER_ENDS=1 \
        PEER_OPTIONS="-drive if=none,id=disk,format=raw,file=$work/$disk -device virtio-blk-pci,disable-legacy=on,drive=disk" \
        timeout -s KILL 60 "$root/bench/peer" qemu "$image" "$1" 3>&1 2>err | cat >log)
    sed 1d qemu.d/log >got
    grep -q '^peer QEMU' qemu.d/log
}

# all NAME HOW COMMANDS...: each on the disk that the one before has left
all() {
    name=$1 how=$2 i=0
    shift 2
    empty "$disk"
    for commands in "$@"; do
        i=$((i + 1))
        "$how" "$commands"
        verdict "$name: run $i" "wanted.$i" got
    done
}

disk=ours.img
all 'Ringside' ours "$@"
disk=vm.img
for way in passthrough virtio; do
    for mmu in nested shadow; do
        all "a VM, $way, $mmu" vm "$@"
    done
done
disk=theirs.img
empty theirs.img
if theirs 'echo'; then
    all 'QEMU' theirs "$@"
    # By turns: each reads what the other has written.
    disk=both.img
    empty both.img
    i=0
    for commands in "$@"; do
        i=$((i + 1))
        if [ $((i % 2)) = 0 ]; then ours "$commands"; else theirs "$commands"; fi
        verdict "QEMU and Ringside by turns: run $i" "wanted.$i" got
    done
else
    echo "SKIPPED: QEMU is not compared: $(cat qemu.d/err)"
fi

# ---- from a VM's disk to another's, through the switch ----

program=$build/guests/programs/rude
# CRC-32 as gzip has it: the first four of its last eight bytes, lowest first.
crc=$(gzip -c "$program" | tail -c 8 | od -A n -t x1 -N 4 | awk '{ print $4 $3 $2 $1 }')
bytes=$(wc -c <"$program")
for way in e1000 virtio passthrough; do
    for mmu in nested shadow; do
        "$build/ringside" run "$root/tests/kernel/copy.lua" way=$way mmu=$mmu >got 2>&1
        if grep -q "^to: recv: file from 10.0.0.1: $bytes bytes, .* crc $crc is right" got &&
            grep -qx "$crc $bytes /disk/copy" got && [ "$(grep -c 'fsck: whole: 1 files' got)" = 2 ]; then
            ok "a file goes from VM to VM, $way, $mmu"
        else
            not_ok "a file goes from VM to VM, $way, $mmu"
            sed 's/^/#   /' got
        fi
    done
done

# What the README shows: a disk, a NIC, and its frames.  A machine that is not there is asked for.
empty disk.img
run 'ip=10.0.2.15 mkfs, fill /disk/file 20000 1, send -W 20 /disk/file 10.0.2.2' --disk disk.img --commit --nic e1000 --pcap frames.pcap >got
tcpdump -n -r frames.pcap 2>/dev/null | grep -c 'ARP, Request who-has 10.0.2.2 tell 10.0.2.15' >count
if grep -q 'send: 10.0.2.2: nobody' got && [ "$(cat count)" -gt 0 ]; then
    ok "a disk, a NIC and a capture that tcpdump reads"
else
    cat got
    tcpdump -n -r frames.pcap
    not_ok "a disk, a NIC and a capture"
fi
run 'ip=10.0.0.1 ip=10.0.0.2 recv /disk/got & send /disk/file 10.0.0.2, wait, sum /disk/file /disk/got' --disk disk.img \
    --nic e1000 --nic virtio-net --link 1,2 --pcap frames.pcap >got
tcpdump -n -vv -r frames.pcap 2>/dev/null | grep -c 'udp sum ok' >count
if [ "$(sed -n 's/ 20000 .disk.*//p' got | sort -u | wc -l)" = 1 ] && [ "$(grep -c ' 20000 .disk' got)" = 2 ] && [ "$(cat count)" -gt 14 ]; then
    ok "a file by the wire, of which tcpdump sees $(cat count) packets with right sums"
else
    cat got
    not_ok "a file by the wire"
fi

# ---- power cuts ----

for setting in each=false each=true way=virtio way=passthrough; do
    empty cut.img
    if "$build/ringside" run "$root/tests/kernel/power_cut.lua" disk=cut.img $setting >got 2>&1; then
        ok "power cuts, $setting: $(grep 'cuts in' got)"
    else
        not_ok "power cuts, $setting"
        cat got
    fi
done

# ---- disks that are as a power cut left them, or can only be read ----

empty torn.img
"$build/ringside" run "$root/tests/kernel/torn.lua" disk=torn.img >got 2>&1 || cat got
cp torn.img torn.before
run 'tree, fsck, mkdir /disk/x, sync, mkfs again, tree' --disk torn.img,ro >got
sed -n '/ready$/!p' got | grep -v 'from the journal' >seen
cat >wanted <<'END'
/disk/d/
/disk/b 14000 de9824f1
fsck: whole: 1 files, 2 directories, 6 blocks
mkdir: '/disk/x' cannot be made
sync: there is no disk that can be written
mkfs: there is no disk that can be written, of 512 KiB at least, without open files
/disk/d/
/disk/b 14000 de9824f1
END
verdict 'a disk that can only be read shows what is in the journal' wanted seen
verdict 'and stays as it is' torn.before torn.img
run 'tree, fsck' --disk torn.img --commit >got
grep -c 'blocks are put in their places from the journal' got >count
echo 1 >one
verdict 'the journal is put in its place' one count
run 'tree, fsck' --disk torn.img >got
grep -c 'from the journal' got >count
echo 0 >none
verdict 'once' none count

# ---- other disks ----

head -c 409600 /dev/zero >small.img
run 'mkfs, cat /dev/disk | wc, echo x > /disk/x' --disk small.img >got
cat >wanted <<'END'
kernel: /disk: no file system is on it: mkfs makes one
kernel: ready
mkfs: there is no disk that can be written, of 512 KiB at least, without open files
0 1 409600
sh: '/disk/x' cannot be written
END
verdict 'a disk that is too small' wanted got
run 'df, mkfs, cat /dev/disk, ls /disk, sync, fsck' >got
cat >wanted <<'END'
kernel: ready
df: there is no file system
mkfs: there is no disk that can be written, of 512 KiB at least, without open files
cat: there is no '/dev/disk'
ls: '/disk' cannot be read
sync: there is no disk that can be written
fsck: there is no disk
END
verdict 'no disk' wanted got
empty low.img
run 'mkfs, df' --disk low.img --ram 2816K >got
cat >wanted <<'END'
kernel: /disk: there is not enough memory for it
kernel: ready
mkfs: there is no disk that can be written, of 512 KiB at least, without open files
df: there is no file system
END
verdict 'little memory' wanted got
exit "$bad"
