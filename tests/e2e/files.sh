#!/bin/sh
# What a command writes is never what it reads, nor anything else that somebody may want to keep.
# tests/e2e/files.sh BUILD
set -u
build=$(cd "$1" && pwd) || exit 1
ringside=$build/ringside
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0

verdict() {
    if [ "$2" -eq 0 ]; then
        echo "ok - $1"
    else
        echo "not ok - $1: $3"
        bad=1
    fi
}

# Fresh files, and another name of each kind for some of them.
cat >scenario.lua <<'LUA'
local h = machine()
h:boot("./image.elf", { modules = { "./module.elf" } })
h:run(2000)
h:send("abc")
h:run()
LUA
cp "$build/guests/hello.elf" image.elf
: >module.elf
: >empty.lua
"$ringside" run scenario.lua --record log --trace trace.txt || exit 1
mkdir directory
ln scenario.lua hard.txt
ln -s image.elf soft.txt
ln -s ../log directory/soft.txt
ln module.elf hard-module.txt
ln log hard-log.txt
ln empty.lua hard-empty.txt
ln -s nowhere.txt dangling
mkdir kept
cp scenario.lua image.elf module.elf empty.lua log trace.txt kept/

# name 'what must be in stderr' ARGUMENT...: refused with status 2, and no file changed or made.
refused() {
    name=$1 text=$2
    shift 2
    before=$(find . | sort)
    timeout 300 "$ringside" "$@" </dev/null >out 2>err
    got=$?
    rm -f out
    changed=
    for file in kept/*; do
        cmp -s "$file" "${file#kept/}" || changed="$changed ${file#kept/}"
    done
    text_there=1
    grep -qF -e "$text" err && text_there=0
    said=$(cat err)
    rm err
    [ "$got" -eq 2 ] && [ $text_there -eq 0 ] && [ -z "$changed" ] && [ "$before" = "$(find . | sort)" ]
    verdict "$name" $? "status $got, changed:$changed, new: $(find . -newer kept/log -type f | tr '\n' ' '); it said: $said"
}

# name TEXT: err says it.
says() {
    grep -qF -e "$2" err
    verdict "$1" $? "$(cat err)"
}

apart='what is written needs a file of its own'
refused 'the scenario as the log' "the same file as scenario.lua, the scenario: $apart" run scenario.lua --record scenario.lua
refused 'by another path' "the scenario: $apart" run scenario.lua --record ./scenario.lua
refused 'the scenario as the trace, by a hard link' "the scenario: $apart" run scenario.lua --trace hard.txt
refused 'an empty scenario' "the scenario: $apart" run empty.lua --record empty.lua
refused 'an empty scenario, by a hard link' "the scenario: $apart" run empty.lua --trace hard-empty.txt
refused 'the image as the trace, by a symbolic link' "an image: $apart" exec ./image.elf --trace soft.txt
refused 'the image as the log' "an image: $apart" exec ./image.elf --record image.elf
refused 'a module as the log' "a module: $apart" exec ./image.elf -m ./module.elf --record module.elf
refused 'a module as the trace' "a module: $apart" exec ./image.elf -m './module.elf m' --trace hard-module.txt
refused 'the log that is replayed as the log' "the log that is replayed: $apart" run scenario.lua --replay log --record ./log
refused 'the log that is replayed as the trace' "the log that is replayed: $apart" \
    run scenario.lua --replay log --trace directory/soft.txt
refused 'the same by exec' "the log that is replayed: $apart" exec ./image.elf --replay log --trace hard-log.txt
refused 'the same by the prompt' "the log that is replayed: $apart" repl --replay log --trace hard-log.txt
refused 'one file as log and trace' "the log that is recorded: $apart" run scenario.lua --record new.txt --trace new.txt
refused 'by two paths' "the log that is recorded: $apart" exec ./image.elf --record directory/../new.txt --trace ./new.txt
refused 'by a link to what is not there' "the log that is recorded: $apart" \
    run scenario.lua --record dangling --trace nowhere.txt

refused 'a file that is no log as the log' 'trace.txt: exists and is not a log of inputs: choose another name or remove it' \
    run empty.lua --record trace.txt
refused 'a file that is no trace as the trace' 'log.txt: exists and is not a trace: choose another name or remove it' \
    run empty.lua --trace hard-log.txt
refused 'a directory as the log' 'directory: not a regular file' run empty.lua --record directory

# What only the script knows.
script() {
    printf 'local h = machine()\n%s\n' "$1" >script.lua
    rm -f kept/script.lua
    cp script.lua kept/
}
script 'h:boot("./image.elf", { modules = { "./log" } }) h:run()'
refused 'a module of the script as the log' "log, a module, is the same file as ./log, the log that is recorded: $apart" \
    run script.lua --record ./log
script 'h:boot("./image.elf", { modules = { "./trace.txt" } }) h:run()'
refused 'a module of the script as the trace' "the trace: $apart" run script.lua --trace trace.txt
script 'h:boot("./image.elf", { modules = { "./none.elf" } }) h:run()'
refused 'no log is lost before a machine boots' 'no such image file' run script.lua --record log --trace trace.txt
script 'h:boot("./image.elf") h:snapshot():save("trace.txt")'
"$ringside" run script.lua --trace new.txt 2>err
says 'no snapshot over an older trace' 'exists and is not a snapshot'
script 'h:boot("./image.elf") h:snapshot():save("./new.txt")'
"$ringside" run script.lua --trace new.txt 2>err
says 'no snapshot over the trace' "a snapshot to save, is the same file as new.txt, the trace: $apart"
rm -f new.txt
script 'h:boot("./image.elf") h:run(100) h:power_cycle() h:boot("./image.elf", { modules = { "./new" } })'
"$ringside" run script.lua --record new 2>err
says 'nor is the log read in a second boot' "new, a module, is the same file as new, the log that is recorded: $apart"
rm -f new err

refused 'a log is kept where there is no scenario' 'no such scenario file' run none.lua --record log --trace trace.txt
echo 'x = = 1' >script.lua
cp script.lua kept/
refused 'and where it is none' 'script.lua:1:' run script.lua --record log --trace trace.txt
refused 'nor is a new one left behind' 'script.lua:1:' run script.lua --record new --trace new.txt
refused 'a trace of no known form' 'the form of the trace: .txt is known' run script.lua --trace log

# What may be replaced is.
"$ringside" exec ./image.elf --record log --trace trace.txt </dev/null >/dev/null
verdict 'a shorter log in the place of an older one' "$(($(grep -c '' log) - 2))" "$(cat log)"
"$ringside" exec ./image.elf --trace fresh.txt </dev/null >/dev/null
cmp fresh.txt trace.txt
verdict 'a new trace in the place of an older one' $? "$(head -3 trace.txt)"
"$ringside" run empty.lua --trace trace.txt
verdict 'and a trace of nothing' "$(grep -c '' trace.txt)" "$(head -3 trace.txt)"
: >log
"$ringside" run scenario.lua --record log --trace trace.txt && "$ringside" run scenario.lua --replay log
verdict 'a log in the place of an empty file' $? "$(cat log)"
cp log again
sed 's/h:send("abc")//' scenario.lua >silent.lua
"$ringside" run silent.lua --replay log --record again && cmp log again
verdict 'the log of a replay is the log' $? "$(cat again)"

# Pipes and devices are written to as they are.
lines=$(grep -c '' trace.txt)
same() {
    verdict "$1" "$(($2 - lines))" "$2 lines, not $lines"
}
mkfifo fifo.txt
grep -c '' fifo.txt >count &
"$ringside" run scenario.lua --trace fifo.txt
wait
same 'a trace into a FIFO' "$(cat count)"
ln -s /dev/stdout stdout.txt
ln -s /dev/null null.txt
same 'a trace to a pipe' "$("$ringside" run scenario.lua --trace stdout.txt | grep -c '')"
echo before >out
"$ringside" run scenario.lua --trace stdout.txt >>out
same 'a trace to where standard output goes' "$(grep -c -v before out)"
"$ringside" run scenario.lua --trace null.txt
verdict 'a trace to nowhere' $? ''
cp log in.txt
# shellcheck disable=SC2094
"$ringside" exec ./image.elf --record in.txt <in.txt >/dev/null 2>err
says 'not what standard input is' "in.txt, the log that is recorded, is the same file as standard input: $apart"
cmp -s log in.txt
verdict 'which stays' $? "$(cat in.txt)"
# shellcheck disable=SC2094
"$ringside" exec ./image.elf --record out.log >out.log 2>err
says 'nor standard output' "the same file as standard output: $apart"
exit $bad
