/* coherence.c - see coherence.h. */
#include "mmu/coherence.h"

#include <stdlib.h>
#include <string.h>

#include "mmu/bus.h"
#include "mmu/cache.h"

/* ---- what is derived ---- */

void coherence_drop_derived(struct core *c)
{
    if (c->rt.sole)
        memset(c->rt.sole, 0, sizeof *c->rt.sole);
}

void coherence_free_derived(struct core *c)
{
    free(c->rt.sole);
    c->rt.sole = NULL;
}

static void note_sole(struct core *c, u64 line)
{
    if (!c->rt.sole && !(c->rt.sole = calloc(1, sizeof *c->rt.sole)))
        abort(); /* the host is out of memory: nothing that the machine could answer */
    c->rt.sole->line[line & (SOLE_LINES - 1)] = line + 1;
}

static void no_longer_sole(struct core *c, u64 line)
{
    if (c->rt.sole && c->rt.sole->line[line & (SOLE_LINES - 1)] == line + 1)
        c->rt.sole->line[line & (SOLE_LINES - 1)] = 0;
}

/* ---- the rules ---- */

/* The i-th core if it is another; by number, since a walk without side effects has a copy of its own. */
static struct core *other(const struct core *c, u32 i)
{
    return i == c->id ? NULL : c->m->core[i];
}

static bool elsewhere(const struct core *c, u64 line)
{
    for (u32 i = 0; i < c->m->cores; i++) {
        struct core *o = other(c, i);
        if (o && (cache_has(o, CACHE_L1D, line) || cache_has(o, CACHE_L2, line)))
            return true;
    }
    return false;
}

/* Cycles until the line is where it travels to. */
static u64 on_its_way(const struct core *c, u64 line)
{
    const struct board_state *b = &c->m->b;
    u64 end = c->s.cycle;
    for (unsigned i = 0; i < TRAVELS; i++)
        if (b->travel_line[i] == line + 1 && b->travel_end[i] > end)
            end = b->travel_end[i];
    return end - c->s.cycle;
}

/* Returns `cycles`. */
static u64 travels(struct core *c, u64 line, u64 cycles)
{
    struct board_state *b = &c->m->b;
    u64 next = b->travel_next % TRAVELS;
    b->travel_line[next] = line + 1;
    b->travel_end[next] = c->s.cycle + cycles;
    b->travel_next = (next + 1) % TRAVELS;
    return cycles;
}

u64 coherence_miss(struct core *c, u64 line, enum rs_hit *from)
{
    const struct params *p = &c->m->p;
    bool found = elsewhere(c, line);
    for (u32 i = 0; i < c->m->cores; i++)
        if (other(c, i))
            no_longer_sole(other(c, i), line);
    c->s.count.lines_from_cores += found;
    *from = found ? RS_CORE : RS_MEM;
    if (found)
        return travels(c, line, on_its_way(c, line) + p->l2_latency + p->snoop_latency);
    return travels(c, line, bus_wait(c->m, c->s.cycle) + p->l2_latency + p->mem_latency);
}

static void lose(struct core *c, u64 line)
{
    bool l1i = cache_drop(c, CACHE_L1I, line);
    bool l1d = cache_drop(c, CACHE_L1D, line);
    bool l2 = cache_drop(c, CACHE_L2, line);
    c->s.count.lines_lost += l1i || l1d || l2;
}

u64 coherence_take(struct core *c, u64 line, enum rs_hit from)
{
    u64 cycles = coherence_write_cost(c, line, from);
    for (u32 i = 0; i < c->m->cores; i++)
        if (other(c, i))
            lose(other(c, i), line);
    note_sole(c, line);
    return cycles ? travels(c, line, cycles) : 0;
}

void coherence_device_write(struct machine *m, u64 line)
{
    for (u32 i = 0; i < m->cores; i++)
        lose(m->core[i], line);
}

u64 coherence_write_cost(const struct core *c, u64 line, enum rs_hit from)
{
    if (from == RS_CORE || !elsewhere(c, line))
        return 0;
    return on_its_way(c, line) + c->m->p.snoop_latency;
}
