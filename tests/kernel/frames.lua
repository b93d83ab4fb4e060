-- Frames from outside at the guest kernel: right ones, broken ones of each kind, and thousands with rubbish in them.  Each
-- broken one is counted for what it is, none does harm, and an echo is answered afterwards.
local kind = param("kind", "e1000", "of the NIC")
local rounds = param("rounds", 3000, "frames with rubbish in them")
local host = machine { devices = { { kind = kind, mac = "52:54:00:00:00:01" } } }
local nic, replies, arps = host:nic(1), {}, {}
local ours, mine = "\x52\x54\0\0\0\1", "\x52\x54\0\0\0\2"
local here, there, all = "\10\0\0\1", "\10\0\0\2", "\255\255\255\255"

local function sum(bytes)
  local total = 0
  for i = 1, #bytes - 1, 2 do total = total + (">I2"):unpack(bytes, i) end
  if #bytes % 2 == 1 then total = total + bytes:byte(-1) * 256 end
  while total > 0xffff do total = (total & 0xffff) + (total >> 16) end
  return total
end

local function ether(kind_of, bytes) return ours .. mine .. (">I2"):pack(kind_of) .. bytes end

-- Fields of IPv4's header that differ from what is right.
local function ip(protocol, bytes, f)
  f = f or {}
  local head = (">BBI2I2I2BB"):pack(f.version or 0x45, 0, f.length or 20 + #bytes, 7, f.fragment or 0, 64, protocol)
  local tail = (f.from or there) .. (f.to or here)
  return ether(0x800, head .. (">I2"):pack(f.sum or 0xffff - sum(head .. tail)) .. tail .. bytes)
end

local function echo(data, f)
  f = f or {}
  local head, tail = (">BB"):pack(f.type or 8, 0), (">I2I2"):pack(f.id or 9, f.sequence or 1) .. data
  return ip(1, head .. (">I2"):pack(f.icmp or 0xffff - sum(head .. tail)) .. tail, f)
end

local function udp(port, data, f)
  f = f or {}
  local ports, length = (">I2I2"):pack(77, port), (">I2"):pack(f.bytes or 8 + #data)
  local pseudo = (f.from or there) .. (f.to or here) .. (">I2"):pack(17) .. length
  local right = 0xffff - sum(pseudo .. ports .. length .. data)
  return ip(17, ports .. length .. (">I2"):pack(f.udp or right) .. data, f)
end

local function arp(operation, f)
  f = f or {}
  return ether(0x806, (">I2I2BBI2"):pack(f.hardware or 1, 0x800, 6, 4, operation) .. (f.mac or mine) .. (f.from or there) ..
    ours .. (f.to or here))
end

host:on("frame", { what = "sent" }, function(e)
  if e.bytes:sub(13, 14) == "\8\6" then arps[#arps + 1] = e.bytes else replies[#replies + 1] = e.bytes end
end)

host:boot("kernel", { cmdline = "ip=10.0.0.1/24 recv -W 900, net" })
host:run("3ms")

-- ---- what is right is answered ----

nic:send(arp(1))
host:run("100us")
must(#arps == 1, "a request of ARP's is answered once")
check_eq(arps[1]:sub(1, 42), mine .. ours .. "\8\6\0\1\8\0\6\4\0\2" .. ours .. here .. mine .. there, "its answer")
nic:send(echo("some data"))
nic:send(echo(("x"):rep(1472)))
host:run("100us")
must(#replies == 2, "two echoes")
check_eq(replies[1]:sub(1, 12) .. replies[1]:sub(27, 34), mine .. ours .. here .. there, "who sent it to whom")
check_eq(sum(replies[1]:sub(15, 34)), 0xffff, "the sum of its header")
check_eq(sum(replies[1]:sub(35, 51)), 0xffff, "the sum of the echo")
check_eq(replies[1]:sub(35, 36) .. replies[1]:sub(39, 51), "\0\0" .. "\0\9\0\1some data", "it is a reply with the same data")
check_eq(#replies[2], 1514, "a long one")

-- ---- what is wrong is counted ----

local wanted = {}
local function wrong(what, frame)
  wanted[what] = (wanted[what] or 0) + 1
  nic:send(frame)
  host:run("30us")
end

local malformed, checksum, fragment = "malformed or cut", "checksum wrong", "fragments"
local protocol, address, port = "of a protocol that nobody speaks", "for another address", "for a port where nobody listens"
if kind == "virtio-net" then -- an E1000 pads short frames
  wrong(malformed, arp(1):sub(1, 41))
  wrong(malformed, echo(""):sub(1, 33))
end
wrong(malformed, arp(1, { hardware = 6 }))
wrong(malformed, arp(1, { mac = "\1\2\3\4\5\6" }))
wrong(malformed, ether(0x800, ""))
wrong(malformed, echo("", { version = 0x65 }))
wrong(malformed, echo("", { version = 0x44 }))
wrong(malformed, echo("", { version = 0x4f }))
wrong(malformed, echo("", { length = 19 }))
wrong(malformed, echo("", { length = 1500 }))
wrong(malformed, echo("", { length = 65535 }))
wrong(malformed, echo("", { from = all }))
wrong(malformed, echo("", { from = "\10\0\0\255" }))
wrong(malformed, echo("", { from = "\224\0\0\1" }))
wrong(malformed, echo("", { from = "\0\0\0\0" }))
wrong(malformed, ip(1, "\8\0"))
wrong(malformed, udp(5100, "", { bytes = 7 }))
wrong(malformed, udp(5100, "abc", { bytes = 12 }))
wrong(malformed, ip(17, "\0\1\0\2"))
wrong(checksum, echo("", { sum = 1 }))
wrong(checksum, echo("abc", { icmp = 1 }))
wrong(checksum, udp(5100, "abc", { udp = 1 }))
wrong(fragment, echo("", { fragment = 0x2000 }))
wrong(fragment, echo("", { fragment = 1 }))
wrong(protocol, ether(0x86dd, "version 6"))
wrong(protocol, ip(6, "a segment of TCP's"))
wrong(protocol, echo("", { type = 13 }))
wrong(protocol, echo("", { to = "\10\0\0\255" }))
wrong(address, echo("", { to = "\10\0\0\3" }))
wrong(port, udp(5002, "abc"))
wrong(port, udp(5002, "abc", { udp = 0 }))
wrong(port, udp(5002, "abc", { to = "\10\0\0\255" }))
wrong(port, echo("", { type = 0 }))
check_eq(#replies, 2, "no answer to those")

-- ---- rubbish ----

local seeds = { arp(1), arp(2), echo("some data"), udp(5100, "RST1" .. ("\0"):rep(24)), udp(5100, ("x"):rep(1400)) }
for i = 1, rounds do
  local frame = seeds[math.random(#seeds)]
  for _ = 1, math.random(4) do
    local at = math.random(13, math.min(#frame, 70))
    frame = frame:sub(1, at - 1) .. string.char(math.random(0, 255)) .. frame:sub(at + 1)
  end
  if math.random(4) == 1 then frame = frame:sub(1, math.random(14, #frame)) end
  nic:send(frame)
  if i % 16 == 0 then host:run("150us") end
end

-- ---- more than it can take ----

for _ = 1, 1000 do
  while not pcall(nic.send, nic, echo("")) do host:run("2us") end
end
host:run("10ms")
local before = #replies
nic:send(echo("still here"))
host:run("100us")
check_eq(#replies, before + 1, "an echo after all that")
check(before > 200, "of a flood some were answered: " .. before)
host:run("2s")
local console = host:console()
check_eq(host.status, 1, "the run's status")
check(not console:find("killed", 1, true), "nobody was killed")

-- Rubbish adds to counts, never takes away.
for what, n in pairs(wanted) do
  local counted = tonumber(console:match("(%d+) " .. what) or 0)
  if rounds == 0 then check_eq(counted, n, what) else check(counted >= n, what .. ": " .. counted) end
end
