/* segment.c - descriptors in memory and segment registers. */
#include "cpu/segment.h"

#include "cpu/cpu.h"

u64 segment_load_system(struct core *c, u64 gva, unsigned n)
{
    cpu_check_canonical(c, gva, false);
    cpu_check_canonical(c, gva + n - 1, false);
    return mmu_load(c, gva, n, MMU_READ | MMU_IMPLICIT);
}

void segment_load_words(struct core *c, u64 gva, unsigned words, u64 *value)
{
    if (likely(mmu_load_words(c, gva, words, MMU_READ | MMU_IMPLICIT, value)))
        return;
    for (unsigned i = 0; i < words; i++)
        value[i] = segment_load_system(c, gva + 8 * i, 8);
}

static bool table_of(const struct core *c, u16 selector, u64 *base, u64 *limit)
{
    const struct segment *ldt = &c->s.seg[SEG_LDTR];

    if (!(selector & SELECTOR_TI)) {
        *base = c->s.gdtr_base;
        *limit = c->s.gdtr_limit;
        return true;
    }
    *base = ldt->base;
    *limit = ldt->limit;
    return !(ldt->attr & SEG_UNUSABLE);
}

INLINED bool read_words(struct core *c, u16 selector, unsigned words, struct descriptor *d)
{
    u64 base, limit, offset = selector & 0xfff8u, half[2] = {0, 0};

    if (!table_of(c, selector, &base, &limit) || offset + 8 * words - 1 > limit)
        return false;
    d->gva = base + offset;
    segment_load_words(c, d->gva, words, half);
    d->low = half[0];
    d->high = half[1];
    return true;
}

bool segment_read(struct core *c, u16 selector, unsigned bytes, struct descriptor *d)
{
    return bytes == 8 ? read_words(c, selector, 1, d) : read_words(c, selector, 2, d);
}

void segment_read_or_gp(struct core *c, u16 selector, unsigned bytes, struct descriptor *d)
{
    if (!segment_read(c, selector, bytes, d))
        cpu_fault(c, VEC_GP, selector & 0xfffcu);
}

void segment_mark_check(struct core *c, const struct descriptor *d, u64 bits, struct descriptor_mark *mark)
{
    mark->due = (d->low & bits) != bits;
    if (!mark->due)
        return;
    mark->value = mmu_load_for_write(c, d->gva, 8, MMU_WRITE | MMU_IMPLICIT, &mark->latch) | bits;
}

void segment_mark_commit(struct core *c, const struct descriptor_mark *mark)
{
    if (mark->due)
        mmu_store_commit(c, &mark->latch, mark->value);
}

void segment_set(struct segment *seg, u16 selector, u64 low)
{
    seg->selector = selector;
    seg->base = desc_base(low);
    seg->limit = desc_limit(low);
    seg->attr = desc_attr(low) | (desc_attr(low) & SEG_S ? SEG_ACCESSED : 0);
}

void segment_set_null(struct segment *seg, u16 selector, unsigned dpl)
{
    seg->selector = selector;
    seg->base = 0;
    seg->limit = 0;
    seg->attr = SEG_UNUSABLE | (u64)dpl << SEG_DPL_SHIFT;
}

u64 segment_tss_stack(struct core *c, unsigned offset)
{
    const struct segment *tr = &c->s.seg[SEG_TR];

    if (offset + 7u > tr->limit)
        cpu_fault(c, VEC_TS, tr->selector & 0xfffcu);
    u64 rsp = segment_load_system(c, tr->base + offset, 8);
    cpu_check_canonical(c, rsp, true);
    return rsp;
}
