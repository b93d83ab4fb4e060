/* coherence.h - lines and the other cores (docs/machine.md, C4 and C5).  A line is its hPA / 64. */
#ifndef RINGSIDE_MMU_COHERENCE_H
#define RINGSIDE_MMU_COHERENCE_H

#include "machine.h"

/* Lines that no other core has, so that writes to them need not ask: derived, droppable at any moment. */
#define SOLE_LINES 1024u
struct sole {
    u64 line[SOLE_LINES]; /* + 1; 0: none */
};

/* The core, which has not the line in L1 or L2, gets it: true if another core has it in L1D or L2. */
bool coherence_asks(struct core *c, u64 line);

/* The core writes the line: the others lose it.  True if one had it in L1D or L2. */
bool coherence_takes(struct core *c, u64 line);

/* True if another core has the line in L1D or L2; nothing changes. */
bool coherence_elsewhere(const struct core *c, u64 line);

/* Of a write whose look-up found the line at `from`: cycles beyond that look-up (C5). */
static inline u64 coherence_write(struct core *c, u64 line, enum rs_hit from)
{
    if (likely(c->m->cores == 1))
        return 0;
    const struct sole *s = c->rt.sole;
    if (s && s->line[line & (SOLE_LINES - 1)] == line + 1)
        return 0;
    return coherence_takes(c, line) && from != RS_CORE ? c->m->p.snoop_latency : 0;
}

void coherence_drop_derived(struct core *c);
void coherence_free_derived(struct core *c);

#endif
