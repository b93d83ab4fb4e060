/* walk.h - the page walker. */
#ifndef RINGSIDE_MMU_WALK_H
#define RINGSIDE_MMU_WALK_H

#include "mmu/rights.h"
#include "mmu/tlb.h"

/* Walks the tables for gva and fills c->rt.walk.  On success *out is the TLB entry to be.  Else the reason is
 * in c->rt.walk.owner, and in its fault_gpa the address that EPT refused.  dry: A and D bits are not written
 * to memory, though the record shows them; the core is then a scratch one, since its clock and caches move.
 * Leaves the atom only by a micro-stop. */
bool walk_page(struct core *c, const struct mmu_context *x, u64 gva, unsigned access, bool dry,
               struct tlb_entry *out);

/* The same for the commonest walk, at little cost to the host: native, shortened to its last level, with
 * nothing to set and nobody watching.  False, and nothing has happened, if it is another one.  walk_short.c
 */
bool walk_short(struct core *c, const struct mmu_context *x, u64 gva, unsigned access, struct tlb_entry *out);

/* The record of the walk in progress or the last one; `valid` is false if there has been none. */
const struct rs_walk *walk_of(struct core *c);
void walk_forget(struct core *c);
/* Makes it from what walk_short has noted. */
void walk_record_short(struct core *c, const struct short_walk *n);

/* The walk has ended: its cycles, its event. */
void walk_end(struct core *c);

/* Records of no walk at all: a TLB hit, and an address that is not canonical. */
void walk_record_hit(struct core *c, u64 gva, unsigned access, const struct tlb_entry *e);
void walk_record_non_canonical(struct core *c, u64 gva, unsigned access);

/* Where the tables lead from gva now, in both dimensions, with no effect and whatever the rights; false if it
 * is not mapped. */
bool walk_tables(const struct core *c, u64 gva, u64 *hpa);

/* Reads tables in EPT format from root_hpa, with no effect at all; false if gpa is not mapped. */
bool walk_ept_tables(const struct machine *m, u64 root_hpa, u64 gpa, u64 *hpa);

/* In words, with whose business it is. */
const char *walk_text_guest(const struct core *c, enum guest_fault fault, u32 error);
enum ept_fault {
    EPT_NOT_PRESENT,
    EPT_REFUSES_READ,
    EPT_REFUSES_WRITE,
    EPT_REFUSES_FETCH,
    EPT_REFUSES_TABLE_WRITE,
    EPT_FAULTS
};
const char *walk_text_ept(const struct core *c, enum ept_fault fault, bool converted); /* to #VE */
const char *walk_text_nested(enum rs_walk_owner owner); /* of what else the nested dimension ends by */

#endif
