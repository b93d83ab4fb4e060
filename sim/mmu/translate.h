/* translate.h - from a linear address to the TLB entry that serves it. */
#ifndef RINGSIDE_MMU_TRANSLATE_H
#define RINGSIDE_MMU_TRANSLATE_H

#include "mmu/rights.h"
#include "mmu/tlb.h"

/* The L1 TLB entry for an access (enum mmu_access), by look-up, second level or walk: rules T1 to T5.  Good
 * until the next fill or flush.  A fault or an EPT exit leaves the atom.  *hit: L1 had it. */
struct tlb_entry *translate(struct core *c, u64 gva, unsigned access, bool *hit);

/* The entry of one TLB that serves the access; one that matches and refuses is dropped (T5).  NULL: a miss.
 */
struct tlb_entry *translate_by(struct core *c, enum tlb_unit unit, const struct mmu_context *x, u64 gva,
                               unsigned access);

/* What a fault and an EPT violation invalidate (SDM vol. 3, 4.10.4.1 and 28.4.3.1): invalidate.c */
void flush_for_fault(struct core *c, u64 gva);
void flush_for_ept_violation(struct core *c, u64 gva, u64 gpa);

#endif
