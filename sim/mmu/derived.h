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
#include "mmu/mmu.h"
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

static inline enum shortcut_mode mode_of(unsigned access)
{
    if (access & MMU_IMPLICIT)
        return MODE_IMPLICIT;
    return access & MMU_USER ? MODE_USER : MODE_SUPERVISOR;
}

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
    u64 used;                      /* the same bits for those of to[] that are not empty */
    struct shortcuts to[SHORTCUT_KINDS][SHORTCUT_MODES];
    struct cache_line *line[2][LINE_SHORTCUTS]; /* L1I and L1D; right if its tag is; never NULL */
};

struct fast_tlb *derived_make(struct core *c);

static inline struct fast_tlb *derived_of(struct core *c)
{
    return likely(c->rt.fast != NULL) ? c->rt.fast : derived_make(c);
}

/* An entry is about to be filled, in the place of a valid one or of none, or to be dropped. */
void derived_fills(struct fast_tlb *f, enum tlb_unit unit, struct tlb_entry *e,
                   const struct tlb_entry *mapping);
void derived_leaves(struct core *c, enum tlb_unit unit, struct tlb_entry *e);

static inline unsigned lowest_bit(u64 bits)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(bits);
#else
    unsigned i = 0;
    while (!(bits >> i & 1))
        i++;
    return i;
#endif
}

/* A way through the valid entries of a unit, whose words of `valid` begin at `word`. */
struct tlb_cursor {
    struct tlb_entry *entry;
    const u64 *word, *end;
    u64 left; /* of *word */
};

static inline struct tlb_cursor tlb_cursor(struct core *c, enum tlb_unit unit)
{
    const struct fast_tlb *f = derived_of(c);
    const struct tlb *t = &f->tlb[unit];
    const u64 *valid = f->index[unit].valid;
    return (struct tlb_cursor){t->entry, valid, valid + ((u64)t->sets * t->ways + 63) / 64, *valid};
}

/* The next one, which may then be dropped; NULL: no more. */
static inline struct tlb_entry *tlb_next(struct tlb_cursor *at)
{
    while (!at->left) {
        if (++at->word >= at->end)
            return NULL;
        at->entry += 64;
        at->left = *at->word;
    }
    struct tlb_entry *e = at->entry + lowest_bit(at->left);
    at->left &= at->left - 1;
    return e;
}

/* What the VMCS says decides in non-root operation alone. */
INLINED bool same_registers(const struct core *c, const struct translation_registers *r)
{
    const struct core_state *s = &c->s;
    u64 differ = (s->cr0 ^ r->cr0) | (s->cr3 ^ r->cr3) | (s->cr4 ^ r->cr4) | ((s->rflags & FLAG_AC) ^ r->ac) |
                 (s->vmx_guest ^ r->guest);
    if (s->vmx_guest)
        differ |= (s->vmx.proc2 ^ r->proc2) | (s->vmx.eptp ^ r->eptp) | (s->vmx.vpid ^ r->vpid);
    return !differ;
}

/* Where the short cut for gva is, if there is one. */
static inline const struct shortcut *shortcut_row(const struct fast_tlb *f, enum shortcut_kind kind,
                                                  enum shortcut_mode mode, u64 gva)
{
    return &f->to[kind][mode].row[gva >> 12 & (SHORTCUTS - 1)];
}

/* The short cut for gva, or NULL.  Its pointer is good until something is written. */
INLINED struct shortcut *shortcut_find(struct core *c, enum shortcut_kind kind, enum shortcut_mode mode,
                                       u64 gva)
{
    struct fast_tlb *f = derived_of(c);
    struct shortcuts *t = &f->to[kind][mode];
    struct shortcut *s = &t->row[gva >> 12 & (SHORTCUTS - 1)];
    if (unlikely(s->page != gva >> 12 || f->layout != *f->layout_now || !same_registers(c, &f->registers)))
        return NULL;
    return s;
}

/* The line of L1I or L1D, if it can be seen at a glance that it is there; NULL: it may be or not. */
static inline struct cache_line *line_at_a_glance(const struct fast_tlb *f, bool data, u64 hpa)
{
    struct cache_line *l = f->line[data][hpa >> LINE_SHIFT & (LINE_SHORTCUTS - 1)];
    return likely(l->tag == (hpa >> LINE_SHIFT) + 1) ? l : NULL;
}

/* One look-up of a line in L1I or L1D, if it can be seen at a glance that it hits; false: nothing has
 * happened yet. */
static inline bool line_hits(struct core *c, bool data, u64 hpa)
{
    struct cache_line *l = line_at_a_glance(derived_of(c), data, hpa);
    if (unlikely(!l))
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
/* Short cuts are to be those of the present registers, and their pointers good. */
void shortcuts_renew(struct core *c);
/* They are: ask before going by a pointer. */
static inline void shortcuts_settle(struct core *c)
{
    const struct fast_tlb *f = derived_of(c);
    if (unlikely(f->layout != *f->layout_now || !same_registers(c, &f->registers)))
        shortcuts_renew(c);
}
/* A write has moved the page of hpa: the short cuts to all others are as good as before. */
void shortcuts_page_moved(struct core *c, u64 hpa, u64 layout_before);

#endif
