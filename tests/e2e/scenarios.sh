#!/bin/sh
# Every scenario that comes with the program runs, holds, and says the same each time and in every mode.
# tests/e2e/scenarios.sh BUILD
set -u
build=$(cd "$1" && pwd) || exit 1
scenarios=$(cd "$(dirname "$0")/../../scenarios" && pwd) || exit 1
ringside=$build/ringside
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0

report() {
    if [ "$1" -eq 0 ]; then
        echo "ok - $2"
    else
        echo "not ok - $2"
        sed 's/^/#   /' "$3"
        bad=1
    fi
}

# NAME HOW OPTION...: cycles are in what a scenario says.
same() {
    name=$1 how=$2
    shift 2
    timeout 120 "$ringside" run "$scenario" "$@" >other.out 2>&1
    cmp "$name.out" other.out >differ 2>&1
    report $? "$name says the same $how" differ
}
ln -s /dev/null trace.txt # hundreds of megabytes; what is in a trace is tested in cli.sh

for scenario in "$scenarios"/*.lua; do
    name=$(basename "$scenario" .lua)
    timeout 120 "$ringside" run "$scenario" >"$name.out" 2>"$name.err" && grep -q 'all hold' "$name.out" && [ ! -s "$name.err" ]
    report $? "$name" "$name.out"
    same "$name" again
    case $name in
    ept_gain | nanobench | cost_law | isolation | dma_attack | interrupt_remap) ;; # tens of millions of instructions, each a line
    *) same "$name" traced --trace trace.txt ;;
    esac
    same "$name" recorded --record log
    same "$name" replayed --replay log
done

# What the yardstick of latencies runs is a scenario as well.
timeout 120 "$ringside" run "$scenarios/../bench/back.lua" cycles=100000 times=2 apart=1001 >back.out 2>&1
report $? 'bench/back.lua' back.out

# What the lessons are about is on the screen.
says() {
    grep -q -e "$2" "$1.out"
    report $? "$1 says $2" "$1.out"
}
says nested_walk '24 references'
says nested_walk 'guest 2m, host 4k: 19 references'
says nested_walk 'guest 2m, host 2m: 15 references'
says nested_walk 'saved by the nested TLB'
says native_walk '4 references'
says trap 'mean of 200'
says page_fault 'exit 48'
says walk_caches 'a walk is shorter with each cache'
says walk_caches '+ nested TLB'
says feature_control 'writing 1 makes #GP'
says feature_control 'offers no VT-x (CPUID.1:ECX.VMX is 0)'
says feature_control 'offers no NX (CPUID.80000001H:EDX.NX is 0)'
says isolation 'hostile tables: crashed'
says isolation 'hostile endless: running'
says isolation 'every byte of its RAM'
says address_spaces 'references of a walk  *4  *4  *24'
says cost_law 'pingpong: exits x cost measured apart make the overhead'
says cost_law 'forkwait 10: exits x cost measured apart make the overhead'
says cost_law 'EPT: the trap term alone falls short'
says ept_gain '4 KiB pages in guest and EPT: shadow is ahead'
says ept_gain 'EPT is behind by [0-9]* cycles in pages of 4 KiB, and [a-z]* by [0-9]* cycles where'
says nanobench 'pgfault: with EPT it is the guest.s own business'
says who_faults 'exit 0, Exception or NMI'
says who_faults 'exits by exception (0)  *0  *30  *[1-9]'
says io_paths 'exits, passthrough: '
says io_paths 'exits, posted:  *HLT 1.00'
says vswitch 'the switch announces its VMs by RARP'
says vswitch 'frames at the station  *[0-9]* of 100'
says dma_attack 'hv: panic: VMPTRLD'
says dma_attack 'of attacker: write at 0x[0-9a-f]* refused'
says iotlb 'the rate: strict < deferred < no protection'
says iotlb 'holds GOOD, then EVIL'
says interrupt_remap 'hv: panic: #AC'
says interrupt_remap 'the interrupt entry is not for this device'
says interposition 'the guest reads *`the launch code'
says interposition 'the cipher: [0-9]* cycles a byte'
says shootdown 'have read the old frame'
says shootdown '248: that is what a further core costs'

for cores in 2 8; do
    timeout 120 "$ringside" run "$scenarios/shootdown.lua" cores=$cores >shootdown$cores.out 2>&1
    report $? "shootdown cores=$cores" shootdown$cores.out
done
timeout 120 "$ringside" run "$scenarios/shootdown.lua" cores=9 >bad.out 2>&1
[ $? -eq 2 ] && grep -q 'parameter cores must be' bad.out
report $? 'shootdown cores=9 is refused' bad.out
for cores in 2 4; do
    timeout 120 "$ringside" run "$scenarios/isolation.lua" cores=$cores >isolation$cores.out 2>&1
    report $? "isolation cores=$cores" isolation$cores.out
done
timeout 120 "$ringside" run "$scenarios/isolation.lua" cores=0 >bad.out 2>&1
[ $? -eq 2 ] && grep -q 'parameter cores must be' bad.out
report $? 'isolation cores=0 is refused' bad.out
timeout 120 "$ringside" run "$scenarios/trap.lua" n=20 >trap20.out 2>&1 && grep -q 'mean of 20 ' trap20.out
report $? 'trap n=20' trap20.out
for n in 0 -5 2.5; do
    timeout 120 "$ringside" run "$scenarios/trap.lua" n=$n >bad.out 2>&1
    [ $? -eq 2 ] && grep -q 'parameter n must be a whole number' bad.out
    report $? "trap n=$n is refused" bad.out
done
timeout 120 "$ringside" run "$scenarios/trap.lua" --timing prescott >prescott.out 2>&1 && ! cmp -s trap.out prescott.out
report $? 'trap on Prescott costs something else' prescott.out

# Lessons about times hold on every processor; walks cost the same on all, since a preset says what exits cost.
for timing in prescott merom penryn nehalem westmere sandybridge skylake; do
    for name in walk_caches feature_control who_faults address_spaces ept_gain nanobench cost_law isolation \
        vswitch dma_attack interrupt_remap iotlb interposition io_paths; do
        timeout 120 "$ringside" run "$scenarios/$name.lua" --timing $timing >timing.out 2>&1
        report $? "$name on $timing" timing.out
    done
done
timeout 120 "$ringside" run "$scenarios/walk_caches.lua" steps=5000 >fewer.out 2>&1 && grep -q '5000 loads' fewer.out
report $? 'walk_caches steps=5000' fewer.out
for steps in 4999 15001 5000.5; do
    timeout 120 "$ringside" run "$scenarios/walk_caches.lua" steps=$steps >bad.out 2>&1
    [ $? -eq 2 ] && grep -q 'parameter steps must be a whole number' bad.out
    report $? "walk_caches steps=$steps is refused" bad.out
done
exit $bad
