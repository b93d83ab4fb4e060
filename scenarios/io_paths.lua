-- io_paths.lua: the three ways to give a VM a NIC, beside the bare machine: what each packet costs.
--
-- One guest, `packets`, sends bursts of frames to a station outside, which answers each burst with one frame, over
-- a wire of 100 Mbit/s.  It runs bare, with its NIC emulated register by register (E1000), with one made for
-- hypervisors (virtio), and with the machine's own NIC passed through.  Emulated and virtio frames leave by the
-- virtual switch and an uplink.

local n = param("n", 24, "how many bursts are measured")
if math.type(n) ~= "integer" or n < 8 then
    error("parameter n must be a whole number from 8, not " .. n)
end
local host = machine { name = "A", ram = "64M", devices = { "e1000" }, firmware = { vtd = true } }
link(host:nic(1), nil, { bandwidth = "100Mbit" })

local ways = {
    { name = "bare" },
    { name = "emulated", nic = "e1000", cmdline = "uplinks=1" },
    { name = "virtio", nic = "virtio", cmdline = "uplinks=1" },
    { name = "passthrough", nic = "passthrough" },
}

local function boot(way, frames, bytes)
    local cmdline = ("%d %d %d"):format(n, frames, bytes)
    host:power_cycle()
    if way.nic then
        host:boot("hv", { cmdline = way.cmdline,
            vms = { { name = "vm", image = "packets", ram = "4M", nic = way.nic, cmdline = cmdline } } })
    else
        host:boot("packets", { cmdline = cmdline })
    end
end

-- The station.
local in_burst, sent, bytes = 1, 0, 0
host:on("frame", { what = "sent" }, function(ev)
    if ev.bytes:sub(13, 14) ~= "\x88\xb5" then
        return
    end
    sent, bytes = sent + 1, bytes + ev.length
    if sent % in_burst == 0 then
        host:nic(1):send(ev.bytes:sub(7, 12) .. ev.bytes:sub(1, 6) .. ev.bytes:sub(13, 18) .. ("\0"):rep(42))
    end
end)

-- What n bursts cost, each divided by n.  Cycles in which nothing runs are counted apart.
local function measure(way, frames, length)
    local exits, causes = 0, {}
    in_burst, sent = frames, 0
    boot(way, frames, length)
    local from = host:await("mark", { id = 1 })
    local before = host:stats()
    local on_exit = host:on("vm.exit", function(ev)
        exits = exits + 1
        causes[ev.reason] = (causes[ev.reason] or 0) + 1
    end)
    local to = host:await("mark", { id = 2 })
    on_exit:off()
    local after = host:stats()
    host:run()
    check(host:console():find(" 0 answers wrong"), way.name .. ": all answers are right")
    local r = { time = (to.cycle - from.cycle) / n, exits = exits / n, causes = causes,
        guest = (after.cycles_guest - before.cycles_guest) / n }
    r.busy = r.time - (after.cycles_halted - before.cycles_halted) / n
    if not way.nic then
        r.guest = r.busy
    end
    return r
end

local function show(results)
    say("")
    say("  %-12s %9s %9s %9s %11s %11s", "", "exits", "cycles", "of guest", "hypervisor", "round trip")
    for _, way in ipairs(ways) do
        local r = results[way.name]
        say("  %-12s %9.2f %9.0f %9.0f %11.0f %11.0f", way.name, r.exits, r.busy, r.guest, r.busy - r.guest, r.time)
    end
    say("")
end

local function show_causes(results)
    for _, way in ipairs(ways) do
        local list = {}
        for cause, count in pairs(results[way.name].causes) do
            list[#list + 1] = ("%s %.2f"):format(cause, count / n)
        end
        if way.nic then
            say("  %-12s %s", way.name, table.concat(list, ", "))
        end
    end
    say("")
end

local function all(frames, bytes)
    local results = {}
    for _, way in ipairs(ways) do
        results[way.name] = measure(way, frames, bytes)
    end
    return results
end

local function column(results, key)
    local t = {}
    for name, r in pairs(results) do
        t[name] = r[key]
    end
    return t
end

say("Ping: a frame of 60 bytes, and its answer.")
local ping = all(1, 60)
show(ping)
show_causes(ping)

say("Stream")
local bulk = all(8, 1514)
show(bulk)
show_causes(bulk)
