-- The guest of two E1000s on a machine whose two are linked; what it prints is the output.
local host = machine { devices = { "e1000", "e1000" } }
link(host:nic(1), host:nic(2), { bandwidth = "1Gbit", latency = "1us" })
local pcap = param("pcap", "", "file for the frames of the first NIC")
if pcap ~= "" then host:nic(1):pcap(pcap) end
host:boot("e1000", { cmdline = param("cmdline", "40 1000", "what the guest is told") })
host:run()
say((host:console():gsub("\n$", "")))
if host.status ~= 1 then error("the guest fails") end
