-- vswitch.lua: the hypervisor's virtual switch, and what makes it simpler than a switch in a rack.
--
-- It gave its VMs their addresses, so it need not learn where they are, and what comes in by one uplink never
-- goes out by another, so there is no loop and no spanning tree.  Three VMs are on it: `a` and `b` in VLAN 10, `c`
-- in VLAN 20; two E1000s of the machine are its uplinks.  At the other ends of their cables is a switch of the
-- old kind, here in Lua, which learns, with a station behind it that answers each frame that is for it.

local host = machine { name = "A", ram = "64M", devices = { "e1000", "e1000" } }
local FLOW <const>, EVERY <const> = 100, 20000 -- frames, cycles between two
local MAC <const> = { a = "52:49:4e:00:00:01", b = "52:49:4e:00:00:02", c = "52:49:4e:00:00:03",
    station = "00:01:02:03:04:05", elsewhere = "00:01:02:03:04:06" }

local vms = {}
for i, name in ipairs { "a", "b", "c" } do
    vms[i] = { name = name, image = "station", ram = "4M", nic = "e1000", vlan = i < 3 and 10 or 20 }
end
host:boot("hv", { cmdline = "--stay uplinks=1,2", vms = vms })
local cable = { host:nic(1), host:nic(2) }

-- ---- frames ----

local function bytes_of(mac)
    return (mac:gsub("(%x%x):?", function(h) return string.char(tonumber(h, 16)) end))
end

local function mac_of(bytes)
    return (bytes:gsub(".", function(c) return ("%02x:"):format(c:byte()) end):sub(1, -2))
end

-- What a frame says: from, to, vlan (1 where there is no tag), type, number.
local function read(bytes)
    local f = { to = mac_of(bytes:sub(1, 6)), from = mac_of(bytes:sub(7, 12)), vlan = 1 }
    local at = 13
    if bytes:sub(13, 14) == "\x81\x00" then
        f.vlan, at = string.unpack(">I2", bytes, 15) & 0xfff, 17
    end
    f.type, f.number = string.unpack(">I2I4", bytes, at)
    return f
end

local function frame(to, from, vlan, number)
    return bytes_of(to) .. bytes_of(from) .. string.pack(">I2I2I2I4", 0x8100, vlan, 0x88b5, number) .. ("\0"):rep(42)
end

-- ---- the network outside ----

local learned, wire = {}, { {}, {} } -- by VLAN and address: a cable; of each cable, what has left by it

