/* walk_cache.c - what shortens walks: entries that point to tables, by level, and gPA to hPA pages. */
#include "mmu/walk_cache.h"

static bool enabled(const struct core *c, enum walk_cache which)
{
    const struct params *p = &c->m->p;
    return p->walk_caches && (which == CACHE_OF_GUEST ? p->pwc : p->npwc);
}

static enum tlb_unit unit_of(enum walk_cache which, unsigned level)
{
    return (enum tlb_unit)(which + 4 - level);
}

static void charge_hit(struct core *c, u64 *counter)
{
    ++*counter;
    stall(c, &c->s.count.stall_walk, c->m->p.walk_cache_latency);
}

unsigned walk_cache_look_up(struct core *c, enum walk_cache which, u64 address, struct walk_cache_tag tag,
                            struct tlb_entry *out)
{
    if (!enabled(c, which))
        return 0;
    c->s.stamp++;
    for (unsigned level = 2; level <= 4; level++) {
        struct tlb_entry *e = tlb_find(c, unit_of(which, level), address, level - 1, tag.space, tag.eptp);
        if (e) {
            e->stamp = c->s.stamp;
            *out = *e;
            charge_hit(c, which == CACHE_OF_GUEST ? &c->s.count.pwc_hits : &c->s.count.npwc_hits);
            return level;
        }
    }
    return 0;
}

struct tlb_entry *walk_cache_find_pde(struct core *c, u64 gva, const struct mmu_context *x)
{
    return enabled(c, CACHE_OF_GUEST) ? tlb_find(c, UNIT_PWC_PDE, gva, REACH_2M, x->space, x->eptp) : NULL;
}

void walk_cache_hit(struct core *c, struct tlb_entry *e)
{
    e->stamp = ++c->s.stamp;
    charge_hit(c, &c->s.count.pwc_hits);
}

static struct tlb_entry mapping(u64 address, unsigned reach, struct walk_cache_tag tag, u64 frame, u64 perms)
{
    return (struct tlb_entry){
        .tag = (address >> reach_shift(reach)) + 1,
        .space = tag.space | (u64)reach << SPACE_REACH_SHIFT,
        .eptp = tag.eptp,
        .frame = frame,
        .perms = perms,
    };
}

void walk_cache_fill(struct core *c, enum walk_cache which, unsigned level, u64 address,
                     struct walk_cache_tag tag, u64 table, u64 perms)
{
    if (!enabled(c, which))
        return;
    struct tlb_entry e = mapping(address, level - 1, tag, table, perms);
    tlb_fill(c, unit_of(which, level), &e);
}

/* ---- nested TLB ---- */

bool nested_tlb_look_up(struct core *c, u64 gpa, u64 need, u64 eptp, struct tlb_entry *out)
{
    if (!c->m->p.walk_caches || !c->m->p.ntlb)
        return false;
    struct tlb_entry *e = tlb_look_up(c, UNIT_NTLB, gpa, tlb_space(KIND_GUEST_PHYSICAL, 0, 0), eptp);
    if (!e)
        return false;
    if (need & ~e->perms) {
        tlb_drop(c, UNIT_NTLB, e);
        return false;
    }
    *out = *e;
    charge_hit(c, &c->s.count.ntlb_hits);
    return true;
}

void nested_tlb_fill(struct core *c, u64 gpa, unsigned reach, u64 eptp, u64 frame, u64 perms)
{
    if (!c->m->p.walk_caches || !c->m->p.ntlb)
        return;
    struct walk_cache_tag tag = {tlb_space(KIND_GUEST_PHYSICAL, 0, 0), eptp};
    struct tlb_entry e = mapping(gpa, reach, tag, frame, perms);
    tlb_fill(c, UNIT_NTLB, &e);
}
