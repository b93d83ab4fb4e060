#!/bin/sh
# The command line of the built program: help, wrong usage, exec, exit statuses.   tests/e2e/cli.sh BUILD
set -u
build=$(cd "$1" && pwd) || exit 1
ringside=$build/ringside
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0

# name STATUS 'what must be in stdout and stderr together' ARGUMENT...
try() {
    name=$1 want=$2 text=$3
    shift 3
    timeout 300 "$ringside" "$@" </dev/null >out 2>&1
    got=$?
    if [ "$got" -eq "$want" ] && grep -qF -e "$text" out; then
        echo "ok - $name"
    else
        echo "not ok - $name: status $got, wanted $want and '$text'; it said:"
        sed 's/^/#   /' out
        bad=1
    fi
}

echo 'local h = machine() h:boot("hello") h:run() say(h.position)' >hello.lua

try 'help' 0 'usage: ringside COMMAND' --help
try 'help of a command' 0 '--append CMDLINE' exec -h
try 'help as a command' 0 'usage: ringside COMMAND' help
try 'help of a command, by a command' 0 '--append CMDLINE' help exec
try 'help of what is no command' 2 "did you mean 'run'?" help rnu
try 'why there is none' 0 'no --gdb: here a person moves the machine already; run and exec take it' help tui
try 'nor there' 2 'ringside repl takes no --gdb: here a person moves' repl --gdb 1234
try 'version' 0 'ringside 0.' --version
try 'no command' 2 'ringside --help'
try 'unknown command' 2 "did you mean 'run'?" rnu x.lua
try 'a view that is not there' 2 "unknown command 'view'" view x.lua
try 'unknown option' 2 "did you mean '--seed'?" run x.lua --sede 1
try 'option of another command' 2 'takes no --ram' run x.lua --ram 1M
try 'the same before the command' 2 'ringside run takes no --ram' --ram 1M run x.lua
try 'a port before the command' 2 'ringside repl takes no --gdb: here a person moves' --gdb 0 repl
try 'another option before it' 0 'A:' --max-cycles=9 run "$work/hello.lua"
try 'option without its value' 2 '--seed wants a value' run x.lua --seed
try 'option with a wrong value' 2 "--seed wants a number from 0 to 18446744073709551615, not 'x'" run x.lua --seed x
for value in -1 +1 1x 1.5 1e3 1us 0x ' 1' 18446744073709551616; do
    try "a limit of '$value'" 2 "--max-cycles wants a number from 0 to 18446744073709551615, not '$value'" \
        run x.lua --max-cycles "$value"
done
for option in --record --replay --at --seed --max-cycles --trace --timing --module --entry --ram --cores; do
    try "$option without a text" 2 "$option wants a value, and it is empty" exec hello $option ''
done
try 'the same behind =' 2 '--record wants a value, and it is empty: --record FILE' run x.lua --record=
try 'a scenario without a name' 2 'the name of the scenario is empty; usage: ringside run SCENARIO' run ''
try 'an image without a name' 2 'the name of the image is empty; usage: ringside exec IMAGE' exec ''
try 'two logs' 2 "--record is given twice: 'a' and 'b'" run x.lua --record a --record=b
try 'unknown preset' 2 "did you mean 'merom'?" run x.lua --timing merrom
try 'no scenario' 2 'usage: ringside run SCENARIO' run
try 'missing scenario' 2 'nothing.lua: no such scenario file' run nothing.lua
try 'a directory as scenario' 2 'not a regular file' run "$work"
ln -s circle.elf circle.elf
ln -s circle.lua circle.lua
try 'links in a circle as scenario' 2 'circle.lua: cannot be read: Too many' run circle.lua
try 'links in a circle as image' 2 './circle.elf: cannot be read: Too many' exec ./circle.elf
: >closed.lua
chmod 0 closed.lua
[ -r closed.lua ] || try 'a closed file as scenario' 2 'closed.lua: cannot be read as a scenario: Permission' run closed.lua
rm -f circle.elf circle.lua closed.lua
mkfifo fifo
try 'a FIFO as scenario' 2 'fifo: not a regular file' run fifo
try 'a FIFO as image' 2 'fifo: not a regular file' exec ./fifo
try 'an argument that is none' 2 "unexpected argument 'x'" run a.lua x