host:on("frame", { what = "sent" }, function(ev)
    local f = read(ev.bytes)
    f.cycle = ev.cycle
    wire[ev.nic][#wire[ev.nic] + 1] = f
    learned[f.vlan .. " " .. f.from] = ev.nic
end)

-- The station's answer to the next frame that is for it, if there is one soon.
local function answer()
    local ev = host:run_until("frame", function(e)
        return e.what == "sent" and mac_of(e.bytes:sub(1, 6)) == MAC.station
    end, "1ms")
    if ev then
        local f = read(ev.bytes)
        cable[learned[f.vlan .. " " .. f.from]]:send(frame(f.from, f.to, f.vlan, f.number))
    end
    return ev
end

-- Frames with data that have left since the last time, by cable, and all of their VLANs in the order of their numbers.
local function left()
    local n, vlans = { 0, 0 }, {}
    for i = 1, 2 do
        for _, f in ipairs(wire[i]) do
            if f.type == 0x88b5 then
                n[i] = n[i] + 1
                vlans[f.vlan] = true
            end
        end
        wire[i] = {}
    end
    return n[1], n[2], vlans
end

-- ---- the VMs ----

local function send(from, to, count, every)
    host:vm(from):send(("send %s %d %d\n"):format(to, count, every or EVERY))
    host:vm(from):expect("sent " .. count)
    host:run("100us")
end

-- How many a VM has heard from whom since the last time, and in what state.
local function heard(name, from)
    host:vm(name):send("heard\n")
    local text = host:vm(name):expect("that is all")
    local count, first, last = text:match("heard (%d+) from " .. from .. ", (%d+) to (%d+)")
    return tonumber(count or 0), tonumber(first or 0), tonumber(last or 0)
end

local function stats(port, key)
    local line = host:hv("net stats"):match("port=" .. port .. " ([^\n]*)")
    return tonumber(line:match("%f[%w_]" .. key .. "=(%d+)"))
end

local function show(to, heard_by, one, two)
    say("  %-31s %-18s %8d %9d", to, heard_by, one, two)
end

for _, name in ipairs { "a", "b", "c" } do
    host:vm(name):expect("listens")
end
host:run("100us")

-- ---- addresses and VLANs ----

say("Ten frames each of `a`, which is in VLAN 10: who hears them, and how many leave the machine.")
say("")
say("  %-31s %-18s %8s %9s", "to", "heard", "uplink 1", "uplink 2")
left()
send("a", MAC.b, 10)
local one, two = left()
local b = heard("b", MAC.a)
show("b, in the same VLAN", b .. " by b", one, two)
check_eq(b, 10, "b hears what is for it")
check_eq(one + two, 0, "between VMs nothing leaves the machine")

send("a", MAC.c, 10)
local vlans
one, two, vlans = left()
local c = heard("c", MAC.a)
show("c, in VLAN 20", c .. " by c", one, two)
check_eq(c, 0, "c, in another VLAN, hears nothing")
check_eq(one, 10, "for the switch there is no such address in VLAN 10: the frames leave by the uplink")
check(vlans[10] and not vlans[20] and not vlans[1], "with the tag of VLAN 10")

send("a", MAC.elsewhere, 10)
one, two = left()
show("an address that was not given", "", one, two)
check_eq(one, 10, "what it has not given is outside")
check_eq(two, 0, "and leaves by one uplink alone")

send("a", "all", 10)
one, two = left()
b, c = heard("b", MAC.a), heard("c", MAC.a)
show("all", b .. " by b, " .. c .. " by c", one, two)
check_eq(b, 10, "a broadcast reaches the VLAN")
check_eq(c, 0, "and not the other one")
check_eq(one, 10, "and the network outside, once")
check_eq(two, 0, "not by the other uplink")

say("")
say("The switch outside sends what is for all to both cables, and what it has not learned.")
left()
local nowhere, standby = stats("uplink1", "nowhere"), stats("uplink2", "standby")
local returned = stats("uplink2", "returned")
for i = 1, 5 do
    cable[1]:send(frame(MAC.elsewhere, MAC.station, 10, i))
    cable[1]:send(frame("ff:ff:ff:ff:ff:ff", MAC.station, 10, i))
    cable[2]:send(frame("ff:ff:ff:ff:ff:ff", MAC.station, 10, i))
    cable[2]:send(frame("ff:ff:ff:ff:ff:ff", MAC.a, 10, i)) -- which a has sent by the other
end
host:run("200us")
one, two = left()
nowhere, standby, returned = stats("uplink1", "nowhere") - nowhere, stats("uplink2", "standby") - standby,
    stats("uplink2", "returned") - returned
local by_all, by_c = heard("b", MAC.station), heard("c", MAC.station)
say("  5 for a stranger, by one cable:       %d sent on by the other, %d dropped", two, nowhere)
say("  5 for all, by both cables:            %d heard by b, %d by c, %d dropped as the second of their kind", by_all,
    by_c, standby)
say("  5 of a's own, which come back:        %d dropped", returned)
check_eq(one + two, 0, "what comes from an uplink never leaves by one")
check_eq(nowhere, 5, "it goes nowhere")
check_eq(by_all, 5, "each VM hears it once")
check_eq(by_c, 0, "in its VLAN")
check_eq(standby, 5, "the second copy is dropped")
check_eq(returned, 5, "and so is a VM's own")

-- ---- another address ----

local NEW <const> = "52:49:4e:00:00:77"
say("")
say("Now b gives itself the address %s.", NEW)
host:vm("b"):send("address " .. NEW .. "\n")
host:vm("b"):expect("address " .. NEW)
heard("a", NEW)
left()
send("b", MAC.a, 10)
local a = heard("a", NEW)
check_eq(a, 10, "what it sends is forwarded")
check_eq(stats("b", "foreign"), 10, "and counted")
send("a", NEW, 10)
one, two = left()
b = heard("b", MAC.a)
say("  Of 10 frames that b sends, a hears %d; of 10 answers to the new address, b hears %d: %d have left by", a, b, one)
say("  the uplink.  A switch that learns would have found it, and whoever takes another's address as well.")
check_eq(b, 0, "it is unreachable: the switch learns nothing")
check_eq(one, 10, "what is for an address that was not given is for outside")
host:vm("b"):send("address " .. MAC.b .. "\n")
host:vm("b"):expect("address " .. MAC.b)

-- ---- a cable is cut ----

say("")
say("A flow of %d frames from a to the station, %d cycles apart, each of which it answers.", FLOW, EVERY)
say("In the middle somebody pulls the first cable.")
heard("a", MAC.station)
left()
check_eq(learned["10 " .. MAC.a], 1, "the switch outside has learned that a is behind the first cable")
local lost = 0
local on_lost = host:on("frame", { what = "dropped" }, function() lost = lost + 1 end)
host:vm("a"):send(("send %s %d %d\n"):format(MAC.station, FLOW, EVERY))
local cut
while answer() do
    if not cut and #wire[1] >= FLOW // 2 then
        cut = host.cycles
        link(cable[1], nil, { cut = true })
    end
end
host:vm("a"):expect("sent " .. FLOW)
on_lost:off()

local numbers, announced, first, order = {}, {}, nil, true
for i = 1, 2 do
    local last = 0
    for _, f in ipairs(wire[i]) do
        if f.type == 0x8035 then
            announced[#announced + 1] = f
        else
            first = first or (i == 2 and f)
            numbers[f.number] = (numbers[f.number] or 0) + 1
            order = order and f.number > last
            last = f.number
        end
    end
end
local at_station, answered = 0, heard("a", MAC.station)
for _ in pairs(numbers) do
    at_station = at_station + 1
end
must(#announced > 0 and first, "the other uplink has taken over")
say("")
say("  the cable is pulled                            cycle %9d", 0)
say("  the switch announces its VMs by RARP           cycle %9d, in VLAN", announced[1].cycle - cut)
for _, f in ipairs(announced) do
    say("  %49s %s %d", "", f.from, f.vlan)
end
say("  the flow goes on by the second one             cycle %9d, with frame %d", first.cycle - cut, first.number)
say("  frames at the station                          %d of %d; answers at a: %d", at_station, FLOW, answered)
check_eq(#announced, 3, "each VM is announced where it is now")
check(announced[1].cycle < first.cycle, "before its next frame")
check_eq(announced[1].vlan, 10, "in its VLAN")
check_eq(announced[3].vlan, 20, "each in its own")
check_eq(learned["10 " .. MAC.a], 2, "the switch outside has learned that a is behind the second cable")
check_eq(learned["20 " .. MAC.c], 2, "and c, which has not sent anything")
check(order, "no frame has overtaken another")
check(2 * FLOW - at_station - answered <= 2 * lost, "what is missing was on the cable when it was pulled")
check(at_station >= FLOW - 1 and answered >= FLOW - 2, "which is a frame or two, if any")
check(host:hv("net list"):find("port=uplink2[^\n]*active=yes"), "the second uplink is active")

link(cable[1], nil, { cut = false })
host:run("100us")
left()
send("a", MAC.station, 10)
one, two = left()
check_eq(two, 10, "when the first is back, it stands by")

-- ---- both at once ----

say("")
say("`net bond spread`: each VM has an uplink of its own, by its address.  Ten frames each, to the station:")
host:hv("net bond spread")
host:run("100us")
left()
local by = {}
for _, name in ipairs { "a", "b", "c" } do
    send(name, MAC.station, 10)
    one, two = left()
    by[name] = one > 0 and 1 or 2
    say("  %s: %2d by the first, %2d by the second", name, one, two)
    check_eq(one + two, 10, name .. ": all leave")
    check(one == 0 or two == 0, name .. ": by one of them, or the switch outside would find it now here, now there")
    check_eq(learned[(name == "c" and "20 " or "10 ") .. MAC[name]], by[name], name .. ": where it has learned")
end
check(by.a ~= by.b, "both have work")

ask {
    q = "c sends to the address of a, which is on the same switch, but in VLAN 10.  Where do the frames go?",
    choices = { "to a", "nowhere", "out by an uplink" },
    answer = function()
        left()
        heard("a", MAC.c)
        send("c", MAC.a, 3)
        one, two = left()
        return heard("a", MAC.c) > 0 and "to a" or one + two > 0 and "out by an uplink" or "nowhere"
    end,
}
say("A router outside, which has both VLANs, may bring them together.")
