/* bus.c - the bus between caches, memory and devices: who may use it when (docs/machine.md, T7). */
#include "mmu/bus.h"

/* The end of a transfer that a new one from `start` on would overlap; 0: none. */
static u64 in_the_way(const struct board_state *b, u64 start, u64 busy)
{
    for (unsigned i = 0; i < BUS_TRANSFERS; i++)
        if (start < b->bus_end[i] && start + busy > b->bus_end[i] - busy)
            return b->bus_end[i];
    return 0;
}

u64 bus_wait(struct machine *m, u64 now)
{
    struct board_state *b = &m->b;
    u64 busy = m->p.mem_busy, start = now, end;
    if (!busy)
        return 0;
    while (b->bus_last_end > start && (end = in_the_way(b, start, busy)))
        start = end;
    b->bus_end[b->bus_next] = start + busy;
    b->bus_next = (b->bus_next + 1) % BUS_TRANSFERS;
    if (start + busy > b->bus_last_end)
        b->bus_last_end = start + busy;
    return start - now;
}
