-- The virtio guest in a VM, with a NIC by the hypervisor and a disk by it too, or the machine's passed through; what it
-- prints is the output, and the machine's disk has what it wrote.
local by = param("by", "virtio", "how it has the disk: virtio or passthrough")
local host = machine {
  firmware = { vtd = by == "passthrough" },
  devices = { { kind = "virtio-blk", file = param("disk", "disk.img", "the disk's raw image") } },
}
local vm = { name = "v", image = "virtio", nic = "virtio", disk = by, cmdline = param("cmdline", "8", "what it is told") }
host:boot("hv", { vms = { vm } })
host:run()
say((host:vm("v"):console():gsub("\n$", "")))
if host.status ~= 1 then error("the guest fails") end
host:commit()
