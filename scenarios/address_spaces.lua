-- address_spaces.lua: one guest, three ways from its addresses to the machine's.
--
--   traditional   the kernel's tables lead from virtual to physical; that is all there is
--   shadow        the guest's tables lead to guest-physical addresses only, so the processor does not get them; the
--                 hypervisor makes tables of its own that lead all the way, and keeps them like the guest's
--   nested        the processor gets both: the guest's tables, gVA to gPA, and the hypervisor's, gPA to hPA (EPT)
--
-- The guest `walk` (guests/walk.c) drops what the TLB knows, and loads from a page.  The walk caches are off, so that
-- every reference is made.

local A_AND_D <const>, FRAME <const> = 0x60, 0x000ffffffffff000
local host = machine { name = "A", ram = "64M", walk_caches = false }

-- ------------------------------------------------------------------ running

local function boot(mmu)
    host:power_cycle()
    if mmu then
        host:boot("hv", { vms = { { name = "walk", image = "walk", ram = "8M", mmu = mmu } } })
    else
        host:boot("walk")
    end
end

-- Up to mark `id`; gives the exits on the way, by number.
local function exits_to(id)
    local exits = {}
    local handler = host:on("vm.exit", function(ev)
        if ev.number ~= 52 then -- the VM's turn may end at any time
            exits[#exits + 1] = ev.number
        end
    end)
    local mark = host:await("mark", { id = id })
    handler:off()
    return exits, mark
end

-- The guest's own entry for gva, read as the hypervisor does: from tables that hold guest-physical addresses.
local function guest_entry(vm, cr3, gva)
    local table_gpa, entry = cr3 & FRAME, nil
    for shift = 39, 12, -9 do
        entry = vm:u64(table_gpa + 8 * (gva >> shift & 511))
        table_gpa = entry & FRAME
    end
    return entry
end

-- The load after mark 2 and the store after mark 4: the walk that succeeds, and what exits each made.
local function run(mmu)
    boot(mmu)
    local result = {}
    local mark = host:await("mark", { id = 2 })
    result.gva = mark.arg1
    local first
    local handler = host:on("walk.end", { gva = mark.arg1 }, function(w)
        first = first or w
        result.walk = w
    end)
    result.load_exits = exits_to(3)
    handler:off()
    result.first = first
    local vm = mmu and host:vm("walk")
    local memory = vm or host
    result.guest = memory:translate(result.gva) -- what the guest's own tables say
    result.clean = guest_entry(memory, result.guest.cr3, result.gva)
    host:await("mark", { id = 4 })
    result.store_exits = exits_to(5)
    result.dirty = guest_entry(memory, result.guest.cr3, result.gva)
    result.value = host:u64(result.walk.hpa)
    host:run()
    result.text = vm and vm:console() or host:console()
    return result
end

-- ------------------------------------------------------------------ showing

local function show(w, dimension)
    for _, r in ipairs(w.refs) do
        say("    %2d  %sL%d  h:%-9s = %s", r.n, dimension, r.level, hex(r.hpa), hex(r.entry))
    end
end

-- A line for each guest-physical address that has to be translated, with the numbers of the references.
local function show_grid(w)
    say("    %-13s %-30s %s", "", "nested dimension: nL4 to nL1", "guest dimension")
    for row = 1, w.rows do
        local text = ("g:%-11s"):format(hex(w.row_gpa[row]))
        for col = 1, 4 do
            text = text .. ("%4d  "):format(w.grid[row][col].n)
        end
        local own = w.grid[row][5]
        local last = own and ("%2d  gL%d = %s"):format(own.n, own.level, hex(own.entry)) or "the data"
        say("    " .. text .. "      " .. last)
    end
end

local function count(w, stage)
    local n = 0
    for _, r in ipairs(w.refs) do
        n = n + (r.stage == stage and 1 or 0)
    end
    return n
end

-- ------------------------------------------------------------------ traditional

say("1. Traditional: no hypervisor.  The entries hold physical addresses.")
local bare = run(nil)
say("   The guest loads from %s:", hex(bare.gva))
show(bare.walk, "")
say("   %d references: one dimension, virtual to physical.", #bare.walk.refs)
check_eq(#bare.walk.refs, 4, "traditional: 4 references")
check_eq(bare.value, bare.walk.hpa, "the page holds its own physical address")

-- ------------------------------------------------------------------ shadow

say("")
say("2. Shadow: the guest has built the same tables, but what it takes for physical addresses are guest-physical ones.")
pause("The processor could follow the guest's tables, and would end at other people's memory.")
local shadow = run("shadow")
local w, guest = shadow.walk, shadow.guest
say("   The guest's CR3 is %s.  The processor's CR3 is %s, the hypervisor's doing.", hex(guest.cr3), hex(w.cr3))
say("   The first try ends in %s, exit %s, since the hypervisor's tables do not have the page yet.",
    tostring(shadow.first.fault_kind), table.concat(shadow.load_exits, ", "))
say("   It looks it up in the guest's, g:%s, knows that to be at h:%s, and enters that into its own:", hex(guest.gpa),
    hex(w.hpa))
show(w, "s")
say("   %d references: one dimension again.  The other one has been walked by software, once.", #w.refs)
check_eq(#w.refs, 4, "shadow: 4 references")
check(w.cr3 ~= guest.cr3, "the tables that the processor walks are not the guest's")
check_eq(table.concat(shadow.load_exits, " "), "0", "the first load from the page costs an exit by #PF")
check_eq(w.hpa, guest.hpa, "the shadow leads where the guest's tables and the hypervisor's map lead together")
check_eq(guest.gpa, bare.walk.hpa, "and to the guest the address is what it was on the bare machine")

-- ------------------------------------------------------------------ nested

say("")
say("3. Nested: the processor walks both tables, the EPT to reach each of the guest's entries.")
local nested
ask {
    q = "The guest's tables have 4 levels, the EPT has 4.  How many references does the walk make?",
    choices = { 4, 8, 16, 24 },
    hides = "walk",
    answer = function()
        nested = run("nested")
        return #nested.walk.refs
    end,
}
show_grid(nested.walk)
say("   %d references: %d to the guest's tables, gVA to gPA, %d to the EPT, gPA to hPA.", #nested.walk.refs,
    count(nested.walk, "guest"), count(nested.walk, "nested"))
check_eq(#nested.walk.refs, 24, "nested: 24 references")
check_eq(count(nested.walk, "guest"), 4, "4 in the guest's dimension")
check_eq(count(nested.walk, "nested"), 20, "20 in the nested dimension: 4 for each of its entries, 4 for the data")
check_eq(#nested.load_exits, 0, "and no exit")
check_eq(nested.walk.gpa, guest.gpa, "the guest-physical address is the same again")

-- ------------------------------------------------------------------ all three

local function exits(list)
    return #list == 0 and "0" or ("%d (%s)"):format(#list, table.concat(list, ", "))
end

say("")
say("  %-34s %12s %12s %12s", "", "traditional", "shadow", "nested")
local function row(what, value)
    say("  %-34s %12s %12s %12s", what, value(bare), value(shadow), value(nested))
end
row("references of a walk", function(r) return #r.walk.refs end)
row("  of them to the EPT", function(r) return count(r.walk, "nested") end)
row("the processor walks, CR3", function(r) return hex(r.walk.cr3) end)
row("the guest believes, CR3", function(r) return hex(r.guest.cr3) end)
row("exits of the first load (number)", function(r) return exits(r.load_exits) end)
row("exits of the first store (number)", function(r) return exits(r.store_exits) end)
row("the page, as the guest sees it", function(r) return hex(r.guest.gpa) end)
row("the page, in the machine's memory", function(r) return hex(r.walk.hpa) end)
say("")
say("The store has to set D in the guest's entry.  The processor does so where it walks the guest's tables.  With")
say("shadow tables it is the hypervisor that has to notice the first store, by an exit.")
for name, r in pairs { traditional = bare, shadow = shadow, nested = nested } do
    check_eq(r.value, bare.value, name .. ": the load found the same")
    check_eq(r.dirty & A_AND_D, A_AND_D, name .. ": the guest's own entry has A and D after the store")
    check_eq(r.text, bare.text, name .. ": the guest prints the same")
end
check_eq(shadow.clean & A_AND_D, 0x20, "shadow: before the store it had A alone")
check_eq(#nested.store_exits + #bare.store_exits, 0, "no exit to set D where the guest's tables are walked")
check_eq(#shadow.store_exits, 1, "one where they are not")
