-- feature_control.lua: who decides whether there is virtualisation.
--
-- VT-x is off until firmware allows it.  Its word is in an MSR, IA32_FEATURE_CONTROL: bit 2 allows VMXON, bit 0 locks
-- the register.  Once locked, no software can write it any more, not the hypervisor either: not after a reset, but
-- after the power has been off.  The guest `feature` (guests/feature.c) runs on the bare machine, reads the register,
-- writes it if it is told a value, and tries VMXON.

local LOCK <const>, VMX <const> = 1, 4
local host = machine { name = "A", ram = "64M" }

local function told(text)
    for line in text:gmatch("[^\n]+") do
        say("    " .. line)
    end
    return text
end

-- Runs until the machine stops; what was written since it started to.
local function finish(from)
    host:run()
    return told(host:console():sub((from or 0) + 1))
end

-- Switches on with these firmware settings and boots `feature`.  value: what it is to write.
local function power_on(settings, value)
    host:power_cycle { firmware = settings }
    host:boot("feature", { cmdline = value and tostring(value) or "" })
    return finish()
end

local function reset()
    local from = #host:console()
    host:reset()
    return finish(from)
end

local function holds(text, part, what)
    check(text:find(part, 1, true) ~= nil, what)
end

local function control()
    return host.core[1].feature_control
end

say("1. Firmware has VT-x off.")
local off = power_on { vtx = false, lock = true }
holds(off, "CPUID offers no VMX", "CPUID does not offer VMX")
check_eq(control(), LOCK, "the register is locked, with VMX off")
holds(off, "CR4.VMXE cannot be set: #GP", "CR4.VMXE is a reserved bit")

say("")
say("2. Firmware has VT-x on, and has locked that.  That is how machines are delivered.")
local on = power_on({ vtx = true, lock = true }, LOCK)
holds(on, "CPUID offers VMX", "CPUID offers VMX")
holds(on, "writing 1 makes #GP", "nobody turns it off")
holds(on, "VMXON works", "VMXON works")
check_eq(control(), LOCK | VMX, "the register is locked, with VMX on")

say("")
say("3. Firmware has left the register open: whoever comes first decides.  Here it is software that turns VMX off and")
say("   locks that.")
local first = power_on({ vtx = true, lock = false }, LOCK)
holds(first, "IA32_FEATURE_CONTROL is 4: open, VMX on", "the register is open at first")
holds(first, "writing 1 is taken", "the first write is taken")
holds(first, "VMXON makes #GP", "and VMXON faults from then on")

ask {
    q = "Now somebody presses the reset button.  What is in the register?",
    choices = { "1: locked, VMX off", "4: open, VMX on", "5: locked, VMX on" },
    answer = function()
        host:reset()
        local value = control()
        return value == LOCK and "1: locked, VMX off" or value == VMX and "4: open, VMX on" or "5: locked, VMX on"
    end,
}
say("After the reset:")
local again = reset()
check_eq(control(), LOCK, "the lock survives a reset")
holds(again, "writing 1 makes #GP", "so that it cannot be written again")
holds(again, "VMXON makes #GP", "and VMXON still faults")

say("")
say("And after the power has been off:")
local open = power_on { vtx = true, lock = false }
check_eq(control(), VMX, "a power cycle clears the lock, and firmware's setting is back")
holds(open, "VMXON makes #GP", "VMXON faults as long as the register is open: the decision must be final")
say("So whoever wants VMX writes 5, which locks as well:")
local taken = power_on({ vtx = true, lock = false }, LOCK | VMX)
holds(taken, "writing 5 is taken", "the open register takes it")
holds(taken, "VMXON works", "and VMXON works")

-- ------------------------------------------------------------------ the hypervisor

local function start_hypervisor(settings)
    host:power_cycle { firmware = settings }
    host:boot("hv", { vms = { { name = "vm1", image = "hello", ram = "4M" } } })
    return finish()
end

say("")
say("4. The hypervisor does that where it finds the register open.")
local runs = start_hypervisor { vtx = true, lock = false }
holds(runs, "vm1 stopped, status 1", "its VM runs")
check_eq(control(), LOCK | VMX, "the hypervisor has locked the register")
host:reset()
check_eq(control(), LOCK | VMX, "and that too survives a reset")
holds(reset(), "vm1 stopped, status 1", "after which it starts as before")

say("")
say("5. Without VT-x, or without NX (firmware calls it XD), it refuses, and says why.")
for without, says in pairs { vtx = "offers no VT-x", xd = "offers no NX" } do
    local settings = { vtx = true, xd = true, lock = true }
    settings[without] = false
    say("  firmware = { %s = false }:", without)
    holds(start_hypervisor(settings), says, ("it says that the processor %s"):format(says))
    check_eq(host.status, 3, "and ends the run with a failure")
end
