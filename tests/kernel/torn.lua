-- Leaves in the disk's file what a power cut leaves: operations that are in the journal and only partly in their places.
local host = machine { ram = "16M", devices = { { kind = "virtio-blk", file = param("disk", "disk.img", "an empty image") } } }
local function boots(commands)
  host:boot("kernel", { cmdline = commands })
  while host:run_until("dma", { write = false, size = 512 }, "1s") do end
  must(host.halted, "it ends")
  host:power_cycle()
end
boots("mkfs, mkdir /disk/d, fill /disk/d/a 9000 1")
local before = host:snapshot()
for writes = 8, 1000, 8 do
  host:restore(before)
  host:boot("kernel", { cmdline = "fill /disk/d/a 5000 2 add, mv /disk/d/a /disk/b, sync" })
  for _ = 1, writes do host:await("dma", { write = false, size = 512 }, "1s") end
  host:power_cut(5)
  local cut = host:snapshot()
  host:boot("kernel", { cmdline = "tree" })
  host:run("1s")
  local replayed = host:console():find("from the journal", 1, true)
  host:restore(cut)
  if replayed then break end
end
host:commit()
