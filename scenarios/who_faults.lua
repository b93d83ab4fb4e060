-- who_faults.lua: who hears first of a guest's page fault.
--
-- The lecture's slide sends the guest's fault to the monitor, which finds that it is the guest's own and gives it
-- back.  VT-x can do so, by bit 14 of the exception bitmap in the VMCS, and with shadow paging it must.  With EPT the
-- bit is usually clear, and the hypervisor never hears of it.  What it does hear of is the other dimension's fault,
-- and that is no #PF: an EPT violation, exit 48.  The guest `fault` (guests/fault.c) loads from a page that its own
-- tables do not have, in a VM whose RAM is mapped when it is first touched.

local PF <const>, TIMER <const> = 14, 52 -- a vector, and the exit that ends a turn
local host = machine { name = "A", ram = "64M" }

local function boot(vm)
    host:power_cycle()
    vm.name = "vm1"
    host:boot("hv", { vms = { vm } })
end

-- ------------------------------------------------------------------ one load

-- Tells what happens up to the load's end, and gives it in one line.  That the VM's turn may end meanwhile is left out.
local function watch_load(gva)
    local steps, turn_ended = {}, false
    local function add(what, fmt, ...)
        steps[#steps + 1] = what
        say("     %d. " .. fmt, #steps, ...)
    end
    local handlers = {
        host:on("fault", { mode = "non-root" }, function(ev)
            add("#PF raised", "#PF is raised in the guest: address %s, error code %d", hex(ev.address), ev.error)
        end),
        host:on("vm.exit", function(ev)
            turn_ended = ev.number == TIMER
            if turn_ended then
                return
            end
            local what = ev.number == 48 and "where in guest-physical memory: " .. hex(ev.gpa)
                or "with the address, " .. hex(ev.qualification)
            add("exit " .. ev.number, "VM exit %d, %s; %s", ev.number, ev.reason, what)
        end),
        host:on("vm.entry", function(ev)
            if turn_ended then
                return
            end
            local given = ev.injected >> 31 == 1 and ev.injected & 0xff
            add(given and "injected " .. given or "resumed", given and "VM entry, with vector %d for the guest's IDT"
                or "VM entry; the instruction runs again", given)
        end),
        host:on("walk.end", { mode = "non-root", gva = gva }, function(w)
            if not w.fault then
                add("loaded", "the walk ends at h:%s, the load takes place", hex(w.hpa))
            end
        end),
    }
    host:await("mark", { id = 2, vm = "vm1" })
    for _, h in ipairs(handlers) do
        h:off()
    end
    return table.concat(steps, ", ")
end

local function one_load(faults)
    boot { image = "fault", ram = "8M", lazy = true, faults = faults }
    local first = host:await("mark", { id = 1, vm = "vm1" })
    local bitmap = host.core[1].vmcs.exception_bitmap
    say("   exception bitmap: %s; the guest loads from gVA %s.", hex(bitmap), hex(first.arg1))
    local run = { bitmap = bitmap, from = host.cycles }
    run.story = watch_load(first.arg1)
    run.cycles = host.cycles - run.from
    host:run()
    run.output = host:vm("vm1"):console()
    return run
end

say("1. Bit 14 of the exception bitmap is clear, as is usual with EPT.")
local clear = one_load("guest")
say("")
say("2. Bit 14 is set, as on the lecture's slide.")
local set
ask {
    q = "The page is absent in both dimensions.  How many VM exits does the one load make now?",
    choices = { 0, 1, 2, 3 },
    answer = function()
        set = one_load("hypervisor")
        local _, exits = set.story:gsub("exit %d+", "")
        return exits
    end,
}
check_eq(clear.bitmap >> PF & 1, 0, "bit 14 is clear in the first VM")
check_eq(set.bitmap >> PF & 1, 1, "bit 14 is set in the second VM")
check_eq(clear.story, "#PF raised, exit 48, resumed, loaded", "clear: the guest has its fault, then comes exit 48")
check_eq(set.story, "#PF raised, exit 0, injected 14, exit 48, resumed, loaded",
    "set: the hypervisor has the guest's fault first and gives it back; then comes exit 48")
check_eq(set.output, clear.output, "the guest prints the same: it cannot tell")
say("")
say("Either way the first fault is the guest's: its tables say no, its handler maps the page.  Either way the second")
say("is the hypervisor's: an EPT violation, exit 48, never #PF.  What bit 14 adds is one exit and one entry.")
say("  the load, with its two faults:  bit 14 clear %6d cycles,  set %6d cycles", clear.cycles, set.cycles)
check_order({ clear = clear.cycles, set = set.cycles }, "clear < set", "and the way round costs cycles")

-- ------------------------------------------------------------------ a kernel that lives by page faults

pause("One load has two faults.  A kernel lives by them: copy on write, demand paging.")
say("")
say("3. The same for a guest kernel that forks ten times (guests/kernel).")

local function forkwait(mmu, faults)
    boot { image = "kernel", ram = "16M", mmu = mmu, faults = faults, cmdline = "forkwait 10" }
    local from = host:await("mark", { id = 1, arg1 = 100, vm = "vm1" }).cycle
    local exits, given_back = {}, 0
    local exit = host:on("vm.exit", function(ev) exits[ev.number] = (exits[ev.number] or 0) + 1 end)
    local entry = host:on("vm.entry", function(ev)
        given_back = given_back + (ev.injected >> 31 == 1 and ev.injected & 0xff == PF and 1 or 0)
    end)
    local raised = 0
    local fault = host:on("fault", { vector = PF, mode = "non-root" }, function() raised = raised + 1 end)
    local to = host:await("mark", { id = 2, arg1 = 100, vm = "vm1" }).cycle
    exit:off()
    entry:off()
    fault:off()
    host:run()
    return { raised = raised, exceptions = exits[0] or 0, violations = exits[48] or 0, given_back = given_back,
             cycles = to - from, output = host:vm("vm1"):console() }
end

local usual, slide = forkwait("nested", "guest"), forkwait("nested", "hypervisor")
local shadow = forkwait("shadow")
say("")
say("  %-36s %12s %12s %12s", "", "bit clear", "bit set", "bit set,")
say("  %-36s %12s %12s %12s", "", "EPT", "EPT", "shadow")
local function row(what, key)
    say("  %-36s %12d %12d %12d", what, usual[key], slide[key], shadow[key])
end
row("page faults raised", "raised")
row("exits by exception (0)", "exceptions")
row("of them given back to the guest", "given_back")
row("exits by EPT violation (48)", "violations")
row("cycles between the marks", "cycles")
must(usual.raised > 0, "a kernel that forks has page faults")
check_eq(usual.exceptions, 0, "clear: none of them exits")
check_eq(slide.exceptions, slide.raised, "set: each of them exits")
check_eq(slide.given_back, slide.raised, "and the guest gets each back")
check_near(slide.raised, usual.raised, 10, "they are those that it has had before, but for when its turns end")
check_eq(usual.violations + slide.violations, 0, "its RAM is mapped in both runs, so there is no exit 48")
check_eq(slide.output, usual.output, "the guest kernel prints the same")
check_order({ usual = usual.cycles, slide = slide.cycles }, "usual < slide", "to be asked for every fault costs cycles")
say("  A fault that goes round costs %.0f cycles more.", (slide.cycles - usual.cycles) / slide.exceptions)
say("")
say("So EPT lets the guest keep its page faults.  A shadow pager cannot: the processor walks tables that are not the")
say("guest's, and a #PF may be the hypervisor's own doing.  It has to look at each, and most of them are:")
check_eq(shadow.exceptions, shadow.raised, "shadow: each #PF exits")
check_near(shadow.given_back, usual.raised, 10, "shadow: the guest gets those that are its own")
check(shadow.exceptions > 2 * shadow.given_back, "shadow: most are of tables that the guest has never seen")
check_eq(shadow.output, usual.output, "shadow: the guest kernel prints the same")
