-- dma_attack.lua: a guest that drives a real NIC, and what the NIC then does to memory for it.
--
-- The VM `attacker` has an E1000 for itself (nic = "passthrough").  It reaches the NIC's registers without an exit, and
-- writes addresses into the rings as any driver does.  But these addresses are not memory accesses of the processor:
-- no EPT stands between the NIC and memory.  Without an IOMMU they are the machine's own, and all of it is within
-- reach: another VM, the hypervisor.  With one they are addresses in the VM's domain, and lead to its RAM or nowhere.

local ORDER <const>, FORGED <const> = "pay 100 to alice", "pay 999 to carol"
local WRITE <const>, READ <const> = 5, 6 -- fault reasons
local SLOT <const> = 3

local host = machine { name = "A", ram = "64M", devices = { { kind = "e1000", slot = SLOT } } }

-- ------------------------------------------------------------------ the machine's memory

-- Where the victim keeps a line that it has not read to its end.
local function find(vm, text)
    for gpa = 0, (4 << 20) - 1, 1 << 16 do
        local at = vm:read(gpa, 1 << 16):find(text, 1, true)
        if at then
            return vm:translate(gpa + at - 1).hpa
        end
    end
end

local function start(vtd)
    host:power_cycle { firmware = { vtd = vtd } }
    host:boot("hv", { cmdline = "--stay", vms = {
        { name = "victim", image = "echo", ram = "4M" },
        { name = "attacker", image = "dma", ram = "2M", nic = "passthrough", unsafe = true },
    } })
    local victim, attacker = host:vm("victim"), host:vm("attacker")
    victim:expect("`quit`\n")
    attacker:expect("ready\n")
    victim:send(ORDER)
    host:run("2ms")
    return victim, attacker
end

-- ------------------------------------------------------------------ what the attacker does

-- A frame of what lies at an address leaves by the wire.
local function steal(attacker, address, n)
    attacker:send(("read %x %x\n"):format(address, n))
    local frame = host:await("frame", { what = "sent" })
    attacker:expect("were sent\n")
    return frame.bytes
end

-- A frame that somebody outside sends is put there.
local function plant(attacker, address, bytes)
    attacker:send(("write %x\n"):format(address))
    attacker:expect("waits for a frame\n")
    host:nic(1):send(bytes)
    attacker:expect("was written to")
    host:run("1ms")
end

local function printable(bytes)
    return (bytes:gsub("[^\x20-\x7e]", "."))
end

