#!/bin/sh
# The guest kernel's network: its packet tools between two NICs of a machine and between two VMs, with frames that are
# lost, broken and hostile; and on QEMU, between two NICs, two QEMUs, and to QEMU's own gateway.   network.sh BUILD
set -u

build=$(cd "$1" && pwd) || exit 1
root=$(cd "$(dirname "$0")/../.." && pwd)
image=$build/guests/kernel.elf
work=$(mktemp -d) || exit 1
there=
trap '[ -z "$there" ] || kill "$there" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
bad=0

ok() { echo "ok - $*"; }
not_ok() {
    echo "not ok - $*"
    bad=1
}

# CRC-32 as gzip has it: the first four of its last eight bytes, lowest first.
crc() { gzip -c "$1" | tail -c 8 | od -A n -t x1 -N 4 | awk '{ print $4 $3 $2 $1 }'; }

# between NAME SETTING...: what the two stations say, sorted, is in $work/said
between() {
    name=$1
    shift
    if ! "$build/ringside" run "$root/tests/kernel/network.lua" "$@" >"$work/out" 2>&1; then
        sed 's/^/#   /' "$work/out"
        not_ok "$name: it fails"
        return 1
    fi
    sort "$work/out" >"$work/said"
}

# says NAME PATTERN...: each is a line
says() {
    name=$1
    shift
    for pattern; do
        if ! grep -Eq "^$pattern\$" "$work/said"; then
            sed 's/^/#   /' "$work/said"
            not_ok "$name: no line $pattern"
            return 1
        fi
    done
    ok "$name"
}

# number PATTERN: the one in brackets
number() { sed -En "s/.*$1.*/\\1/p" "$work/said" | head -n 1; }

# ---- a ping and a file, by each way; what is printed is the same ----

program=$build/guests/programs/rude
sum=$(crc "$program")
for way in e1000 virtio-net mixed vm-passthrough vm-virtio "vm-virtio mmu=shadow" vm-e1000 "vm-e1000 mmu=shadow" "vm-e1000 cores=2"; do
    # shellcheck disable=SC2086 # settings are words
    between "$way" way=$way a="ping -c 3 -i 5 10.0.0.2, recv" b="ping -c 2 -s 1472 -i 2 10.0.0.1, send rude 10.0.0.1" &&
        says "$way: an echo and a file" \
            'ping 10\.0\.0\.2: 56 bytes of data' '64 bytes from 10\.0\.0\.2: seq=3 ttl=64 time=T' \
            '--- 10\.0\.0\.2: 3 sent, 3 received, 0% lost, round trip min/avg/max T' \
            "recv: file from 10\\.0\\.0\\.2: $(wc -c <"$program") bytes, [0-9]+ pieces, 0 again, crc $sum is right, T, R" \
            '--- 10\.0\.0\.1: 2 sent, 2 received, 0% lost, round trip min/avg/max T' \
            "send: rude: $(wc -c <"$program") bytes in [0-9]+ pieces, 0 sent again, crc $sum, T, R"
done

# ---- what is lost, and what is there all the same ----

head -c 150001 "$image" >"$work/big"
sum=$(crc "$work/big")
for loss in 0 0.02 0.2; do
    between "loss $loss" way=mixed loss=$loss file="$work/big" limit=30s a=recv b="send -w 32 big 10.0.0.1" || continue
    says "a file arrives though the link loses $loss of all frames" \
        "recv: file from 10\\.0\\.0\\.2: 150001 bytes, 104 pieces, [0-9]+ again, crc $sum is right, T, R" \
        "send: big: 150001 bytes in 104 pieces, [0-9]+ sent again, crc $sum, T, R"
    lost=$(number 'the link lost ([0-9]+)')
    again=$(number ' ([0-9]+) sent again')
    if [ "$loss" = 0 ] && [ "$lost$again" = 00 ]; then
        ok "nothing is lost and nothing sent again"
    elif [ "$loss" != 0 ] && [ "$lost" -gt 0 ] && [ "$again" -gt 0 ] && [ "$again" -lt $((3 * lost + 10)) ]; then
        ok "what is lost is sent again, and not much more"
    else
        not_ok "loss $loss: the link lost $lost, and $again pieces were sent again"
    fi
done

between stream way=e1000 loss=0.1 a=recv b="send -n 400 -g 100 10.0.0.1" &&
    says "a stream says how many frames of it were lost" 'send: 409600 bytes in 283 frames, T, R' \
        "send: [0-9]+ arrived, $(number 'frames, ([0-9]+) lost') lost, 0 again, 0 out of order"
for way in e1000 virtio-net; do
    between "slow $way" way=$way bandwidth=10Mbit a=recv b="send -n 100 10.0.0.1" &&
        says "$way: whoever sends faster than the wire waits" 'send: 71 arrived, 0 lost, 0 again, 0 out of order'
done
between ping way=virtio-net loss=0.2 a='echo' b="ping -q -c 40 -i 1 10.0.0.1" limit=8s &&
    lost=$(number 'the link lost ([0-9]+)') && [ "$lost" -gt 0 ] &&
    says "ping says how many echoes were lost" "--- 10\\.0\\.0\\.1: 40 sent, $((40 - lost)) received, [0-9]+% lost, .*"

# pieces through pipes, at both ends
between pipes way=e1000 a='recv - | sum' b='cat rude | send - 10.0.0.1' &&
    says "what is sent and received may be a pipe" "$(crc "$program") $(wc -c <"$program")" 'send: -: .*'

