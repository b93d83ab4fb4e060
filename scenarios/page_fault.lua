-- page_fault.lua: one load, three outcomes, and who owns each.
--
-- The guest `fault` loads from an address that its tables do not map.
--   1. The guest's tables say no: #PF.  It is the guest kernel's; the hypervisor does not even hear of it.
--   2. The guest's tables say yes, the EPT says no: EPT violation, exit 48.  It is the hypervisor's; the guest
--      knows nothing.
--   3. Both say yes: the load takes place, and the TLB keeps the composite of both.
-- The VM is made with lazy = true: the hypervisor gives it a page when it first touches it.

local host = machine { name = "A", ram = "64M" }
host:boot("hv", { vms = { { name = "vm1", image = "fault", ram = "8M", lazy = true } } })

local mark = host:await("mark", { id = 1, vm = "vm1" })
local gva = mark.arg1
local exits, faults = {}, {}
host:on("vm.exit", function(ev) exits[#exits + 1] = ev end)
host:on("fault", { mode = "non-root" }, function(ev) faults[#faults + 1] = ev end)

local function end_of_walk()
    return host:await("walk.end", { vm = "vm1", gva = gva })
end

say("The guest is about to load from gVA %s.", hex(gva))
say("")

local w = end_of_walk()
local rip = w.rip
say("1. First try: %d references, then: %s", #w.refs, tostring(w.fault))
local last = w.refs[#w.refs]
say("   The last one read was the guest's level-%d entry at h:%s: %s, P is clear.", last.level, hex(last.hpa),
    hex(last.entry))
check_eq(w.owner, "guest", "1: the fault is the guest kernel's")
check_eq(w.fault_kind, "#PF", "1: it is a page fault")
check_eq(last.entry & 1, 0, "1: the guest's own entry is not present")

pause("The walk has ended at an entry that is not present: whose fault is that?")
local pf = host:await("fault", { vector = 14, mode = "non-root" })
check_eq(pf.address, gva, "1: CR2 will hold the address of the load")
check_eq(pf.error, 0, "1: error code 0: not present, read, supervisor")
check_eq(#exits, 0, "1: and there has been no VM exit")
say("   The guest's handler runs now.  It maps the page and returns; the instruction at %s restarts.", hex(rip))
say("")

w = end_of_walk()
say("2. Second try: %d references, then: %s", #w.refs, tostring(w.fault))
say("   The guest's tables now give g:%s; the EPT has nothing there.", hex(w.gpa))
check_eq(w.owner, "hypervisor", "2: the violation is the hypervisor's")
check_eq(w.rip, rip, "2: it is the same instruction")
pause("The guest's tables are complete now, and the walk fails again, in the other dimension.")
local function of_this_page(gpa)
    return gpa >> 12 == w.gpa >> 12
end
local exit = host:await("vm.exit", { reason = "EPT violation", gpa = of_this_page })
check_eq(exit.number, 48, "2: it is exit 48")
check_eq(exit.gva, gva, "2: the exit tells the guest-linear address")
check_eq(exit.qualification & 7, 1, "2: qualification: a read")
check_eq(exit.rip, rip, "2: the guest's RIP is still at the load")
check_eq(#faults, 1, "2: the guest has had one fault, the first, and does not see this one")
say("   Exit 48, qualification %s.  The hypervisor finds a page for it and resumes the guest.", hex(exit.qualification))
say("")

w = end_of_walk()
say("3. Third try: %d references, no fault: g:%s is h:%s.", #w.refs, hex(w.gpa), hex(w.hpa))
check_eq(w.fault, nil, "3: no fault")
check_eq(w.rip, rip, "3: it is still the same instruction")
check_eq(w.gpa >> 12, exit.gpa >> 12, "3: the page is the one that was missing")
pause("Both dimensions agree: the TLB keeps the composite entry.")
local walks = host:stats().walks
local again = host:translate(gva, { caches = true })
check_eq(#again.refs, 0, "3: the TLB holds the composite entry now")
check_eq(again.hpa, w.hpa, "3: and it leads to the same place")
check_eq(host:stats().walks, walks, "3: to look at it has changed nothing")

host:await("mark", { id = 2, vm = "vm1" })
say("   The load has taken place.  On the way: %d fault for the guest, %d EPT violation for the hypervisor.", #faults,
    #exits)
check_eq(#faults, 1, "one load: one fault for the guest")
say("")

say("The guest goes on.  Its other faults (a store to a read-only page, a division by zero, a breakpoint) are its")
say("own as well.")
local before = #exits
host:await("mark", { id = 5, vm = "vm1" })
local other = 0
for i = before + 1, #exits do
    local reason = exits[i].reason
    other = other + (reason ~= "EPT violation" and reason ~= "VMX-preemption timer expired" and 1 or 0)
end
local vectors = {}
for _, ev in ipairs(faults) do
    vectors[#vectors + 1] = ev.name
end
say("  its faults: %s; exits that they caused: %d", table.concat(vectors, " "), other)
check_eq(table.concat(vectors, " ", 1, 3), "#PF #PF #DE", "the guest handled #PF, #PF and #DE itself")
check_eq(other, 0, "and no fault of its own left the guest")
