/* derived.h - what the memory side keeps besides state: geometry, and short cuts to entries that would hit.
 *
 * A short cut leads to an architected TLB entry and is good only as long as that entry has not changed and
 * the registers that decide translations are the same.  Going by it moves the entry's age and the counters as
 * the look-up would, so dropping short cuts at any moment changes no result. */
#ifndef RINGSIDE_MMU_DERIVED_H
#define RINGSIDE_MMU_DERIVED_H

#include "mmu/cache.h"
#include "mmu/tlb.h"

#define SHORTCUTS      256u
#define LINE_SHORTCUTS 512u
#define L1_TLB_ENTRIES 256 /* of state.def */

/* A page that the data or instruction TLB would hit with all rights; plain RAM only. */
struct shortcut {
    u64 page;  /* gva / 4096 + 1, 0: none */
    u64 frame; /* hPA of those 4 KiB */
    struct tlb_entry *entry;
    u32 slot;   /* its number in changes[] */
    u32 change; /* changes[slot] when this was made */
    u64 era;    /* fast_tlb.era when this was made */
};

enum shortcut_kind { SHORTCUT_READ, SHORTCUT_WRITE, SHORTCUT_FETCH, SHORTCUT_KINDS };

/* Registers that decide which entry serves an access, and its rights. */
struct translation_registers {
    u64 cr0, cr3, cr4, ac, guest, proc2, eptp, vpid;
};

struct fast_tlb {
    struct tlb tlb[TLB_UNITS];
    struct cache cache[CACHES];
    struct translation_registers registers; /* under which the short cuts were made */
    u64 era;                                /* moves when all short cuts die */
    u32 changes[2 * L1_TLB_ENTRIES];        /* of each entry: instruction TLB, then data TLB */
    struct shortcut shortcut[SHORTCUT_KINDS][2][SHORTCUTS]; /* second index: user mode */
    struct cache_line *line[2][LINE_SHORTCUTS];             /* L1I and L1D; right if its tag is */
};

struct fast_tlb *derived_make(struct core *c);

static inline struct fast_tlb *derived_of(struct core *c)
{
    return likely(c->rt.fast != NULL) ? c->rt.fast : derived_make(c);
}

/* All short cuts die: entries were dropped in bulk. */
void derived_drop_shortcuts(struct core *c);
/* Those through one entry die. */
void derived_entry_changed(struct core *c, const struct tlb_entry *e);

static inline bool same_registers(const struct core *c, const struct translation_registers *r)
{
    const struct core_state *s = &c->s;
    return !((s->cr0 ^ r->cr0) | (s->cr3 ^ r->cr3) | (s->cr4 ^ r->cr4) | ((s->rflags & FLAG_AC) ^ r->ac) |
             (s->vmx_guest ^ r->guest) | (s->vmx.proc2 ^ r->proc2) | (s->vmx.eptp ^ r->eptp) |
             (s->vmx.vpid ^ r->vpid));
}

/* The short cut for gva, or NULL. */
static inline struct shortcut *shortcut_find(struct core *c, enum shortcut_kind kind, bool user, u64 gva)
{
    struct fast_tlb *f = derived_of(c);
    struct shortcut *s = &f->shortcut[kind][user][gva >> 12 & (SHORTCUTS - 1)];
    if (likely(s->page == (gva >> 12) + 1 && s->era == f->era && s->change == f->changes[s->slot] &&
               same_registers(c, &f->registers)))
        return s;
    return NULL;
}

/* One look-up of a line in L1I or L1D, if it can be seen at a glance that it hits; false: nothing has
 * happened yet. */
static inline bool line_hits(struct core *c, bool data, u64 hpa)
{
    struct cache_line *l = derived_of(c)->line[data][hpa >> LINE_SHIFT & (LINE_SHORTCUTS - 1)];
    if (unlikely(!l || l->tag != (hpa >> LINE_SHIFT) + 1))
        return false;
    *(data ? &c->s.count.l1d_lookups : &c->s.count.l1i_lookups) += 1;
    l->stamp = ++c->s.stamp;
    return true;
}

/* Remembers that an access of this kind to gva hits `e`. */
void shortcut_make(struct core *c, enum shortcut_kind kind, bool user, u64 gva, struct tlb_entry *e);

#endif
