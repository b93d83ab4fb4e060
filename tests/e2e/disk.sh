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
says "the same disk, read only, is no replay" 2 "other images, options" exec_virtio --disk d.img,ro --replay log
says "a commit is quiet" 1 "" exec_virtio --disk d.img --commit
if cmp -s d.img base.img; then not_ok "nothing is committed"; else ok "it is committed"; fi
says "another disk is no replay" 2 "" sh -c "'$build/ringside' exec '$build/guests/virtio.elf' --disk d.img --replay log 2>/dev/null"
cp base.img d.img
says "nothing is written to a read-only disk" 3 "" exec_virtio --disk d.img,ro --commit
is "so it stands" d.img base.img
says "--commit without a disk" 2 "--disk FILE" exec_virtio --commit
says "a disk that is not there" 2 "ringside: --disk 'none.img,slot=9': none.img: cannot be read" exec_virtio --disk d.img --disk none.img,slot=9
says "a disk without a name" 2 "a file is wanted" exec_virtio --disk ,ro
says "the same disk twice" 2 "is the same file as" exec_virtio --disk d.img --disk ./d.img
says "the image as a disk" 2 "is the same file as" exec_virtio --disk "$build/guests/virtio.elf"
says "the log as a disk" 2 "is the same file as" exec_virtio --disk d.img --record d.img
for i in 1 2 3 4 5; do cp base.img "d$i.img"; done
says "too many disks" 2 "room for 4 of them" exec_virtio --disk d1.img --disk d2.img --disk d3.img --disk d4.img --disk d5.img
head -c 1000 base.img >odd.img
says "half a sector" 2 "odd.img: 1000 bytes are no disk" exec_virtio --disk odd.img
is "all that leaves the disk alone" d.img base.img

# ---- overlays ----

says "an overlay is not made" 1 "d.ovl: is not made: what the image wrote to it is lost; --commit keeps it" exec_virtio --disk d.img,overlay=d.ovl
if [ -e d.ovl ]; then not_ok "an overlay is made without --commit"; else ok "no overlay is made without --commit"; fi
cp d.img raw.img
says "what a raw disk has in the end" 1 "" exec_virtio --disk raw.img --commit
says "an overlay is committed" 1 "" exec_virtio --disk d.img,overlay=d.ovl --commit
is "its base stands" d.img base.img
says "what an overlay has" 0 "" run_lua <<'END'
local host = machine { devices = { { kind = "virtio-blk", file = "d.img", overlay = "d.ovl", readonly = true }, { kind = "virtio-blk", file = "raw.img" } } }
local disk = host:disk()
check(disk.overlay and disk.file == "d.ovl" and not disk.changed, "it is described")
check(host:disk_read(1, 0, 65536) == host:disk_read(2, 0, 65536), "it has what the raw disk has")
END
cp d.img e.img
printf x | dd of=e.img bs=1 seek=5000 conv=notrunc 2>dd.err
says "another base" 2 "its base holds something else" exec_virtio --disk e.img,overlay=d.ovl
says "no overlay" 2 "base.img: is no overlay" exec_virtio --disk d.img,overlay=base.img
says "an overlay without a name" 2 "overlay= wants a file" exec_virtio --disk d.img,overlay=
says "its base as an overlay" 2 "is the same file as" exec_virtio --disk d.img,overlay=./d.img
says "one overlay twice" 2 "is the same file as" exec_virtio --disk d.img,overlay=new.ovl --disk d.img,overlay=./new.ovl
says "a commit in the scenario's reach" 2 "*.ovl" run_lua <<'END'
local host = machine { devices = { { kind = "virtio-blk", file = "d.img", overlay = "d.text" } } }
host:boot("virtio", { cmdline = "8" })
host:run()
host:commit()
END

# ---- NICs ----

nic() { "$build/ringside" exec "$build/guests/e1000.elf" -a "3 100" "$@"; }
frames() { tcpdump -n -vv -r "$1" 2>/dev/null | grep -c 'udp sum ok'; }

says "two NICs and a capture of each" 1 "" nic --nic e1000 --nic e1000,mac=52:54:00:00:00:77 --link 1,2 --pcap a.pcap --pcap b.pcap,nic=2
if [ "$(frames a.pcap) $(frames b.pcap)" = "6 6" ]; then ok "tcpdump reads both"; else not_ok "tcpdump reads $(frames a.pcap) $(frames b.pcap)"; fi
says "a NIC that there is not" 2 "'rtl' is no NIC" nic --nic rtl
says "an address that is none" 2 "six bytes" nic --nic e1000,mac=1
says "a group's address" 2 "ringside: --nic 'e1000,mac=01:00:00:00:00:01': e1000: a group" nic --nic e1000,mac=01:00:00:00:00:01
says "a slot that there is not" 2 "slots are 1 to 31" nic --nic e1000,slot=32
says "a slot twice" 2 "ringside: --disk 'd.img,slot=3': virtio-blk: slot 3 has a device already" nic --nic e1000,slot=3 --disk d.img,slot=3
says "a capture of no NIC" 2 "there are NICs 1 to 1" nic --nic e1000 --pcap c.pcap,nic=2
says "a capture without NICs" 2 "--nic e1000" nic --pcap c.pcap
says "a capture twice" 2 "is given twice" nic --nic e1000 --pcap c.pcap --pcap ./c.pcap
says "a disk as a capture" 2 "is the same file as" nic --nic e1000 --disk d.img --pcap d.img
says "a file that is no capture" 2 "is not a capture" nic --nic e1000 --pcap base.img
cp a.pcap old.pcap
says "an older capture and no such entry" 2 "no symbol 'nosuch'" nic --nic e1000 --pcap old.pcap --entry nosuch
is "it stays if the command fails" a.pcap old.pcap
says "a log of one NIC" 3 "" nic --nic e1000 --record nic.log
says "an older capture and another machine's log" 2 "other images, options" nic --nic e1000,slot=9 --pcap old.pcap --replay nic.log
is "it stays if the log does not fit" a.pcap old.pcap
says "an older capture and a run" 1 "" nic --nic e1000 --nic e1000 --link 1,2 --pcap old.pcap
if [ "$(frames old.pcap)" = 6 ]; then ok "that replaces it"; else not_ok "tcpdump reads $(frames old.pcap)"; fi
says "a link to nowhere" 2 "two NICs of 1 to 1" nic --nic e1000 --link 1,2
says "a second link of a NIC" 2 "NIC 2 is linked by another --link already" nic --nic e1000 --nic e1000 --nic e1000 --link 1,2 --link 2,3
says "a link to itself" 2 "two NICs of 1 to 2" nic --nic e1000 --nic e1000 --link 1,1
says "too many devices" 2 "room for 4" nic --nic e1000 --nic e1000 --nic e1000 --nic e1000 --nic e1000
says "a scenario's capture twice" 2 "has the frames of a NIC already" run_lua <<'END'
local host = machine { devices = { "e1000" } }
host:nic(1):pcap("c.pcap")
host:nic(1):pcap("./c.pcap")
END

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
fails(function() host:commit() end, "*.img, *.raw or *.ovl")
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
