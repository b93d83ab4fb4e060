-- io_paths.lua: three ways to give a VM a NIC, and the bare machine: what a packet costs.
--
-- One guest, `packets`, sends bursts of frames to a station outside, which answers each burst with one frame, over
-- a wire of 100 Mbit/s.  It runs bare; with an E1000 that the hypervisor emulates register by register; with a NIC
-- that was made for hypervisors (virtio); and with the machine's own E1000 passed through, behind the IOMMU.  What
-- is emulated or virtio leaves by the virtual switch and an uplink, the same E1000.

local n = param("n", 12, "how many bursts are measured")
if math.type(n) ~= "integer" or n < 8 then
    error("parameter n must be a whole number from 8, not " .. n)
end
local WARM <const> = 4 -- bursts before mark 1
local host = machine { name = "A", ram = "64M", devices = { "e1000" }, firmware = { vtd = true } }
link(host:nic(1), nil, { bandwidth = "100Mbit" })

local ways = {
    { name = "bare" },
    { name = "emulated", nic = "e1000", cmdline = "uplinks=1" },
    { name = "virtio", nic = "virtio", cmdline = "uplinks=1" },
    { name = "passthrough", nic = "passthrough" },
    { name = "posted", nic = "passthrough", posted = true }, -- its interrupts too
}

local function boot(way, frames, bytes)
    local cmdline = ("%d %d %d"):format(n, frames, bytes)
    host:power_cycle()
    if way.nic then
        host:boot("hv", { cmdline = way.cmdline,
            vms = { { name = "vm", image = "packets", ram = "4M", nic = way.nic, posted = way.posted,
                cmdline = cmdline } } })
    else
        host:boot("packets", { cmdline = cmdline })
    end
end

-- The station: answers a burst's last frame.
local function answer(frames)
    local ev
    for _ = 1, frames do
        ev = host:await("frame", function(e)
            return e.what == "sent" and e.bytes:sub(13, 14) == "\x88\xb5"
        end)
    end
    host:nic(1):send(ev.bytes:sub(7, 12) .. ev.bytes:sub(1, 6) .. ev.bytes:sub(13, 18) .. ("\0"):rep(42))
end

-- To mark 1, or from there to mark 2.
local function run(bursts, frames, mark)
    for _ = 1, bursts do
        answer(frames)
    end
    return host:await("mark", { id = mark })
end

-- What the hypervisor copies it copies by memcpy.
local function on_copy(fn)
    local start, size = host:sym("memcpy")
    return host:on("access", { write = true, rip = function(rip) return rip >= start and rip < start + size end }, fn)
end

-- What n bursts cost, each divided by n.  Cycles in which nothing runs are counted apart.
local function measure(way, frames, length)
    local r = { exits = 0, causes = {}, copied = 0 }
    boot(way, frames, length)
    local from = run(WARM, frames, 1)
    local before = host:stats()
    local on_exit = host:on("vm.exit", function(ev)
        r.exits = r.exits + 1
        r.causes[ev.reason] = (r.causes[ev.reason] or 0) + 1
    end)
    local copying = way.nic and on_copy(function(ev)
        r.copied = r.copied + ev.size
    end)
    local to = run(n, frames, 2)
    local after = host:stats()
    on_exit:off()
    if copying then
        copying:off()
    end
    host:run()
    check(host:console():find(" 0 answers wrong"), way.name .. ": every answer is the right one")
    r.time = (to.cycle - from.cycle) / n
    r.busy = r.time - (after.cycles_halted - before.cycles_halted) / n
    r.guest = way.nic and (after.cycles_guest - before.cycles_guest) / n or r.busy
    r.exits, r.copied, r.sent = r.exits / n, r.copied / n, frames * length
    return r
end

