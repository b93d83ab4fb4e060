-- iotlb.lua: what protection from a device costs, and what is left open when one saves on it.
--
-- A driver that does not trust its device maps each buffer into the device's domain just before a transfer, and takes
-- the mapping away behind it.  To take it away is a store; that the IOMMU forgets it too takes an invalidation, and to
-- wait for it.  So drivers have two ways: strict, an invalidation for each buffer, or deferred, one for many, until
-- when the device can still reach buffers that are somebody else's by then.  The guest `iotlb` (guests/iotlb.c) is such
-- a driver of an E1000, bare on the machine.

local FRAMES <const> = param("frames", 500, "how many frames each way sends, 200 to 5000")
if math.type(FRAMES) ~= "integer" or FRAMES < 200 or FRAMES > 5000 then
    error("parameter frames must be a whole number from 200 to 5000, not " .. FRAMES)
end
local BATCH <const> = 128 -- of the deferred way
local WRITE <const> = 5 -- fault reason

local host = machine { name = "A", ram = "16M", devices = { "e1000" }, firmware = { vtd = true } }
link(host:nic(1), nil, { bandwidth = "10Gbit" })
local ENTRIES <const> = 64 -- iotlb_entries, as the machine has them if nobody says otherwise

-- ------------------------------------------------------------------ a run between its marks

