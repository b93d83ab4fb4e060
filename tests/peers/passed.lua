-- A guest whose devices are the machine's, passed through by the hypervisor; what it prints is the output.
local image = param("image", "e1000", "the guest")
local host = machine { devices = { "edu", "e1000", "e1000" }, firmware = { vtd = true } }
link(host:nic(1), host:nic(2), { bandwidth = "1Gbit", latency = "1us" })
host:boot("hv", { vms = { { name = "v", image = image, edu = "passthrough", nic = "passthrough", nic_slot = "2,3",
    posted = param("posted", "", "yes or nothing") == "yes",
    cmdline = param("cmdline", "40 1000", "what the guest is told") } } })
host:run()
say((host:vm("v"):console():gsub("\n$", "")))
if host.status ~= 1 then error("the guest fails: " .. host:console()) end
