/* coherence.c - see coherence.h. */
#include "mmu/coherence.h"

#include <stdlib.h>
#include <string.h>

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

bool coherence_elsewhere(const struct core *c, u64 line)
{
    for (u32 i = 0; i < c->m->cores; i++) {
        struct core *o = other(c, i);
        if (o && (cache_has(o, CACHE_L1D, line) || cache_has(o, CACHE_L2, line)))
            return true;
    }
    return false;
}

bool coherence_asks(struct core *c, u64 line)
{
    bool found = coherence_elsewhere(c, line);
    for (u32 i = 0; i < c->m->cores; i++)
        if (other(c, i))
            no_longer_sole(other(c, i), line);
    c->s.count.lines_from_cores += found;
    return found;
}

/* True if it had the line in L1D or L2. */
static bool lose(struct core *c, u64 line)
{
    bool l1i = cache_drop(c, CACHE_L1I, line);
    bool l1d = cache_drop(c, CACHE_L1D, line);
    bool l2 = cache_drop(c, CACHE_L2, line);
    c->s.count.lines_lost += l1i || l1d || l2;
    return l1d || l2;
}

bool coherence_takes(struct core *c, u64 line)
{
    bool had = false;
    for (u32 i = 0; i < c->m->cores; i++) {
        struct core *o = other(c, i);
        if (o && lose(o, line))
            had = true;
    }
    note_sole(c, line);
    return had;
}
