/* tables.h - page tables of a guest, and EPT: one form for both, an address's nine bits a level. */
#ifndef VTX_TABLES_H
#define VTX_TABLES_H

#include <stdint.h>

#define PAGE_SHIFT 12
#define SHIFT_2M   21
#define SHIFT_1G   30

/* A page beyond the identity maps of everybody: for the guest by linear address, and in its physical space.
 */
#define TRIAL_GVA UINT64_C(0x8000000000)
#define TRIAL_GPA UINT64_C(0x140000000)

/* The entry that maps `address` with pages of 1 << shift bytes.  Tables that are missing on the way are made,
 * and pointed to with the bits `link`; larger pages are split. */
uint64_t *table_entry(uint64_t *root, uint64_t address, unsigned shift, uint64_t link);

/* The guest gets tables of its own, with the world's 4 GiB and, at TRIAL_GVA, one page at gpa. */
uint64_t *guest_tables(void);
uint64_t *guest_map(uint64_t gva, uint64_t gpa, uint64_t flags); /* 4 KiB; returns the entry */

/* Turns EPT on: 4 GiB, identity, all rights.  Skips the test if there is no EPT.  Returns the EPTP. */
uint64_t ept_on(void);
uint64_t *ept_entry(uint64_t gpa, unsigned shift);
/* An EPT as that of ept_on(), without turning it on. */
uint64_t ept_new(void);
uint64_t *ept_entry_of(uint64_t eptp, uint64_t gpa, unsigned shift);
/* Maps TRIAL_GVA to TRIAL_GPA, and that by an EPT entry for a page of zeros, with these rights.  Returns the
 * page. */
volatile uint64_t *ept_trial(uint64_t rights);

#endif
