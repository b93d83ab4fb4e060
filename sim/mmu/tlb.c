/* tlb.c - look-up, fill and replacement of TLB and walk cache entries. */
#include "mmu/tlb.h"

#include "arch/vmx.h"
#include "mmu/derived.h"

/* ---- tags ---- */

struct mmu_context mmu_context(const struct core *c)
{
    const struct vmx_controls *v = &c->s.vmx;
    u64 pcid = c->s.cr4 & CR4_PCIDE ? c->s.cr3 & CR3_PCID : 0;
    struct mmu_context x = {0};
    x.nested = c->s.vmx_guest && v->proc2 & PROC2_EPT;
    u64 vpid = c->s.vmx_guest && v->proc2 & PROC2_VPID ? v->vpid : 0;
    x.space = tlb_space(x.nested ? KIND_COMBINED : KIND_LINEAR, vpid, pcid);
    x.eptp = x.nested ? EP4TA(v->eptp) : 0;
    x.ept_flags = x.nested && v->eptp & EPTP_AD;
    return x;
}

/* A global page serves every PCID of its VPID (SDM vol. 3, 4.10.2.4 "Global Pages"). */
static bool same_space(const struct tlb_entry *e, u64 space)
{
    return e->space == space || (e->perms & PERM_GLOBAL && !((e->space ^ space) & ~SPACE_PCID));
}

/* ---- geometry ---- */

static struct tlb geometry(struct tlb_entry *entry, u64 entries, u64 ways, enum rs_tlb which)
{
    if (ways > entries)
        ways = entries;
    u32 sets = (u32)(entries / ways);
    return (struct tlb){entry, sets, (u32)ways, sets_mask(sets), (u8)which};
}

#define LEVEL_ENTRIES 64 /* of state.def's walk caches, a level */

struct tlb tlb_geometry(struct core *c, enum tlb_unit unit)
{
    const struct params *p = &c->m->p;
    switch (unit) {
    case UNIT_ITLB: return geometry(c->s.itlb, p->itlb_entries, p->itlb_ways, RS_ITLB);
    case UNIT_DTLB: return geometry(c->s.dtlb, p->dtlb_entries, p->dtlb_ways, RS_DTLB);
    case UNIT_STLB: return geometry(c->s.stlb, p->stlb_entries, p->stlb_ways, RS_STLB);
    case UNIT_NTLB: return geometry(c->s.ntlb, p->ntlb_entries, p->ntlb_entries, RS_NTLB);
    default: break;
    }
    if (unit < UNIT_NPWC)
        return geometry(&c->s.pwc[(unit - UNIT_PWC) * LEVEL_ENTRIES], p->pwc_entries, p->pwc_entries, RS_PWC);
    return geometry(&c->s.npwc[(unit - UNIT_NPWC) * LEVEL_ENTRIES], p->npwc_entries, p->npwc_entries,
                    RS_NPWC);
}

static struct tlb_entry *set_of(const struct tlb *t, u64 page)
{
    u64 set = likely(t->mask) ? page & t->mask : page % t->sets;
    return &t->entry[set * t->ways];
}

/* ---- look-up ---- */

static bool matches(const struct tlb_entry *e, u64 page, u64 space, u64 eptp)
{
    return e->tag == page + 1 && e->eptp == eptp && same_space(e, space);
}

/* No more than one of their entries matches, since none is filled that would, and none is global. */
static bool is_walk_cache(enum tlb_unit unit)
{
    return unit >= UNIT_PWC && unit < UNIT_NTLB;
}

static struct tlb_entry *search(const struct fast_tlb *f, enum tlb_unit unit, u64 page, u64 space, u64 eptp)
{
    const struct tlb *t = &f->tlb[unit];
    struct tlb_entry *set = set_of(t, page), *last = &t->entry[f->index[unit].last[page % LAST_FILLED]];
    if (is_walk_cache(unit) && matches(last, page, space, eptp))
        return last;
    for (u32 way = 0; way < t->ways; way++)
        if (matches(&set[way], page, space, eptp))
            return &set[way];
    return NULL;
}

