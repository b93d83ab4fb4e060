#!/bin/sh
# Real gdb at the built program: a guest, the hypervisor, a scenario.   tests/e2e/gdb.sh BUILD
set -u
build=$(cd "$1" && pwd) || exit 1
ringside=$build/ringside
scenarios=$(cd "$(dirname "$0")/../../scenarios" && pwd) || exit 1
work=$(mktemp -d) || exit 1
machine=
# shellcheck disable=SC2317 # by the trap
end() {
    [ -z "$machine" ] || kill "$machine" 2>/dev/null
    rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1
export XDG_CONFIG_HOME="$work" XDG_CACHE_HOME="$work" HOME="$work"
bad=0

pass() { echo "ok - $1"; }
fail() {
    echo "not ok - $1"
    bad=1
    sed 's/^/#   /' "${2:-said}" | tail -n 40
}

# Starts ringside with a port of its own: start ARGUMENT...
start() {
    : >told
    timeout 120 "$ringside" "$@" --gdb 0 </dev/null >console 2>told &
    machine=$!
    tries=0
    while ! grep -q 'listening on' told && [ $tries -lt 200 ] && kill -0 $machine 2>/dev/null; do
        sleep 0.05
        tries=$((tries + 1))
    done
    port=$(sed -n 's/^ringside: gdb: listening on 127\.0\.0\.1:\([0-9]*\)$/\1/p' told)
}
# The commands on stdin, to gdb with the symbols of an image: debug IMAGE
debug() {
    {
        printf 'set pagination off\nset width 0\nset confirm off\nset debuginfod enabled off\n'
        printf 'file %s\ntarget remote 127.0.0.1:%s\n' "$build/$1" "$port"
        cat
        echo quit
    } >commands
    # A command that fails, as some are meant to, would end a script; gdb goes on after one on its stdin.
    timeout 100 gdb -nx -q <commands >said 2>&1
    sed -i 's/^\((gdb) \)*//' said
}
# The run's status, once it has ended.
finish() {
    wait "$machine" 2>/dev/null
    status=$?
    machine=
}
# said NAME 'what must be in it'
said() {
    if grep -qE -e "$2" said; then pass "$1"; else fail "$1: no '$2'"; fi
}
# The same, in the part of that name.
after() {
    if sed -n "/^# $2\$/,/^# end\$/p" said | grep -qE -e "$3"; then pass "$1"; else fail "$1: no '$3'"; fi
}

# ---- a guest ----

start exec hello
debug guests/hello.elf <<'GDB'
echo # registers\n
info registers rip cr0 cr3 efer fs_base cycles
print $st0
echo # end\n
echo # break\n
break guest_main
continue
backtrace
print args
x/2i $pc
echo # end\n
echo # step\n
stepi
info threads
next
next
reverse-stepi
monitor position
echo # end\n
echo # finish\n
tbreak put_text
continue
finish
echo # end\n
echo # monitor\n
monitor walk guest_main x
monitor walk $pc r
monitor walk 0xffffc00000000000
monitor tlb stlb
monitor vmcs
monitor stats walks
monitor wlak
monitor phys 0x19038 6
monitor phys 0x3fffff0 64
monitor phys 0 100000000000000000000
monitor step 99999999999999999999
monitor step 1 insn now
monitor who is that
monitor walk $pc r cached now
monitor who
monitor help
echo # end\n
echo # back\n
reverse-continue
reverse-continue
reverse-continue
echo # end\n
detach
GDB
finish
after 'registers by the target description' registers '^rip +0x10[0-9a-f]+ .*_start'
after 'system registers by their bits' registers '^cr0 .*PE ET NE WP PG'
after 'no x87' registers '<unavailable>'
after 'break at a function' break 'Breakpoint 1, guest_main \(args=.*"hello"\)'
after 'backtrace' break '#2 .* in _start \(\) at guests/lib/start.S'
after 'a variable' break '^\$[0-9]+ = 0x[0-9a-f]+ "hello"'
after 'disassembly' break '=> 0x[0-9a-f]+ <guest_main\+[0-9]+>:'
after 'a core is a thread' step 'Thread 1 "core 1" \(core 1: root, ring 0\)'
after 'stepping back is in the past' step 'in the past: it has been at A:'
after 'finish' finish 'Run till exit'
after 'a walk, reference by reference' monitor ' 2. PDPTE, index 0, at h:11000: .* = table h:14000 \+ P R/W A'
after 'its outcome' monitor 'linear 0x10[0-9a-f]+ -> h:10[0-9a-f]+, page of 2 MiB, 3 references'
after 'a walk that faults' monitor "FAULT: entry not present: the kernel's \(#PF\)"
after 'the TLB' monitor ' -> h:[0-9a-f]+ +2 MiB +linear'
after 'no VMCS' monitor 'core 1 has no current VMCS'
after 'a counter' monitor 'walks +[1-9]'
after 'an unknown command' monitor "did you mean 'walk'"
after 'physical memory' monitor 'h:000000019038  68 65 6c 6c 6f 00'
after 'and its end' monitor '^h:000003fffff0 ( +[0-9a-f]{2}){16}$'
after 'where that is' monitor '^RAM ends at 0x4000000$'
after 'too many bytes' monitor 'a number of bytes, at most 65536'
after 'a number that is none' monitor "'99999999999999999999' is no number up to 18446744073709551615"
after 'a word too many' monitor "'now' is one word too many: step"
after 'one that the command does not take' monitor "'is' is one word too many: who"
after 'and behind a walk' monitor "'now' is one word too many: "
after 'who runs' monitor '^\* core 1: root mode, ring 0, rip 0x10[0-9a-f]+ <'
after 'back to a breakpoint' back 'Breakpoint 1, guest_main'
after 'the start of history' back 'No more reverse-execution history'
if [ "$status" -eq 1 ] && grep -q 'Hello from ring 0' console && [ "$(grep -c Hello console)" -eq 1 ]; then
    pass 'detached, it runs to its end'
else
    fail "detached, it runs to its end: status $status" console
fi

# ---- watchpoints, and what a debugger changes ----

start exec hello
debug guests/hello.elf <<'GDB'
echo # watch\n
watch top_of_ram
continue
reverse-continue
print top_of_ram
x/i $pc
continue
delete
echo # end\n
echo # rwatch\n
tbreak guest_main
continue
rwatch *(char *)0x19038
continue
delete
echo # end\n
echo # past\n
reverse-stepi
set $r15 = 1
stepi
print $r15
monitor position
echo # end\n
echo # change\n
set var *(char *)0x19038 = 'J'
maintenance packet Qqemu.PhyMemMode:1
x/s 0x19038
set var *(char *)0x1903a = 'L'
maintenance packet Qqemu.PhyMemMode:0
set $r15 = 0x123456789
print $r15
set $cr3 = 0
set $rip = 0x8000000000000000
set $eflags = 8
set var *(char *)0x7fffffff000 = 1
echo # end\n
echo # end of the run\n
continue
reverse-stepi
stepi
continue
echo # end\n
continue
GDB
finish
after 'a watchpoint' watch 'New value = 67108864'
after 'a watchpoint on the way back' watch 'Old value = 67108864'
after 'stands before the store' watch '=> 0x[0-9a-f]+ <read_memory\+[0-9]+>:.mov +%rax,'
after 'a watchpoint of loads' rwatch "Value = 104 'h'"
after 'physical memory, as with QEMU' change '"Jello"'
after 'a register is set' change '= 4886718345$'
after 'CR3 cannot be set' change 'cr3 cannot be set from outside'
after 'RIP must be canonical' change 'no value that rip can have: bits 63:47 must be equal'
after 'reserved flags' change 'no value that rflags can have'
after 'memory that is not mapped' change 'Cannot access memory at address 0x7fffffff000'
after 'an input in the past' past '^\$[0-9]+ = 1$'
said 'it says that it cuts the log' 'ringside: an input in the past, at A:[0-9]+: what came after it is no longer so'
after 'the end of the run stops' 'end of the run' 'debug-exit with status 1'
after 'and can be left backwards' 'end of the run' 'in debug_exit|in guest_start|debug_exit \('
said 'going on from the end' '\[Inferior 1 \(.*\) exited with code 01\]'
if [ "$status" -eq 1 ] && grep -q 'command line: heLlo' console; then
    pass 'the guest sees what was written'
else
    fail "the guest sees what was written: status $status" console
fi

# ---- the hypervisor, in a scenario ----

cat >vm.lua <<'LUA'
local host = machine { ram = "64M" }
host:boot("hv", { vms = { { name = "vm1", image = "hello", ram = "8M", mmu = "nested" } } })
local exit = host:await("vm.exit")
say("first exit: %s at %s", exit.reason, host.position)
host:step(1000)
say("then %s", host.position)
host:run()
say("cycle %d, hash %s", host.cycles, hex(host:hash()))
LUA
# Where the guest's print() is: the image of the VM, not of the machine.
print=$(${NM:-nm} "$build/guests/hello.elf" | sed -n 's/^0*\([0-9a-f]*\) T print$/\1/p')
"$ringside" run vm.lua >want 2>&1
start run vm.lua
debug hv/hv.elf <<GDB
echo # exit\\n
break handle
continue
backtrace
monitor vmcs guest_rip exit_reason
monitor vmcs guest_ripp
info registers cr3 vmcs
monitor vm list
stepi
stepi
reverse-continue
echo # end\\n
echo # guest\\n
delete
hbreak *0x$print
continue
info threads
info registers non_root
monitor walk \$pc x
stepi
monitor walk 0x$print x cached
monitor tlb ntlb
monitor goto A:1000
monitor back 2 walk
maintenance flush register-cache
set \$rax = 1
stepi
echo # end\\n
delete
continue
continue
continue
GDB
finish
after 'break in the exit handler' exit 'Breakpoint 1, handle \(v=.* <vms[^>]*>, reason=30\)'
after 'backtrace of the hypervisor' exit ' in hv_main \('
after 'the VMCS' exit 'guest_rip +0x10[0-9a-f]{4}$'
after 'with words' exit 'exit_reason +0x1e  I/O instruction'
after 'an unknown field' exit "did you mean 'guest_rip'"
after 'CR3 of the hypervisor' exit '^cr3 +0x10000 '
after 'the VMs' exit 'vm1 +hello +running'
after 'back to the handler' exit 'handle'
after 'break in the guest' guest "Breakpoint 2, 0x0*$print in"
after 'the VM by name' guest 'core 1: vm1, non-root, ring 0'
after 'a nested walk' guest 'EPT PTE for g:10[0-9a-f]+, index'
after 'its two dimensions' guest "gVA 0x$print -> g:$print -> h:"
after 'by the TLB without a gPA' guest "^gVA 0x$print -> h:[0-9a-f]+, page of .*, 0 references: a combined TLB entry"
after 'the nested TLB' guest 'g:0*[0-9a-f]+ -> h:'
after 'inside an atom' guest 'at A:[0-9]+\.[0-9]+, cycle'
after 'no register is set there' guest 'stands inside an instruction'
if [ "$status" -eq 0 ] && cmp -s want console; then
    pass 'a scenario goes as without a debugger'
else
    fail "a scenario goes as without a debugger: status $status" console
fi

# ---- faults, positions, replays ----

start exec fault
debug guests/fault.elf <<'GDB'
echo # fault\n
tbreak *on_page_fault
continue
set $fault = ((struct trap_frame *)$rdi)->rip
tbreak *$fault
reverse-continue
print $fault == (unsigned long)$rip
set $before = $cycles
stepi
echo # end\n
echo # handler\n
x/i $pc
echo # end\n
echo # again\n
reverse-stepi
print $fault == (unsigned long)$rip && $cycles == $before
stepi 2
x/i $pc
echo # end\n
kill
GDB
finish
after 'a step takes the fault to its handler' handler '<trap_stubs\+[0-9]+>:.*push'
after 'back before the instruction that faults' again '^.2 = 1$'

start exec hello --at A:0.3
debug guests/hello.elf <<'GDB'
monitor position
stepi
monitor position
detach
GDB
finish
said 'from a position' '^at A:0\.3, cycle'
said 'a step to its end' '^at A:1, cycle'

cat >input.lua <<'LUA'
local host = machine()
host:boot("hello")
host:run(3000)
host:send("abc")
host:run()
say(hex(host:hash()))
LUA
"$ringside" run input.lua --record log >want
start run input.lua --replay log
debug guests/hello.elf <<'GDB'
echo # first\n
set $rax = 1
break print
continue
echo # end\n
echo # write\n
set var *(char *)$sp = 1
shell grep 'inputs from the log alone' told
echo # end\n
echo # next\n
monitor who
echo # end\n
reverse-stepi
continue
delete
continue
continue
GDB
finish
after 'a replay takes no inputs' first 'remote failure reply .E\.this run is a replay: it takes its inputs from the log alone'
after 'that it is one is said at the first stop' first '^ringside: this run is a replay: what gdb writes to memory or registers is refused'
after 'a write to memory fails' write 'Cannot access memory'
after 'and Ringside says at once why' write '^ringside: gdb: this run is a replay: it takes its inputs from the log alone'
after 'gdb says it with the next answer in words' next '^ringside: this run is a replay: it takes its inputs'
if [ "$status" -eq 0 ] && cmp -s want console; then
    pass 'and is the run that was recorded'
else
    fail "and is the run that was recorded: status $status" console
fi

# ---- several cores ----

"$ringside" exec cores --cores 3 --stats >want 2>stats
start exec cores --cores 3 --stats
debug guests/cores.elf <<'GDB'
echo # sipi\n
info threads
monitor who
echo # end\n
echo # cores\n
break acquire thread 2
continue
info threads
print $_thread
stepi
print $_thread
reverse-stepi
print $_thread
monitor who
monitor cycles
monitor position core 3
monitor stats walks core 1
monitor walk $rsp core 3
monitor tlb dtlb core 4
delete
thread 3
print $rsp
x/i $pc
stepi
print $_thread
echo # end\n
echo # counter\n
delete
watch bare if bare >= 100
continue
condition 2
reverse-continue
reverse-continue
print bare
echo # end\n
condition 2 bare >= 200
continue
condition 2
python
def thread(command):
    gdb.execute(command)
    return gdb.selected_thread().num
there = [thread('continue') for i in range(4)]
back = [thread('reverse-continue') for i in range(4)]
gdb.write('# threads\n')
print('same =', sum(a == b for a, b in zip(there, reversed(back))) if len(set(there)) > 1 else there)
gdb.write('# end\n')
end
delete
detach
GDB
finish
after 'a breakpoint of one core' cores 'Thread 2 "core 2" hit Breakpoint 1, '
after 'its stack' cores 'Thread 3 "core 3" \(core 3: root, ring 0'
after 'it is the thread' cores '^.1 = 2$'
after 'stepped' cores '^.2 = 2$'
after 'and back' cores '^.3 = 2$'
after 'cores as they stand' cores '^\* core 2: root mode, ring 0, rip 0x10'
after 'their clocks' cores 'core 3: [0-9]+ cycles, [1-9][0-9]* instructions'
after 'another core steps' cores '^.5 = 3$'
after 'a core waits to be started' sipi '^[* ] core 3: root mode, ring 0, waits for SIPI, rip 0x'
after 'its thread says so' sipi 'Thread 2 "core 2" \(core 2: root, ring 0, waits for SIPI\)'
after 'the position of another core' cores '^at A:[0-9]+, cycle [0-9]+ of core 3'
after 'counters of another core' cores '^core 1:$'
after 'a walk of another core' cores '^core 3:$'
after 'a core that there is not' cores "'4' is no core: the machine has 1 to 3"
after 'on the way back each store is of its core' threads '^same = 4$'
after 'a counter of all' counter 'New value = 100$'
after 'and back from there' counter '= 98$'
if [ "$status" -eq 1 ] && cmp -s want console && sed '/^ringside/d' told | cmp -s - stats; then
    pass 'cores count the same cycles with a debugger'
else
    fail "cores count the same cycles with a debugger: status $status" console
    diff stats told
fi

start exec cores --cores 3
debug guests/cores.elf <<'GDB'
break work thread 1
continue
echo # call\n
call cores_count()
print cores_count() + cores_count()
set $before = $cycles
set $cycles = 5
stepi
print $cycles > $before
echo # end\n
delete
detach
GDB
finish
after 'a function is called' call '^.1 = 3$'
after 'twice' call '^.2 = 6$'
after 'the clock cannot be set' call 'cycles cannot be set'
after 'calls take their time' call '^.3 = 1$'
if [ "$status" -eq 1 ] && grep -q 'locked 3000, under a lock 3000' console; then
    pass 'the guest goes on after a call'
else
    fail "the guest goes on after a call: status $status" console
fi

start exec cores --cores 3
debug guests/cores.elf <<'GDB'
break acquire thread 2
continue
delete
print $_thread
continue
print $_thread
kill
GDB
finish
said 'a core was chosen' '^.1 = 2$'
said 'the last stop is of the core that halts the machine' '^.2 = 1$'

# ---- a scenario's steps ----

cat >step.lua <<'LUA'
local host = machine()
host:boot("hello")
host:step(4000)
say("%s, cycle %d", host.position, host.cycles)
LUA
"$ringside" run step.lua >want
start run step.lua
debug guests/hello.elf <<'GDB'
break uart_put
continue
set $first = $cycles
continue
print $cycles > $first
reverse-continue
print $cycles == $first
set $again = $cycles
stepi
continue
continue
print $cycles > $again
delete
continue
continue
GDB
finish
said 'a step that is made again stops where it is new' '^.1 = 1$'
said 'and back' '^.2 = 1$'
said 'and on' '^.3 = 1$'
if [ "$status" -eq 0 ] && cmp -s want console; then
    pass 'it ends where it would have'
else
    fail "it ends where it would have: status $status" console
fi

start run step.lua
debug guests/hello.elf <<'GDB'
stepi
kill
GDB
finish
if [ "$status" -eq 2 ] && grep -q 'the debugger has ended the run before the scenario' told; then
    pass 'a scenario that was killed has not ended'
else
    fail "a scenario that was killed has not ended: status $status" told
fi

# ---- a debugger between a script's movements ----

cat >between.lua <<'LUA'
local host, n, late = machine(), 0, 0
host:boot("hello")
host:on("insn", function() n = n + 1 end)
host:run(4000)
host:on("insn", function() late = late + 1 end)
host:run(4000)
say("%s, %d, %d", host.position, n, late)
host:undo()
say("back at %s", host.position)
host:run()
say("%s, %d, %d", host.position, n, late)
LUA
"$ringside" run between.lua >want
start run between.lua
debug guests/hello.elf <<'GDB'
monitor step 3000
monitor back 5 micro
break uart_put
continue
delete
stepi
continue
GDB
finish
if [ "$status" -eq 0 ] && cmp -s want console; then
    pass 'the script notices nothing of it'
else
    fail "the script notices nothing of it: status $status" console
fi

# ---- a trace beside it, and VMs without a scenario ----

start exec hello --trace trace.txt
debug guests/hello.elf <<'GDB'
stepi
set var *(unsigned short *)$pc = 0x9090
stepi
stepi
kill
GDB
finish
if [ "$(grep -c ' nop$' trace.txt)" -eq 2 ] && ! grep -q call trace.txt; then
    pass 'a trace tells what was run'
else
    fail 'a trace tells what was run' trace.txt
fi

start exec hv -m 'hello vm1 image=hello ram=8M'
debug hv/hv.elf <<GDB
hbreak *0x$print
continue
monitor who
monitor walk print x
kill
GDB
finish
said 'a VM by name and symbol' "core 1: non-root mode, VM vm1, ring 0, rip 0x$print <print>"
said 'a symbol of its image' "gVA 0x$print -> g:$print -> h:"

# ---- sockets ----

start exec ticker -a '0 100000'
debug guests/ticker.elf <<GDB
python import os, signal, threading; threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
continue
print 40 + 2
shell $ringside exec hello --gdb $port </dev/null; echo "status \$?"
GDB
said 'a port in use' "ringside: --gdb $port: the port cannot be had: .*in use"
said 'is bad usage' '^status 2$'
said 'Ctrl-C' 'Program received signal SIGINT'
debug guests/ticker.elf <<'GDB'
print $cycles > 1000
kill
GDB
said 'attach again' '= 1$'
finish
if [ "$status" -eq 0 ]; then pass 'kill ends the run'; else fail "kill ends the run: status $status" told; fi

for number in 0x50 01234 +5 5k ''; do
    "$ringside" exec hello --gdb "$number" >said 2>&1 && fail "the port $number"
    said "no port: '$number'" '--gdb wants a port'
done
"$ringside" exec hello --gdb 65536 >said 2>&1 && fail 'no such port'
said 'a port that there is not' '--gdb wants a port up to 65535'
"$ringside" tui "$scenarios/trap.lua" --gdb 0 >said 2>&1 && fail 'the view'
said 'the view takes none' 'takes no --gdb'
exit $bad