echo 'check_eq(param("n", 1, "a number"), 2, "n is 2")' >param.lua
try 'parameter' 0 '1 check, all hold' run param.lua n=2
try 'failed check' 1 'got 1, want 2 (param.lua:1)' run param.lua
try 'unknown parameter' 2 "unknown parameter 'm'" run param.lua m=2
for value in 2.5 1e30 99999999999999999999 0x1ffffffffffffffff 1e999 nan inf 2x '' -; do
    try "a number of '$value'" 2 "param.lua:1: parameter n must be a whole number that 64 bits can hold, not '$value'" \
        run param.lua "n=$value"
done
for value in 2 0x2 2.0 2e0; do
    try "2 as '$value'" 0 '1 check, all hold' run param.lua "n=$value"
done
echo 'check_eq(param("x", 0.5, "a number"), -2.5, "x")' >float.lua
try 'a broken number' 0 '1 check, all hold' run float.lua x=-2.5
try 'one without bound' 2 "parameter x must be a number that 64 bits can hold, not '1e999'" run float.lua x=1e999
try 'a parameter twice' 2 "parameter n is given twice: 'n=1' and 'n=2'" run param.lua n=1 n=2
try 'a value without a name' 2 "'=3' has no name before '='" run param.lua =3
try 'parameters of no scenario' 2 "'n=1' is for a scenario, and none is given" repl n=1
# shellcheck disable=SC2046
try 'too many parameters' 2 '64 parameters are the most that can be given, not 65' run param.lua $(seq -f 'n%.0f=1' 65)
cat >late.lua <<'LUA'
local n = param("n", 1, "a number")
say("before %d", n)
local h = machine()
h:boot("hello")
pcall(h.run, h, 100)
say("after")
LUA
try 'parameters before the world moves' 0 'after' run late.lua n=2
try 'and no others' 2 "late.lua: unknown parameter 'm'" run late.lua m=2
if grep -q after out; then
    echo 'not ok - nothing has run with a parameter that there is not'
    bad=1
else
    echo 'ok - nothing has run with a parameter that there is not'
fi
echo 'local h = machine() h:boot("hello") h:run(9) param("n", 1, "a number")' >later.lua
try 'nor later ones' 2 "later.lua:1: param: ask for 'n' before the world first moves" run later.lua
echo 'machine()' >still.lua
try 'a scenario that moves nothing' 2 "takes no parameters, but 'm' is given" run still.lua m=2
echo 'x = = 1' >syntax.lua
try 'syntax error' 2 'ringside: syntax.lua:1:' run syntax.lua
printf '\033Lua' >binary.lua
try 'binary chunk' 2 'attempt to load a binary chunk' run binary.lua
echo 'while true do end' >endless.lua
try 'endless scenario' 2 'endless.lua:1: the scenario used up its budget' run endless.lua
try 'limit of cycles' 0 'A:' run hello.lua --max-cycles 1000
try 'position' 0 'at A:120, cycle' run hello.lua --at A:120
echo 'local h = machine() check(false, "so") h:boot("hello") h:run()' >failing.lua
try 'position behind a check that failed' 1 'at A:120, cycle' run failing.lua --at A:120
try 'position of another machine' 2 "--at: position 'B:1' is not of machine 'A'" run hello.lua --at B:1
try 'position past the end' 2 'the run ended before' run hello.lua --at A:99999999999
try 'of an image' 2 '--at A:99999999999: the run ended before (at A:' exec hello --at A:99999999999
try 'with a debugger' 2 '--at A:99999999999: the run ended before (at A:' exec hello --gdb 0 --at A:99999999999
try 'and --max-cycles' 2 'max-cycles is reached' exec hello --gdb 0 --max-cycles 1000 --at A:99999999999
try 'more micros than the atom has' 2 'atom 10 has fewer than 99999 micros' run hello.lua --at A:10.99999
try 'the same in exec' 2 'atom 10 has fewer than 99999 micros' exec hello --at A:10.99999
try 'the same with a debugger' 2 'atom 10 has fewer than 99999 micros' exec hello --gdb 0 --at A:10.99999
try 'an atom that no number counts' 2 "has a number above 18446744073709551615" exec hello --at A:18446744073709551616
try 'the same in a scenario' 2 "has a number above 18446744073709551615" run hello.lua --at A:99999999999999999999
try 'micros that no number counts' 2 'has a number above' run hello.lua --at A:10.99999999999999999999

