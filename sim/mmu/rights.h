/* rights.h - may this access use this mapping? (SDM vol. 3, 4.6 "Access Rights") */
#ifndef RINGSIDE_MMU_RIGHTS_H
#define RINGSIDE_MMU_RIGHTS_H

#include "mmu/tlb.h"

/* Why a linear address is refused; the words are in walk_text.c. */
enum guest_fault {
    FAULT_NONE,
    FAULT_NOT_PRESENT,
    FAULT_RESERVED,
    FAULT_WRITE,
    FAULT_USER,
    FAULT_NX,
    FAULT_SMEP,
    FAULT_SMAP,
    GUEST_FAULTS
};

/* By the guest's side of perms (enum tlb_perm) and the registers as they are; access: enum mmu_access. */
enum guest_fault rights_guest(const struct core *c, u64 perms, unsigned access);

/* The EPT rights that an access needs. */
u64 rights_ept_needed(unsigned access);

/* True if a TLB entry serves the access: both sides allow it, and a store finds D set. */
bool rights_allow(const struct core *c, u64 perms, unsigned access);

/* #PF error code (SDM vol. 3, 4.7 "Page-Fault Exceptions"). */
u32 rights_error_code(const struct core *c, enum guest_fault fault, unsigned access);

#endif