# ---- who is called wrongly, and who is not there ----

between usage way=e1000 a='ping, ping 10.0.0, ping -c 0 10.0.0.2, send sh, recv -p 70000, net net7 10.0.0.9' \
    b='send none 10.0.0.1, send -W 50 sh 10.0.0.1, send -W 50 sh 10.1.0.1, recv -W 5, net net0 10.0.0, alu 1' &&
    says "mistakes are told" 'usage: ping .*' 'usage: send .*' 'usage: recv .*' "net: there is no interface 'net7'" \
        'net: an address is four numbers.*' "send: there is no 'none'" 'send: 10\.0\.0\.1: nobody receives there' \
        'send: 10\.1\.0\.1: no interface leads there' 'recv: nobody sends'

# ---- frames that are no good ----

for nic in e1000 virtio-net; do
    for rounds in 0 3000; do
        if "$build/ringside" run "$root/tests/kernel/frames.lua" kind=$nic rounds=$rounds >"$work/out" 2>&1; then
            ok "$nic: broken frames are counted and do no harm, and $rounds with rubbish in them"
        else
            sed 's/^/#   /' "$work/out"
            not_ok "$nic: broken frames, and $rounds with rubbish"
        fi
    done
done

# ---- a cable ----

for nic in e1000 virtio-net; do
    if "$build/ringside" run "$root/tests/kernel/cable.lua" kind=$nic >"$work/out" 2>&1; then
        ok "$nic: a file arrives though the cable was pulled"
    else
        sed 's/^/#   /' "$work/out"
        not_ok "$nic: a cable that is pulled"
    fi
done

# ---- a capture ----

"$build/ringside" exec "$image" --nic e1000 --nic virtio-net --link 1,2 --pcap "$work/frames" -m "$work/big big" \
    -a 'ip=10.0.0.1 ip=10.0.0.2 recv & send big 10.0.0.1; wait' </dev/null >"$work/out"
tcpdump -n -vv -r "$work/frames" >"$work/dump" 2>"$work/dump.err"
if [ ! -s "$work/frames" ]; then
    not_ok "exec writes no capture"
elif ! command -v tcpdump >/dev/null 2>&1; then
    echo "SKIPPED: tcpdump is not installed"
elif [ "$(grep -c 'udp sum ok' "$work/dump")" -ge 150 ] && ! grep -q 'bad .*cksum' "$work/dump"; then
    ok "tcpdump finds the sums of a capture right"
else
    head -n 20 "$work/dump"
    not_ok "tcpdump does not find the sums right"
fi

# ---- QEMU ----

if ! command -v qemu-system-x86_64 >/dev/null 2>&1; then
    echo "SKIPPED: QEMU is not installed"
    exit "$bad"
fi

# qemu FILE ARGUMENTS OPTION...: what the kernel prints goes to FILE
qemu() {
    out=$1 arguments=$2
    shift 2
    timeout -s KILL 120 qemu-system-x86_64 -m 256 -cpu max -accel tcg,thread=single -display none -monitor none \
        -serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$image" -append "$arguments" \
        "$@" </dev/null >"$out" 2>"$out.err"
}

for nic in e1000 virtio-net-pci,disable-legacy=on; do
    qemu "$work/said" 'ip=10.0.2.15 gw=10.0.2.2 ping -c 3 -i 20 10.0.2.2; net' -netdev user,id=a,restrict=on \
        -device "$nic,netdev=a"
    says "QEMU's gateway answers $nic" 'net0: .* link up' '64 bytes from 10\.0\.2\.2: seq=3 ttl=255 .*' \
        '--- 10\.0\.2\.2: 3 sent, 3 received, 0% lost, .*'
done

both="-netdev hubport,id=a,hubid=1 -netdev hubport,id=b,hubid=1"
# shellcheck disable=SC2086 # options are words
qemu "$work/said" 'ip=10.0.0.1 ip=10.0.0.2 recv & send rude 10.0.0.1; wait' $both -device e1000,netdev=a \
    -device virtio-net-pci,disable-legacy=on,netdev=b
sum=$(crc "$program")
says "a file from a virtio NIC to an E1000 on QEMU" \
    "recv: file from 10\\.0\\.0\\.2: $(wc -c <"$program") bytes, [0-9]+ pieces, [0-9]+ again, crc $sum is right, .*" \
    "send: rude: .* crc $sum, .*"

# Two machines, whose cable is two sockets in a directory of ours.
qemu "$work/there" 'ip=10.0.0.1 recv' -device e1000,netdev=a \
    -netdev "dgram,id=a,local.type=unix,local.path=$work/a,remote.type=unix,remote.path=$work/b" &
there=$!
qemu "$work/said" 'ip=10.0.0.2 ping -c 2 -i 10 10.0.0.1; send -W 30000 rude 10.0.0.1' \
    -device virtio-net-pci,disable-legacy=on,netdev=a \
    -netdev "dgram,id=a,local.type=unix,local.path=$work/b,remote.type=unix,remote.path=$work/a"
wait "$there"
there=
if grep -q "netdev backend" "$work/said.err"; then
    echo "SKIPPED: this QEMU cannot be joined to another: $(head -n 1 "$work/said.err")"
else
    cat "$work/there" >>"$work/said"
    says "a file from one QEMU to another" "send: rude: .* crc $sum, .*" "recv: file .*, crc $sum is right, .*"
fi
exit "$bad"
