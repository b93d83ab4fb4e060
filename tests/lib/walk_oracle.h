/* walk_oracle.h - where does an access of a guest's land, or how does it end?  SDM vol. 3, 4.5 to 4.8
 * and 28.3, written a second time: from the manual, without a look at the machine's walker, and without
 * caches.
 *
 * Nothing is written to memory: what a walk would change is kept aside, and read back from there. */
#ifndef TESTS_LIB_WALK_ORACLE_H
#define TESTS_LIB_WALK_ORACLE_H

#include "machine.h"
#include "mmu/mem.h"

enum oracle_end { ORACLE_LANDS, ORACLE_PAGE_FAULT, ORACLE_VIOLATION, ORACLE_MISCONFIG, ORACLE_LOG_FULL };

/* An access: bits as in the exit qualification of EPT violations. */
enum { ORACLE_READ = 1, ORACLE_WRITE = 2, ORACLE_FETCH = 4 };

struct oracle_answer {
    u64 hpa;           /* if it lands */
    u64 gpa;           /* if EPT refuses */
    u64 qualification; /* of a violation, bit 12 apart */
    u32 error;         /* of a page fault */
    u64 rights;        /* bits 2:0 of all EPT entries used */
    bool suppress;     /* bit 63 of the entry that decides about #VE */
};

#define ORACLE_CHANGES 64

struct walk_oracle {
    const struct mem *mem;
    u64 eptp, cr0, cr3, cr4, efer, rflags; /* the guest's */
    bool user;                             /* CPL 3 */
    bool logs;                             /* page modifications */
    u64 log, log_index;
    unsigned changes, visits;
    struct {
        u64 hpa, value;
    } change[ORACLE_CHANGES];
    struct {
        u64 hpa;
        unsigned role;
    } visit[ORACLE_CHANGES];
    bool twofold; /* a place was used in two ways, so that caches may know it as it was */
};

enum oracle_end oracle_access(struct walk_oracle *o, u64 gva, unsigned access, struct oracle_answer *a);

/* What the oracle thinks that 8 bytes hold. */
u64 oracle_peek(const struct walk_oracle *o, u64 hpa);
void oracle_poke(struct walk_oracle *o, u64 hpa, u64 value);

#endif
