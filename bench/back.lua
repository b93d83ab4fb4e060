-- back.lua - one micro back, a hundred million cycles into a run of a guest on the hypervisor.

local host = machine {}
host:boot("hv", { vms = { { name = "vm1", image = "vmcall", cmdline = "1000000000", ram = "8M", mmu = "nested" } } })
host:run(param("cycles", 100000000, "how far"))
for _ = 1, param("times", 20, "how often") do
    host:run(param("apart", 4999999, "cycles between two"))
    pause("here")
    host:back(1, "micro")
    pause("there")
    host:undo()
end
