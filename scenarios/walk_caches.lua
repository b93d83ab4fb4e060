-- walk_caches.lua: what each walk cache saves of a page walk in two dimensions.
--
-- A guest's TLB miss may cost 24 references, six times those of a native one.  Three kinds of caches shorten it: the
-- paging-structure cache of the guest's dimension (pwc), that of the nested dimension (npwc), and the nested TLB
-- (ntlb), which maps a guest-physical page to its host-physical one.  The guest `chase` (guests/chase.c) loads from
-- one page after another, far more pages than the TLBs hold, so that almost every load walks.  It runs with the
-- caches switched on one by one, then on EPT pages of 2 MiB, then on the bare machine.

local PAGES <const> = 6000 -- 23 MiB: 12 page tables
local steps = param("steps", 6000, "loads that are measured, from 5000 to 15000")
if math.type(steps) ~= "integer" or steps < 5000 or steps > 15000 then
    error("parameter steps must be a whole number from 5000 to 15000, not " .. steps)
end

-- Small walk caches, so that 23 MiB are for them what a server's memory is for real ones; and an L2 that holds most
-- of what the loads and the walks read.
local SIZES <const> = { pwc_entries = 8, npwc_entries = 8, ntlb_entries = 16 }
local host = machine { name = "A", ram = "64M", l2_bytes = "512K" }

-- From the longest walk to the shortest, and last what they are compared with.
local rows = {
    { key = "none", what = "no walk caches" },
    { key = "one", what = "pwc: one dimension", pwc = true },
    { key = "two", what = "+ npwc: both", pwc = true, npwc = true },
    { key = "ntlb", what = "+ nested TLB", pwc = true, npwc = true, ntlb = true },
    { key = "large", what = "+ 2 MiB EPT pages", pwc = true, npwc = true, ntlb = true, page = "2m" },
    { key = "native", what = "native, pwc", pwc = true, bare = true },
    { key = "bare", what = "native, none", bare = true },
}

-- ------------------------------------------------------------------ measuring

-- Adds to count[DIMENSION][LEVEL].needed and .saved each table entry that the walk needed, and whether a cache saved
-- the reference.  What the pwc finds does away with the nested entries of that row as well: they are not counted.
local function count_levels(w, count)
    for _, ref in ipairs(w.refs) do
        local cell = count[ref.stage][ref.level]
        cell.needed = cell.needed + 1
    end
    for _, skip in ipairs(w.skipped) do
        local own = skip.col == w.cols
        local level = 5 - (own and skip.row or skip.col)
        if own or skip.by ~= "pwc" then
            local cell = count[own and "guest" or "nested"][level]
            cell.needed = cell.needed + 1
            cell.saved = cell.saved + 1
        end
    end
end

local function new_levels()
    local count = { guest = {}, nested = {} }
    for level = 1, 4 do
        count.guest[level] = { needed = 0, saved = 0 }
        count.nested[level] = { needed = 0, saved = 0 }
    end
    return count
end

-- The guest's walks for its loads between its marks: how many, their references, cycles, and hits by level.
local function measure(row, stride)
    local vm = not row.bare and "chase" or nil
    local cmdline = ("%d %d %d"):format(PAGES, steps, stride)
    local settings = { pwc = row.pwc or false, npwc = row.npwc or false, ntlb = row.ntlb or false }
    for name, entries in pairs(SIZES) do
        settings[name] = entries
    end
    host:power_cycle(settings)
    if row.bare then
        host:boot("chase", { cmdline = cmdline })
    else
        host:boot("hv", { vms = { { name = vm, image = "chase", ram = "40M", page = row.page, cmdline = cmdline } } })
    end
    local sum = { walks = 0, refs = 0, cycles = 0, levels = new_levels() }
    host:await("mark", { id = 1, vm = vm })
    local handler = host:on("walk.end", { access = "read", vm = vm }, function(w)
        sum.walks = sum.walks + 1
        sum.refs = sum.refs + #w.refs
        sum.cycles = sum.cycles + w.cycles
        count_levels(w, sum.levels)
    end)
    host:await("mark", { id = 2, vm = vm })
    handler:off()
    if row.page == "2m" then
        sum.levels.nested[1] = { needed = 0, saved = 0 } -- there is no such level
    end
    return sum
end

-- ------------------------------------------------------------------ showing

local function percent(cell)
    return cell.needed == 0 and "-" or ("%.1f"):format(100 * cell.saved / cell.needed)
end

