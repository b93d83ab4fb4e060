-- back.lua - one micro back, a hundred million cycles into a run of a guest on the hypervisor.

local cycles = param("cycles", 100000000, "how far")
local times = param("times", 20, "how often")
local apart = param("apart", 4999999, "cycles between two")
local host = machine {}
host:boot("hv", { vms = { { name = "vm1", image = "vmcall", cmdline = "1000000000", ram = "8M", mmu = "nested" } } })
host:run(cycles)
for _ = 1, times do
    host:run(apart)
    pause("here")
    host:back(1, "micro")
    pause("there")
    host:undo()
end
