-- native_walk.lua: a page walk on the bare machine, four references.
--
-- The same guest as in nested_walk.lua, without a hypervisor: its tables hold host-physical addresses, so each
-- level is one read.

local host = machine { name = "A", ram = "64M", walk_caches = false }

local function start(settings, page)
    host:power_cycle(settings)
    host:boot("walk", { cmdline = page })
    return host:await("mark", { id = 1 })
end

local function show(w)
    local shift = { 39, 30, 21, 12 }
    for _, r in ipairs(w.refs) do
        say("  %d  gL%d  index %3d  h:%-10s = %-18s %3d cycles, %s", r.n, r.level, r.index, hex(r.hpa), hex(r.entry),
            r.cycles, r.from)
        local index = w.gva >> shift[5 - r.level] & 511
        check_eq(r.index, index, ("level %d is indexed by its 9 bits of the address"):format(r.level))
        check_eq(host:u64(r.hpa), r.entry, ("level %d agrees with memory"):format(r.level))
    end
    say("  %d references, %d cycles; %s is h:%s", #w.refs, w.cycles, hex(w.gva), hex(w.hpa))
end

-- Each table's address is in the entry before it; the first one's is in CR3.
local function check_chain(w)
    local frame = 0x000ffffffffff000
    local base = w.cr3 & frame
    local linked = true
    for _, r in ipairs(w.refs) do
        linked = linked and r.hpa == base + 8 * r.index
        base = r.entry & frame
    end
    check(linked, "CR3 leads to the first entry, and each entry to the next")
    local inside = w.page_bytes - 1
    check_eq(w.hpa, (base & ~inside) | (w.gva & inside), "the last entry's frame and the offset make the address")
end

say("A bare machine: the guest's tables are the only ones.  The walk caches are off.")
start({ walk_caches = false }, "4k")
local mark = host:await("mark", { id = 2 })
say("MOV to CR3 has dropped all translations.  Now a load from %s:", hex(mark.arg1))
local w = host:await("walk.end", { gva = mark.arg1 })
show(w)
check_eq(host.core[1].mode, "root", "there is no guest mode here")
check_eq(#w.refs, 4, "the walk makes 4 references")
check_chain(w)
pause("Four references, one for each level: each entry leads to the next table.")

host:await("mark", { id = 3 })
local before = host:stats()
host:await("mark", { id = 4 })
check_eq(host:stats().walk_refs - before.walk_refs, 0, "a second load from the page makes none")

say("")
say("The same with pages of 2 MiB: the page directory's entry is the last.")
start({ walk_caches = false }, "2m")
mark = host:await("mark", { id = 2 })
local large = host:await("walk.end", { gva = mark.arg1 })
show(large)
check_eq(#large.refs, 3, "the walk makes 3 references")
check_chain(large)

say("")
say("And with the walk caches on, 4 KiB pages.  The fetch before it has left its upper levels there:")
start({ walk_caches = true }, "4k")
mark = host:await("mark", { id = 2 })
local first = host:await("walk.end", { gva = mark.arg1 })
mark = host:await("mark", { id = 6 })
local neighbour = host:await("walk.end", { gva = mark.arg1 })
say("  first page %s: %d references, %d saved", hex(first.gva), #first.refs, #first.skipped)
say("  the page next to it %s: %d references, %d saved", hex(neighbour.gva), #neighbour.refs, #neighbour.skipped)
check_eq(#neighbour.refs, 1, "the neighbour needs only its own entry: the walk caches lead to its table")
check_eq(#neighbour.refs + #neighbour.skipped, 4, "the references made and those saved are 4 together")
