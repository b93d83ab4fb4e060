#!/bin/sh
# The guest kernel's programs print what tests/kernel/log has: on Ringside, in a VM on it, on Bochs and QEMU.  Then the
# shell with a console, boot modules, and little memory.   kernel.sh BUILD
set -u

build=$(cd "$1" && pwd) || exit 1
root=$(cd "$(dirname "$0")/../.." && pwd)
image=$build/guests/kernel.elf
recorded=$root/tests/kernel/log
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
bad=0

# verdict NAME WANTED GOT: two files.
verdict() {
    if diff "$2" "$3" >"$work/changes"; then
        echo "ok - $1"
    else
        echo "not ok - $1 (< wanted, > printed)"
        sed 's/^/#   /' "$work/changes"
        bad=1
    fi
}

# What the kernel prints with a timer: the log, and a process whose turn the timer ends.
{
    cat "$recorded"
    echo 'preempt: back from a process that never ends its turn'
    echo 'preempt: its status is 255'
} >"$work/timed"

# ---- the same everywhere ----

"$build/ringside" exec "$image" -a 'sh all, preempt' </dev/null >"$work/ringside" 2>&1
verdict "Ringside prints the recorded log of $(wc -l <"$recorded") lines" "$work/timed" "$work/ringside"

"$build/ringside" exec "$image" -a 'sh all, preempt' --timing prescott </dev/null >"$work/prescott" 2>&1
verdict 'another timing prints the same' "$work/timed" "$work/prescott"

"$build/ringside" run "$root/tests/kernel/vm.lua" >"$work/vm" 2>&1
verdict 'a VM prints the same' "$work/timed" "$work/vm"

"$build/ringside" run "$root/tests/kernel/vm.lua" mmu=shadow >"$work/shadow" 2>&1
verdict 'a VM with shadow tables prints the same' "$work/timed" "$work/shadow"

# peer NAME
peer() {
    mkdir "$work/$1.d"
    (
        cd "$work/$1.d" || exit 2
        PEER_ENDS=1 timeout -s KILL 120 "$root/bench/peer" "$1" "$image" 'sh all, preempt' 3>&1 2>err | cat >log
    )
    version=$(sed -n '1s/^peer //p' "$work/$1.d/log")
    if [ -z "$version" ]; then
        echo "SKIPPED: $1 is not compared: $(cat "$work/$1.d/err")"
        return
    fi
    sed 1d "$work/$1.d/log" >"$work/$1"
    verdict "$version prints the same" "$work/timed" "$work/$1"
}
peer bochs
peer qemu

# ---- the shell, modules, memory ----

# try NAME STATUS: what comes in by descriptor 0 is wanted; the rest are arguments of exec, the console's input is $keys.
try() {
    name=$1 want=$2
    shift 2
    cat >"$work/wanted"
    printf '%b' "$keys" | timeout 60 "$build/ringside" exec "$image" "$@" >"$work/got" 2>&1
    echo "status $?" >>"$work/got"
    echo "status $want" >>"$work/wanted"
    verdict "$name" "$work/wanted" "$work/got"
}

keys='echo some words | cat | wc\nxx\b\bls # a remark; ls\r alu 10\nnosuch\nexit\n'
try 'a console: lines, a backspace, pipes, the last status' 255 <<END
kernel: ready
\$ echo some words | cat | wc
1 2 11
\$ $(printf 'xx\b \b\b \bls') # a remark; ls
$(sed -n '/^alu$/,/^source.txt$/p' "$recorded")
\$  alu 10
alu: 10 turns, check 0xc08d454bd8e35af4
\$ nosuch
nosuch: there is no such program
\$ exit
END
keys=''
try 'the status of the last command' 3 -a 'alu 10; cat nothing' <<END
kernel: ready
alu: 10 turns, check 0xc08d454bd8e35af4
cat: there is no 'nothing'
END
echo 'some text' >"$work/text"
head -c 100 "$build/guests/programs/alu" >"$work/cut"
# Status 1 is 3 here, and 2 is 5.
try 'what was not done is no success' 3 -a 'churn 5 100000000' <<END
kernel: ready
churn: 5 times 100000000 pages, 5 surprises
END
for command in 'forkwait -1' 'alu x' 'alu 99999999999999999999' 'touch 10 2M'; do
    try "$command: no number" 5 -a "$command" <<END
kernel: ready
${command%% *}: '${command##* }' is no number, or too large
END
done
try 'more units than it can number' 5 -a 'compile 100' <<END
kernel: ready
compile: there may be 99 units
END
try 'no process is left: not for a command, nor for what it pipes to' 3 \
    -a "$(printf 'cat & %.0s' $(seq 31)) alu 10, echo so, alu 10 | wc" <<END
kernel: ready
sh: no process or memory is left
so
sh: no process or memory is left
END
try 'boot modules are files' 255 -m "$build/guests/programs/alu the arithmetic" -m "$work/text" -m "$work/cut cut" \
    -a 'arithmetic 10, cat text, cut' <<END
kernel: ready
alu: 10 turns, check 0xc08d454bd8e35af4
some text
cut: there is no such program
END
try 'a process for which there is no memory ends, and its pages come back' 3 --ram 8M \
    -a 'touch 10 32, touch 10 32, touch 10 2, touch 10 4000' <<END
kernel: ready
touch: killed, since there is no memory left
touch: killed, since there is no memory left
touch: 10 times in 2 MiB of 4 KiB pages, check 0x0
touch: no room for 4000 MiB
END
exit "$bad"
