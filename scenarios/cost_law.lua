-- cost_law.lua: overhead = how often a guest traps x what a trap costs, and where that is not all.
--
-- The left side is measured: a program runs bare and in a VM, and the difference of the cycles between its marks is
-- the overhead.  For the right side the exits between the marks are counted by cause, and multiplied by what one
-- costs.  That is measured apart, by the nanobenchmarks (guests/kernel/nano.def), which do nothing but make that exit.
-- What the guest's own page walks cost more than on the bare machine is a term of its own.

local TURNS <const> = 100 -- of each nanobenchmark
local host = machine { name = "A", ram = "64M" }

-- ------------------------------------------------------------------ measuring

local SMALL_TLB <const> = { stlb_entries = 64, stlb_ways = 4 }
local WHOLE_TLB <const> = { stlb_entries = 1536, stlb_ways = 12 }

local function boot(mmu, cmdline, settings)
    host:power_cycle(settings or WHOLE_TLB)
    if mmu == "native" then
        host:boot("kernel", { cmdline = cmdline })
    else
        host:boot("hv", { vms = { { name = "vm1", image = "kernel", ram = "12M", mmu = mmu, cmdline = cmdline } } })
    end
end

-- A page fault that exits is the guest's own if the next entry gives it back, else the shadow tables' doing.
local function cause_of(exit, entry)
    if exit.number ~= 0 then
        return exit.reason
    end
    return entry.injected >> 31 == 1 and "#PF, the guest's own" or "#PF, of the shadow tables"
end

-- Exits that the time brings and not the program: an interrupt of the host's, and the end of a turn.
local CLOCK <const> = { [1] = true, [52] = true }

-- By number of the program: its cycles between marks, those of its walks, and its exits by cause, without the clock's.
local function measure(mmu, cmdline, settings)
    boot(mmu, cmdline, settings)
    local result, open, exit = {}, nil, nil
    local handlers = {
        host:on("mark", function(ev)
            if ev.id == 1 then
                open = { from = ev.cycle, walks = 0, traps = {}, turns = ev.arg2 }
            elseif ev.id == 2 then
                open.cycles = ev.cycle - open.from
                result[ev.arg1], open = open, nil
            end
        end),
        host:on("walk.end", { mode = mmu == "native" and "root" or "non-root" }, function(w)
            if open then
                open.walks = open.walks + w.cycles
            end
        end),
        host:on("vm.exit", function(ev)
            exit = { number = ev.number, reason = ev.reason, from = ev.cycle - ev.cycles }
        end),
        host:on("vm.entry", function(ev)
            if open and exit and CLOCK[exit.number] then
                open.from = open.from + ev.cycle - exit.from
            elseif open and exit then
                local cause = cause_of(exit, ev)
                local sum = open.traps[cause] or { count = 0, cycles = 0 }
                open.traps[cause] = sum
                sum.count, sum.cycles = sum.count + 1, sum.cycles + ev.cycle - exit.from
            end
            exit = nil
        end),
    }
    host:run()
    for _, handler in ipairs(handlers) do
        handler:off()
    end
    return result
end

-- ------------------------------------------------------------------ what a trap costs, measured apart

local CAUSES <const> = { -- each with the nanobenchmark that makes nothing else
    { name = "#PF, the guest's own", nano = "pgfault", number = 5 },
    { name = "#PF, of the shadow tables", nano = "pte_first", number = 10 },
    { name = "Control-register accesses", nano = "cr3wr", number = 11 },
    { name = "INVLPG", nano = "pte_unmap", number = 12 },
}

local function nanobenchmarks()
    local list = {}
    for i, cause in ipairs(CAUSES) do
        list[i] = ("nano %d %s"):format(TURNS, cause.nano)
    end
    return table.concat(list, ", ")
end

