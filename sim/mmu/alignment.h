/* alignment.h - alignment checks (SDM vol. 3, 6.15 "Interrupt 17 - Alignment Check Exception (#AC)").
 *
 * They are made of each part that an instruction accesses on its own, after its translation: the last of the
 * faults in table 6-2 "Priority Among Concurrent Events".  While they are on, user mode has no short cuts. */
#ifndef RINGSIDE_MMU_ALIGNMENT_H
#define RINGSIDE_MMU_ALIGNMENT_H

#include "mmu/mmu.h"

/* Data accesses of user mode alone; those that the processor makes to its tables never are. */
static inline bool alignment_matters(const struct core *c, unsigned access)
{
    return unlikely(c->s.rflags & FLAG_AC) && access & MMU_USER && c->s.cr0 & CR0_AM;
}

/* n: 1, 2, 4 or 8. */
static inline bool alignment_ok(const struct core *c, u64 gva, unsigned n, unsigned access)
{
    return !alignment_matters(c, access) || !(gva & (n - 1));
}

#endif
