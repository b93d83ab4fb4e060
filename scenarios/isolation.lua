-- isolation.lua: what a hostile guest can do to its neighbour, and what stops it.
--
-- The VM `victim` follows pointers through memory.  First it is alone; then, while it runs again, other VMs
-- are started one after another, each of which tries to get out, to do harm, or to keep the processor for
-- itself.  The victim must end with the same result and the same bytes in its RAM, its pages must not change
-- meanwhile, and it must get its share of the processor.

local cores = param("cores", 1, "how many cores the machine has, 1 to 8")
if math.type(cores) ~= "integer" or cores < 1 or cores > 8 then
    error("parameter cores must be a whole number from 1 to 8, not " .. cores)
end
local STEPS <const>, PAGES <const> = 4000000, 256
local FIRST_PAGE <const> = 0x400000 -- where `chase` has its pages
local QUANTUM <const> = 1000000 -- of a turn
local RAM <const>, PIECE <const> = 6 << 20, 1 << 16
local victim = { name = "victim", image = "chase", ram = "6M", cmdline = PAGES .. " " .. STEPS }

-- What each of them tries, how it ends, and what it says before that.
local attacks = {
    { name = "probe", how = "msrs ports", ends = "stopped", says = "msrs: %d+ tried",
        stopped = "Each RDMSR, WRMSR, IN and OUT exits: what a VM has not is #GP, or reads as ones." },
    { name = "vmx", how = "vmx", ends = "stopped", says = "12 made a fault",
        stopped = "VMX instructions exit, and are #UD where CPUID offers no VMX; rubbish is no hypercall." },
    { name = "noise", how = "code storm", ends = "stopped", says = "storm: %d+ interrupts",
        stopped = "Its own code and its own interrupts are its own affair, in its own time." },
    { name = "tables", how = "tables", ends = "crashed", says = "the frame behind the last one",
        stopped = "Its tables may say what they like: the EPT knows no memory but its own (exit 48)." },
    { name = "triple", how = "triple", ends = "crashed",
        stopped = "A triple fault is an exit, and the end of the VM, not of the machine." },
    { name = "asleep", how = "asleep", ends = "stopped",
        stopped = "HLT is an exit: the core goes on with somebody else." },
    { name = "endless", how = "endless", ends = "running",
        stopped = "The VMX-preemption timer counts whatever RFLAGS.IF is: its turn ends." },
}

local host = machine { name = "A", ram = "64M", cores = cores }

-- A string's number, for comparing: FNV-1a over its 8-byte words.
local function hash(bytes)
    local h = 0x811c9dc5
    for i = 1, #bytes, 8 do
        h = (h ~ string.unpack("<I8", bytes, i)) * 0x100000001b3
    end
    return h
end

local function memory(vm, from, to)
    local h = 0
    for gpa = from, to - 1, PIECE do
        h = h * 31 + hash(vm:read(gpa, PIECE))
    end
    return h
end

local function finish()
    local vm = host:vm("victim")
    while vm.state == "running" do
        host:run(1000000)
    end
    return { state = vm.state, status = vm.status, console = vm:console(), ram = memory(vm, 0, RAM) }
end

say("The victim alone.")
host:boot("hv", { vms = { victim } })
host:await("mark", { id = 1, vm = "victim" })
local alone = finish()
say("  %s, status %d: %s", alone.state, alone.status, alone.console)
check_eq(alone.status, 1, "alone: it ends well")
say("")

host:power_cycle()
local vms = { victim }
for _, a in ipairs(attacks) do
    vms[#vms + 1] = { name = a.name, image = "hostile", ram = "4M", cmdline = a.how, start = false }
end
host:boot("hv", { vms = vms })
host:await("mark", { id = 1, vm = "victim" }) -- its pointers lie in memory now
local vm = host:vm("victim")
local function victims_pages()
    return memory(vm, FIRST_PAGE, FIRST_PAGE + PAGES * 4096)
end
local pages = victims_pages()

-- Cycles of its turns so far.
local function cycles(of)
    return of:stats().vcpus[1].cycles
end

local reasons -- of the exits of the last one
say("The same with company.  An attack has up to 40 ms, or until it is over; one that never is has 10.")
for _, a in ipairs(attacks) do
    host:hv("vm start " .. a.name)
    local other, before = host:vm(a.name), cycles(vm)
    for _ = 1, a.ends == "running" and 20 or 80 do -- of 0.5 ms
        if other.state ~= "running" then
            break
        end
        host:run(500000)
    end
    host:run(2 * (QUANTUM + 100000)) -- the next turn of the victim is over
    local stats = other:stats()
    reasons = stats.reasons
    local had, took = cycles(vm) - before, stats.vcpus[1].cycles
    say("")
    say("  hostile %s: %s after %d exits; it had %d cycles, the victim %d", a.how, other.state, stats.exits,
        took, had)
    if a.ends ~= "running" then -- what stops that one is asked below
        say("    %s", a.stopped)
    end
    check_eq(other.state, a.ends, a.name .. ": it ends as it must")
    if a.says then
        check(other:console():find(a.says), a.name .. ": it has tried")
    end
    check_eq(victims_pages(), pages, a.name .. ": the victim's pages are as they were")
    check_eq(vm.state, "running", a.name .. ": the victim runs")
    -- Turns are taken one after another: one may be under way.
    check(had > 0 and had > took - 1.1 * QUANTUM, a.name .. ": and has had as many turns, or one less")
    if other.state == "running" then
        host:hv("vm stop " .. a.name)
    end
end
say("")

local last = finish()
say("The victim in the end: %s, status %d: %s", last.state, last.status, last.console)
check_eq(last.status, alone.status, "it ends as it did alone")
check_eq(last.console, alone.console, "it says what it said alone")
check_eq(last.ram, alone.ram, "every byte of its RAM is what it was alone")

ask {
    q = "The guest `endless` has turned interrupts off.  What took the processor from it?",
    choices = { "External interrupt", "VMX-preemption timer expired", "HLT" },
    answer = function()
        local most = "HLT"
        for _, reason in ipairs { "External interrupt", "VMX-preemption timer expired" } do
            if reasons[reason] and (not reasons[most] or reasons[reason].count > reasons[most].count) then
                most = reason
            end
        end
        return most
    end,
}
say("  %s", attacks[#attacks].stopped)
