/* cache.h - L1I, L1D, L2 and the store buffer: tags and times, no data (docs/machine.md, T4, T6, S2, S3). */
#ifndef RINGSIDE_MMU_CACHE_H
#define RINGSIDE_MMU_CACHE_H

#include "machine.h"

#define LINE_BYTES 64u
#define LINE_SHIFT 6

enum cache_unit { CACHE_L1I, CACHE_L1D, CACHE_L2, CACHES };

struct cache {
    struct cache_line *line; /* set s holds line[s * ways] and on */
    u32 sets, ways;
    u32 mask; /* sets_mask(sets) */
};

struct cache cache_geometry(struct core *c, enum cache_unit unit);

/* Whether a line (hPA / 64) is there, without using it; and dropping it: true if it was there. */
bool cache_has(struct core *c, enum cache_unit unit, u64 line);
bool cache_drop(struct core *c, enum cache_unit unit, u64 line);

/* The line of hpa through the L1D, or through the L1I with the wait of rule F3 if that misses.  Returns the
 * cycles beyond an L1 hit (rule M2), which the caller adds to the clock.  *from says where the line was. */
u64 cache_read(struct core *c, u64 hpa, enum rs_hit *from);
u64 cache_fetch(struct core *c, u64 hpa, enum rs_hit *from);

/* The line of hpa will soon be looked up: the host fetches what that takes, and its bytes. */
void cache_expect(struct core *c, u64 hpa);

/* Rules S2 and S3: the line of hpa takes an entry of the store buffer. */
void store_buffer_take(struct core *c, u64 hpa);

/* Of these, the entry, once it is free; */
static inline u64 store_buffer_place(struct core *c)
{
    u64 entry = c->s.store_next < c->m->p.store_buffer ? c->s.store_next : 0;
    if (unlikely(c->s.store_done[entry] > c->s.cycle))
        stall(c, &c->s.count.stall_store, c->s.store_done[entry] - c->s.cycle);
    return entry;
}

/* and the time that it drains, `cycles` behind the one before it or from now on. */
static inline void store_buffer_put(struct core *c, u64 entry, u64 cycles)
{
    u64 size = c->m->p.store_buffer, before = c->s.store_done[entry ? entry - 1 : size - 1];
    c->s.store_done[entry] = max(before, c->s.cycle) + cycles;
    c->s.store_next = entry + 1 == size ? 0 : entry + 1;
}

#endif
