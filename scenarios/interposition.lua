-- interposition.lua: what a hypervisor can put between a VM and its disk without the VM knowing.
--
-- A virtual disk need not be a disk.  With disk = "virtio" the hypervisor serves the VM's requests and does them on the
-- machine's own disk; what lies between is its own affair.  Here it is a cipher, AES-128 in XTS mode, which disks are
-- encrypted with everywhere, and a profile of what the disk is used for.  Both are code in hv/ that runs on this machine.
-- The guest `disk` (guests/disk.c) is the same program throughout, with the same driver: it would run on bare metal.

local KEY <const> = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
local OTHER_KEY <const> = "f0e0d0c0b0a090807060504030201000" .. KEY:sub(33)
local SECRET <const> = "the launch code is 7422 "
local SECTOR <const>, SECTORS <const> = 512, 2048

local host = machine { name = "A", ram = "64M", devices = { { kind = "virtio-blk", size = SECTOR * SECTORS } } }

-- ------------------------------------------------------------------ the VM, and the disk below it

local function boot(vms)
    host:power_cycle()
    for _, vm in ipairs(vms) do
        vm.image, vm.ram, vm.disk = "disk", "2M", "virtio"
    end
    host:boot("hv", { cmdline = "--stay", vms = vms })
end

local function start(vm)
    boot { vm }
    host:vm(vm.name):expect("sectors\n")
    return host:vm(vm.name)
end

-- What it says to a command.
local function tell(vm, command)
    vm:send(command .. "\n")
    return (vm:expect("\n"):gsub("\n", ""))
end

local function read(vm, sector)
    return tell(vm, "read " .. sector):match("^read: status 0: (.*)$")
end

local function raw(sector, n)
    return host:disk_read(1, sector * SECTOR, (n or 1) * SECTOR)
end

local function printable(bytes)
    return (bytes:gsub("[^\x20-\x7e]", "."))
end

