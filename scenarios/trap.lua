-- trap.lua: what one trap costs, and where its cycles go.
--
-- CPUID leaves the guest whatever the controls say.  The guest `cpuid` executes it N times between mark 1 and
-- mark 2: bare, and then in a VM.  Overhead = number of traps x mean cost of a trap; both sides are measured here.

local n = param("n", 200, "how often the guest executes CPUID")
if math.type(n) ~= "integer" or n < 1 then
    error("parameter n must be a whole number from 1, not " .. n)
end
local host = machine { name = "A", ram = "64M" }

-- Cycles between the guest's marks.
local function measure()
    local from = host:await("mark", { id = 1 })
    local to = host:await("mark", { id = 2 })
    return to.cycle - from.cycle
end

say("First on the bare machine: CPUID is an instruction like any other.")
host:boot("cpuid", { cmdline = tostring(n) })
local native = measure()
say("  %d times: %d cycles, %.1f for each turn of the loop", n, native, native / n)

say("")
say("Now the same image in a VM.")
host:power_cycle()
host:boot("hv", { vms = { { name = "vm1", image = "cpuid", ram = "8M", cmdline = tostring(n) } } })
host:await("mark", { id = 1, vm = "vm1" })

-- Each trap: the hardware's exit, the handler (real code of the hypervisor), the hardware's entry.
local traps, sum = {}, { exit = 0, handler = 0, entry = 0, other = 0 }
local open
local on_exit = host:on("vm.exit", function(ev)
    open = { reason = ev.reason, done = ev.cycle, exit = ev.cycles }
end)
local on_entry = host:on("vm.entry", function(ev)
    if open and open.reason == "CPUID" then
        open.entry = ev.cycles
        open.handler = ev.cycle - ev.cycles - open.done
        traps[#traps + 1] = open
        for _, part in ipairs { "exit", "handler", "entry" } do
            sum[part] = sum[part] + open[part]
        end
    elseif open then
        sum.other = sum.other + ev.cycle - open.done + open.exit
    end
    open = nil
end)
local start = host.cycles
host:await("mark", { id = 2, vm = "vm1" })
local virtual = host.cycles - start
on_exit:off()
on_entry:off()

must(#traps > 0, "CPUID leaves the guest")
check_eq(#traps, n, "every CPUID is a trap")
local first, last = traps[1], traps[#traps]
local mean = (sum.exit + sum.handler + sum.entry) / #traps
say("  %d times: %d cycles, %.1f for each turn", n, virtual, virtual / n)
say("")
local function show(name, exit, handler, entry)
    say("  %-15s %8.1f %9.1f %8.1f %11.1f", name, exit, handler, entry, exit + handler + entry)
end
say("  %-15s %8s %9s %8s %11s", "cycles", "exit", "handler", "entry", "together")
show("the first trap", first.exit, first.handler, first.entry)
show("the last trap", last.exit, last.handler, last.entry)
show("mean of " .. #traps, sum.exit / #traps, sum.handler / #traps, sum.entry / #traps)
say("")
say("The exit and the entry are the hardware's price.  The handler is code: the first time it finds caches, TLBs")
say("and the branch predictor cold (%d cycles), later warm (%d).", first.handler, last.handler)
check(first.handler >= last.handler, "a cold handler is not faster than a warm one")

local left, right = virtual - native, #traps * mean + sum.other
say("")
say("Overhead measured: %d - %d = %d cycles.", virtual, native, left)
say("Number of traps x mean cost: %d x %.1f%s = %.0f cycles.", #traps, mean,
    sum.other > 0 and (" + " .. sum.other .. " for other exits") or "", right)
check_near(left, right, 15, "overhead = number of traps x mean cost of a trap")
say("The law leaves out that the CPUID itself no longer executes in the guest: the %.1f cycles a trap that are missing",
    (right - left) / n)
say("are about what a turn of the native loop takes, %.1f.", native / n)
check_near((right - left) / n, native / n, 15, "with that term the two sides agree")
check_order({ native = native, virtual = virtual }, "native < virtual")

ask {
    q = "Which part of a warm CPUID trap is the largest?",
    choices = { "exit", "handler", "entry" },
    answer = function()
        local largest = "exit"
        for _, part in ipairs { "handler", "entry" } do
            if last[part] > last[largest] then
                largest = part
            end
        end
        return largest
    end,
}
