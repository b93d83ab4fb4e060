/* invalidate.c - dropping what is cached: by registers, and by descriptors of a queue (VT-d
 * specification, 6.5 "Invalidation of Translation Caches").  Each is an atom (D9). */
#include "cpu/cpu.h"
#include "dev/device.h"
#include "iommu/parts.h"

/* ---- context cache ---- */

struct context_command {
    u64 granularity, domain, source, function_mask;
};

/* FM: how many bits of the function number do not count, from the highest on. */
static u64 source_mask(u64 function_mask)
{
    static const u64 bits[] = {0, 4, 6, 7};
    return 0xffff & ~bits[function_mask];
}

static u64 domain_of(const struct iommu_entry *context)
{
    return context->high >> IOMMU_CONTEXT_DID_SHIFT & 0xffff;
}

static bool context_is_doomed(const struct iommu_entry *e, const void *what)
{
    const struct context_command *c = what;
    if (c->granularity == IOMMU_GLOBAL)
        return true;
    bool source = ((e->tag - 1) ^ c->source) & source_mask(c->function_mask);
    return domain_of(e) == c->domain && (c->granularity == IOMMU_DOMAIN || !source);
}

/* ---- IOTLB and the paging-structure caches ---- */

struct iotlb_command {
    u64 granularity, domain, address, mask;
    bool leaves_only;
};

/* All of an entry that reaches into the pages named goes. */
static bool translation_is_doomed(const struct iommu_entry *e, const void *what)
{
    const struct iotlb_command *c = what;
    unsigned shift = reach_shift(iommu_reach(e));
    u64 first = c->address >> 12 & ~((UINT64_C(1) << c->mask) - 1),
        last = first + (UINT64_C(1) << c->mask) - 1;
    u64 begin = (e->tag - 1) << (shift - 12), end = begin + (UINT64_C(1) << (shift - 12)) - 1;
    if (c->granularity == IOMMU_GLOBAL)
        return true;
    if ((e->space & IOMMU_SPACE_DOMAIN) != c->domain)
        return false;
    return c->granularity == IOMMU_DOMAIN || (begin <= last && first <= end);
}

/* False: a granularity or a mask that there is not. */
static bool invalidate_iotlb(struct machine *m, const struct iotlb_command *c)
{
    if (!c->granularity || (c->granularity == IOMMU_PAGE && c->mask > IOMMU_MAMV_BITS))
        return false;
    iommu_cache_drop(m, UNIT_IOTLB, translation_is_doomed, c);
    for (enum iommu_unit unit = UNIT_TABLE_4; unit <= UNIT_TABLE_2; unit++)
        if (c->granularity != IOMMU_PAGE || !c->leaves_only)
            iommu_cache_drop(m, unit, translation_is_doomed, c);
    return true;
}

static bool invalidate_contexts(struct machine *m, const struct context_command *c)
{
    if (!c->granularity)
        return false;
    iommu_cache_drop(m, UNIT_CONTEXT, context_is_doomed, c);
    return true;
}

/* ---- registers ---- */

static void by_ccmd(struct machine *m)
{
    u64 *reg = &m->b.iommu.ccmd;
    struct context_command c = {
        .granularity = *reg >> IOMMU_CCMD_CIRG_SHIFT & 3,
        .domain = *reg & 0xffff,
        .source = *reg >> IOMMU_CCMD_SID_SHIFT & 0xffff,
        .function_mask = *reg >> IOMMU_CCMD_FM_SHIFT & 3,
    };
    u64 done = invalidate_contexts(m, &c) ? c.granularity : 0;
    *reg = (*reg & ~(IOMMU_CCMD_ICC | UINT64_C(3) << IOMMU_CCMD_CAIG_SHIFT)) | done << IOMMU_CCMD_CAIG_SHIFT;
}

static void by_iotlb_register(struct machine *m)
{
    struct iommu *u = &m->b.iommu;
    struct iotlb_command c = {
        .granularity = u->iotlb >> IOMMU_IOTLB_IIRG_SHIFT & 3,
        .domain = u->iotlb >> IOMMU_IOTLB_DID_SHIFT & 0xffff,
        .address = u->iva,
        .mask = u->iva & IOMMU_IVA_AM,
        .leaves_only = u->iva & IOMMU_IVA_IH,
    };
    u64 done = invalidate_iotlb(m, &c) ? c.granularity : 0;
    u->iotlb = (u->iotlb & ~(IOMMU_IOTLB_IVT | UINT64_C(3) << IOMMU_IOTLB_IAIG_SHIFT)) |
               done << IOMMU_IOTLB_IAIG_SHIFT;
}

/* ---- descriptors (6.5.2) ---- */

