/* guest_ept.h - EPT for the guest of guest.h: 4 KiB pages map its 8 MiB to themselves. */
#ifndef TESTS_LIB_GUEST_EPT_H
#define TESTS_LIB_GUEST_EPT_H

#include "lib/guest.h"

#define EPT_PAGE 0x605000u /* a page that nothing else uses, and linear address in the guest */

/* Another hierarchy, by its number. */
#define EPT_TABLES(i) (0xa0000u + 0x10000u * (i))

/* Makes the tables: `bits` are added to all entries that map pages, EPT_A to the others if it is among them.
 * The EPTP that leads there, accessed and dirty flags off. */
u64 ept_make(struct bare *b, unsigned i, u64 bits);

/* The current VMCS's guest gets the first hierarchy, and flags of the EPTP. */
void ept_use(struct bare *b, u64 bits, u64 eptp_flags);
/* More secondary controls. */
void ept_control(struct bare *b, u64 controls);

/* Where the entry of the lowest level is. */
u64 ept_entry(unsigned i, u64 gpa);

#define STORE_RAX_RBX "\x48\x89\x03" /* mov %rax,(%rbx) */
#define LOAD_RBX_RAX  "\x48\x8b\x03" /* mov (%rbx),%rax */
#define NOP_1         "\x90"

#endif
