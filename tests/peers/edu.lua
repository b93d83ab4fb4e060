-- The edu device's guest on a machine that has the device; what it prints is the output.
local host = machine { devices = { "edu" } }
host:boot("edu", { cmdline = param("cmdline", "10 1000", "what the guest is told") })
host:run()
say((host:console():gsub("\n$", "")))
if host.status ~= 1 then error("the guest fails") end