-- Both attacks on the victim.
local function attack_victim(victim, attacker)
    local at = find(victim, ORDER)
    say("  The victim has read `%s`, and waits for the end of the line.  It lies at h:%s.", ORDER, hex(at))
    local stolen = steal(attacker, at, 60)
    say("  1. The attacker has the NIC send what is there:   `%s`", printable(stolen:sub(1, #ORDER)))
    plant(attacker, at, FORGED)
    victim:send("\n")
    local does = victim:expect("\n"):gsub("\n", "")
    say("  2. A frame from outside is received to there; the victim reads   `%s`", does)
    return { at = at, stolen = stolen:sub(1, #ORDER), does = does }
end

-- ------------------------------------------------------------------ without an IOMMU

say("Without an IOMMU (firmware: VT-d off).  The hypervisor passes the NIC through only because it was told to:")
local victim, attacker = start(false)
check(host:console():find("its devices reach all memory of the machine", 1, true), "the hypervisor warns of it")
local open = attack_victim(victim, attacker)
check_eq(open.stolen, ORDER, "without: the NIC has read another VM's memory")
check_eq(open.does, FORGED, "without: and has written to it")

local vmcs = victim.vmcs
say("  3. A frame is received to the victim's VMCS, h:%s, which only the hypervisor can reach.", hex(vmcs))
attacker:send(("write %x\n"):format(vmcs))
attacker:expect("waits for a frame\n")
host:nic(1):send(("\xcc"):rep(64))
host:run("20ms")
local panic = host:console():match("hv: panic[^\n]*")
say("     %s", panic or "the hypervisor goes on")
check(panic, "without: the hypervisor has lost its own memory, and with it every VM")
check_eq(host:iommu_stats().translations, 0, "no address was translated")
say("")

-- ------------------------------------------------------------------ with it

say("With the IOMMU.  The attacker's domain has tables from its guest-physical addresses to its own RAM, and no others.")
victim, attacker = start(true)
local faults = {}
host:on("iommu.fault", function(ev)
    faults[#faults + 1] = ev
end)
local closed = attack_victim(victim, attacker)
check_eq(closed.at, open.at, "the victim's memory lies where it lay")
check_eq(closed.stolen, ("\xff"):rep(#ORDER), "with: a read that is refused gives ones")
check_eq(closed.does, ORDER, "with: the victim's memory is as it was")
vmcs = victim.vmcs
local before = host:u64(vmcs) -- the processor writes to the rest
plant(attacker, vmcs, ("\xcc"):rep(64))
say("  3. A frame is received to the victim's VMCS, h:%s: it is %s.", hex(vmcs),
    host:u64(vmcs) == before and "as it was" or "changed")
check_eq(host:u64(vmcs), before, "with: the VMCS is as it was")

say("  What the IOMMU has recorded, and the hypervisor tells:")
local told = 0
for line in host:console():gmatch("hv: (IOMMU: E1000[^\n]*)") do
    say("    %s", line)
    told = told + 1
end
local function fault(i)
    local f = faults[i] or {}
    return { device = f.device, reason = f.number, address = f.address and f.address & ~0xfff }
end
check_eq(#faults, 3, "each attack has made one fault")
check_eq(told, 3, "and the hypervisor has told each")
for i, expected in ipairs { { closed.at, READ }, { closed.at, WRITE }, { vmcs, WRITE } } do
    check_eq(fault(i).device, SLOT << 3, "fault " .. i .. ": by the NIC, whose slot names its owner")
    check_eq(fault(i).address, expected[1] & ~0xfff, "fault " .. i .. ": at the address that was aimed at")
    check_eq(fault(i).reason, expected[2], "fault " .. i .. ": a read is 6, a write 5")
end
local name = ("IOMMU: E1000 in slot %d, of attacker: write at %s refused"):format(SLOT, hex(vmcs & ~0xfff))
check(host:console():find(name, 1, true), "the message names device, VM and address")
say("")

-- ------------------------------------------------------------------ the same number, another place

say("An address inside the domain is not refused: it is the attacker's own.")
local directory = host:sym("vm_directory") -- in the hypervisor's image
local image = host:read(directory, 64)
ask {
    q = ("The hypervisor's list of VMs lies at h:%s.  The attacker aims at that number.  Where does the frame go?")
        :format(hex(directory)),
    choices = { "to the hypervisor", "to the attacker's own RAM", "nowhere: a fault" },
    answer = function()
        local n = #faults
        plant(attacker, directory, ("\xcc"):rep(64))
        return #faults > n and "nowhere: a fault" or host:read(directory, 64) ~= image and "to the hypervisor"
            or attacker:read(directory, 64) == ("\xcc"):rep(64) and "to the attacker's own RAM"
    end,
}
check_eq(attacker:read(directory, 64), ("\xcc"):rep(64), "g:" .. hex(directory) .. " has the frame")
check_eq(host:read(directory, 64), image, "h:" .. hex(directory) .. " is as it was")
check_eq(#faults, 3, "and nothing was refused")
say("")

-- ------------------------------------------------------------------ all else goes on

say("All else goes on.")
victim:send("hello\n")
check(victim:expect("hello\n"), "the victim reads and writes")
attacker:send("where\n")
attacker:expect("mine is at")
check_eq(attacker.state, "running", "so does the attacker: its NIC is still its own")
host:hv("vm stop attacker")
local walk = host:translate_device(0x1000, { device = SLOT << 3, access = "write" })
check_eq(walk.fault, "context entry not present", "when the attacker ends, its NIC is in no domain")
host:hv("vm start attacker")
check_eq(attacker.state, "running", "the NIC can be given away again")