local function run(cmdline, settings)
    host:power_cycle(settings or { iotlb_entries = ENTRIES })
    host:boot("iotlb", { cmdline = cmdline })
    local first = host:await("mark", { id = 1 })
    local before, hit, missed = host:iommu_stats(), {}, {}
    local walks = host:on("iommu.end", function(w)
        local list = #w.refs == 0 and hit or missed
        list[#list + 1] = w.cycles
    end)
    local last = host:await("mark", { id = 2 })
    local after = host:iommu_stats()
    walks:off()
    host:run()
    if host.status ~= 1 then
        error("iotlb " .. cmdline .. ": the guest fails: " .. host:console())
    end
    return { frame = (last.cycle - first.cycle) / first.arg1, hit = hit, missed = missed,
             invalidations = after.invalidations - before.invalidations }
end

local function mean(list)
    local sum = 0
    for _, n in ipairs(list) do
        sum = sum + n
    end
    return #list > 0 and sum / #list or 0
end

-- ------------------------------------------------------------------ three ways

say("%d frames of 60 bytes, as fast as the driver can:", FRAMES)
local off, deferred, strict = run("off " .. FRAMES), run("deferred " .. FRAMES), run("strict " .. FRAMES)
say("")
say("  %-16s %14s %8s %14s %16s", "", "cycles a frame", "rate", "invalidations", "IOTLB misses")
local function row(name, r)
    say("  %-16s %14.0f %7.0f%% %14d %16d", name, r.frame, 100 * off.frame / r.frame, r.invalidations, #r.missed)
end
row("no protection", off)
row("deferred", deferred)
row("strict", strict)
say("  (measured on a processor, at 10 Gbit/s: 100, 91 and 43 %; USENIX ATC 2011)")
check_order({ strict = 1 / strict.frame, deferred = 1 / deferred.frame, none = 1 / off.frame },
    "strict < deferred < none", "the rate: strict < deferred < no protection")
check_eq(#off.hit + #off.missed, 0, "no protection: nothing is translated")
check_eq(strict.invalidations, 2 * FRAMES, "strict: each frame has an invalidation, and a descriptor that tells of its end")
check_eq(deferred.invalidations, 2 * (FRAMES // BATCH), "deferred: a pair of them for each " .. BATCH .. " frames")
check(#deferred.missed >= FRAMES, "either way each frame misses: its address has not been used before")
say("")

-- ------------------------------------------------------------------ a miss

local cold = run("deferred " .. FRAMES, { iommu_pwc = 0 })
say("A look-up that hits takes %.0f cycles.  One that misses takes a walk: %.0f cycles with the paging-structure cache,",
    mean(deferred.hit), mean(deferred.missed))
say("which leaves one reference, and %.0f without it.  References go to memory: they are not in the core's caches.",
    mean(cold.missed))
check_order({ hit = mean(deferred.hit), cached = mean(deferred.missed), whole = mean(cold.missed) },
    "hit < cached < whole", "a hit costs less than a short walk, and that less than a whole one")
say("")

-- ------------------------------------------------------------------ reach

say("What the IOTLB reaches.  Now all buffers stay mapped, and frames come from so many pages in turn:")
say("")
say("  %-10s %14s %16s", "pages", "cycles a frame", "misses a frame")
local function reach(pages, words, settings)
    local r = run(("reach %d 1024 %s"):format(pages, words or ""), settings)
    r.misses = #r.missed / 1024
    say("  %-10d %14.0f %16.2f   %s", pages, r.frame, r.misses,
        words and "pages of 2 MiB" or settings and settings.iotlb_entries .. " entries" or "")
    return r
end
local few, most = reach(16), reach(48)
local more
ask {
    q = ("The IOTLB has %d entries, %d ways.  How many misses has a frame when %d pages are used in turn?")
        :format(ENTRIES, 4, 2 * ENTRIES),
    choices = { "none", "about a half", "one" },
    answer = function()
        more = reach(2 * ENTRIES)
        return more.misses > 0.95 and "one" or more.misses > 0.05 and "about a half" or "none"
    end,
}
local bigger, large = reach(2 * ENTRIES, nil, { iotlb_entries = 4 * ENTRIES }), reach(512, "large")
check(few.misses < 0.05 and most.misses < 0.15, "what fits into it misses but once")
check(more.misses > 0.95, "twice as many as it holds, in turn: each is gone before it comes again")
check(bigger.misses < 0.15, "an IOTLB of four times as many entries holds them")
check(large.misses < 0.05, "with pages of 2 MiB, so does the small one: an entry reaches 512 times as far")
check_order({ fits = most.frame, does_not = more.frame }, "fits < does_not", "and a miss is on the way of every frame")
say("")

-- ------------------------------------------------------------------ the window

say("The deferred way, looked at from the device's side.  The driver has received a frame, found it good, and taken its")
say("buffer's mapping away.  The NIC still has the address in its ring; another frame comes.")

-- The first bytes of the buffer before and after, and the fault if there was one.
local function window(way)
    host:power_cycle { iotlb_entries = ENTRIES }
    host:boot("iotlb", { cmdline = "window " .. way })
    host:expect("waits for a frame\n")
    host:nic(1):send("GOOD" .. ("\0"):rep(56))
    local unmapped, fault = host:await("mark", { id = 3 }), nil
    local before, faults = host:read(unmapped.arg2, 4), host:on("iommu.fault", function(ev) fault = ev end)
    local walk = host:translate_device(unmapped.arg1, { device = 1 << 3, access = "write", caches = false })
    host:nic(1):send("EVIL" .. ("\0"):rep(56))
    host:expect("now it is")
    faults:off()
    local after = host:read(unmapped.arg2, 4)
    say("  %-9s the tables say `%s`; the buffer holds %s, then %s%s", way .. ":", walk.fault or "mapped", before, after,
        fault and (", and there is a fault, reason %d"):format(fault.number) or ", and there is no fault")
    check(walk.fault, way .. ": the tables do not map it any more")
    check_eq(before, "GOOD", way .. ": the driver has seen the first frame")
    return after, fault
end
local late, fault = window("deferred")
check_eq(late, "EVIL", "deferred: the stale entry lets the device write to it")
check(not fault, "deferred: and nobody hears of it")
late, fault = window("strict")
check_eq(late, "GOOD", "strict: the buffer is the driver's alone")
check(fault and fault.number == WRITE, "strict: the write is refused, and recorded")
say("")
say("The window is open until the next invalidation: up to %d frames, or %.0f us here.", BATCH,
    BATCH * deferred.frame / host.hz * 1e6)
