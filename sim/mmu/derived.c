/* derived.c - geometry and short cuts of the memory side: all of it may be dropped between two atoms. */
#include "mmu/derived.h"

#include <stdlib.h>
#include <string.h>

#include "mmu/mmu.h"

struct fast_tlb *derived_make(struct core *c)
{
    struct fast_tlb *f = calloc(1, sizeof *f);
    if (!f)
        abort(); /* the host is out of memory: nothing that the machine could answer */
    for (enum tlb_unit unit = 0; unit < TLB_UNITS; unit++)
        f->tlb[unit] = tlb_geometry(c, unit);
    for (enum cache_unit unit = 0; unit < CACHES; unit++)
        f->cache[unit] = cache_geometry(c, unit);
    f->era = 1;
    return c->rt.fast = f;
}

void derived_drop_shortcuts(struct core *c)
{
    if (c->rt.fast)
        c->rt.fast->era++;
}

static u32 slot_of(const struct core *c, const struct tlb_entry *e)
{
    if (e >= c->s.dtlb && e < c->s.dtlb + L1_TLB_ENTRIES)
        return L1_TLB_ENTRIES + (u32)(e - c->s.dtlb);
    return (u32)(e - c->s.itlb);
}

static bool in_l1(const struct core *c, const struct tlb_entry *e)
{
    return (e >= c->s.itlb && e < c->s.itlb + L1_TLB_ENTRIES) ||
           (e >= c->s.dtlb && e < c->s.dtlb + L1_TLB_ENTRIES);
}

void derived_entry_changed(struct core *c, const struct tlb_entry *e)
{
    if (c->rt.fast && in_l1(c, e))
        c->rt.fast->changes[slot_of(c, e)]++;
}

static struct translation_registers registers_now(const struct core *c)
{
    const struct core_state *s = &c->s;
    return (struct translation_registers){
        .cr0 = s->cr0,
        .cr3 = s->cr3,
        .cr4 = s->cr4,
        .ac = s->rflags & FLAG_AC,
        .guest = s->vmx_guest,
        .proc2 = s->vmx.proc2,
        .eptp = s->vmx.eptp,
        .vpid = s->vmx.vpid,
    };
}

void shortcut_make(struct core *c, enum shortcut_kind kind, bool user, u64 gva, struct tlb_entry *e)
{
    struct fast_tlb *f = derived_of(c);
    if (!same_registers(c, &f->registers)) {
        f->registers = registers_now(c);
        f->era++;
    }
    u32 slot = slot_of(c, e);
    f->shortcut[kind][user][gva >> 12 & (SHORTCUTS - 1)] = (struct shortcut){
        .page = (gva >> 12) + 1,
        .frame = entry_hpa(e, gva) & ~(u64)0xfff,
        .entry = e,
        .slot = slot,
        .change = f->changes[slot],
        .era = f->era,
    };
}

void mmu_drop_derived(struct core *c)
{
    mmu_free_derived(c);
}

void mmu_free_derived(struct core *c)
{
    free(c->rt.fast);
    c->rt.fast = NULL;
}
