-- nanobench.lua: what single operations cost in a VM, with shadow paging and with EPT.
--
-- Adams and Agesen (ASPLOS 2006) measured what a virtual machine monitor is paid for: a system call, a port, a page
-- fault, a write to a page-table entry.  The guest kernel has the same operations (guests/kernel/nano.def).  It runs
-- them bare, in a VM whose page tables the hypervisor shadows, and in one with EPT.  Cycles are those between marks.

local N <const> = 100    -- turns of each operation
local ALONE <const> = 10 -- times that one page-table entry is written, with CR3 loaded in between

local host = machine { name = "A", ram = "64M" }

-- In the order of nano.def; what the paper has for them, in cycles of a Pentium 4: native, and VT-x with shadow.
local rows = {
    { key = "syscall", what = "SYSCALL and SYSRET", paper = { 242, 246 } },
    { key = "in", what = "IN from a port", paper = { 3209, 15826 } },
    { key = "cr8wr", what = "MOV to CR8", paper = { 150, 177 } },
    { key = "callret", what = "CALL and RET", paper = { 11, 11 } },
    { key = "pgfault", what = "#PF of the guest's own", paper = { 1093, 11242 } },
    { key = "divzero", what = "#DE", paper = { 889, 1014 } },
    { key = "pte_same", what = "table entry, unchanged", paper = { 1, 12733 } },
    { key = "pte_clear", what = "table entry, P to NP", paper = { 4, 9154 } },
    { key = "pte_set", what = "table entry, NP to P", paper = { 5, 17020 } },
    { key = "pte_first", what = "first load from a page" },
    { key = "cr3wr", what = "MOV to CR3" },
    { key = "pte_unmap", what = "table entry and INVLPG" },
    { key = "pte_reload", what = "table entry and CR3" },
    { key = "pte_wide", what = "the same, of 512 in use" },
    { key = "pte_change", what = "P to NP, and CR3" },
    { key = "tab_first", what = "first load by a table" },
    { key = "tab_reuse", what = "a table as a mere page" },
}

local function cmdline()
    local text = "nano " .. N
    for i = 7, 9 do
        text = text .. (", nano 1 %s %d"):format(rows[i].key, ALONE)
    end
    return text
end

-- Exits that the time brings and not the operation: an interrupt of the host's, and the end of a turn.
local CLOCK <const> = { [1] = true, [52] = true }

-- Cycles a turn by row, without those that go to the clock: `many` of the turns in a row, `alone` of those with a
-- pair of marks of their own.
local function measure(mmu)
    host:power_cycle()
    if mmu == "native" then
        host:boot("kernel", { cmdline = cmdline() })
    else
        host:boot("hv", { vms = { { name = "vm1", image = "kernel", ram = "6M", mmu = mmu, cmdline = cmdline() } } })
    end
    local sum = { many = {}, alone = {} }
    local from, away
    local exit = host:on("vm.exit", { number = function(n) return CLOCK[n] end }, function(ev)
        away = ev.cycle - ev.cycles
    end)
    local entry = host:on("vm.entry", function(ev)
        from = away and from and from + ev.cycle - away or from
        away = nil
    end)
    local handler = host:on("mark", function(ev)
        if ev.id == 1 then
            from = ev.cycle
        elseif ev.id == 2 then
            local kind = ev.arg2 == 1 and "alone" or "many"
            local row = sum[kind][ev.arg1] or { cycles = 0, turns = 0 }
            sum[kind][ev.arg1] = row
            row.cycles, row.turns = row.cycles + ev.cycle - from, row.turns + ev.arg2
        end
    end)
    host:run()
    for _, h in ipairs { exit, entry, handler } do
        h:off()
    end
    local result = { many = {}, alone = {} }
    for kind, list in pairs(sum) do
        for i, row in pairs(list) do
            result[kind][rows[i].key] = row.cycles / row.turns
        end
    end
    result.text = mmu == "native" and host:console() or host:vm("vm1"):console()
    return result
end

local native, shadow, ept = measure("native"), measure("shadow"), measure("nested")
check_eq(shadow.text, native.text, "the kernel prints the same with shadow paging")
check_eq(ept.text, native.text, "and with EPT")

-- ------------------------------------------------------------------ the table

local function show(what, kind, key, paper)
    say("  %-24s %9.1f %9.1f %9.1f %11s %9s", what, native[kind][key], shadow[kind][key], ept[kind][key],
        paper and paper[1] or "", paper and paper[2] or "")
end

say("")
say("  %-24s %29s %21s", "cycles a turn", "------- measured here -------", "-- the paper, 2006 --")
say("  %-24s %9s %9s %9s %11s %9s", "", "native", "shadow", "EPT", "native", "shadow")
for i, row in ipairs(rows) do
    show(row.what, (i < 7 or i > 9) and "many" or "alone", row.key, row.paper)
end
say("  The same entries, %d of them between two loads of CR3:", N)
for i = 7, 9 do
    show(rows[i].what, "many", rows[i].key)
end
say("")
say("In the paper's monitor each write to a table traps.  Here the first one does, and the table is let out of sync")
say("until CR3 is loaded: the paper's order shows with one write to a load (above), not with %d (the last three rows).", N)
say("")
say("The paper's processor is a Pentium 4, whose exits are slow; what holds is the order.  Its third column, binary")
say("translation, is not here.")

-- ------------------------------------------------------------------ the shapes

pause("Look for the rows in which a column differs from native: each difference is an exit.")
for _, key in ipairs { "syscall", "callret", "divzero" } do
    check_near(shadow.many[key], native.many[key], 10, key .. ": no exit, shadow costs what native does")
    check_near(ept.many[key], native.many[key], 10, key .. ": no exit, EPT costs what native does")
end
local function order(key, kind, what)
    local cycles = { native = native[kind][key], shadow = shadow[kind][key], ept = ept[kind][key] }
    check_order(cycles, what, key .. ": " .. what)
end
order("in", "many", "native < shadow")
order("in", "many", "native < ept")
check(shadow.many.cr8wr > 0.9 * native.many.cr8wr, "cr8wr: not cheaper than native")

-- EPT is where native is, but for cold caches, and shadow paging far behind.
local function exits_in_shadow_alone(key, kind, times)
    order(key, kind, "ept < shadow")
    check_near(ept[kind][key], native[kind][key], 30, key .. ": with EPT it is the guest's own business")
    check(shadow[kind][key] > times * native[kind][key],
        ("%s: with shadow paging it exits, %.0f times native"):format(key, shadow[kind][key] / native[kind][key]))
end
exits_in_shadow_alone("pgfault", "many", 5)
for i = 7, 9 do
    local key = rows[i].key
    exits_in_shadow_alone(key, "alone", 30)
    check(shadow.many[key] < shadow.alone[key] / 10,
        key .. ": a table that has been written to is not watched again before CR3 is loaded")
end
for i = 10, #rows do
    exits_in_shadow_alone(rows[i].key, "many", 5)
end
