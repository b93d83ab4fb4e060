#include "physical.h"

#include "arch/e1000.h"
#include "arch/edu.h"
#include "arch/virtio.h"
#include "guests/lib/pci.h"
#include "guests/lib/virtio.h"
#include "iommu.h"
#include "iommu_fault.h"
#include "print.h"

#define FUNCTIONS 31 /* slot 0 has the host bridge */

static struct physical function[FUNCTIONS];
static unsigned count;

static const struct {
    uint16_t vendor, device;
    const char *name, *key;
} kinds[] = {
    [PHYSICAL_NIC] = {E1000_VENDOR, E1000_DEVICE, "E1000", "nic"},
    [PHYSICAL_DISK] = {VIRTIO_VENDOR, VIRTIO_DEVICE(VIRTIO_ID_BLOCK), "virtio disk", "disk"},
    [PHYSICAL_EDU] = {EDU_VENDOR, EDU_DEVICE, "edu device", "edu"},
};

/* ---- what there is ---- */

/* As long as the lowest bit that can be written says; decoding is off meanwhile. */
static uint32_t bar_bytes(uint32_t slot, unsigned bar)
{
    uint32_t before = pci_read(slot, PCI_BAR(bar)), mask;

    if (before & PCI_BAR_IO)
        return 0;
    pci_write(slot, PCI_BAR(bar), 0xffffffff);
    mask = pci_read(slot, PCI_BAR(bar)) & ~15u;
    pci_write(slot, PCI_BAR(bar), before);
    return ~mask + 1;
}

static void find_bars(struct physical *p)
{
    uint16_t command = pci_read16(p->slot, PCI_COMMAND);

    pci_write16(p->slot, PCI_COMMAND, 0);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        p->bar[i].bytes = bar_bytes(p->slot, i);
        p->bar[i].address = p->bar[i].bytes ? pci_read(p->slot, PCI_BAR(i)) & ~15u : 0;
    }
    pci_write16(p->slot, PCI_COMMAND, command);
}

static void find_messages(struct physical *p)
{
    uint32_t at = pci_capability(p->slot, PCI_CAP_MSIX, 0);
    uint32_t vectors = at ? (pci_read16(p->slot, at + PCI_MSIX_CONTROL) & PCI_MSIX_SIZE) + 1u : 0;

    p->msix_vectors = (uint8_t)(vectors < PHYSICAL_INTERRUPTS ? vectors : PHYSICAL_INTERRUPTS);
    p->msix_bar = at ? pci_read(p->slot, at + PCI_MSIX_TABLE) & 7 : 0;
}

static void note(uint32_t slot, enum physical_kind kind)
{
    struct physical *p = &function[count++];

    *p = (struct physical){.kind = kind, .slot = (uint8_t)slot};
    find_messages(p);
    find_bars(p);
}

/* The others, network cards of virtio among them, are nobody's.  To look takes thousands of cycles, which
 * nobody pays for who needs none. */
static void find_all(void)
{
    static bool found;

    if (found)
        return;
    found = true;
    for (uint32_t slot = 1; slot <= FUNCTIONS; slot++) {
        uint32_t id = pci_read(slot, PCI_VENDOR);

        for (unsigned k = 0; k < PHYSICAL_KINDS; k++)
            if (id == ((uint32_t)kinds[k].device << 16 | kinds[k].vendor))
                note(slot, (enum physical_kind)k);
    }
}

struct physical *physical_at(unsigned i)
{
    find_all();
    return i < count ? &function[i] : NULL;
}

/* ---- who has it ---- */

static struct physical *in_slot(unsigned slot)
{
    for (unsigned i = 0; i < count; i++)
        if (function[i].slot == slot)
            return &function[i];
    return NULL;
}

static struct physical *first_free(enum physical_kind kind)
{
    for (unsigned i = 0; i < count; i++)
        if (function[i].kind == kind && !function[i].owner)
            return &function[i];
    return NULL;
}

const char *physical_kind_name(enum physical_kind kind)
{
    return kinds[kind].key;
}

const char *physical_name(const struct physical *p)
{
    return kinds[p->kind].name;
}

static void say_why(enum physical_kind kind, unsigned slot, const struct physical *there, char *why,
                    size_t size)
{
    if (slot == 0)
        format_text(why, size, "the machine has no %s that nobody has", kinds[kind].name);
    else if (!there || there->kind != kind)
        format_text(why, size, "there is no %s in slot %u of the machine", kinds[kind].name, slot);
    else
        format_text(why, size, "the %s in slot %u is %s's already", kinds[kind].name, slot, there->owner);
}

