/* ept.h - extended page tables: guest-physical to host-physical (SDM vol. 3, 28.3 "The Extended Page Table
 * Mechanism"). */
#ifndef HV_EPT_H
#define HV_EPT_H

#include <stdbool.h>
#include <stdint.h>

#include "pager.h"

/* An empty root table; 0 if memory has run out. */
uint64_t ept_new(void);
/* The EPTP field's value for a root, with A and D flags if this processor has them. */
uint64_t ept_pointer(uint64_t root);
/* Maps one page of `bytes` (PAGE_BYTES or LARGE_BYTES), readable, writable, executable, write-back, accessed
 * and dirty.  False: out of memory. */
bool ept_map(uint64_t root, uint64_t gpa, uint64_t hpa, uint64_t bytes);
/* The same with an entry, and flags of entries that lead to tables, of the caller's own: for registers of a
 * device, and for the IOMMU's tables, which have this form.  0 unmaps; what led there may be cached. */
bool ept_enter(uint64_t root, uint64_t gpa, uint64_t bytes, uint64_t entry, uint64_t tables);
/* False if gpa is not mapped. */
bool ept_translate(uint64_t root, uint64_t gpa, uint64_t *hpa);
/* A and D (28.3.5 "Accessed and Dirty Flags for EPT").  Whether the processor sets them: */
bool ept_has_flags(void);
/* Sets flags, EPT_A or both, in the entry that maps gpa, if there is one; both in all entries. */
void ept_mark(uint64_t root, uint64_t gpa, uint64_t flags);
void ept_mark_all(uint64_t root);
/* Tells of each page below gpa `end` that has A, in ascending order, and clears both. */
void ept_harvest(uint64_t root, uint64_t end, pager_page *page);
/* Gives the tables and every page that they map back to the allocator. */
void ept_free(uint64_t root);
/* The tables alone. */
void ept_free_tables(uint64_t root);

#endif
