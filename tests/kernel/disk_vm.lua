-- The guest kernel in a VM that has the machine's disk; what it prints is the output, and the disk's file is written.
local way = param("way", "passthrough", "how the VM has it: passthrough or virtio")
local mmu = param("mmu", "nested", "nested or shadow")
local host = machine {
  ram = "64M", firmware = { vtd = true },
  devices = { { kind = "virtio-blk", file = param("disk", "disk.img", "its raw image") } },
}
host:boot("hv", { vms = {
  { name = "vm", image = "kernel", ram = "16M", mmu = mmu, disk = way, cmdline = param("cmdline", "fsck", "commands") },
} })
local vm = host:vm("vm")
host:run("2s")
say((vm:console():gsub("\n$", "")))
host:commit()
