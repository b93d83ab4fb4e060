/* pci.c - see pci.h. */
#include "lib/pci.h"

#include "arch/board.h"
#include "arch/insn.h"
#include "lib/bus.h"

uint64_t bus_offset;

static void select(uint32_t slot, uint32_t at)
{
    out32(PORT_PCI_ADDRESS, PCI_ADDRESS(0u, slot, 0u, at & 0xfcu));
}

uint32_t pci_read(uint32_t slot, uint32_t at)
{
    select(slot, at);
    return in32(PORT_PCI_DATA);
}

uint16_t pci_read16(uint32_t slot, uint32_t at)
{
    select(slot, at);
    return in16(PORT_PCI_DATA + (at & 2));
}

void pci_write(uint32_t slot, uint32_t at, uint32_t value)
{
    select(slot, at);
    out32(PORT_PCI_DATA, value);
}

void pci_write16(uint32_t slot, uint32_t at, uint16_t value)
{
    select(slot, at);
    out16(PORT_PCI_DATA + (at & 2), value);
}

uint32_t pci_find(uint16_t vendor, uint16_t device, unsigned n)
{
    for (uint32_t slot = 0; slot < 32; slot++)
        if (pci_read(slot, PCI_VENDOR) == ((uint32_t)device << 16 | vendor) && n-- == 0)
            return slot;
    return PCI_NOWHERE;
}

uint64_t pci_bar(uint32_t slot, unsigned bar)
{
    uint32_t low = pci_read(slot, PCI_BAR(bar));
    uint64_t high = low & PCI_BAR_64 ? pci_read(slot, PCI_BAR(bar + 1)) : 0;
    return high << 32 | (low & ~15u);
}

bool pci_present(void)
{
    select(0, 0);
    return in32(PORT_PCI_ADDRESS) == PCI_ADDRESS(0u, 0u, 0u, 0u);
}

uint64_t pci_bar_bytes(uint32_t slot, unsigned bar)
{
    uint16_t command = pci_read16(slot, PCI_COMMAND);
    uint32_t low = pci_read(slot, PCI_BAR(bar)), mask;

    if (low & PCI_BAR_IO)
        return 0;
    pci_write16(slot, PCI_COMMAND, command & ~(PCI_COMMAND_MEMORY | PCI_COMMAND_IO));
    pci_write(slot, PCI_BAR(bar), ~0u);
    mask = pci_read(slot, PCI_BAR(bar)) & ~15u;
    pci_write(slot, PCI_BAR(bar), low);
    pci_write16(slot, PCI_COMMAND, command);
    return mask & -mask;
}

uint32_t pci_capability(uint32_t slot, uint8_t id, uint32_t before)
{
    uint32_t at = before ? pci_read16(slot, before) >> 8 : pci_read16(slot, PCI_CAPABILITIES) & 0xff;
    if (!(pci_read16(slot, PCI_STATUS) & PCI_STATUS_CAPABILITIES))
        return 0;
    for (unsigned most = 48; at && most; most--) { /* a list that goes round is none */
        uint16_t head = pci_read16(slot, at);
        if ((head & 0xff) == id)
            return at;
        at = head >> 8;
    }
    return 0;
}

void pci_enable(uint32_t slot)
{
    uint16_t command = pci_read16(slot, PCI_COMMAND);
    pci_write16(slot, PCI_COMMAND, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* The address of a message that is an interrupt of the local APIC of that ID. */
static uint64_t message_to(uint8_t apic_id)
{
    return MSI_ADDRESS | (uint32_t)apic_id << MSI_DESTINATION_SHIFT;
}

bool pci_set_msi(uint32_t slot, uint64_t address, uint16_t value)
{
    uint32_t at = pci_capability(slot, PCI_CAP_MSI, 0);
    if (!at)
        return false;
    uint16_t control = pci_read16(slot, at + PCI_MSI_CONTROL);
    uint32_t data = control & PCI_MSI_64 ? PCI_MSI_DATA : PCI_MSI_ADDRESS + 4;
    pci_write(slot, at + PCI_MSI_ADDRESS, (uint32_t)address);
    if (control & PCI_MSI_64)
        pci_write(slot, at + PCI_MSI_ADDRESS + 4, (uint32_t)(address >> 32));
    pci_write16(slot, at + data, value);
    pci_write16(slot, at + PCI_MSI_CONTROL, control | PCI_MSI_ENABLE);
    return true;
}

bool pci_enable_msi(uint32_t slot, uint8_t vector, uint8_t apic_id)
{
    return pci_set_msi(slot, message_to(apic_id), vector);
}

bool pci_set_msix(uint32_t slot, unsigned entry, uint64_t address, uint32_t data)
{
    uint32_t at = pci_capability(slot, PCI_CAP_MSIX, 0);
    if (!at || entry > (pci_read16(slot, at + PCI_MSIX_CONTROL) & PCI_MSIX_SIZE))
        return false;
    uint32_t table = pci_read(slot, at + PCI_MSIX_TABLE);
    uint64_t at_entry = pci_bar(slot, table & 7) + (table & ~7u) + 16u * entry;
    volatile uint32_t *it = (volatile uint32_t *)bus_seen(at_entry);
    pci_write16(slot, at + PCI_MSIX_CONTROL, pci_read16(slot, at + PCI_MSIX_CONTROL) | PCI_MSIX_ENABLE);
    it[0] = (uint32_t)address;
    it[1] = (uint32_t)(address >> 32);
    it[2] = data;
    it[3] = 0; /* not masked */
    return true;
}

bool pci_enable_msix(uint32_t slot, unsigned entry, uint8_t vector, uint8_t apic_id)
{
    return pci_set_msix(slot, entry, message_to(apic_id), vector);
}
