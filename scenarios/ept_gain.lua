-- ept_gain.lua: which programs gain by EPT, and the one that loses.
--
-- Without EPT the hypervisor keeps page tables of its own, shadows of the guest's: whatever the guest does to its
-- tables costs exits, and a TLB miss costs what it costs a bare machine.  With EPT the guest does to its tables what
-- it likes, and a TLB miss walks in two dimensions.  So it depends on what a program does more of.  Published gains
-- (VMware, 2009): up to 48 % on MMU-intensive programs, up to 600 % on MMU-intensive microbenchmarks.
--
-- The guest kernel's programs (guests/kernel) run bare, with shadow paging and with EPT, each between its marks.

-- A TLB with a reach of a quarter of a MiB, so that 4 MiB are for it what a server's memory is for a real one.
local host = machine { name = "A", ram = "64M", stlb_entries = 64, stlb_ways = 4 }

local rows = {
    { key = "forkwait", cmdline = "forkwait 10", mark = 100, what = "fork, exit and wait" },
    { key = "churn", cmdline = "churn 10 16", mark = 102, what = "map, write, unmap" },
    { key = "pingpong", cmdline = "pingpong 50", mark = 106, what = "context switches" },
    { key = "compile", cmdline = "compile 2", mark = 105, what = "exec, files, memory" },
    { key = "alu", cmdline = "alu 100000", mark = 104, what = "arithmetic alone" },
    { key = "touch", cmdline = "touch 6000 4", mark = 103, what = "random, 4 MiB, 4 KiB pages" },
    { key = "large", cmdline = "touch 6000 4 2m", mark = 103, what = "the same in 2 MiB pages", page = "2m" },
}

-- ------------------------------------------------------------------ measuring

-- One boot for all programs that want EPT pages of this size: by mark, what each did between its marks.
local function run(mmu, page)
    local list = {}
    for _, row in ipairs(rows) do
        list[#list + 1] = row.page == page and row.cmdline or nil
    end
    local cmdline = table.concat(list, ", ")
    host:power_cycle()
    if mmu == "native" then
        host:boot("kernel", { cmdline = cmdline })
    else
        host:boot("hv", { vms = { { name = "vm1", image = "kernel", ram = "12M", mmu = mmu, page = page,
                                    cmdline = cmdline } } })
    end
    local result, before, away, left = {}, nil, 0, nil
    local exit = host:on("vm.exit", function(ev) left = ev.cycle - ev.cycles end)
    local entry = host:on("vm.entry", function(ev)
        away = away + (left and ev.cycle - left or 0)
        left = nil
    end)
    local handler = host:on("mark", function(ev)
        local now = host:stats()
        now.cycles, now.away = ev.cycle, away
        if ev.id == 1 then
            before = now
        elseif ev.id == 2 then
            result[ev.arg1] = { cycles = now.cycles - before.cycles, exits = now.vm_exits - before.vm_exits,
                                away = now.away - before.away, walk = now.stall_walk - before.stall_walk }
        end
    end)
    host:run()
    for _, h in ipairs { exit, entry, handler } do
        h:off()
    end
    return result, mmu == "native" and host:console() or host:vm("vm1"):console()
end

local kinds, by = { "native", "shadow", "nested" }, {}
for _, page in ipairs { "", "2m" } do
    local text = {}
    for _, mmu in ipairs(kinds) do
        local size = page ~= "" and page or nil
        local result
        result, text[mmu] = run(mmu, size)
        for _, row in ipairs(rows) do
            if row.page == size then
                by[row.key] = by[row.key] or {}
                by[row.key][mmu] = result[row.mark]
            end
        end
    end
    check_eq(text.shadow, text.native, "what is printed with shadow paging is what is printed on the bare machine")
    check_eq(text.nested, text.native, "and so with EPT")
end

-- ------------------------------------------------------------------ the table

local gain, columns = {}, "  %-27s %8s %16s %16s %7s"
say("")
say("Cycles between the marks; in brackets how many VM exits there were.")
say("")
say(columns, "", "native", "shadow", "EPT", "EPT")
say(columns, "", "", "", "", "gains")
for _, row in ipairs(rows) do
    local m = by[row.key]
    gain[row.key] = 100 * (m.shadow.cycles / m.nested.cycles - 1)
    local function cell(mmu)
        return ("%d (%d)"):format(m[mmu].cycles, m[mmu].exits)
    end
    say(columns, row.what, m.native.cycles, cell("shadow"), cell("nested"), ("%.0f %%"):format(gain[row.key]))
end
say("")

-- ------------------------------------------------------------------ what gains

pause("Three programs that change tables or switch them, one that does that among other things, one that does not.")
for _, key in ipairs { "forkwait", "churn" } do
    check(gain[key] > 200, ("%s: EPT is ahead several times over: %.1f times"):format(key, gain[key] / 100 + 1))
end
check(gain.pingpong > 50, ("pingpong: EPT is ahead, %.1f times"):format(gain.pingpong / 100 + 1))
check(gain.compile > 20 and gain.compile < gain.churn, "compile: ahead too, but it does other things besides")
-- Between its marks turns end, as time goes by; the cycles of these exits are not the program's.
local alu = {}
for _, mmu in ipairs(kinds) do
    alu[mmu] = by.alu[mmu].cycles - by.alu[mmu].away
end
check_near(alu.shadow, alu.nested, 2, "alu: no table, no difference")
check_near(alu.nested, alu.native, 2, "alu: nor to the bare machine")

-- ------------------------------------------------------------------ what loses

say("")
say("The two that only miss in the TLB: their tables stand still, so neither VM exits.  Cycles in page walks:")
for _, key in ipairs { "touch", "large" } do
    local m = by[key]
    say(columns, rows[key == "touch" and 6 or 7].what, m.native.walk, m.shadow.walk, m.nested.walk, "")
end
local function gap(cycles)
    return ("%s by %d cycles"):format(cycles < 0 and "ahead" or "behind", math.abs(cycles))
end
local small = by.touch.nested.cycles - by.touch.shadow.cycles
local large = by.large.nested.cycles - by.large.shadow.cycles
ask {
    q = "Which is ahead on random touches far beyond the TLB's reach, in pages of 4 KiB?",
    choices = { "shadow", "EPT" },
    answer = function()
        return small > 0 and "shadow" or "EPT"
    end,
}
check_order({ shadow = by.touch.shadow.cycles, ept = by.touch.nested.cycles }, "shadow < ept",
    "4 KiB pages in guest and EPT: shadow is ahead, since its walks have one dimension")
-- As many references; which lines of tables the caches still hold depends on where the tables lie.
check_near(by.touch.shadow.walk, by.touch.native.walk, 25, "walks of shadow tables cost what native ones do")
check(by.touch.nested.walk > 1.5 * by.touch.native.walk, "and walks in two dimensions cost more")
say("  EPT is %s in pages of 4 KiB, and %s where guest and EPT have 2 MiB.", gap(small), gap(large))
check(large < small / 2, "2 MiB pages in guest and EPT close most of the gap")
