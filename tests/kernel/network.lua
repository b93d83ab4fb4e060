-- The guest kernel's packet tools between two stations; what they print is the output, without times, and the number of
-- frames that a lossy link took.
--     way=e1000 | virtio-net | mixed        two NICs of one machine, which are linked
--     way=vm-e1000 | vm-virtio              two VMs at the virtual switch
--     way=vm-passthrough                    two VMs, each with a NIC of the machine's, which are linked
local way = param("way", "e1000", "how the two are joined")
local loss = param("loss", "0", "part of the frames that the link loses")
local bandwidth = param("bandwidth", "1Gbit", "of the link")
local seed = param("seed", 1, "which")
local first = param("a", "ping -c 2 -i 5 10.0.0.2, recv", "commands of 10.0.0.1")
local second = param("b", "send source.txt 10.0.0.1", "commands of 10.0.0.2")
local mmu = param("mmu", "nested", "of the VMs")
local cores = param("cores", 1, "of the machine of the VMs")
local limit = param("limit", "4s", "time of the world")
local file = param("file", "", "of the host, which two NICs' machine has as `big`")
local pcap = param("pcap", "", "file for the frames of the first NIC")
local nic, lost = way:match("^vm%-(.+)"), 0
local host

if nic then
  local passed = nic == "passthrough"
  host = machine { ram = "64M", cores = cores, devices = passed and { "e1000", "e1000" } or {}, firmware = { vtd = passed } }
  if passed then link(host:nic(1), host:nic(2), { loss = tonumber(loss), seed = seed }) end
  host:boot("hv", { vms = {
    { name = "a", image = "kernel", nic = nic, mmu = mmu, cmdline = "ip=10.0.0.1 " .. first },
    { name = "b", image = "kernel", nic = nic, mmu = mmu, cmdline = "ip=10.0.0.2 " .. second },
  } })
else
  host = machine { devices = way == "mixed" and { "e1000", "virtio-net" } or { way, way } }
  if pcap ~= "" then host:nic(1):pcap(pcap) end
  link(host:nic(1), host:nic(2), { bandwidth = bandwidth, loss = tonumber(loss), seed = seed })
  host:on("frame", { what = "dropped", why = "lost on the link" }, function() lost = lost + 1 end)
  host:boot("kernel", { modules = file ~= "" and { { image = file, string = "big" } } or {},
    cmdline = "ip=10.0.0.1 ip=10.0.0.2 " .. first .. " & " .. second .. ", wait" })
end
host:run(limit)

local function lines(text, name)
  text = text:gsub("%d+%.%d+/%d+%.%d+/%d+%.%d+ ms", "T"):gsub("%d+%.%d+ ms", "T"):gsub("%d+%.%d Mbit/s", "R")
  for line in text:gmatch("[^\n]+") do
    if line ~= "kernel: ready" then say("%s%s", name, line) end
  end
end

if nic then
  lines(host:vm("a"):console(), "")
  lines(host:vm("b"):console(), "")
else
  lines(host:console():gsub("\n$", ""), "")
  say("the link lost %d", lost)
end
if not host.status then error("it has not come to an end") end
if host.status ~= 1 then error("status " .. host.status) end
