#!/bin/sh
# Disks as people use them: what exec and a scenario write, when, and what they refuse.   disk.sh BUILD
set -u

build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
cd "$work" || exit 1

ok() { echo "ok - $*"; }
not_ok() {
    echo "not ok - $*"
    failed=1
}

# says WHAT STATUS TEXT COMMAND...: it ends with that status, and stderr has the text; "" for none
says() {
    what=$1 status=$2 text=$3
    shift 3
    "$@" >out 2>err
    got=$?
    if [ "$got" -eq "$status" ] && if [ -n "$text" ]; then grep -qF -e "$text" err; else [ ! -s err ]; fi; then
        ok "$what"
    else
        cat out err
        not_ok "$what: status $got, and not '$text'"
    fi
}

# is WHAT A B: two files are the same
is() {
    if cmp -s "$2" "$3"; then ok "$1"; else not_ok "$1"; fi
}

exec_virtio() {
    "$build/ringside" exec "$build/guests/virtio.elf" "$@"
}

run_lua() {
    cat >s.lua
    "$build/ringside" run s.lua
}

head -c 65536 "$build/guests/virtio.elf" >base.img

# ---- exec ----

cp base.img d.img
says "what is lost is said" 1 "d.img: is as it was" exec_virtio --disk d.img
is "the file stands without --commit" d.img base.img
says "a replay has the same disk" 1 "d.img: is as it was" exec_virtio --disk d.img --record log
cp out first
says "and prints the same" 1 "d.img: is as it was" exec_virtio --disk d.img --replay log
is "as it did" out first
says "a commit is quiet" 1 "" exec_virtio --disk d.img --commit
if cmp -s d.img base.img; then not_ok "nothing is committed"; else ok "it is committed"; fi
says "another disk is no replay" 2 "" sh -c "'$build/ringside' exec '$build/guests/virtio.elf' --disk d.img --replay log 2>/dev/null"
cp base.img d.img
says "nothing is written to a read-only disk" 3 "" exec_virtio --disk d.img,ro --commit
is "so it stands" d.img base.img
says "--commit without a disk" 2 "--disk FILE" exec_virtio --commit
says "a disk that is not there" 2 "none.img: cannot be read" exec_virtio --disk none.img
says "a disk without a name" 2 "a file is wanted" exec_virtio --disk ,ro
says "the same disk twice" 2 "is the same file as" exec_virtio --disk d.img --disk ./d.img
says "the image as a disk" 2 "is the same file as" exec_virtio --disk "$build/guests/virtio.elf"
says "the log as a disk" 2 "is the same file as" exec_virtio --disk d.img --record d.img
says "too many disks" 2 "4 disks are the most" exec_virtio --disk 1 --disk 2 --disk 3 --disk 4 --disk 5
head -c 1000 base.img >odd.img
says "half a sector" 2 "odd.img: 1000 bytes are no disk" exec_virtio --disk odd.img
is "all that leaves the disk alone" d.img base.img

# ---- scenarios ----

cp base.img d.img
says "a scenario's disk" 0 "" run_lua <<'END'
local host = machine { devices = { { kind = "virtio-blk", file = "d.img" } } }
host:boot("virtio", { cmdline = "8" })
local start = host:hash()
local first = host:disk_read(1, 0, 65536)
host:run()
check_eq(host.status, 1, "the guest is content")
local d = host:disk(1)
check(d.file == "d.img" and d.sectors == 128 and d.changed and not d.readonly, "the disk is described")
check(host:disk_read(1, 0, 65536) ~= first, "it has written")
local s, done = host:snapshot(), host:hash()
host:undo()
check_eq(host:hash(), start, "back to the start")
check(host:disk_read(1, 0, 65536) == first and not host:disk().changed, "the disk too")
host:run()
check_eq(host:hash(), done, "and forth")
host:undo()
host:restore(s)
check_eq(host:hash(), done, "a snapshot")
check_eq(host:commit(), 1, "one file is written")
check_eq(host:commit(), 0, "and no more than once")
check(not host:disk().changed, "as the file")
END
if cmp -s d.img base.img; then not_ok "a scenario commits nothing"; else ok "a scenario commits"; fi
cp base.img d.img
cp base.img d.disk
says "what a scenario loses is its own" 0 "" run_lua <<'END'
local host = machine { devices = { { kind = "virtio-blk", file = "d.disk" } } }
host:boot("virtio", { cmdline = "8" })
local first = host:disk_read(1, 0, 65536)
host:run()
check(host:disk().cached == false, "the last way ends with a flush, or none is wanted")
local function fails(f, text)
  local good, why = pcall(f)
  check(not good and why:find(text, 1, true), text)
end
fails(function() host:commit() end, "*.img or *.raw")
fails(function() host:disk(2) end, "has no disk 2")
fails(function() host:disk_read(1, 65536, 1) end, "outside the disk")
local written = host:disk_read(1, 0, 65536)
host:power_cycle()
check(host:disk_read(1, 0, 65536) == written, "a power cycle keeps the disk")
host:power_cut()
check(host:disk_read(1, 0, 65536) == written, "so does a power cut what is flushed")
END
is "no file is touched" d.disk base.img
for wrong in '{ kind = "virtio-blk" }|file = "disk.img" names its raw image' '{ kind = "edu", file = "d.img" }|only disks have' \
    '{ kind = "virtio-blk", file = 7 }|file' '{ kind = "virtio-blk", file = "d.img", readonly = 1 }|must be true or false' \
    '{ kind = "virtio-blk", fle = "d.img" }|fle'; do
    echo "machine { devices = { ${wrong%|*} } }" >wrong.lua
    says "${wrong%|*}" 2 "${wrong#*|}" "$build/ringside" run wrong.lua
done
exit "$failed"
