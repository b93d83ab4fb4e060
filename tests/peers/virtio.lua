-- The virtio guest on a machine with a disk and a NIC; what it prints is the output, and the disk's file has what it
-- wrote.
local cmdline = param("cmdline", "8", "what the guest is told")
local host = machine {
  firmware = { vtd = cmdline:find("iommu") ~= nil },
  devices = {
    { kind = "virtio-blk", file = param("disk", "disk.img", "the disk's raw image") }, "virtio-net",
  },
}
host:boot("virtio", { cmdline = cmdline })
host:run()
say((host:console():gsub("\n$", "")))
if host.status ~= 1 then error("the guest fails") end
host:commit()