local function show(results)
    say("")
    say("  %-12s %6s %8s %9s %11s %7s %8s %8s", "", "exits", "cycles", "of guest", "hypervisor", "copied", "time",
        "Mbit/s")
    for _, way in ipairs(ways) do
        local r = results[way.name]
        say("  %-12s %6.2f %8.0f %9.0f %11.0f %7.0f %8.0f %8.1f", way.name, r.exits, r.busy, r.guest, r.busy - r.guest,
            r.copied, r.time, r.sent * 8 * host.hz / r.time / 1e6)
    end
    say("")
    for _, way in ipairs(ways) do
        local list = {}
        for cause, count in pairs(results[way.name].causes) do
            list[#list + 1] = ("%s %.2f"):format(cause, count / n)
        end
        if way.nic then
            say("  exits, %-12s %s", way.name .. ":", table.concat(list, ", "))
        end
    end
    say("")
end

-- A burst of so many frames, each way: results by the way's name.
local function compare(frames, length)
    local results = {}
    for _, way in ipairs(ways) do
        results[way.name] = measure(way, frames, length)
    end
    show(results)
    return results
end

local function column(results, key)
    local t = {}
    for name, r in pairs(results) do
        t[name] = r[key]
    end
    return t
end

local ORDER <const> = "bare < posted < passthrough < virtio < emulated"

say("A packet of 60 bytes there and one back; cycles are those in which the core is busy.")
local ping = compare(1, 60)
check_order(column(ping, "exits"), ORDER, "exits")
check_order(column(ping, "busy"), ORDER, "cycles of the core")
check_order(column(ping, "time"), "bare < passthrough < emulated", "time until the answer")
check(ping.emulated.exits >= 5 and ping.emulated.exits <= 18, "emulated: about a dozen exits")
check(ping.emulated.causes["EPT violation"] > ping.emulated.exits * n / 2, "most of them for registers")
check(not ping.passthrough.causes["EPT violation"], "passed through: none for a register")
check(ping.passthrough.exits <= 4, "but for HLT, and the interrupt and its end")
check(not ping.posted.causes["APIC write"], "posted: an interrupt's end is none either")
check(ping.posted.exits < ping.passthrough.exits - 0.9, "and what is left is HLT")
say("")
say("The E1000's driver reads the cause, masks, makes sure of that, gives the buffer back, unmasks, makes sure again,")
say("and rings the doorbell; each is an exit that is decoded and emulated.  virtio has all but the doorbell in")
say("memory.  Passed through, the registers are the guest's own: what is left is its HLT, and the interrupt.")
say("Posted, that is delivered and ended without an exit too; but a VM in HLT is still woken by the hypervisor.")

say("")
say("Eight packets of 1514 bytes in a burst, and an answer to the last.")
local bulk = compare(8, 1514)
check_order(column(bulk, "exits"), ORDER, "exits")
check_order(column(bulk, "busy"), ORDER, "cycles of the core")
check(bulk.virtio.exits / 8 < 1, "virtio, in batches: less than one exit a packet")
check_near(bulk.passthrough.time, bulk.bare.time, 2, "passed through, as many bytes a second as bare")
check_near(bulk.emulated.time, bulk.bare.time, 5, "here the wire is what limits all of them")
check(bulk.virtio.copied >= bulk.virtio.sent and bulk.emulated.copied >= bulk.emulated.sent,
    "what goes through the switch is copied")
check(bulk.passthrough.copied < 100, "what is passed through is not: the NIC takes it from the guest's memory")
say("")
say("A doorbell is for all eight, so each way has gained.  For each byte sent the hypervisor has copied")
say("%.1f (emulated), %.1f (virtio), %.1f (passed through).  The wire is full each time; what it takes of the core:",
    bulk.emulated.copied / bulk.emulated.sent, bulk.virtio.copied / bulk.virtio.sent, bulk.passthrough.copied / bulk.passthrough.sent)
for _, way in ipairs(ways) do
    say("  %-12s %5.1f %% busy", way.name, 100 * bulk[way.name].busy / bulk[way.name].time)
end

ask {
    q = "A ping, emulated: do VM exits, entries and VMX instructions take longer, or all else of the hypervisor?",
    choices = { "VMX", "all else" },
    answer = function()
        boot(ways[2], 1, 60)
        run(WARM, 1, 1)
        local before = host:stats().stall_vmx
        run(n, 1, 2)
        local vmx = (host:stats().stall_vmx - before) / n
        return vmx > ping.emulated.busy - ping.emulated.guest - vmx and "VMX" or "all else"
    end,
}