static inline struct tlb_entry *find(struct core *c, enum tlb_unit unit, u64 address, unsigned reach,
                                     u64 space, u64 eptp)
{
    const struct fast_tlb *f = derived_of(c);
    u64 page = address >> reach_shift(reach);
    if (!f->index[unit].filter[filter_slot(page, reach)])
        return NULL;
    return search(f, unit, page, space | (u64)reach << SPACE_REACH_SHIFT, eptp);
}

struct tlb_entry *tlb_find(struct core *c, enum tlb_unit unit, u64 address, unsigned reach, u64 space,
                           u64 eptp)
{
    return find(c, unit, address, reach, space, eptp);
}

struct tlb_entry *tlb_look_up(struct core *c, enum tlb_unit unit, u64 address, u64 space, u64 eptp)
{
    c->s.stamp++;
    const u16 *reaches = derived_of(c)->index[unit].reaches;
    for (unsigned reach = REACH_4K; reach <= REACH_1G; reach++) {
        struct tlb_entry *e = reaches[reach] ? find(c, unit, address, reach, space, eptp) : NULL;
        if (e) {
            e->stamp = c->s.stamp;
            return e;
        }
    }
    return NULL;
}

/* ---- fill ---- */

/* Of n entries: an empty one, whose age is 0, or the oldest; found without a jump, for no host predicts which
 * it is. */
INLINED struct tlb_entry *oldest_of(struct tlb_entry *set, u32 n)
{
    struct tlb_entry *oldest = set;
    u64 least = set->stamp;
    for (struct tlb_entry *e = set + 1; e < set + n; e++) {
        oldest = e->stamp < least ? e : oldest;
        least = min(least, e->stamp);
    }
    return oldest;
}

/* One copy for each common number of ways. */
static struct tlb_entry *victim(const struct tlb *t, u64 page)
{
    struct tlb_entry *set = set_of(t, page);
    switch (t->ways) {
    case 4: return oldest_of(set, 4);
    case 12: return oldest_of(set, 12);
    default: return oldest_of(set, t->ways);
    }
}

#define TOLD_BY_FILLS (PROBE_BIT(tlb_fill) | PROBE_BIT(tlb_evict))

static void tell(struct core *c, enum rs_probe probe, const struct tlb *t, const struct tlb_entry *e)
{
    PROBE(c, probe, t->which, entry_address(e), e->frame, reach_bytes(entry_reach(e)));
    micro(c, MICRO_TLB);
}

static struct tlb_entry *put(struct core *c, struct fast_tlb *f, enum tlb_unit unit, struct tlb_entry *e,
                             const struct tlb_entry *mapping)
{
    derived_fills(f, unit, e, mapping);
    *e = *mapping;
    e->stamp = c->s.stamp;
    return e;
}

struct tlb_entry *tlb_fill(struct core *c, enum tlb_unit unit, const struct tlb_entry *mapping)
{
    struct fast_tlb *f = derived_of(c);
    const struct tlb *t = &f->tlb[unit];
    struct tlb_entry *e = victim(t, mapping->tag - 1);
    if (likely(!(c->m->watched & TOLD_BY_FILLS))) {
        micros(c, MICRO_TLB, e->tag ? 2 : 1);
        return put(c, f, unit, e, mapping);
    }
    struct tlb_entry old = *e;
    put(c, f, unit, e, mapping);
    if (old.tag)
        tell(c, RS_PROBE_tlb_evict, t, &old);
    tell(c, RS_PROBE_tlb_fill, t, e);
    return e;
}

void tlb_drop(struct core *c, enum tlb_unit unit, struct tlb_entry *e)
{
    derived_leaves(c, unit, e);
    *e = (struct tlb_entry){0};
}
