/* coherence.h - lines and the other cores (docs/machine.md, C4, C5 and C8).  A line is its hPA / 64. */
#ifndef RINGSIDE_MMU_COHERENCE_H
#define RINGSIDE_MMU_COHERENCE_H

#include "machine.h"

/* Lines that no other core has, so that writes to them need not ask: derived, droppable at any moment. */
#define SOLE_LINES 1024u
struct sole {
    u64 line[SOLE_LINES]; /* + 1; 0: none */
};

#define TRAVELS 32 /* of state.def's travel_line */

/* The core has not the line in L1 or L2 and asks for it: its cycles beyond L1, and where it was. */
u64 coherence_miss(struct core *c, u64 line, enum rs_hit *from);

/* The core writes a line that its look-up found at `from`: the others lose it.  Cycles beyond the look-up. */
u64 coherence_take(struct core *c, u64 line, enum rs_hit from);

/* What coherence_write would cost; nothing changes. */
u64 coherence_write_cost(const struct core *c, u64 line, enum rs_hit from);

/* coherence_take, at a glance where nobody else can have the line. */
static inline u64 coherence_write(struct core *c, u64 line, enum rs_hit from)
{
    if (likely(c->m->cores == 1))
        return 0;
    const struct sole *s = c->rt.sole;
    if (s && s->line[line & (SOLE_LINES - 1)] == line + 1)
        return 0;
    return coherence_take(c, line, from);
}

/* A device writes the line: every core loses it (docs/machine.md, D3). */
void coherence_device_write(struct machine *m, u64 line);

void coherence_drop_derived(struct core *c);
void coherence_free_derived(struct core *c);

#endif
