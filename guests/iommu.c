/* iommu - puts the edu device into a domain of its own and shows what the IOMMU makes of its DMA: allowed,
 * refused with a fault record, stale until the invalidation, passed through.  QEMU has both.
 *
 * Marks: 1 and 2 around each transfer: RDI is its number, from 1. */
#include "lib/guest.h"

#include "arch/edu.h"
#include "lib/iommu.h"
#include "lib/mark.h"
#include "lib/pci.h"
#include "lib/print.h"

#define BYTES   256
#define DOMAIN  5
#define IOVA    0x5000000u /* of `there`; the pages behind it are `back`, read-only, and nothing */
#define ALIGNED __attribute__((aligned(4096)))

static ALIGNED uint64_t root[512], context[512], level4[512], level3[512], level2[512], level1[512];
static ALIGNED uint8_t there[4096], back[4096];
static uint64_t bar;
static uint32_t slot, transfers;

/* ---- faults ---- */

/* Each once: a device that goes on has many of the same, which hardware may merge or have no room for. */
static void show_faults(void)
{
    uint32_t records = (uint32_t)(iommu_read64(IOMMU_CAP) >> 40 & 0xff) + 1;
    uint64_t last = 0;

    for (uint32_t i = 0; i < records; i++) {
        uint64_t high = iommu_read64(iommu_record(i) + 8);
        if (high & IOMMU_FRCD_F && high != last)
            print("  fault: reason %02x, %s, device %s, page %lx\n",
                  (uint32_t)(high >> IOMMU_FRCD_FR_SHIFT & 0xff), high & IOMMU_FRCD_READ ? "read" : "write",
                  (high & IOMMU_FRCD_SID) == slot << 3 ? "edu" : "unknown",
                  (unsigned long)(iommu_read64(iommu_record(i)) & IOMMU_FRCD_FI));
        last = high;
        iommu_write64(iommu_record(i) + 8, IOMMU_FRCD_F);
    }
    iommu_write32(IOMMU_FSTS, IOMMU_FSTS_PFO);
}

/* ---- tables ---- */

static void map(uint32_t page, const void *to, uint64_t rights)
{
    level1[((IOVA >> 12) + page) % 512] = (uint64_t)to | rights;
}

static void fill_tables(void)
{
    const uint64_t both = IOMMU_SL_R | IOMMU_SL_W;

    root[0] = (uint64_t)context | IOMMU_ENTRY_P;
    level4[0] = (uint64_t)level3 | both;
    level3[0] = (uint64_t)level2 | both;
    level2[IOVA >> 21] = (uint64_t)level1 | both;
    map(0, there, both);
    map(1, back, both);
    map(2, back, IOMMU_SL_R);
}

static void set_context(uint64_t type)
{
    iommu_set_context(&context[2 * (slot << 3)], type, DOMAIN, level4, level3);
}

/* ---- the device ---- */

static void transfer(uint64_t source, uint64_t destination, uint32_t to_ram)
{
    mark(1, ++transfers, to_ram);
    *(volatile uint64_t *)(bar + EDU_DMA_SOURCE) = source;
    *(volatile uint64_t *)(bar + EDU_DMA_DEST) = destination;
    *(volatile uint64_t *)(bar + EDU_DMA_COUNT) = BYTES;
    *(volatile uint32_t *)(bar + EDU_DMA_COMMAND) = EDU_DMA_START | to_ram;
    while (*(volatile uint32_t *)(bar + EDU_DMA_COMMAND) & EDU_DMA_START)
        continue;
    mark(2, transfers, to_ram);
}

/* `there`, with a new pattern, goes to the device, and from it to that address, where `back` may be. */
static void send(const char *what, uint64_t from, uint64_t to)
{
    uint32_t arrived = 0;

    for (uint32_t i = 0; i < BYTES; i++) {
        there[i] = (uint8_t)(i * 7 + transfers + 1);
        back[i] = (uint8_t)~there[i];
    }
    transfer(from, EDU_DMA_BUFFER, 0);
    transfer(EDU_DMA_BUFFER, to, EDU_DMA_TO_RAM);
    for (uint32_t i = 0; i < BYTES; i++)
        arrived += ((volatile uint8_t *)back)[i] == there[i];
    print("%s: %u of %u bytes\n", what, arrived, BYTES);
    show_faults();
}

uint32_t guest_main(const char *args)
{
    (void)args;
    slot = pci_find(EDU_VENDOR, EDU_DEVICE, 0);
    if (slot == PCI_NOWHERE || !iommu_present()) {
        print(slot == PCI_NOWHERE ? "there is no edu device\n" : "there is no IOMMU\n");
        return 1;
    }
    pci_enable(slot);
    bar = pci_bar(slot, 0);
    send("translation off", (uint64_t)there, (uint64_t)back);

    fill_tables();
    set_context(IOMMU_CONTEXT_TABLES);
    iommu_translate(root);
    send("in the domain", IOVA, IOVA + 4096);
    send("to a read-only page", IOVA, IOVA + 2 * 4096);
    send("to a page that is not mapped", IOVA, IOVA + 3 * 4096);
    send("to an address of the machine", IOVA, (uint64_t)back);

    map(1, back, 0);
    send("unmapped, not invalidated", IOVA, IOVA + 4096);
    iommu_invalidate_domain(DOMAIN);
    send("invalidated", IOVA, IOVA + 4096);

    set_context(IOMMU_CONTEXT_PASS);
    iommu_invalidate_contexts();
    iommu_invalidate_domain(DOMAIN);
    send("passed through", (uint64_t)there, (uint64_t)back);
    context[2 * (slot << 3)] = 0;
    iommu_invalidate_contexts();
    send("no context entry", (uint64_t)there, (uint64_t)back);
    return 0;
}
