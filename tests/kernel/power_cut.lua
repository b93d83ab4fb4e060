-- The guest kernel's file system, and power cuts at every write of a sequence of operations: whatever sectors the
-- disk's cache loses, each operation is whole or absent afterwards, none is there without those before it, and those
-- before the last `sync` are there.
local path = param("disk", "disk.img", "an image of 1 MiB; it stays as it is")
local every = param("every", 8, "cut at each of so many sectors' writes: 8 is a block")
local seeds = param("seeds", 1, "so many ways to lose sectors, besides all of them")
local each = param("each", false, "a sync after each operation")
local way = param("way", "", "passthrough or virtio: the sequence runs in a VM that has the disk so, and is a shorter one")

-- Each command is one operation, or a sync.
local script = {
  "mkdir /disk/d", "fill /disk/d/a 0 1", "fill /disk/d/a 3000 7 add", "sync",
  "fill /disk/d/a 29768 8 add", "fill /disk/b 0 1", "sync", "fill /disk/b 20000 9 add", "mv /disk/b /disk/d/a", "sync",
  "fill /disk/c 0 1", "fill /disk/c 32768 3 add", "sync", "fill /disk/c 32768 4 add", "mv /disk/c /disk/d/c", "rm /disk/d/a",
  "sync", "rm /disk/d/c", "rm /disk/d", "fill /disk/e 0 1", "sync",
}

if way ~= "" then
  script = { "fill /disk/a 0 1", "fill /disk/a 9000 7 add", "sync", "mkdir /disk/d", "mv /disk/a /disk/d/b", "sync",
    "rm /disk/d/b", "sync" }
end
if each then
  local all = {}
  for _, command in ipairs(script) do
    if command ~= "sync" then
      all[#all + 1] = command
      all[#all + 1] = "sync"
    end
  end
  script = all
end

local host = machine { ram = way == "" and "16M" or "48M", firmware = { vtd = way == "passthrough" },
  devices = { { kind = "virtio-blk", file = path } } }

-- What a run of these commands prints behind the kernel's own lines.
local function output(commands)
  host:boot("kernel", { cmdline = commands })
  host:run("10s")
  if not host.halted then error("the kernel does not end: " .. commands .. "\n" .. host:console()) end
  return (host:console():gsub("^.-kernel: ready\n", ""))
end

-- ---- what there may be ----

output("mkfs again")
host:power_cycle()
local empty = host:snapshot()

local state, operations, synced = { [0] = "" }, 0, {}
for _, command in ipairs(script) do
  if command == "sync" then
    synced[operations] = true
  else
    operations = operations + 1
    state[operations] = output(command .. ", tree")
    host:power_cycle()
  end
end
for i = 1, operations do
  if state[i]:find("cannot", 1, true) or state[i] == state[i - 1] then
    error("operation " .. i .. " does nothing: " .. state[i])
  end
end

-- ---- cuts ----

local marked, n = {}, 0
for _, command in ipairs(script) do
  marked[#marked + 1] = command
  n = n + (command == "sync" and 0 or 1)
  if command == "sync" then
    marked[#marked + 1] = "echo +" .. n
  elseif way == "" then -- a VM's command line has no room for it
    marked[#marked + 1] = "echo =" .. n
  end
end

local function last(text, mark)
  local found = 0
  for number in text:gmatch("\n" .. mark .. "(%d+)\n") do found = tonumber(number) end
  return found
end

-- The sequence, typed: it is longer than a command line.
local function begin()
  host:restore(empty)
  if way == "" then
    host:boot("kernel")
    host:send(table.concat(marked, "\n") .. "\nexit\n")
  else
    host:boot("hv", { vms = { { name = "vm", image = "kernel", disk = way, cmdline = table.concat(marked, ", ") } } })
  end
end

-- The states that there may be if power is cut now.
local function bounds()
  local text = way == "" and host:console() or host:vm("vm"):console()
  return last(text, "%+"), way == "" and math.min(last(text, "=") + 1, operations) or operations
end

-- Of a disk after a cut: which state it is in; nil and what is wrong.
local function judge(least, most)
  local told = output("fsck, tree")
  local fsck, tree = told:match("^(fsck: whole[^\n]*\n)(.*)$")
  if not fsck then return nil, told end
  for i = least, most do
    if state[i] == tree then return i end
  end
  return nil, ("not one of the states %d to %d:\n%s"):format(least, most, tree)
end

local cuts, writes, wrong, replays, seen = 0, 0, 0, {}, {}

-- Cuts here with each seed, and comes back.
local function cut_here()
  local least, most = bounds()
  local here = host:snapshot()
  for seed = 0, seeds do
    host:power_cut(seed == 0 and 0 or writes * 16 + seed)
    local found, why = judge(least, most)
    cuts = cuts + 1
    if found then seen[found] = true end
    if host:console():find("from the journal", 1, true) then replays[#replays + 1] = { writes, seed } end
    if not found then
      wrong = wrong + 1
      if wrong <= 3 then say("cut at write %d, seed %d: %s", writes, seed, why) end
    end
    host:restore(here)
  end
  here:free()
end

local is_write = { write = false, size = 512 }

begin()
while host:run_until("dma", is_write, "10s") do
  writes = writes + 1
  if writes % every == 0 then cut_here() end
end
check(host.halted and bounds() == operations, "the sequence ends")
check_eq(wrong, 0, "cuts after which an operation is neither whole nor absent")
check(writes > (way == "" and 500 or 200), "the sequence writes sectors")
local kinds = 0
for i = 0, operations do kinds = kinds + (seen[i] and 1 or 0) end
local syncs = 0
for _ in pairs(synced) do syncs = syncs + 1 end
check(kinds == syncs + 1, "each sync leaves a state behind: " .. kinds)
must(#replays > 0, "some cuts leave something in the journal")

-- ---- cuts of a replay ----

-- To the start of a boot that puts blocks of the journal in their places.
local cut, at = replays[#replays // 2 + 1], 0
begin()
while at < cut[1] and host:run_until("dma", is_write, "10s") do at = at + 1 end
local least, most = bounds()
host:power_cut(cut[2] == 0 and 0 or cut[1] * 16 + cut[2])
local first, reached, again = host:snapshot(), 0, 0
repeat
  reached = reached + every
  host:restore(first)
  host:boot("kernel", { cmdline = "fsck, tree" })
  at = 0
  while at < reached and host:run_until("dma", is_write, "10s") do at = at + 1 end
  if at == reached then
    host:power_cut(reached)
    local found, why = judge(least, most)
    if not found then say("replay cut at write %d: %s", reached, why) end
    wrong, again = wrong + (found and 0 or 1), again + 1
  end
until at < reached
check_eq(wrong, 0, "replays that cannot be made again")
check(again > 2, "replays were cut")
say("%d cuts in %d sectors' writes, %d states, %d replays, %d cuts of a replay: %d wrong", cuts, writes, kinds, #replays,
  again, wrong)
