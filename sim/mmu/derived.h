/* derived.h - what the memory side keeps besides state: geometry, which entries are valid, and short cuts to
 * entries that would hit.
 *
 * A short cut leads to an architected TLB entry, and to the bytes of the page.  It dies with the entry, and
 * all die when the registers that decide translations have changed.  Going by it moves the entry's age and
 * the counters as the look-up would, so dropping short cuts at any moment changes no result. */
#ifndef RINGSIDE_MMU_DERIVED_H
#define RINGSIDE_MMU_DERIVED_H

#include "hostile.h"
#include "mmu/cache.h"
#include "mmu/tlb.h"

#define SHORTCUTS       HOSTILE_OR(64u, 256u) /* at least a word of live bits */
#define LINE_SHORTCUTS  HOSTILE_OR(1u, 512u)
#define L1_TLB_ENTRIES  256  /* of state.def */
#define TLB_ENTRIES_MAX 2048 /* of any unit */
#define NO_PAGE         UINT64_MAX

/* A page that the data or instruction TLB would hit with all rights; plain RAM only. */
struct shortcut {
    u64 page;  /* gva / 4096; NO_PAGE: none */
    u8 *host;  /* its bytes while the memory's layout stands; for writing NULL if it takes more than a pointer
                */
    u64 frame; /* its hPA */
    struct tlb_entry *entry;
};

enum shortcut_kind { SHORTCUT_READ, SHORTCUT_WRITE, SHORTCUT_FETCH, SHORTCUT_KINDS };
/* Whose access: what is allowed differs (mmu/rights.h). */
enum shortcut_mode { MODE_SUPERVISOR, MODE_USER, MODE_IMPLICIT, SHORTCUT_MODES };

/* Registers that decide which entry serves an access, and its rights. */
struct translation_registers {
    u64 cr0, cr3, cr4, ac, guest, proc2, eptp, vpid;
};

/* Which entries of a unit are valid, and a filter by page: so that nobody searches for what is not there. */
#define FILTER_SLOTS 4096u
#define LAST_FILLED  64u
struct tlb_index {
    u64 valid[TLB_ENTRIES_MAX / 64]; /* a bit an entry */
    u16 filter[FILTER_SLOTS];        /* how many entries hash there */
    u16 reaches[4];                  /* how many entries have that reach */
    u16 last[LAST_FILLED];           /* by the lowest bits of the page: number of the entry filled last */
};

static inline unsigned filter_slot(u64 page, unsigned reach)
{
    return (unsigned)(page ^ page >> 12 ^ reach << 9) & (FILTER_SLOTS - 1);
}

/* Of one kind of access in one mode; `live` has a bit for each that is there. */
struct shortcuts {
    struct shortcut row[SHORTCUTS];
    u64 live[SHORTCUTS / 64];
};

struct fast_tlb {
    struct tlb tlb[TLB_UNITS];
    struct cache cache[CACHES];
    struct tlb_index index[TLB_UNITS];
    struct translation_registers registers; /* under which the short cuts were made */
    u64 layout;                             /* of the memory, while which their pointers were taken */
    const u64 *layout_now;
    u16 leads[2 * L1_TLB_ENTRIES]; /* of each entry of ITLB and DTLB: a bit for each of to[], which may lead
                                      there */
    struct shortcuts to[SHORTCUT_KINDS][SHORTCUT_MODES];
    struct cache_line *line[2][LINE_SHORTCUTS]; /* L1I and L1D; right if its tag is; never NULL */
};

struct fast_tlb *derived_make(struct core *c);

static inline struct fast_tlb *derived_of(struct core *c)
{
    return likely(c->rt.fast != NULL) ? c->rt.fast : derived_make(c);
}

/* An entry is about to be filled, in the place of a valid one or of none, or to be dropped. */
void derived_fills(struct core *c, struct fast_tlb *f, enum tlb_unit unit, struct tlb_entry *e,
                   const struct tlb_entry *mapping);
void derived_leaves(struct core *c, enum tlb_unit unit, struct tlb_entry *e);

/* The next valid entry of a unit after `e`, the first if it is NULL; NULL: no more.  It may be dropped. */
struct tlb_entry *derived_next(struct core *c, enum tlb_unit unit, const struct tlb_entry *e);

static inline bool same_registers(const struct core *c, const struct translation_registers *r)
{
    const struct core_state *s = &c->s;
    return !((s->cr0 ^ r->cr0) | (s->cr3 ^ r->cr3) | (s->cr4 ^ r->cr4) | ((s->rflags & FLAG_AC) ^ r->ac) |
             (s->vmx_guest ^ r->guest) | (s->vmx.proc2 ^ r->proc2) | (s->vmx.eptp ^ r->eptp) |
             (s->vmx.vpid ^ r->vpid));
}

/* The short cut for gva, or NULL.  Its pointer is good until something is written. */
static inline struct shortcut *shortcut_find(struct core *c, enum shortcut_kind kind, enum shortcut_mode mode,
                                             u64 gva)
{
    struct fast_tlb *f = derived_of(c);
    struct shortcut *s = &f->to[kind][mode].row[gva >> 12 & (SHORTCUTS - 1)];
    if (unlikely(s->page != gva >> 12 || f->layout != *f->layout_now || !same_registers(c, &f->registers)))
        return NULL;
    return s;
}

/* One look-up of a line in L1I or L1D, if it can be seen at a glance that it hits; false: nothing has
 * happened yet. */
static inline bool line_hits(struct core *c, bool data, u64 hpa)
{
    struct cache_line *l = derived_of(c)->line[data][hpa >> LINE_SHIFT & (LINE_SHORTCUTS - 1)];
    if (unlikely(l->tag != (hpa >> LINE_SHIFT) + 1))
        return false;
    *(data ? &c->s.count.l1d_lookups : &c->s.count.l1i_lookups) += 1;
    l->stamp = ++c->s.stamp;
    return true;
}

/* All short cuts die: what they may shorten has changed. */
void derived_drop_shortcuts(struct core *c);

/* Remembers that an access of this kind to gva hits `e`. */
void shortcut_make(struct core *c, enum shortcut_kind kind, enum shortcut_mode mode, u64 gva,
                   struct tlb_entry *e);
/* Short cuts are those of the present registers, and their pointers good: ask before going by a pointer. */
void shortcuts_settle(struct core *c);
/* A write has moved the page of hpa: the short cuts to all others are as good as before. */
void shortcuts_page_moved(struct core *c, u64 hpa, u64 layout_before);

#endif