# Neither handlers nor a trace see more than runs without --at up to there; whatever the script moves by.
"$ringside" exec hello --at A:120 --trace want.txt >/dev/null
for move in 'h:run()' 'h:run_until("halt")' 'h:step(5000)' 'h:step(5000, "micro")' 'h:step(5000, "cycle")' \
    'h:step(9, "walk")' 'h:expect("64-bit")'; do
    cat >beyond.lua <<LUA
local h = machine()
h:boot("hello")
h:on("insn", function(e) if e.atom >= 120 then say("beyond") end end)
$move
LUA
    try "position on the way of $move" 0 'at A:120, cycle' run beyond.lua --at A:120 --trace beyond.txt
    if ! grep -q beyond out && cmp want.txt beyond.txt; then
        echo 'ok - and nothing beyond it'
    else
        echo "not ok - beyond the position by $move"
        bad=1
    fi
done
try 'a position that is none' 2 "--at: position 'A:1.' is not of the form 'A:ATOM'" exec hello --at A:1.
try 'limit of 0' 0 'A:' run hello.lua --max-cycles 0
try 'help of the limit' 0 '0 is no limit' --help
try 'statistics' 0 'page walks' run hello.lua --stats

try 'exec' 1 'Hello from ring 0' exec hello
try 'exec with a command line' 1 'command line: hello a b' exec hello -a 'a b'
long=$(head -c 70000 /dev/zero | tr '\0' a)
try 'a command line that is too long' 2 '--append: the command line is longer than 65535 bytes' exec hello -a "$long"
try 'or for the protocol' 2 'command line and module strings are longer than' exec hello -a "$(echo "$long" | head -c 60000)"
try "a module's string that is too long" 2 'command line and module strings are longer' exec hello -m "hello $long"
try 'a module without an image' 2 "--module ' x' begins with a blank: an image is wanted before it" exec hello -m ' x'
try 'nothing is near a name of any length' 2 "'; known:" exec "$(echo "$long" | head -c 1000)"
try 'exec of the hypervisor' 1 '[vm1] Hello from ring 0' exec hv -m 'hello vm1 image=hello ram=8M'
try 'exec with a limit' 2 '--max-cycles is reached' exec hello --max-cycles 1000
try 'unknown image' 2 "did you mean 'hello'?" exec helo
try 'missing image' 2 './none.elf: no such image file' exec ./none.elf
echo no ELF >none.elf
try 'what is no image' 2 './none.elf: not an ELF file' exec ./none.elf --stats
if [ "$(grep -c '' out)" -eq 1 ]; then
    echo 'ok - of which there are no statistics'
else
    echo 'not ok - of which there are no statistics'
    bad=1
fi
rm none.elf
: >empty.elf
try 'empty image' 2 'ringside: ./empty.elf' exec ./empty.elf
head -c 100 "$build/guests/hello.elf" >short.elf
try 'truncated image' 2 'ringside: ./short.elf' exec ./short.elf
# An image of one segment at 1 MiB: mov al, 127; out 0xf4, al.
{
    printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\76\0\1\0\0\0\170\0\20\0\0\0\0\0\100\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
    printf '\0\0\0\0\100\0\70\0\1\0\0\0\0\0\0\0'
    printf '\1\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0\0\0\0\0\20\0\0\0\0\0\174\0\0\0\0\0\0\0\174\0\0\0\0\0\0\0'
    printf '\0\20\0\0\0\0\0\0\260\177\346\364'
} >exit.elf
timeout 60 "$ringside" exec ./exit.elf </dev/null >out 2>&1
if [ $? -eq 255 ] && [ ! -s out ]; then
    echo 'ok - status 255 by debug-exit is no trouble'
else
    echo 'not ok - status 255 by debug-exit is no trouble'
    bad=1
fi
try 'entry at a symbol' 1 'Hello from ring 0' exec hello --entry _start
# The same without its mov: al is as it was at the start.
sed 's/\xb0\x7f\xe6/\x90\x90\xe6/' exit.elf >al.elf
try 'al of the boot protocol' 5 'insns  ' exec ./al.elf --stats
try 'a register at the start' 19 'insns  ' exec ./al.elf --stats --registers rbx=0,rax=0x1009
for list in rip=0 rax rax= rax=x rax=1, rax=-1 ,rax=1 al=1 rax=18446744073709551616; do
    try "registers '$list'" 2 "registers '$list': from '" exec ./al.elf --registers "$list"