struct physical *physical_reserve(enum physical_kind kind, unsigned slot, const char *owner, char *why,
                                  size_t size)
{
    struct physical *p;

    find_all();
    p = slot ? in_slot(slot) : first_free(kind);
    if (!p || p->kind != kind || p->owner) {
        say_why(kind, slot, p, why, size);
        return NULL;
    }
    p->owner = owner;
    p->faults = 0;
    return p;
}

struct physical *physical_take(enum physical_kind kind, unsigned slot, const char *owner, char *why,
                               size_t size)
{
    struct physical *p = physical_reserve(kind, slot, owner, why, size);
    char none[1]; /* without an IOMMU it reaches everything as it is */

    if (p && iommu_begin(none, sizeof none))
        iommu_pass(p);
    return p;
}

void physical_give(struct physical *p)
{
    physical_silence(p);
    iommu_block(p);
    iommu_unroute(p);
    p->owner = NULL;
}

/* ---- interrupts ---- */

static void disable(const struct physical *p, uint8_t capability, uint32_t control, uint16_t bit)
{
    uint32_t at = pci_capability(p->slot, capability, 0);

    if (at)
        pci_write16(p->slot, at + control, pci_read16(p->slot, at + control) & (uint16_t)~bit);
}

void physical_no_interrupts(const struct physical *p)
{
    disable(p, PCI_CAP_MSI, PCI_MSI_CONTROL, PCI_MSI_ENABLE);
    disable(p, PCI_CAP_MSIX, PCI_MSIX_CONTROL, PCI_MSIX_ENABLE);
}

void physical_set_master(const struct physical *p, bool master)
{
    bool may = master && p->faults < IOMMU_FAULTS_MAX;

    pci_write16(p->slot, PCI_COMMAND,
                PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE | (may ? PCI_COMMAND_MASTER : 0));
}

void physical_silence(const struct physical *p)
{
    physical_set_master(p, false);
    physical_no_interrupts(p);
}

/* ---- reset ---- */

static void reset_nic(const struct physical *p)
{
    *(volatile uint32_t *)(uint64_t)(p->bar[0].address + E1000_CTRL) = E1000_CTRL_RST;
}

/* It is over when the status reads as 0 (VIRTIO 1.1, 4.1.4.3.1). */
static void reset_disk(const struct physical *p)
{
    struct virtio v;

    if (virtio_at(&v, p->slot))
        virtio_reset(&v);
}

/* It has no reset: a transfer that is under way ends by itself, without bus mastering at nothing. */
static void reset_edu(const struct physical *p)
{
    const uint64_t bar = p->bar[0].address;

    while (*(volatile uint32_t *)(bar + EDU_DMA_COMMAND) & EDU_DMA_START)
        __asm__ volatile("pause");
    *(volatile uint32_t *)(bar + EDU_STATUS) = 0;
    *(volatile uint32_t *)(bar + EDU_IRQ_ACK) = ~0u;
    *(volatile uint64_t *)(bar + EDU_DMA_SOURCE) = 0;
    *(volatile uint64_t *)(bar + EDU_DMA_DEST) = 0;
    *(volatile uint64_t *)(bar + EDU_DMA_COUNT) = 0;
}

void physical_reset(const struct physical *p)
{
    static void (*const reset[])(const struct physical *p) = {
        [PHYSICAL_NIC] = reset_nic, [PHYSICAL_DISK] = reset_disk, [PHYSICAL_EDU] = reset_edu};

    reset[p->kind](p);
}

static bool has_interrupt(const struct physical *p, unsigned entry)
{
    return entry < (p->msix_vectors ? p->msix_vectors : 1u);
}

static bool set_message(const struct physical *p, unsigned entry, uint64_t address, uint16_t data)
{
    return p->msix_vectors ? pci_set_msix(p->slot, entry, address, data)
                           : pci_set_msi(p->slot, address, data);
}

bool physical_interrupt(struct physical *p, unsigned entry, uint8_t vector, uint8_t apic_id)
{
    uint64_t address = MSI_ADDRESS | (uint32_t)apic_id << MSI_DESTINATION_SHIFT;
    bool remapped;

    if (!has_interrupt(p, entry))
        return false;
    remapped = iommu_route(p, entry, vector, apic_id, &address);
    return set_message(p, entry, address, remapped ? 0 : vector);
}

bool physical_post(struct physical *p, unsigned entry, uint8_t vector, uint64_t descriptor)
{
    uint64_t address;

    return has_interrupt(p, entry) && iommu_post(p, entry, vector, descriptor, &address) &&
           set_message(p, entry, address, 0);
}
