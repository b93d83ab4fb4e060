#include "lib/iommu.h"

#define QUEUE 256

static _Alignas(4096) uint64_t queue[2 * QUEUE];
static uint64_t tail;

bool iommu_present(void)
{
    return iommu_read32(IOMMU_VER) != 0xffffffff;
}

uint32_t iommu_read32(uint32_t at)
{
    return *(volatile uint32_t *)(uintptr_t)(IOMMU_BASE + at);
}

uint64_t iommu_read64(uint32_t at)
{
    return *(volatile uint64_t *)(uintptr_t)(IOMMU_BASE + at);
}

void iommu_write32(uint32_t at, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(IOMMU_BASE + at) = value;
}

void iommu_write64(uint32_t at, uint64_t value)
{
    *(volatile uint64_t *)(uintptr_t)(IOMMU_BASE + at) = value;
}

void iommu_command(uint32_t bit)
{
    const uint32_t lasting = IOMMU_TE | IOMMU_QIE | IOMMU_IRE | IOMMU_CFI;

    iommu_write32(IOMMU_GCMD, (iommu_read32(IOMMU_GSTS) & lasting) | bit);
    while (!(iommu_read32(IOMMU_GSTS) & bit))
        continue;
}

uint32_t iommu_record(uint32_t i)
{
    return (uint32_t)(iommu_read64(IOMMU_CAP) >> 24 & 0x3ff) * 16 + 16 * i;
}

uint32_t iommu_records(void)
{
    return (uint32_t)(iommu_read64(IOMMU_CAP) >> 40 & 0xff) + 1;
}

/* ---- tables, and invalidation by registers ---- */

/* Of IVA. */
static uint32_t iva(void)
{
    return (uint32_t)(iommu_read64(IOMMU_ECAP) >> 8 & 0x3ff) * 16;
}

void iommu_set_context(uint64_t entry[2], uint64_t type, uint32_t domain, const uint64_t *level4,
                       const uint64_t *level3)
{
    uint64_t wide = iommu_read64(IOMMU_CAP) & IOMMU_CAP_SAGAW_48, tables = (uint64_t)(wide ? level4 : level3);

    entry[1] = (wide ? IOMMU_CONTEXT_AW_48 : IOMMU_CONTEXT_AW_39) | (uint64_t)domain
                                                                        << IOMMU_CONTEXT_DID_SHIFT;
    entry[0] = (type == IOMMU_CONTEXT_PASS ? 0 : tables) | type | IOMMU_ENTRY_P;
}

void iommu_invalidate_contexts(void)
{
    iommu_write64(IOMMU_CCMD, IOMMU_CCMD_ICC | (uint64_t)IOMMU_GLOBAL << IOMMU_CCMD_CIRG_SHIFT);
    while (iommu_read64(IOMMU_CCMD) & IOMMU_CCMD_ICC)
        continue;
}

void iommu_invalidate_domain(uint32_t domain)
{
    iommu_write64(iva() + 8, IOMMU_IOTLB_IVT | (uint64_t)IOMMU_DOMAIN << IOMMU_IOTLB_IIRG_SHIFT |
                                 (uint64_t)domain << IOMMU_IOTLB_DID_SHIFT);
    while (iommu_read64(iva() + 8) & IOMMU_IOTLB_IVT)
        continue;
}

void iommu_translate(const uint64_t *root)
{
    iommu_write64(IOMMU_RTADDR, (uint64_t)root);
    iommu_command(IOMMU_SRTP);
    iommu_invalidate_contexts();
    iommu_write64(iva() + 8, IOMMU_IOTLB_IVT | (uint64_t)IOMMU_GLOBAL << IOMMU_IOTLB_IIRG_SHIFT);
    while (iommu_read64(iva() + 8) & IOMMU_IOTLB_IVT)
        continue;
    iommu_command(IOMMU_TE);
}

/* ---- the queue ---- */

void iommu_queue_on(void)
{
    iommu_write64(IOMMU_IQT, 0);
    iommu_write64(IOMMU_IQA, (uint64_t)queue);
    iommu_command(IOMMU_QIE);
}

void iommu_submit(uint64_t low, uint64_t high)
{
    queue[2 * tail] = low;
    queue[2 * tail + 1] = high;
    tail = (tail + 1) % QUEUE;
}

void iommu_finish(void)
{
    static volatile uint32_t done;

    done = 0;
    iommu_submit(IOMMU_INV_WAIT | IOMMU_INV_WAIT_SW | 1ull << IOMMU_INV_WAIT_DATA_SHIFT, (uint64_t)&done);
    __atomic_signal_fence(__ATOMIC_RELEASE);
    iommu_write64(IOMMU_IQT, tail * 16);
    while (!done)
        continue;
}

void iommu_forget_contexts(void)
{
    iommu_submit(IOMMU_INV_CONTEXT | (uint64_t)IOMMU_GLOBAL << IOMMU_INV_G_SHIFT, 0);
}

void iommu_forget_translations(void)
{
    iommu_submit(IOMMU_INV_IOTLB | (uint64_t)IOMMU_GLOBAL << IOMMU_INV_G_SHIFT, 0);
}

void iommu_forget_domain(uint64_t domain)
{
    iommu_submit(
        IOMMU_INV_IOTLB | (uint64_t)IOMMU_DOMAIN << IOMMU_INV_G_SHIFT | domain << IOMMU_INV_DID_SHIFT, 0);
}

void iommu_forget_page(uint64_t domain, uint64_t address)
{
    iommu_submit(IOMMU_INV_IOTLB | (uint64_t)IOMMU_PAGE << IOMMU_INV_G_SHIFT | domain << IOMMU_INV_DID_SHIFT,
                 (address & IOMMU_IVA_ADDR) | IOMMU_IVA_IH);
}