say("1. What a trap costs, from %d of each and nothing else: cycles a turn, in a VM and bare.", TURNS)
say("")
say("  %-28s %10s %10s %10s", "", "shadow", "native", "a trap")
local apart = {}
do
    local native, shadow = measure("native", nanobenchmarks()), measure("shadow", nanobenchmarks())
    for _, cause in ipairs(CAUSES) do
        local v, n = shadow[cause.number], native[cause.number]
        local count = v.traps[cause.name].count
        for name, trap in pairs(v.traps) do
            v.cycles = v.cycles - (name ~= cause.name and trap.cycles or 0) -- another one may have come between
        end
        apart[cause.name] = (v.cycles - n.cycles) / TURNS
        say("  %-28s %10.1f %10.1f %10.1f", cause.name, v.cycles / TURNS, n.cycles / TURNS, apart[cause.name])
        check(count >= TURNS and count <= TURNS + 2, ("%s makes that exit in each turn"):format(cause.nano))
    end
end

-- ------------------------------------------------------------------ the law

local function percent(got, want)
    return ("%+.1f %%"):format(100 * (got / want - 1))
end

-- Both right sides: with costs from above, and with the mean that the same exits have had in the program itself.
local function law(name, native, virtual)
    local left, walks = virtual.cycles - native.cycles, virtual.walks - native.walks
    local right = { apart = walks, here = walks }
    say("")
    say("  %s: %d - %d = %d cycles of overhead", name, virtual.cycles, native.cycles, left)
    say("  %-28s %6s %9s %9s %9s %9s", "", "exits", "x apart", "=", "x here", "=")
    for cause, trap in pairs(virtual.traps) do
        local cost = apart[cause] or trap.cycles / trap.count
        say("  %-28s %6d %9.0f %9.0f %9.0f %9d", cause, trap.count, cost, trap.count * cost, trap.cycles / trap.count,
            trap.cycles)
        right.apart, right.here = right.apart + trap.count * cost, right.here + trap.cycles
    end
    say("  %-28s %6s %9s %9d %9s %9d", "longer page walks", "", "", walks, "", walks)
    say("  %-28s %6s %9s %9.0f %9s %9d", "together", "", "", right.apart, "", right.here)
    say("  %-28s %6s %9s %9s %9s %9s", "against what was measured", "", "", percent(right.apart, left), "",
        percent(right.here, left))
    return left, right
end

say("")
say("2. A program that switches between two processes, with shadow paging.  Each switch loads CR3.")
local pingpong = "pingpong 50"
local left, right = law(pingpong, measure("native", pingpong)[106], measure("shadow", pingpong)[106])
check_near(right.apart, left, 10, "pingpong: exits x cost measured apart make the overhead")

say("")
say("3. Programs that change their tables, with shadow paging.")
pause("The same traps, but how much is there to do in each?")
local short = {}
for _, program in ipairs { { "churn 10 16", 102 }, { "forkwait 10", 100 } } do
    local cmdline, number = program[1], program[2]
    left, right = law(cmdline, measure("native", cmdline)[number], measure("shadow", cmdline)[number])
    short[number] = right.apart / left
    check_near(right.here, left, 10, cmdline .. ": exits x cost measured in the program itself make the overhead")
    check(right.apart > left / 2, cmdline .. ": costs measured apart make more than half of it")
end
say("")
say("The law holds; what does not is that a trap costs always the same.  A load of CR3 that finds changed tables has to")
say("go through them, and INVLPG too; and where much else goes on, the handlers find their caches cold.")
check(short[100] < 0.9, "forkwait: by more than 10 %: its loads of CR3 have work to do that earlier traps have left")

-- ------------------------------------------------------------------ EPT

say("")
say("4. Random touches, far more pages than the TLB holds, with EPT.")
pause("How many traps does a guest have that only loads and stores?")
local touch = "touch 6000 4"
local native, nested = measure("native", touch, SMALL_TLB)[103], measure("nested", touch, SMALL_TLB)[103]
left, right = law(touch, native, nested)
local traps = right.here - (nested.walks - native.walks)
ask {
    q = "What part of this overhead are traps?",
    choices = { "nearly all", "about half", "little or nothing" },
    answer = function()
        return traps > 0.8 * left and "nearly all" or traps > 0.4 * left and "about half" or "little or nothing"
    end,
}
check(left > 0, "EPT costs something here")
check(traps < 0.4 * left, ("EPT: the trap term alone falls short: %d of %d cycles"):format(traps, left))
check_near(right.here, left, 15, "EPT: with the longer page walks it comes out")