done
try 'unknown entry symbol' 2 "no symbol 'nowhere'" exec hello --entry nowhere
try 'several cores' 1 '4 cores, 50 turns each' exec cores --cores 4 -a 50
try 'too many cores' 2 "--cores wants a number from 1 to 8, not '9'" exec hello --cores 9
try 'cores that are no number' 2 "--cores wants a number from 1 to 8, not 'two'" exec hello --cores two
try 'RAM that is too small' 2 '--ram: ram = 1024 bytes: must be a multiple of 4096 from 2M to 512G' exec hello --ram 1K

# The same inputs make the same run.
echo 'local h = machine() h:boot("hello") h:run(3000) h:send("abc") h:run() say(hex(h:hash()))' >input.lua
echo 'local h = machine() h:boot("hello") h:run() say(hex(h:hash()))' >silent.lua
try 'record' 0 0x run input.lua --record log
mv out recorded
try 'replay' 0 "$(cat recorded)" run silent.lua --replay log
try 'replay of no log' 2 'ringside: param.lua:1: not a log' run silent.lua --replay param.lua
sed 's/hello/tiny/' silent.lua >other.lua
try 'replay of another run' 2 'log:2: the log was made with other images' run other.lua --replay log
once() {
    [ "$(grep -c 'the log was made' out)" -eq 1 ] && echo "ok - $1" && return
    echo "not ok - $1"
    bad=1
}
once 'the trouble of a replay is told once'
try 'exec of another run' 2 'log:2: the log was made with other images' exec tiny --replay log
once 'so it is by exec'

# A trace names every instruction, in the hypervisor and in the VM.
try 'trace' 1 'Hello from ring 0' exec hello --trace trace.txt
traced=$(grep -c -v -e ' -- ' trace.txt)
try 'as many instructions' 1 " $traced  instructions retired" exec hello --stats
traces() {
    if grep -qE -e "$2" trace.txt; then
        echo "ok - $1"
    else
        echo "not ok - $1: no line with $2"
        bad=1
    fi
}
traces 'a call with its symbol' '^ +[0-9]+ A.1 root +[0-9a-f]{16}  _start\+[0-9]+ +call 0x[0-9a-f]+ <guest_start>$'
try 'a trace of no known form' 2 'the form of the trace: .txt is known' exec hello --trace trace.xyz
try 'a trace that cannot be made' 2 'none/trace.txt: No such file' exec hello --trace none/trace.txt
cat >vm.lua <<'LUA'
local h = machine()
h:boot("hv", { vms = { { name = "one", image = "hello", ram = "8M" } } })
h:run_until("vm.exit", { reason = "I/O instruction" })
h:run(1000)
say("traced")
LUA
try 'trace of a VM' 0 'traced' run vm.lua --trace trace.txt
traces 'a VM entry' ' A.1 one +-- vm.entry launch=yes'
traces 'the instruction that made it' ' A.1 root +[0-9a-f]{16}  .* vmlaunch$'
traces 'an instruction of the VM' ' A.1 one +[0-9a-f]{16}  _start '
traces 'a VM exit' ' A.1 root +-- vm.exit reason=I/O instruction'
try 'trace of a VM without a scenario' 1 'Hello from ring 0' exec hv -m 'hello vm1 image=hello ram=8M' --trace trace.txt
traces 'its VM entry' ' A.1 vm1 +-- vm.entry launch=yes'
traces 'its VM and its symbols' ' A.1 vm1 +[0-9a-f]{16}  _start\+[0-9]+ +call 0x[0-9a-f]+ <guest_start>$'
try 'trace of several cores' 1 'lost without' exec cores -a '3' --cores 2 --trace trace.txt
traces 'a start-up IPI on its way' ' A.1 root +-- ipi to=2 delivery=start-up vector=[0-9]+ arrival=[0-9]+$'
traces 'the start of a core' ' A.2 root +-- core.start vector=[0-9]+ entry=0x[0-9a-f]+$'
cat >rewritten.lua <<'LUA'
local h = machine()
h:boot("tiny")
while h:read(h.core[1].rip, 1) ~= "\xac" do h:step(1, "insn") end
local at = h.core[1].rip
h:step(2, "insn")
h:write(at, "\x90")
h:run(1000)
say("rewritten at %x", at)
LUA
try 'trace of code that changes' 0 'rewritten at 10' run rewritten.lua --trace trace.txt
at=$("$ringside" run rewritten.lua | sed -n 's/rewritten at //p')
traces 'an instruction as it was' "0$at  guest_main.* lodsb"
traces 'and as it was written over it' "0$at  guest_main.* nop\$"

