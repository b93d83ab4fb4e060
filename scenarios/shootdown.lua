-- shootdown.lua: a translation that other cores keep, what it takes to make them forget it, and where the cycles go.
--
-- The guest `shootdown` maps one page on all cores.  Core 1 then changes the page's entry.
--   A. The TLBs of the others do not notice: they go on reading the old frame.
--   B. An inter-processor interrupt makes each of them execute INVLPG.  Now they read the new one.
--   C. The same for 1, 2, ... others: the price of a shootdown, and of its parts.

local cores = param("cores", 4, "how many cores the machine has, 2 to 8")
if math.type(cores) ~= "integer" or cores < 2 or cores > 8 then
    error("parameter cores must be a whole number from 2 to 8, not " .. cores)
end
local ROUNDS = 8
local IPI_LATENCY <const> = 150
local host = machine { name = "A", ram = "64M", cores = cores, ipi_latency = IPI_LATENCY }
host:boot("shootdown", { cmdline = tostring(ROUNDS + 1) }) -- the last one is taken apart
local invlpg, said = host:sym("shootdown_invlpg"), host:sym("shootdown_said")
local others = cores - 1

-- A: one entry changed, the others not told
local own_drop
local on_own = host:on("tlb.flush", { cause = "INVLPG", core = 1 }, function(ev) own_drop = ev.gva end)
local change = host:await("mark", { id = 1 })
on_own:off()
local gva, entry = change.arg1, change.arg2
check_eq(own_drop, gva, "A: core 1 has executed INVLPG for the page")
local frame = host:u64(entry) & 0xffffffffff000
say("A. Core 1 has changed the entry of gVA %s: it leads to h:%s now, and core 1 has dropped its own translation.",
    hex(gva), hex(frame))
local function translation(core)
    return host:translate(gva, { caches = true, core = core })
end
local stale = {}
for core = 2, cores do
    local w = translation(core)
    check_eq(#w.refs, 0, "A: core " .. core .. " has the page in its TLB")
    stale[core] = w.hpa
    say("   core %d: its TLB says h:%s, the tables say h:%s", core, hex(w.hpa),
        hex(host:translate(gva, { caches = false, core = core }).hpa))
end
pause("The tables in memory are right, and nobody but core 1 has looked at them.")
for _ = 2, cores do
    local load = host:await("mark", { id = 2 })
    check_eq(load.arg2, stale[load.arg1 + 1], "A: core " .. load.arg1 + 1 .. " reads the old frame")
    check(load.arg2 ~= frame, "A: which is not where the page is")
end
say("   %s read the old frame: caches are kept coherent by hardware, TLBs are not.",
    others == 1 and "The other core has" or string.format("All %d others have", others))
say("")

-- B: told
local dropped, asked = {}, 0
local on_ipi = host:on("ipi", { vector = 64, delivery = "fixed" }, function() asked = asked + 1 end)
local on_flush = host:on("tlb.flush", { cause = "INVLPG" }, function(ev) dropped[ev.core] = ev.gva end)
for _ = 2, cores do
    local load = host:await("mark", { id = 3 })
    check_eq(load.arg2, frame, "B: core " .. load.arg1 + 1 .. " reads the new frame")
end
on_ipi:off()
on_flush:off()
check_eq(asked, others, "B: an interrupt to each of the others")
for core = 2, cores do
    check_eq(dropped[core], gva, "B: core " .. core .. " has executed INVLPG for the page")
end
say("B. Interrupts sent: %d, and as many times INVLPG: now the new frame is read everywhere.", asked)
say("")

-- C: what it costs
say("C. From the change of the entry until the last core has said that it has forgotten (mean of %d):", ROUNDS)
if others > 1 then
    pause("Each further core costs: why, if they are interrupted one right after the other?")
end
local mean = {}
for n = 1, others do
    local sum = 0
    for _ = 1, ROUNDS do
        local from = host:await("mark", { id = 4, arg1 = n })
        sum = sum + host:await("mark", { id = 5, arg1 = n }).cycle - from.cycle
    end
    mean[n] = sum / ROUNDS
    say("   %d other%s %8.1f cycles", n, n == 1 and ": " or "s:", mean[n])
    if n > 1 then
        check(mean[n] > mean[n - 1], n .. " others cost more than " .. n - 1)
    end
end
say("")

-- The last round, taken apart: by the core that says so last.
local from = host:await("mark", { id = 4, arg1 = others })
local parts, watched = {}, {}
for core = 2, cores do
    parts[core] = {}
end
local sent
watched[1] = host:on("ipi", { vector = 64, delivery = "fixed" }, function(ev)
    sent = sent or ev.cycle
    parts[ev.to].arrives = ev.arrival
end)
watched[2] = host:on("interrupt", function(ev) parts[ev.core].taken = ev.cycle end)
watched[3] = host:on("insn", function(ev)
    local part, start = parts[ev.core], ev.cycle - ev.cycles
    if not part or not part.taken then
        return
    end
    part.handler = part.handler or start
    if ev.insn_rip == invlpg then
        part.invlpg, part.forgot = start, ev.cycle
    elseif ev.insn_rip == said then
        part.said, part.told = start, ev.cycle
    end
end)
local to = host:await("mark", { id = 5, arg1 = others })
for _, handle in ipairs(watched) do
    handle:off()
end
local last = 2
for core = 3, cores do
    if parts[core].told > parts[last].told then
        last = core
    end
end
local p = parts[last]
say("   The last round, %d cycles, by the core that answered last (core %d):", to.cycle - from.cycle, last)
local total = 0
local function part(cycles, what)
    total = total + cycles
    say("   %6d  %s", cycles, what)
    return cycles
end
part(sent - from.cycle, "core 1 changes the entry, drops its own translation and writes the ICR")
check_eq(part(p.arrives - sent, "the interrupt is on its way"), IPI_LATENCY, "the way costs ipi_latency")
part(p.taken - p.arrives, "the target ends what it is doing")
check(part(p.handler - p.taken, "delivery: gate, descriptor, five pushes, an empty pipeline") >= 40,
    "delivery costs event_cycles at least")
part(p.invlpg - p.handler, "the handler saves registers and finds its way to C")
check(part(p.forgot - p.invlpg, "INVLPG") >= 100, "INVLPG costs its latency")
local wait = part(p.told - p.said, "LOCK INC: the line with the count comes from core to core, one at a time")
check(wait >= 50, "the line came from another core")
part(to.cycle - p.told, "core 1, which asks for that line again and again, sees the last count")
check_eq(total, to.cycle - from.cycle, "the parts are the whole")
local back = host:await("insn", function(ev)
    return ev.core == last and host.core[last].rflags & 0x200 ~= 0 -- IRETQ has opened the door again
end)
say("   %6d  more, which core 1 does not wait for: the end of the interrupt, registers, IRETQ (%d)",
    back.cycle - p.told, back.cycles)
check(back.cycles >= 30, "IRETQ costs its latency")
local first = math.huge
for core = 2, cores do
    first = math.min(first, parts[core].told - parts[core].said)
end
if others > 1 then
    say("")
    say("   The count is one line, which can be in one place only.  The first core waited %d cycles for it, the last", first)
    say("   %d: that is what a further core costs.", wait)
    check(wait > first, "the last waits longer for the line than the first")
end
host:run()
check_eq(host.status, 1, "the guest is content as well")
