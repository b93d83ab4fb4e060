-- nested_walk.lua: a page walk in two dimensions, one reference at a time.
--
-- A guest's page tables hold guest-physical addresses (gPA).  The hardware can read them only after the
-- hypervisor's tables, the EPT, have told it where each one lies in host-physical memory (hPA).  So every step of
-- the guest's walk is itself a walk.  The guest `walk` (guests/walk.c) drops what the machine remembers, then
-- touches chosen addresses, each after a mark.

local AD_CYCLES = 8 -- of setting A or D in one entry
local host = machine { name = "A", ram = "64M", walk_caches = false, ad_update_cycles = AD_CYCLES }

-- ------------------------------------------------------------------ printing a walk

local function cell_lines(cell)
    if not cell then
        return { "-", "", "", "" }
    elseif cell.by then
        return { "saved", "by " .. cell.by, "", "" }
    end
    local name = cell.stage == "nested" and "nL" or "gL"
    return { ("%2d  %s%d"):format(cell.n, name, cell.level), "h:" .. hex(cell.hpa), " =" .. hex(cell.entry),
             ("  %d %s"):format(cell.cycles, cell.from) }
end

-- Rows are the guest's levels and last the data; columns the EPT's levels and last the guest's own entry.
local function show(w)
    for row = 1, w.rows do
        local what = row < w.rows and ("to reach gL%d"):format(5 - row) or "to reach the data"
        local texts = {}
        for col = 1, w.cols do
            texts[col] = cell_lines(w.grid[row][col])
        end
        if w.row_gpa[row] ~= 0 then
            say("  row %d: g:%s, %s", row, hex(w.row_gpa[row]), what)
            for line = 1, 4 do
                local text = ""
                for col = 1, w.cols do
                    text = text .. ("%-15s"):format(texts[col][line])
                end
                if text:find("%S") then
                    say("    " .. text:gsub("%s+$", ""))
                end
            end
        end
    end
    say("  %d references, %d cycles; g:%s is h:%s", #w.refs, w.cycles, hex(w.gpa), hex(w.hpa))
end

-- ------------------------------------------------------------------ checking a walk

-- gL4(nL4 nL3 nL2 nL1), then the guest's own entry; the same for gL3, gL2 and gL1; then nL4..nL1 of the data.
local function check_order_of_24(w, name)
    local i = 0
    local in_order = true
    for row = 1, 5 do
        for col = 1, row < 5 and 5 or 4 do
            i = i + 1
            local r = w.refs[i]
            local level = col < 5 and 5 - col or 5 - row
            local stage = col < 5 and "nested" or "guest"
            in_order = in_order and r and r.n == i and r.row == row and r.col == col
            in_order = in_order and r.level == level and r.stage == stage
        end
    end
    check(in_order and i == #w.refs, name .. ": gL4(nL4..nL1), gL3(nL4..nL1), gL2(...), gL1(...), data(nL4..nL1)")
end

-- What each reference found is what lies in memory at its address; where the walk set A or D, the entry has it now.
local function check_memory(w, name)
    local agree = 0
    for _, r in ipairs(w.refs) do
        local now = string.unpack("<I8", host:read(r.hpa, 8))
        agree = agree + (now == (r.before == r.entry and r.before or r.entry) and 1 or 0)
    end
    check_eq(agree, #w.refs, name .. ": every address and entry agrees with memory")
end

-- With the walk caches off a walk is its references, and AD_CYCLES more for each entry in which it sets A or D.
local function check_cycles(w, name)
    local sum, updates = 0, 0
    for _, r in ipairs(w.refs) do
        sum = sum + r.cycles
        updates = updates + (r.entry ~= r.before and 1 or 0)
    end
    local what = ("%s: %d cycles of references and %d updates of A or D make its cycles"):format(name, sum, updates)
    check_eq(sum + AD_CYCLES * updates, w.cycles, what)
end

-- ------------------------------------------------------------------ running the guest

-- Boots the hypervisor with one VM, up to mark 1: the guest is about to drop all translations.
local function start(settings, guest_page, host_page)
    host:power_cycle(settings)
    local vm = { name = "walk", image = "walk", ram = "8M", page = host_page, cmdline = guest_page }
    host:boot("hv", { vms = { vm } })
    host:await("mark", { id = 1, vm = "walk" })
end

local function fetch_walk()
    return host:await("walk.end", { vm = "walk", mode = "non-root", access = "fetch" })
end

-- The walk of the load after mark 2.
local function load_walk()
    local mark = host:await("mark", { id = 2, vm = "walk" })
    return host:await("walk.end", { vm = "walk", gva = mark.arg1 })
end

-- ------------------------------------------------------------------ the lesson

say("A guest's load of one byte, and what the hardware reads before it gets there.  The walk caches are off.")
start({ walk_caches = false }, "4k", "4k")
say("VM %s runs in %s mode.  It asks the hypervisor for an INVEPT, so no TLB knows any of its pages.", host.core[1].vm,
    host.core[1].mode)

local fetch
say("The next thing that the hardware needs is the guest's next instruction.  A native walk would read 4 entries.")
ask {
    q = "How many entries will the hardware read to fetch this instruction?",
    choices = { 4, 8, 20, 24 },
    hides = "walk",
    answer = function()
        fetch = fetch_walk()
        return #fetch.refs
    end,
}
say("")
say("1. The first walk after INVEPT is the fetch of the guest's next instruction, at gVA %s:", hex(fetch.gva))
show(fetch)
check_eq(#fetch.refs, 24, "the fetch's walk makes 24 references")
check_order_of_24(fetch, "fetch")
check_memory(fetch, "fetch")
check_cycles(fetch, "fetch")

local mark = host:await("mark", { id = 2, vm = "walk" })
say("")
say("2. The guest is about to load from gVA %s.", hex(mark.arg1))
local load = host:await("walk.end", { vm = "walk", gva = mark.arg1 })
show(load)
say("  4 levels x 5 references (4 nested, 1 the guest's own) + 4 for the data = 24: n x m + n + m with n = m = 4.")
check_eq(#load.refs, 24, "the load's walk makes 24 references")
check_order_of_24(load, "load")
check_memory(load, "load")
check_cycles(load, "load")
pause("Look at the grid: each row walks the EPT from nL4 again, for another guest-physical address.")

host:await("mark", { id = 3, vm = "walk" })
local before = host:stats()
host:await("mark", { id = 4, vm = "walk" })
local after = host:stats()
say("")
say("3. The guest loads from the same page again: %d walks.", after.walks - before.walks)
say("   The TLB holds gVA page to hPA page: all 24 steps in one entry.")
check_eq(after.walk_refs - before.walk_refs, 0, "a second access to the page makes no reference")
check(after.loads - before.loads == 1, "and yet the load took place")

local store = host:await("walk.end", { vm = "walk", gva = mark.arg1, access = "write" })
local marked = store.refs[20]
say("")
say("4. The first store to it walks again: the TLB entry is clean, and D must be set in the guest's entry at")
say("   h:%s.", hex(marked.hpa))
say("  reference %d, gL1, before %s, after %s", marked.n, hex(marked.before), hex(marked.entry))
check_eq(marked.entry ~ marked.before, 0x40, "the walk set D, bit 6, and nothing else")
check_memory(store, "store")
check_cycles(store, "store")

say("")
say("5. Pages of 2 MiB leave out a level, in the dimension that uses them:")
for _, case in ipairs { { "4k", "4k", 24 }, { "2m", "4k", 19 }, { "4k", "2m", 19 }, { "2m", "2m", 15 } } do
    local guest_page, host_page, wanted = table.unpack(case)
    start({ walk_caches = false }, guest_page, host_page)
    fetch_walk()
    local w = load_walk()
    say("  guest %s, host %s: %d references, %d cycles", guest_page, host_page, #w.refs, w.cycles)
    local what = ("guest pages of %s on host pages of %s: %d references"):format(guest_page, host_page, wanted)
    check_eq(#w.refs, wanted, what)
    check_memory(w, guest_page .. " on " .. host_page)
end

say("")
say("6. Now with the walk caches on: they remember parts of walks, in both dimensions.")
start({ walk_caches = true }, "4k", "4k")
fetch_walk()
local cached = load_walk()
show(cached)
local by = { pwc = 0, npwc = 0, ntlb = 0 }
for _, cell in ipairs(cached.skipped) do
    by[cell.by] = by[cell.by] + 1
end
say("  %d cells saved by the guest's paging-structure caches (pwc)", by.pwc)
say("  %d cells saved by the EPT's paging-structure caches (npwc)", by.npwc)
say("  %d cells saved by the nested TLB (ntlb), which knows where a whole guest-physical page lies", by.ntlb)
check_eq(#cached.refs + #cached.skipped, 24, "the references made and the cells saved are 24 together")
check(#cached.refs < 24, "the walk caches save references")
local cycles = { cached = cached.cycles, full = load.cycles }
check_order(cycles, "cached < full", "the load's walk is shorter in cycles as well")
check_memory(cached, "with walk caches")
say("")
say("The same load: %d references and %d cycles without walk caches, %d and %d with them.", #load.refs, load.cycles,
    #cached.refs, cached.cycles)
