/* words.h - addresses, entries and faults in words. */
#ifndef VIEW_WORDS_H
#define VIEW_WORDS_H

#include "ringside.h"

/* "PML4E", "PDPTE", "PDE", "PTE"; "page" for level 0. */
const char *word_entry(unsigned level);
/* Of VT-d's second-level tables: "SL-PML4E" ... "SL-PTE". */
const char *word_second(unsigned level);
/* The index of a linear address: "PML4", "PDPT", "PD", "PT"; "offset" for level 0. */
const char *word_index(unsigned level);
/* "4 KiB", "2 MiB", "1 GiB"; else in bytes. */
const char *word_bytes(uint64_t bytes, char text[24]);
/* What an entry of this level maps: 4096, 2 MiB, ...; 0 for a level that does not exist. */
uint64_t level_bytes(unsigned level);
/* 1234567 as "1,234,567". */
const char *word_count(uint64_t n, char text[32]);
const char *word_hit(enum rs_hit from);         /* "L1", "L2", "mem", "core" */
const char *word_access(enum rs_access access); /* "read", "write", "fetch" */
const char *word_skip(enum rs_skip by);         /* "PWC", "nPWC", "nTLB", ... */

/* Set flags of a table entry by the manual's names: "P R/W U/S A", "R W X, WB"; or "not present". */
void word_flags(const struct rs_walk_ref *ref, uint64_t entry, char *text, size_t size);
bool entry_present(const struct rs_walk_ref *ref);
/* What a TLB entry allows: "RWX-": read, write, execute, user. */
const char *word_rights(const struct rs_tlb_view *e, char text[8]);
/* Address bits of an entry: the next table, or the page. */
uint64_t entry_frame(const struct rs_walk_ref *ref);
/* Of a context entry: how many levels its tables have (0: addresses are passed through), and its domain ID.
 */
unsigned context_levels(const struct rs_walk_ref *ref);
unsigned context_domain(const struct rs_walk_ref *ref);
/* Accessed and dirty bits that this reference has set: "A", "D", "AD" or "". */
const char *word_ad_set(const struct rs_walk_ref *ref);

/* Whose fault it is, as the lecture says it: "the guest kernel's (#PF, no exit)". */
const char *word_owner(const struct rs_walk *walk);
/* #PF error code (SDM vol. 3, 4.7 "Page-Fault Exceptions"): "write, user, not present". */
void word_pf_error(uint32_t error, char *text, size_t size);
/* Exit qualification for EPT violations (SDM vol. 3, table 27-7): "write; the page allows R-X". */
void word_ept_violation(uint64_t qualification, char *text, size_t size);

#endif
