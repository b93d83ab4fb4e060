-- interrupt_remap.lua: an interrupt is a write to memory, and a guest whose device writes can forge one.
--
-- A message-signalled interrupt is a write of four bytes to 0xfee?????: the address names the core, the data the
-- vector (SDM vol. 3, 10.11).  A device does not send it otherwise than any other DMA.  So who can aim his device's
-- DMA can aim it there, and raise any vector of any core, in the hypervisor's own time.  No table of the CPU's stands
-- between, and the IOMMU's DMA tables do not either: these addresses are not translated.  What stops it is interrupt
-- remapping, where a message names no vector but an entry of a table, and the entry names the device that may use it.
--
-- The VM `attacker` has an E1000 for itself, and lets it receive a frame to 0xfee00000.  The NIC writes 256 bytes at a
-- time; the frame has 260, so the last write is one of four bytes, at 0xfee00100.

local DOORBELL <const>, CHUNK <const> = 0xfee00000, 256
local AC <const> = 17 -- alignment check: an exception, and a vector that the local APIC takes
local SLOT <const> = 3
local COMPATIBLE <const>, NOT_PRESENT <const>, SOURCE <const> = 0x25, 0x22, 0x26 -- fault reasons

local host = machine { name = "A", ram = "64M",
    devices = { { kind = "e1000", slot = SLOT }, { kind = "e1000", slot = 4 }, { kind = "e1000", slot = 5 } } }
link(host:nic(2), host:nic(3), { bandwidth = "1Gbit", latency = "1us" })

local function start(vtd)
    host:power_cycle { firmware = { vtd = vtd } }
    host:boot("hv", { cmdline = "--stay", vms = {
        { name = "neighbour", image = "e1000", ram = "4M", nic = "passthrough", nic_slot = "4,5", unsafe = true,
          start = false, cmdline = "1500 200" },
        { name = "attacker", image = "dma", ram = "4M", nic = "passthrough", nic_slot = SLOT, unsafe = true },
    } })
    host:vm("attacker"):expect("ready\n")
    return host:vm("attacker")
end

-- The last four bytes of the frame go to that address.
local function forge(attacker, address, data)
    attacker:send(("write %x\n"):format(address - CHUNK))
    attacker:expect("waits for a frame\n")
    host:nic(1):send(("\0"):rep(CHUNK) .. string.pack("<I4", data))
end

-- ------------------------------------------------------------------ without remapping

say("Without an IOMMU.  The frame ends in %d: vector %d, which is the exception #AC.", AC, AC)
local attacker = start(false)
forge(attacker, DOORBELL + CHUNK, AC)
local message = host:await("message", { device = SLOT << 3 })
say("  a message leaves slot %d: address %s, vector %d", message.device >> 3, hex(message.address), message.vector)
check_eq(message.vector, AC, "without: the message has the attacker's vector")
host:await("interrupt", { vector = AC })
host:run("5ms")
local panic = host:console():match("hv: panic[^\n]*")
say("  %s", panic or "the hypervisor goes on")
check(panic, "without: the hypervisor believes that it has done something wrong itself")
local code = panic and tonumber(panic:match("error code (0x%x+)"))
say("  Its handler of #AC finds an error code on the stack, which an interrupt does not push.  What it takes for one is")
say("  an address in the hypervisor's code: %s.  Xen has been attacked by this.", host:disasm(code)[1].place)
check(code > 0xffff, "without: the stack is not what the handler believes")
say("")

-- ------------------------------------------------------------------ with it

say("With the IOMMU, which remaps interrupts.")
attacker = start(true)
local faults, forged = {}, 0
host:on("iommu.fault", function(ev)
    faults[#faults + 1] = ev
end)
host:on("message", { device = SLOT << 3 }, function()
    forged = forged + 1
end)

-- What the IOMMU says of one forged message.
local function try(what, address, data)
    local n = #faults
    forge(attacker, address, data)
    attacker:expect("was written to")
    host:run("100us")
    local fault = faults[n + 1]
    say("  %-64s %s", what, fault and ("refused, reason %s"):format(hex(fault.number)) or "not refused")
    return fault and fault.number
end

check_eq(try("the same message: it names a vector (compatibility format)", DOORBELL + CHUNK, AC), COMPATIBLE,
    "with: who names a vector is refused")

say("The neighbour is started: two NICs of its own, which send each other frames, with interrupts.")
host:hv("vm start neighbour")
local right = host:await("iommu.interrupt")
say("  One of its NICs, in slot %d, asks for interrupt %d of the table, and gets vector %d.", right.device >> 3,
    right.index, right.vector)
local function remappable(index)
    return DOORBELL | 1 << 4 | (index & 0x7fff) << 5
end
local reason
ask {
    q = "The attacker lets its NIC ask for the same entry.  It is there, and leads to a vector.  What happens?",
    choices = { "the neighbour gets an interrupt that it has not asked for", "the entry refuses this device" },
    answer = function()
        reason = try("the neighbour's entry", remappable(right.index), 0)
        return reason == SOURCE and "the entry refuses this device"
            or "the neighbour gets an interrupt that it has not asked for"
    end,
}
check_eq(reason, SOURCE, "with: an entry names the device that may use it (SVT, SID)")
check_eq(try("an entry of its own slot, which the hypervisor has not filled in", remappable(SLOT * 8 + 1), 0),
    NOT_PRESENT, "with: an entry that is not there is nobody's")
check_eq(forged, 0, "not one of the messages has left the IOMMU")
say("  The hypervisor tells:")
for line in host:console():gmatch("hv: (IOMMU: E1000[^\n]*)") do
    say("    %s", line)
end
say("")

say("All else goes on.")
local neighbour = host:vm("neighbour")
neighbour:expect("interrupts told of frames", "200ms")
check(neighbour:console():find("there, by interrupts: 0 damaged", 1, true), "the neighbour has had its own interrupts")
check_eq(host:vm("attacker").state, "running", "and the attacker is still there, with its NIC")