local function text(n)
    return SECRET:rep(n // #SECRET + 1):sub(1, n)
end

-- Cycles from each request to its end.
local function cost(vm, command)
    local spent, begun = 0, 0
    local handlers = {
        host:on("mark", { id = 1, vm = vm.name }, function(ev) begun = ev.cycle end),
        host:on("mark", { id = 2, vm = vm.name }, function(ev) spent = spent + ev.cycle - begun end),
    }
    tell(vm, command)
    for _, h in ipairs(handlers) do
        h:off()
    end
    return spent
end

-- ------------------------------------------------------------------ a disk as it is

say("A disk that the hypervisor passes on as it is:")
local vm = start { name = "plain" }
check_eq(tell(vm, "write 100 " .. SECRET), "written: status 0", "plain: the guest writes")
check(raw(100):find(SECRET, 1, true), "plain: the machine's disk has what the guest wrote")
say("  the guest writes     `%s`", text(48))
say("  the guest reads      `%s`", read(vm, 100))
say("  the machine's disk   `%s`", printable(raw(100):sub(1, 48)))
local plain_cost = cost(vm, "fill 1024 64")
say("")

-- ------------------------------------------------------------------ encrypted

say("The same program, and a cipher in between (disk_filter = \"encrypt\"):")
vm = start { name = "secret", disk_filter = "profile,encrypt", disk_key = KEY }
check_eq(tell(vm, "write 100 " .. SECRET), "written: status 0", "encrypted: the guest writes")
check_eq(tell(vm, "write 101 " .. SECRET), "written: status 0", "and the next sector")
check_eq(read(vm, 100), text(48), "encrypted: the guest reads what it has written")
say("  the guest writes     `%s`", text(48))
say("  the guest reads      `%s`", read(vm, 100))
say("  the machine's disk   `%s`", printable(raw(100):sub(1, 48)))
local whole = host:disk_read(1, 0, SECTORS * SECTOR)
check(not whole:find(SECRET:sub(1, 8), 1, true), "not eight bytes of it are on the machine's disk")

-- How many bits of a sector's are set: about half, if it is noise.
local function ones(bytes)
    local n = 0
    for i = 1, #bytes do
        local byte = bytes:byte(i)
        while byte > 0 do
            n = n + (byte & 1)
            byte = byte >> 1
        end
    end
    return n
end
check_near(ones(raw(100)), SECTOR * 4, 6, "it looks like noise: half of its bits are set")

local function alike()
    return raw(100) == raw(101) and "the same" or "different"
end
ask {
    q = "Sectors 100 and 101 have the same text, and one key.  What are they on the machine's disk?",
    choices = { "the same", "different" },
    answer = alike,
}
check_eq(alike(), "different", "each sector's number goes into its cipher: equal sectors do not show")

local blocks, different = {}, 0
for block in raw(100):gmatch(("."):rep(16)) do
    different = different + (blocks[block] and 0 or 1)
    blocks[block] = true
end
check_eq(different, SECTOR // 16, "nor do equal blocks of 16 bytes inside a sector")
say("")

-- ------------------------------------------------------------------ who has the key

say("The machine is switched off and on; the disk is what it was.  VMs that read sector 100:")
local readers = {
    { name = "with", disk_filter = "encrypt", disk_key = KEY },
    { name = "without" },
    { name = "other", disk_filter = "encrypt", disk_key = OTHER_KEY },
}
local seen = {}
for _, reader in ipairs(readers) do
    local name = reader.name
    seen[name] = read(start(reader), 100)
    say("  %-8s %s   `%s`", name, reader.disk_key and reader.disk_key:sub(1, 12) .. "..." or "no key         ", seen[name])
end
check_eq(seen.with, text(48), "with the key the text is there")
check_eq(seen.without, printable(raw(100):sub(1, 48)), "without it there is what the disk has")
check(seen.other ~= text(48) and seen.other ~= seen.without, "with another key there is other noise")
say("")

-- ------------------------------------------------------------------ one disk for several

say("One disk, two VMs, each a part of it that begins with sector 0:")
boot {
    { name = "left", disk_sectors = SECTORS // 2 },
    { name = "right", disk_first = SECTORS // 2, disk_filter = "encrypt", disk_key = KEY },
}
local left, right = host:vm("left"), host:vm("right")
left:expect("a disk of 1024 sectors\n")
right:expect("a disk of 1024 sectors\n")
tell(left, "write 0 I am left ")
tell(right, "write 0 I am right ")
check_eq(read(left, 0):sub(1, 9), "I am left", "each reads its own")
check_eq(read(right, 0):sub(1, 10), "I am right", "though both have written their sector 0")
check_eq(raw(0):sub(1, 9), "I am left", "which is sector 0 of the machine's")
check(not raw(SECTORS // 2):find("right", 1, true), "and sector 1024, encrypted")
check_eq(tell(left, "read 1024"):match("status %d"), "status 1", "beyond its part there is nothing: an error")
for line in host:hv("disk list"):gmatch("vm=[^\n]*") do
    say("  %s", line)
end
say("")

-- ------------------------------------------------------------------ a profile

say("A profile of the same guest at work (disk_filter = \"profile,encrypt\"; `disk profile secret`):")
vm = start { name = "secret", disk_filter = "profile,encrypt", disk_key = KEY }
local secret_cost = cost(vm, "fill 1024 64")
tell(vm, "fill 0 96")
check_eq(tell(vm, "scan 1024 64"), "scanned: 0 sectors are not right", "all that was written is right")
check_eq(tell(vm, "hop 0 96 50"), "hopped: 0 sectors are not right", "here and there as well")
tell(vm, "flush")
local profile = host:hv("disk profile secret")
for line in profile:gmatch("[^\n]+") do
    if line ~= "ok" then
        say("  %s", line)
    end
end
local function of(line, key)
    return tonumber(profile:match("%f[%w]" .. line .. "=%d+[^\n]*"):match("%f[%w]" .. key .. "=(%d+)"))
end
check_eq(of("writes", "writes"), (64 + 96) // 8, "writes, of eight sectors each")
check_eq(of("writes", "sectors"), 64 + 96, "and their sectors")
check_eq(of("writes", "random"), 2, "the guest began twice somewhere else")
check_eq(of("reads", "reads"), 64 // 8 + 50, "reads")
check(of("reads", "random") > 45, "most of which hop about")
check_eq(profile:match("flushes=(%d+)"), "1", "one flush")
check_eq(of("size", "reads"), 50, "those that hop are of one sector")
check_eq(profile:match("hot from=(%d+)"), "1024", "and what was written and read once more is the busiest")
say("")

-- ------------------------------------------------------------------ what it costs

say("What the guest could notice is time:")
say("  64 sectors written, as they are    %9d cycles, %5d a sector", plain_cost, plain_cost // 64)
say("  encrypted                          %9d cycles, %5d a sector", secret_cost, secret_cost // 64)
say("  the cipher: %.0f cycles a byte, by tables, on a processor that has no instructions for it",
    (secret_cost - plain_cost) / 64 / SECTOR)
check(secret_cost > 2 * plain_cost, "a cipher without AES instructions is most of the cost")
check_eq(host:hv("vm list"):match("state=(%w+)"), "running", "and the guest has noticed nothing else")
