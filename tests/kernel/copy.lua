-- A file goes from one VM's disk to another's, through the virtual switch, by one of the three ways; then the machine
-- is switched off, and the kernel finds it on that disk.  What the VMs and the kernel print is the output.
local way = param("way", "virtio", "e1000, virtio or passthrough")
local mmu = param("mmu", "nested", "nested or shadow")

local disk = { kind = "virtio-blk", size = "1M" }
local host = machine { name = "A", ram = "96M", firmware = { vtd = true }, devices = { "e1000", "e1000", disk, disk } }
-- A NIC that is passed through is outside: its wire leads to an uplink of the switch.
link(host:nic(1), host:nic(2))

local from = { nic = way, disk = way == "e1000" and "virtio" or way, nic_slot = way == "passthrough" and 1 or nil,
               cmdline = "ip=10.0.0.1 mkfs, cp rude /disk/file, send /disk/file 10.0.0.2" }
local to = { nic = way == "passthrough" and "virtio" or way, disk = from.disk,
             cmdline = "ip=10.0.0.2 mkfs, recv /disk/copy, fsck" }
for name, vm in pairs { from = from, to = to } do
    vm.name, vm.image, vm.ram, vm.mmu = name, "kernel", "16M", mmu
    vm.disk_slot = name == "to" and 3 or 4 -- the bare kernel takes the first
end

host:boot("hv", { cmdline = way == "passthrough" and "uplinks=2" or "", vms = { from, to } })
host:run("5s")
for _, vm in ipairs { "from", "to" } do
    say((host:vm(vm):console():gsub("[^\n]+", function(line) return vm .. ": " .. line end):gsub("\n$", "")))
end
host:power_cycle()
host:boot("kernel", { cmdline = "sum /disk/copy, fsck" })
host:run("1s")
say((host:console():gsub("\n$", "")))
