-- The conformance cases in a VM; what it prints is the output.
local mmu = param("mmu", "nested", "nested or shadow")
local faults = param("faults", mmu == "nested" and "guest" or "hypervisor", "who has its page faults first: guest or hypervisor")
local host = machine { name = "A", ram = "64M" }
host:boot("hv", { vms = { { name = "vm", image = "conformance", ram = "16M", mmu = mmu, faults = faults } } })
local vm = host:vm("vm")
host:run("600ms") -- twice what it takes; vm:expect would look at each character
say((vm:console():gsub("\n$", "")))
