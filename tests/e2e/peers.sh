#!/bin/sh
# Ringside, a VM on it, Bochs and QEMU say the same of exceptions, pages, interrupts and descriptors:
# guests/conformance prints a line a case, tests/peers/log has what Ringside prints, and tests/peers/differences what
# the others print instead, and why they may; docs/proof.md has the numbers.   peers.sh BUILD
set -u

build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
image=$build/guests/conformance.elf
recorded=$root/tests/peers/log
differences=$root/tests/peers/differences
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

ok() { echo "ok - $*"; }
not_ok() {
    echo "not ok - $*"
    failed=1
}

# says TEXT: docs/proof.md has it, wherever its lines break.
says() {
    if tr -s '\n ' '  ' <"$root/docs/proof.md" | grep -qF -- "$1"; then
        ok "docs/proof.md says \"$1\""
    else
        not_ok "docs/proof.md does not say \"$1\", which is so"
    fi
}

# ---- Ringside ----

ringside() {
    "$build/ringside" exec "$image" </dev/null >"$work/ringside" 2>"$work/ringside.err"
    status=$?
    if [ "$status" -ne 1 ]; then
        cat "$work/ringside.err"
        not_ok "Ringside ends with status $status"
    elif diff "$recorded" "$work/ringside" >"$work/changes"; then
        lines=$(wc -l <"$recorded")
        ok "Ringside prints the recorded log of $lines lines"
        says "is what Ringside prints, $(echo "$lines" | sed 's/\(.\)\(...\)$/\1,\2/') lines."
    else
        cat "$work/changes"
        cp "$work/ringside" "$build/peers-log"
        not_ok "Ringside's log has changed; if that is right: cp $build/peers-log tests/peers/log"
    fi
}

# ---- a peer's log from the recorded one and its listed differences ----

# section PEER: its lines in the file, without reasons.
section() {
    awk -v peer="$1" '/^= / { here = $0 == "= " peer; next } here && NF && !/^#/' "$differences"
}

# Names of the cases that the peer is not to run.
skipped() { section "$1" | sed -n 's/: skipped$//p' | paste -sd, -; }

# expect PEER LOG: what it should have printed.  Differences that are none, or of no case, are told on descriptor 2.
expect() {
    section "$1" >"$work/section"
    awk '
        function name(line) { sub(/:.*/, "", line); return line }
        FILENAME == ARGV[1] && /^absent / { absent[$2] = 1; next }
        FILENAME == ARGV[1] { listed[name($0)] = $0; next }
        FILENAME == ARGV[2] {
            if ($2 == "absent" && $3 in absent) { lacks[name($0)] = $0; seen[$3] = 1 }
            next
        }
        {
            n = name($0)
            if (n in lacks) print lacks[n]
            else if (n in listed) print listed[n]
            else print
            if (listed[n] == $0) print "listed, and no difference: " $0 >"/dev/stderr"
            delete listed[n]
        }
        END {
            for (n in listed) if (listed[n] != "") print "listed, and no such case: " n >"/dev/stderr"
            for (f in absent) if (!(f in seen)) print "listed, and not absent: " f >"/dev/stderr"
        }' "$work/section" "$2" "$recorded"
}

# lines PATTERN LOG: how many lines of the log have it, and not in Ringside's.
lines() { diff "$recorded" "$2" | grep -c "^> .*$1"; }

# claim TITLE LOG: what docs/proof.md has to say of the log.
claim() {
    case $1 in
    Bochs*) echo "$(lines '' "$2") lines of $1," ;;
    QEMU*) echo "$(lines '' "$2") of $1 ($(lines ': absent ' "$2") are cases of what it does not have," \
        "$(lines ': skipped$' "$2") are not run on it," ;;
    VM) echo "$(lines '' "$2") in a VM," ;;
    esac
}

# compare TITLE LOG: TITLE is a section of the file.
compare() {
    expect "$1" "$2" >"$work/expected" 2>"$work/stale"
    if diff "$work/expected" "$2" >"$work/changes" && [ ! -s "$work/stale" ]; then
        ok "$1 prints the same, but for $(lines '' "$2") lines that are listed"
        says "$(claim "$1" "$2")"
    else
        cat "$work/changes" "$work/stale"
        not_ok "$1 differs otherwise than tests/peers/differences says (< listed or recorded, > printed)"
    fi
}

# peer NAME TITLE: its version is the log's first line; what is listed holds for the version in TITLE.
peer() {
    mkdir "$work/$1"
    (
        cd "$work/$1" || exit 2
        # A pipe: a file would be opened anew, and emptied.
        PEER_ENDS=1 timeout -s KILL 120 "$root/bench/peer" "$1" "$image" "skip=$(skipped "$2")" 3>&1 2>err | cat >log
    )
    version=$(sed -n '1s/^peer \([A-Za-z]* [0-9]*\.[0-9]*\).*/\1/p' "$work/$1/log")
    sed 1d "$work/$1/log" >"$work/$1/lines"
    if [ -z "$version" ]; then
        echo "SKIPPED: $2 is not compared: $(cat "$work/$1/err")"
    elif [ "$version" != "$2" ]; then
        echo "SKIPPED: differences are listed for $2, and this is $version, which prints" \
            "$(diff "$recorded" "$work/$1/lines" | grep -c '^>') other lines"
    elif [ "$(tail -n 1 "$work/$1/lines")" != "the end" ]; then
        tail -n 3 "$work/$1/lines" "$work/$1/err"
        not_ok "$2 ends before the last case"
    else
        compare "$2" "$work/$1/lines"
    fi
}

# In a VM of the hypervisor.
vm() {
    "$build/ringside" run "$root/tests/peers/vm.lua" >"$work/vm" 2>"$work/vm.err" || cat "$work/vm.err"
    compare VM "$work/vm"
    "$build/ringside" run "$root/tests/peers/vm.lua" faults=hypervisor >"$work/reflected" 2>&1
    if cmp "$work/vm" "$work/reflected" >"$work/changes" 2>&1; then
        ok "a VM prints the same if its page faults come to the hypervisor first"
    else
        diff "$work/vm" "$work/reflected"
        not_ok "a VM whose page faults come to the hypervisor first prints something else"
    fi
}

# The same with shadow tables, whose processor has no PCIDs: nothing else may differ.
shadow_vm() {
    "$build/ringside" run "$root/tests/peers/vm.lua" mmu=shadow >"$work/shadow" 2>"$work/shadow.err" || cat "$work/shadow.err"
    awk 'FILENAME == ARGV[1] { line[FNR] = $0; next } line[FNR] ~ /: absent (INV)?PCID$/ { $0 = line[FNR] } { print }' \
        "$work/shadow" "$work/vm" >"$work/expected"
    if diff "$work/expected" "$work/shadow" >"$work/changes"; then
        ok "a VM with shadow tables prints the same, but for $(grep -c 'absent \(INV\)*PCID' "$work/shadow") cases of PCIDs"
        says "with shadow tables it has no PCIDs either, which are $(diff "$work/vm" "$work/shadow" | grep -c '^>') lines more."
    else
        cat "$work/changes"
        not_ok 'a VM with shadow tables differs (< wanted, > printed)'
    fi
}

ringside
vm
shadow_vm
peer bochs "Bochs 2.7"
peer qemu "QEMU 7.2"
exit "$failed"
