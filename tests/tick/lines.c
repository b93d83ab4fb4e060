/* lines.c - the ticking model's caches, bus and store buffer. */
#include "tick/inside.h"

/* ---- bus ---- */

static struct transfer *overlapping(struct tick *t, u64 start, u64 end)
{
    for (unsigned i = 0; i < 16; i++)
        if (t->bus[i].start < end && start < t->bus[i].end)
            return &t->bus[i];
    return NULL;
}

/* T7. */
u64 tick_bus(struct tick *t, u64 when)
{
    const struct transfer *in_the_way;
    u64 start = when;
    while ((in_the_way = overlapping(t, start, start + t->p->mem_busy)) != NULL)
        start = in_the_way->end;
    t->bus[t->transfers++ % 16] = (struct transfer){start, start + t->p->mem_busy};
    return start - when;
}

/* ---- caches ---- */

static bool cache_has(const struct tick *t, struct lru *cache, u64 line)
{
    return t->p->caches && lru_find(cache, line, (struct lru_key){.tag = line});
}

static void cache_put(const struct tick *t, struct lru *cache, u64 line)
{
    if (t->p->caches)
        lru_put(cache, line, (struct lru_key){.tag = line});
}

/* T6, F4, M2: cycles for a line that L1 lacks. */
static u64 beyond_l1(struct tick *t, u64 line, u64 when)
{
    t->count.l2_lookups++;
    if (cache_has(t, &t->l2, line))
        return t->p->l2_latency;
    t->count.l2_misses++;
    cache_put(t, &t->l2, line);
    return tick_bus(t, when) + t->p->l2_latency + t->p->mem_latency;
}

static u64 look_up(struct tick *t, struct lru *l1, u64 hpa, u64 when, u64 *lookups, u64 *misses)
{
    ++*lookups;
    if (cache_has(t, l1, hpa / 64))
        return 0;
    ++*misses;
    u64 cycles = beyond_l1(t, hpa / 64, when);
    cache_put(t, l1, hpa / 64);
    return cycles;
}

u64 tick_l1d(struct tick *t, u64 hpa, u64 when)
{
    return look_up(t, &t->l1d, hpa, when, &t->count.l1d_lookups, &t->count.l1d_misses);
}

u64 tick_l1i(struct tick *t, u64 hpa, u64 when)
{
    return look_up(t, &t->l1i, hpa, when, &t->count.l1i_lookups, &t->count.l1i_misses);
}

static void empty(struct lru *cache)
{
    for (u64 i = 0; i < cache->sets * cache->ways; i++)
        cache->entry[i].valid = false;
}

/* M6. */
void tick_empty_caches(struct tick *t)
{
    empty(&t->l1i);
    empty(&t->l1d);
    empty(&t->l2);
}

/* ---- store buffer ---- */

static u64 later(u64 a, u64 b)
{
    return a > b ? a : b;
}

static void wait_until(struct tick *t, enum stage s, u64 *counter, u64 cycle)
{
    if (cycle > tick_now(t, s))
        tick_hold(t, s, counter, cycle - tick_now(t, s));
}

/* S4, Z1, E5: the last entry drains last (S3). */
void tick_drain(struct tick *t, enum stage s)
{
    wait_until(t, s, &t->count.stall_store, t->last_drained);
}

/* S2, S3. */
void tick_store_line(struct tick *t, u64 hpa)
{
    u64 *entry = &t->drained[t->next_store];
    t->next_store = (t->next_store + 1) % t->p->store_buffer;
    wait_until(t, M, &t->count.stall_store, *entry);
    u64 start = later(tick_now(t, M), t->last_drained);
    *entry = start + 1 + tick_l1d(t, hpa, tick_now(t, M));
    t->last_drained = *entry;
}

/* E5. */
void tick_device(struct tick *t, bool apic)
{
    tick_drain(t, M);
    if (!apic)
        tick_hold(t, M, &t->count.stall_device, tick_bus(t, tick_now(t, M)));
    tick_hold(t, M, &t->count.stall_device, t->p->device_latency);
}
