/* cache.c - caches and store buffer.  The rules' letters are those of docs/machine.md. */
#include "mmu/cache.h"

#include "cpu/cpu.h"
#include "mmu/bus.h"
#include "mmu/coherence.h"
#include "mmu/derived.h"
#include "mmu/mem.h"

struct cache cache_geometry(struct core *c, enum cache_unit unit)
{
    const struct params *p = &c->m->p;
    struct cache_line *line[CACHES] = {c->s.l1i, c->s.l1d, c->s.l2};
    u64 lines[CACHES] = {p->l1i_bytes / LINE_BYTES, p->l1d_bytes / LINE_BYTES, p->l2_bytes / LINE_BYTES};
    u64 ways[CACHES] = {p->l1i_ways, p->l1d_ways, p->l2_ways};
    u32 sets = (u32)(lines[unit] / ways[unit]);
    return (struct cache){line[unit], sets, (u32)ways[unit], sets_mask(sets)};
}

static struct cache_line *set_of(const struct cache *k, u64 number)
{
    u64 set = likely(k->mask) ? number & k->mask : number % k->sets;
    return &k->line[set * k->ways];
}

/* The line among n, or the place that it would take: an empty one, whose age is 0, or the oldest.  The oldest
 * is found without a jump, for no host predicts which it is. */
INLINED struct cache_line *seek_among(struct cache_line *set, u32 n, u64 number)
{
    struct cache_line *oldest = set;
    u64 least = UINT64_MAX;
    for (struct cache_line *l = set; l < set + n; l++) {
        if (l->tag == number + 1)
            return l;
        oldest = l->stamp < least ? l : oldest;
        least = min(least, l->stamp);
    }
    return oldest;
}

/* One copy for each common number of ways. */
static struct cache_line *seek(const struct cache *k, u64 number)
{
    struct cache_line *set = set_of(k, number);
    switch (k->ways) {
    case 4: return seek_among(set, 4, number);
    case 8: return seek_among(set, 8, number);
    default: return seek_among(set, k->ways, number);
    }
}

static struct cache_line *find(const struct cache *k, u64 number)
{
    struct cache_line *l = seek(k, number);
    return l->tag == number + 1 ? l : NULL;
}

bool cache_has(struct core *c, enum cache_unit unit, u64 line)
{
    return find(&derived_of(c)->cache[unit], line) != NULL;
}

bool cache_drop(struct core *c, enum cache_unit unit, u64 line)
{
    struct cache_line *l = find(&derived_of(c)->cache[unit], line);
    if (l)
        *l = (struct cache_line){0, 0};
    return l != NULL;
}

void cache_expect(struct core *c, u64 hpa)
{
    const u8 *page = mem_read_page(c->m->mem, hpa);
    prefetch(set_of(&derived_of(c)->cache[CACHE_L1D], hpa >> LINE_SHIFT));
    prefetch(set_of(&derived_of(c)->cache[CACHE_L2], hpa >> LINE_SHIFT));
    if (page)
        prefetch(page + (hpa & (PAGE_BYTES - 1)));
}

/* Looks a line up and has it from then on.  True: it was there. */
static bool touch(struct core *c, enum cache_unit unit, u64 number, struct cache_line **shortcut)
{
    c->s.stamp++;
    if (!c->m->p.caches)
        return false;
    const struct cache *k = &derived_of(c)->cache[unit];
    struct cache_line *l = seek(k, number);
    bool hit = l->tag == number + 1;
    *l = (struct cache_line){number + 1, c->s.stamp};
    if (shortcut)
        *shortcut = l;
    return hit;
}

/* Cycles beyond an L1 that misses; the line is requested at the present cycle. */
static u64 beyond_l1(struct core *c, u64 number, enum rs_hit *from)
{
    c->s.count.l2_lookups++;
    if (touch(c, CACHE_L2, number, NULL)) {
        *from = RS_L2;
        return c->m->p.l2_latency;
    }
    c->s.count.l2_misses++;
    if (c->m->cores > 1)
        return coherence_miss(c, number, from);
    *from = RS_MEM;
    return bus_wait(c->m, c->s.cycle) + c->m->p.l2_latency + c->m->p.mem_latency;
}

/* Looks the line up in an L1, which has it from then on.  True: it was there. */
static bool in_l1(struct core *c, enum cache_unit l1, u64 hpa)
{
    bool data = l1 == CACHE_L1D;
    u64 number = hpa >> LINE_SHIFT;
    if (likely(line_hits(c, data, hpa)))
        return true;
    *(data ? &c->s.count.l1d_lookups : &c->s.count.l1i_lookups) += 1;
    if (touch(c, l1, number, &derived_of(c)->line[data][number & (LINE_SHORTCUTS - 1)]))
        return true;
    *(data ? &c->s.count.l1d_misses : &c->s.count.l1i_misses) += 1;
    return false;
}

u64 cache_read(struct core *c, u64 hpa, enum rs_hit *from)
{
    *from = RS_L1;
    if (likely(in_l1(c, CACHE_L1D, hpa)))
        return 0;
    return beyond_l1(c, hpa >> LINE_SHIFT, from);
}

u64 cache_fetch(struct core *c, u64 hpa, enum rs_hit *from)
{
    *from = RS_L1;
    if (likely(in_l1(c, CACHE_L1I, hpa)))
        return 0;
    pipeline_fetch_miss(c); /* F3: the wait comes before L2 is asked */
    return beyond_l1(c, hpa >> LINE_SHIFT, from);
}

/* ---- store buffer ---- */

void store_buffer_take(struct core *c, u64 hpa)
{
    u64 entry = store_buffer_place(c);
    enum rs_hit from = RS_L1;
    bool hit = in_l1(c, CACHE_L1D, hpa);
    u64 drain = likely(hit) ? 0 : beyond_l1(c, hpa >> LINE_SHIFT, &from);
    store_buffer_put(c, entry, 1 + drain + coherence_write(c, hpa >> LINE_SHIFT, from));
    if (!hit)
        micro(c, MICRO_CACHE);
}
