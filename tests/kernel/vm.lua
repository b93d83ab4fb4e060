-- The guest kernel in a VM; what it prints is the output.
local mmu = param("mmu", "nested", "nested or shadow")
local host = machine { name = "A", ram = "64M" }
host:boot("hv", { vms = { { name = "vm", image = "kernel", ram = "16M", mmu = mmu, cmdline = "sh all, preempt" } } })
local vm = host:vm("vm")
host:run("200ms") -- more than twice what it takes
say((vm:console():gsub("\n$", "")))
