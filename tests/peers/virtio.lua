-- The virtio guest on a machine with a disk and a NIC; what it prints is the output, and the disk's file has what it
-- wrote.
local host = machine {
  devices = {
    { kind = "virtio-blk", file = param("disk", "disk.img", "the disk's raw image") }, "virtio-net",
  },
}
host:boot("virtio", { cmdline = param("cmdline", "8", "what the guest is told") })
host:run()
say((host:console():gsub("\n$", "")))
if host.status ~= 1 then error("the guest fails") end
host:commit()
