#!/bin/sh
# guests/vtx, the conformance tests of VT-x: on Ringside all pass, in either order and by their names; a test can fail, and
# harms no other; Bochs says the same, but for what tests/peers/vtx lists.   vtx.sh BUILD
set -u

build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
image=$build/guests/vtx.elf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

ok() { echo "ok - $*"; }
not_ok() {
    echo "not ok - $*"
    failed=1
}

# verdict NAME WANTED GOT: the files say the same.
verdict() {
    if diff "$2" "$3" >"$work/changes"; then
        ok "$1"
    else
        cat "$work/changes"
        not_ok "$1 (< wanted, > printed)"
    fi
}

# What is listed of a machine, without reasons.
listed() { awk -v of="= $1" '/^= / { here = $0 == of; next } here && NF && !/^#/' "$root/tests/peers/vtx"; }

# Lines that are not PASS, up to the rule, in an order of their own.
others() { grep '^FAIL\|^SKIP' "$1" | sed 's/; .* (SDM vol\. 3, .*)$//' | sort; }

# vtx WORDS...: leaves what it prints in got, what the simulator says in told, and its status.
vtx() {
    timeout 120 "$build/ringside" exec "$image" --max-cycles 10000000000 -a "$*" </dev/null >"$work/got" 2>"$work/told"
    status=$?
}

# ends STATUS NAME: what the last run came to.
ends() {
    if [ "$status" -eq "$1" ]; then
        ok "$2"
    else
        cat "$work/told" "$work/got" | tail -n 5
        not_ok "$2: status $status, must be $1"
    fi
}

# ---- all ----

vtx
ends 1 'all tests pass on Ringside'
cp "$work/got" "$work/all"
listed Ringside | sort >"$work/wanted"
others "$work/all" >"$work/others"
verdict 'what is skipped on Ringside is listed' "$work/wanted" "$work/others"

vtx reverse
sort "$work/all" >"$work/wanted"
sort "$work/got" >"$work/backwards"
verdict 'from the last to the first they say the same' "$work/wanted" "$work/backwards"

vtx list
sed -n 's/^[PFS][A-Z]* \([a-z0-9_.]*\).*/\1/p' "$work/all" | sort >"$work/wanted"
grep -v 'by its name alone$' "$work/got" >"$work/list"
sed 's/:.*//' "$work/list" | sort >"$work/names"
verdict 'the list has each of them once' "$work/wanted" "$work/names"
count=$(sort -u "$work/names" | wc -l)
if [ "$count" -ge 150 ] && [ "$(grep -c '(SDM vol\. 3, [0-9A][0-9]*\.[0-9]' "$work/list")" -eq "$count" ]; then
    ok "$count tests, each with its section"
else
    not_ok "$count tests, each with its section: too few, or some without"
fi
if tr -s '\n ' '  ' <"$root/docs/proof.md" | grep -qF -- "$count small tests"; then
    ok "docs/proof.md says how many"
else
    not_ok "docs/proof.md does not say \"$count small tests\", which is so"
fi

# ---- by name ----

vtx preemption_timer.zero_exits_first
cat >"$work/wanted" <<END
preemption_timer.zero_exits_first: with a value of 0 it exits before the first instruction (SDM vol. 3, 26.7.4 VMX-Preemption Timer)
PASS preemption_timer.zero_exits_first
1 passed, 0 failed, 0 skipped
END
verdict 'one test by its name, with its rule' "$work/wanted" "$work/got"
vtx pml vmfunc.off -pml.full
grep '^PASS\|^SKIP' "$work/got" >"$work/short"
sed -n 's/^PASS pml.full$/SKIP pml.full: left out/; /^[PS].* pml\./p; /^PASS vmfunc.off$/p' "$work/all" >"$work/wanted"
verdict 'a topic, a test, and one left out' "$work/wanted" "$work/short"
vtx nosuch
ends 5 'a name that no test has is told'

# ---- the library: tests that must fail, and one that leaves disorder ----

for name in hanging halted in_root in_guest entry; do
    vtx "harness.fails_$name"
    ends 3 "harness.fails_$name fails"
    grep -q "^FAIL harness.fails_$name: " "$work/got" || not_ok "harness.fails_$name says nothing"
done
topics=$(sed 's/\..*//' "$work/names" | sort -u | paste -sd' ' -)
vtx "harness.vandal $topics"
grep '^PASS\|^SKIP' "$work/got" | sort >"$work/behind"
{
    echo 'PASS harness.vandal'
    grep '^PASS\|^SKIP' "$work/all"
} | sort >"$work/wanted"
verdict 'a test that leaves everything in disorder harms no other' "$work/wanted" "$work/behind"

# ---- tests that end the machine ----

# abort NAME NUMBER: a VMX abort, and Ringside says so.
abort() {
    vtx "vmx_abort.$1"
    ends 255 "vmx_abort.$1 ends the machine"
    if grep -q "VMX abort $2 " "$work/told" && ! grep -q '^FAIL' "$work/got"; then
        ok "vmx_abort.$1 is number $2"
    else
        cat "$work/told" "$work/got"
        not_ok "vmx_abort.$1 is number $2"
    fi
}
abort exit_load 4
abort exit_store 1

vtx msr_list.entry_x2apic_enabled
ends 1 'msr_list.entry_x2apic_enabled passes'

# ---- less of VT-x, by the firmware settings ----

# firmware SETTINGS: leaves what it prints in got.
firmware() {
    cat >"$work/firmware.lua" <<END
local host = machine { firmware = { $1 } }
host:boot(param("image", "", "vtx.elf"), {})
host:run("2s")
say((host:console():gsub("\n$", "")))
END
    timeout 120 "$build/ringside" run "$work/firmware.lua" image="$image" >"$work/got" 2>"$work/told"
}

firmware 'ept = false'
if ! grep '^FAIL' "$work/got" && grep -q ' passed, 0 failed, ' "$work/got" && grep -q '^SKIP pml.full: ' "$work/got"; then
    ok 'without EPT nothing fails, and what needs it is skipped'
else
    tail -n 3 "$work/told" "$work/got"
    not_ok 'without EPT nothing fails, and what needs it is skipped'
fi
firmware 'vtx = false'
echo 'this processor offers no VMX' >"$work/wanted"
verdict 'without VT-x it says so' "$work/wanted" "$work/got"

# ---- Bochs ----

bochs() {
    left_out=$(listed 'Bochs 2.7' | sed -n 's/^SKIP \(.*\): left out$/-\1/p' | paste -sd' ' -)
    mkdir "$work/bochs.d"
    (
        cd "$work/bochs.d" || exit 2
        PEER_ENDS=1 timeout -s KILL 120 "$root/bench/peer" bochs "$image" "$left_out" 3>&1 2>err | cat >log
    )
    version=$(sed -n '1s/^peer //p' "$work/bochs.d/log")
    if [ "$version" != 'Bochs 2.7' ]; then
        echo "SKIPPED: differences are listed for Bochs 2.7, and this is ${version:-none: $(cat "$work/bochs.d/err")}"
        return
    fi
    listed 'Bochs 2.7' | sort >"$work/wanted"
    others "$work/bochs.d/log" >"$work/others"
    verdict "Bochs 2.7 says the same, but for $(wc -l <"$work/wanted") lines that are listed" "$work/wanted" "$work/others"
    sed -n 's/^[PFS][A-Z]* \([a-z0-9_.]*\).*/\1/p' "$work/bochs.d/log" | sort >"$work/run"
    verdict 'Bochs 2.7 has run all of them' "$work/names" "$work/run"
}
bochs
exit "$failed"
