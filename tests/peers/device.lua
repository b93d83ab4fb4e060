-- A guest of the edu device on a machine that has the device; what it prints is the output.
local image = param("image", "edu", "the guest")
local host = machine { devices = { "edu" }, firmware = { vtd = image == "iommu" } }
host:boot(image, { cmdline = param("cmdline", "10 1000", "what the guest is told") })
host:run()
say((host:console():gsub("\n$", "")))
if host.status ~= 1 then error("the guest fails") end