local function show(row, m, base)
    local cycles = m.cycles / m.walks
    local text = ("  %-18s %6.2f %7.1f %7.2f"):format(row.what, m.refs / m.walks, cycles, cycles / base)
    for _, dimension in ipairs { "guest", "nested" } do
        for level = 4, 1, -1 do
            text = text .. ("%6s"):format(percent(m.levels[dimension][level]))
        end
    end
    say(text)
end

-- What lies higher in a tree of tables covers more, so it is found more often.
local function check_levels(m, dimension, what)
    local rate = {}
    for level = 1, 4 do
        local cell = m.levels[dimension][level]
        rate["l" .. level] = cell.saved / cell.needed
    end
    check_order(rate, "l1 < l2 < l3 <= l4", what)
end

local function lesson(name, stride)
    local by, cost = {}, {}
    for _, row in ipairs(rows) do
        by[row.key] = measure(row, stride)
        cost[row.key] = by[row.key].cycles / by[row.key].walks
    end
    say("")
    say("%s: %d walks.", name, by.none.walks)
    say("  %-18s %6s %7s %7s  %22s  %22s", "", "refs", "cycles", "times", "found by the pwc, %", "npwc, ntlb, %")
    say("  %-18s %6s %7s %7s%6s%6s%6s%6s%6s%6s%6s%6s", "of a walk", "", "", "native", "gL4", "gL3", "gL2", "gL1",
        "nL4", "nL3", "nL2", "nL1")
    for _, row in ipairs(rows) do
        show(row, by[row.key], cost.bare)
    end
    check(by.none.walks > 0.75 * steps, name .. ": most loads walk")
    for i = 2, #rows do
        check_near(by[rows[i].key].walks, by.none.walks, 2, name .. ": the same walks, " .. rows[i].what)
    end
    check_eq(by.none.refs, 24 * by.none.walks, name .. ": without walk caches each walk makes 24 references")
    check_eq(by.bare.refs, 4 * by.bare.walks, name .. ": and 4 on the bare machine")
    check_order(cost, "native < large < ntlb < two < one < none",
        name .. ": a walk is shorter with each cache, with 2 MiB pages, and natively")
    check(cost.none >= 3.9 * cost.bare and cost.none <= 4.6 * cost.bare,
        ("%s: six times the references, 3.9 to 4.6 times the cycles: %.2f"):format(name, cost.none / cost.bare))
    check_levels(by.two, "guest", name .. ": the pwc finds upper levels more often than lower ones")
    check_levels(by.two, "nested", name .. ": and so does the npwc")
    return by, cost
end

-- ------------------------------------------------------------------ the lesson

say("A load that misses the TLB walks: 4 references natively, 24 in a guest.  What of them do walk caches save?")
say("%d loads over %d pages; the TLBs hold 1,600 at most.  The caches are switched on one after another.", steps,
    PAGES)
local _, seq_cost = lesson("Sequential", 1)
say("  One entry after another: 8 share a line, and 512 the entry that points to their table, so almost all hit but")
say("  gL1 and nL1.  Of nL1 the nested TLB finds the half that leads to the page table, for this is always the same.")
say("  What leads to the next page nothing can know: each page has an entry of its own, in both dimensions.")

local rnd, rnd_cost = lesson("Random", 0)
local missing = rnd.two.levels.guest[2]
say("  The upper levels are the same for all pages.  But %d pages have %d page tables, and the pwc holds %d entries",
    PAGES, math.ceil(PAGES / 512), SIZES.pwc_entries)
say("  that point to one: %.0f in 100 walks must read gL2 anew.", 100 - 100 * missing.saved / missing.needed)

say("")
say("24 references are six times 4, but take %.2f times as long (sequential), and %.2f times (random).",
    seq_cost.none / seq_cost.bare, rnd_cost.none / rnd_cost.bare)
say("What the nested walks read again for each row lies in the L1D.  What takes long is the last entry of each")
say("dimension, and a walk in two dimensions has two of those where a native one has one.")
pause("With all walk caches and EPT pages of 2 MiB a guest's walk is nearly a native one.")

ask {
    q = "Which step saves most cycles of a random walk?",
    choices = { "pwc", "npwc", "nested TLB", "2 MiB EPT pages" },
    answer = function()
        local cost = rnd_cost
        local saved = { pwc = cost.none - cost.one, npwc = cost.one - cost.two, ["nested TLB"] = cost.two - cost.ntlb,
                        ["2 MiB EPT pages"] = cost.ntlb - cost.large }
        local best = "pwc"
        for what, cycles in pairs(saved) do
            best = cycles > saved[best] and what or best
        end
        return best
    end,
}