# What cannot be said is an error.
unwritten() {
    name=$1 to=$2
    shift 2
    if [ "$to" = full ]; then
        timeout 60 "$ringside" "$@" </dev/null >/dev/full 2>err
    else
        timeout 60 "$ringside" "$@" </dev/null 2>err >&-
    fi
    got=$?
    if [ "$got" -eq 2 ] && grep -q 'the output cannot be written' err; then
        echo "ok - $name"
    else
        echo "not ok - $name: status $got"
        bad=1
    fi
}
unwritten 'full output' full run hello.lua
unwritten 'closed output' closed run hello.lua
unwritten 'help to a full output' full --help
unwritten 'version to a closed output' closed --version
unwritten 'console to a full output' full exec hello
unwritten 'a log beside a closed output' closed run hello.lua --record log
try 'and the log is one' 0 'A:' run hello.lua --replay log

text=$( (trap '' XFSZ; ulimit -f 0; timeout 60 "$ringside" run hello.lua --trace short.txt; echo "status $?") 2>&1)
case $text in
*'not all could be written'*'status 2') echo 'ok - a trace that could not be written' ;;
*) echo "not ok - a trace that could not be written: $text"; bad=1 ;;
esac
text=$( (trap '' XFSZ; ulimit -f 0; timeout 60 "$ringside" run hello.lua --record short.log; echo "status $?") 2>&1)
case $text in
*'could not be written whole'*'status 2') echo 'ok - a log that could not be written' ;;
*) echo "not ok - a log that could not be written: $text"; bad=1 ;;
esac

prompt() {
    printf '%s\n' "$4" | timeout 60 "$ringside" repl >out 2>&1
    got=$?
    if [ "$got" -eq "$2" ] && grep -qF -e "$3" out; then
        echo "ok - $1"
    else
        echo "not ok - $1: status $got"
        bad=1
    fi
}
printf 'host:boot("hello")\nhost:run()\nhost.position\nhost:run()\nhost.position\n' |
    timeout 60 "$ringside" repl --at A:120 >out 2>&1
got=$?
if [ $got -eq 0 ] && [ "$(grep -c '^A:' out)" -eq 2 ] && grep -q '^at A:120, cycle' out && grep -q '^A:120$' out; then
    echo 'ok - a position at the prompt'
else
    echo "not ok - a position at the prompt: status $got"
    sed 's/^/#   /' out
    bad=1
fi
prompt 'a check that holds at the prompt' 0 ok 'check(true, "this")'
prompt 'a check that fails at the prompt' 1 FAIL 'check(false, "this")'

echo no ELF >junk.elf
RINGSIDE_LIB=$work
export RINGSIDE_LIB
try 'images that are known' 2 'hv, ' exec zzzzzz
if grep -q -e junk -e nameless out; then
    echo 'not ok - only images are listed'
    bad=1
else
    echo 'ok - only images are listed'
fi
# A guest that sleeps until a byte comes is waited for while one can come, and not longer.
try 'exec, asleep, and no input' 255 'a byte at the console would end; no more can come' exec asleep
try 'exec, asleep for keys' 255 'which a key would end; no more can come' exec asleep -a keys
try 'exec, asleep for ever' 255 'halted for ever: HLT just before rip' exec asleep -a nothing
mkfifo line
timeout 300 "$ringside" exec asleep <line >out 2>&1 &
sleeper=$!
exec 3>line
printf a >&3
ticks=0
until grep -q 'byte 61' out || [ $((ticks += 1)) -gt 1200 ]; do sleep 0.05; done
printf q >&3
exec 3>&-
if wait $sleeper || [ $? -eq 1 ] && [ "$(tail -n 1 out)" = "byte 71" ]; then
    echo 'ok - exec waits for a byte'
else
    echo 'not ok - exec waits for a byte; it said:'
    sed 's/^/#   /' out
    bad=1
fi

exit $bad