static bool context_descriptor(struct machine *m, const u64 *d)
{
    struct context_command c = {
        .granularity = d[0] >> IOMMU_INV_G_SHIFT & 3,
        .domain = d[0] >> IOMMU_INV_DID_SHIFT & 0xffff,
        .source = d[0] >> IOMMU_INV_SID_SHIFT & 0xffff,
        .function_mask = d[0] >> IOMMU_INV_FM_SHIFT & 3,
    };
    return !(d[0] & UINT64_C(0xfffc00000000ffc0)) && !d[1] && invalidate_contexts(m, &c);
}

static bool iotlb_descriptor(struct machine *m, const u64 *d)
{
    struct iotlb_command c = {
        .granularity = d[0] >> IOMMU_INV_G_SHIFT & 3,
        .domain = d[0] >> IOMMU_INV_DID_SHIFT & 0xffff,
        .address = d[1],
        .mask = d[1] & IOMMU_IVA_AM,
        .leaves_only = d[1] & IOMMU_IVA_IH,
    };
    return !(d[0] & UINT64_C(0xffffffff0000ff00)) && !(d[1] & 0xf80) && invalidate_iotlb(m, &c);
}

struct index_range {
    u64 first, mask; /* 2^mask entries, at a multiple of that */
};

static bool interrupt_is_doomed(const struct iommu_entry *e, const void *what)
{
    const struct index_range *r = what;
    return !r || (e->tag - 1) >> r->mask == r->first >> r->mask;
}

static bool interrupt_descriptor(struct machine *m, const u64 *d)
{
    bool selective = d[0] & IOMMU_INV_IEC_SELECTIVE;
    struct index_range range = {d[0] >> IOMMU_INV_IEC_INDEX_SHIFT & 0xffff,
                                d[0] >> IOMMU_INV_IEC_IM_SHIFT & 0x1f};
    if (d[0] & UINT64_C(0xffff000007ffffe0) || d[1] || (selective && range.mask > IOMMU_MHMV_BITS))
        return false;
    iommu_cache_drop(m, UNIT_INTERRUPT, interrupt_is_doomed, selective ? &range : NULL);
    return true;
}

/* What came before is done: descriptors are executed one after another. */
static bool wait_descriptor(struct machine *m, const u64 *d)
{
    if (d[0] & UINT64_C(0xffffff80) || d[1] & 3)
        return false;
    if (d[0] & IOMMU_INV_WAIT_SW)
        iommu_store(m, d[1], 4, d[0] >> IOMMU_INV_WAIT_DATA_SHIFT);
    if (d[0] & IOMMU_INV_WAIT_IF)
        iommu_wait_complete(m);
    return true;
}

/* False: there is no such descriptor, or a reserved field is set. */
static bool execute(struct machine *m, const u64 *d)
{
    switch (d[0] & IOMMU_INV_TYPE) {
    case IOMMU_INV_CONTEXT: return context_descriptor(m, d);
    case IOMMU_INV_IOTLB: return iotlb_descriptor(m, d);
    case IOMMU_INV_IEC: return interrupt_descriptor(m, d);
    case IOMMU_INV_WAIT: return wait_descriptor(m, d);
    default: return false;
    }
}

static u64 queue_bytes(const struct iommu *u)
{
    return UINT64_C(4096) << (u->iqa & IOMMU_IQA_QS);
}

/* The head stays at a descriptor that is refused. */
static void by_queue(struct machine *m)
{
    struct iommu *u = &m->b.iommu;
    u64 d[2], cycles, size = queue_bytes(u);
    bool inside = u->iqt < size && u->iqh < size;
    bool read =
        inside && iommu_fetch(m, (u->iqa & ~UINT64_C(0xfff)) + (u->iqh & IOMMU_IQ_OFFSET), 2, d, &cycles);
    if (!read || !execute(m, d)) {
        iommu_queue_error(m);
        return;
    }
    u->iqh = (u->iqh + 16) % size;
}

/* ---- one at a time ---- */

static bool queue_waits(const struct iommu *u)
{
    return u->gsts & IOMMU_QIE && u->iqh != u->iqt && !(u->fsts & IOMMU_FSTS_IQE);
}

bool iommu_invalidation_waits(const struct machine *m)
{
    const struct iommu *u = &m->b.iommu;
    return u->ccmd & IOMMU_CCMD_ICC || u->iotlb & IOMMU_IOTLB_IVT || queue_waits(u);
}

void iommu_invalidate(struct machine *m)
{
    struct iommu *u = &m->b.iommu;
    m->b.iommu_count.invalidations++;
    if (u->ccmd & IOMMU_CCMD_ICC)
        by_ccmd(m);
    else if (u->iotlb & IOMMU_IOTLB_IVT)
        by_iotlb_register(m);
    else
        by_queue(m);
    device_wait(m, m->p.iommu_invalidate_cycles);
    device_micro(m, MICRO_DEVICE);
}
