/* mmu.h - from a linear address to bytes: what instructions use to touch memory.
 *
 * Every function here may leave the atom (longjmp): by a fault that becomes the pending event, by a VM exit,
 * or by a micro-stop.  So an instruction makes all its accesses before it writes any register, and prepares
 * every store before it commits one (design: an atom translates and checks all its accesses first).
 */
#ifndef RINGSIDE_MMU_H
#define RINGSIDE_MMU_H

#include "machine.h"

/* What kind of access.  Values are bits. */
enum mmu_access {
    MMU_READ = 0,
    MMU_WRITE = 1,
    MMU_FETCH = 2,
    MMU_USER = 4,     /* CPL 3; otherwise supervisor-mode access */
    MMU_IMPLICIT = 8, /* implicit supervisor access: GDT, IDT, TSS, whatever the CPL (SDM vol. 3, 4.6) */
    MMU_MODIFY = 16   /* the read of a read-modify-write: for vapic_access() alone */
};

/* Where a checked store will go: at most two pieces, since it may cross a page. */
struct latch {
    u64 gva;
    u64 hpa[2];
    u8 *host[2]; /* the bytes of each, if that is known, while the memory's layout stands */
    u64 layout;
    u8 bytes[2]; /* bytes in each piece; bytes[1] is 0 if it does not cross */
    u8 kind[2];  /* enum page_kind */
    u8 size;
};

/* ---- data, n = 1, 2, 4, 8 bytes, little-endian.  Data TLB, L1D, store buffer and their cycles included.
 * ---- */

u64 mmu_load(struct core *c, u64 gva, unsigned n, unsigned access);
void mmu_store_check(struct core *c, u64 gva, unsigned n, unsigned access, struct latch *l);
void mmu_store_commit(struct core *c, const struct latch *l, u64 value);
/* Read-modify-write: checks for writing, reads once; commit with mmu_store_commit. */
u64 mmu_load_for_write(struct core *c, u64 gva, unsigned n, unsigned access, struct latch *l);

/* ---- several words of 8 bytes, of a table or a stack: mmu/words.c ---- */

/* Loads that mmu_load would make one after another, at gva and on; at most WORDS_MAX.  False: they do not all
 * hit one page and L1D at a glance, and nothing has happened yet. */
#define WORDS_MAX 8
bool mmu_load_words(struct core *c, u64 gva, unsigned words, unsigned access, u64 *value);

/* Where words that have been checked will go. */
struct words_latch {
    u64 hpa, gva; /* of the first of them, which has the highest address */
    u8 *host;
    u64 layout;
    unsigned words;
};

/* Checks stores one after another, each below the one before, the first below `top`: as mmu_load_words. */
bool mmu_store_check_words(struct core *c, u64 top, unsigned words, unsigned access, struct words_latch *l);
void mmu_store_commit_words(struct core *c, const struct words_latch *l, const u64 *value);

/* ---- fetch ---- */

/* Makes the line that holds gva the fetch buffer's line, with its cycles (docs/machine.md, "Fetch"), and
 * returns the hPA of gva.  The run loop calls it for each line that an instruction's bytes lie in. */
u64 mmu_fetch_line(struct core *c, u64 gva);

/* ---- physical accesses that hardware makes on its own: VMCS, bitmaps, MSR lists ---- */

u64 phys_read(struct core *c, u64 hpa, unsigned n, u64 *counter); /* through L1D, cycles under counter */
u64 phys_load(struct core *c, u64 hpa, unsigned n);               /* through L1D, cycles under stall_vmx */
void phys_store(struct core *c, u64 hpa, unsigned n, u64 value);
void phys_store_dry(struct core *c, u64 hpa, unsigned n); /* a scratch core's: the cycles alone */

/* ---- invalidation; each reports tlb.flush with its cause ---- */

enum flush_cause {
    FLUSH_CR3,
    FLUSH_CR0_CR4,
    FLUSH_INVLPG,
    FLUSH_INVPCID,
    FLUSH_INVEPT,
    FLUSH_INVVPID,
    FLUSH_VM_ENTRY,
    FLUSH_VM_EXIT,
    FLUSH_EPT_VIOLATION,
    FLUSH_FAULT,
    FLUSH_STARTUP,
    FLUSH_APIC_BASE,
    FLUSH_VMFUNC,
    FLUSH_CAUSES
};

/* INVLPG: this PCID and globals (SDM vol. 3, 4.10.4.1) */
void mmu_flush_page(struct core *c, u64 gva, enum flush_cause cause);
/* MOV CR3, INVPCID type 1 */
void mmu_flush_pcid(struct core *c, u64 pcid, bool globals, enum flush_cause cause);
/* MOV CR4/CR0: every PCID of this VPID */
void mmu_flush_linear(struct core *c, bool globals, enum flush_cause cause);
/* linear and combined of one VPID, all PCIDs */
void mmu_flush_vpid(struct core *c, u64 vpid, bool globals, enum flush_cause cause);
/* of those what serves gva, global or not: INVVPID individual-address */
void mmu_flush_vpid_page(struct core *c, u64 vpid, u64 gva, enum flush_cause cause);
/* combined of one VPID, all PCIDs and EP4TAs: EPTP switching without VPIDs (25.5.6.3) */
void mmu_flush_combined(struct core *c, u64 vpid, enum flush_cause cause);
/* INVVPID all-context: of every VPID but 0 */
void mmu_flush_all_linear(struct core *c, enum flush_cause cause);
/* guest-physical and combined (28.4.3.1) */
void mmu_flush_ept(struct core *c, bool one, u64 ep4ta, enum flush_cause cause);
/* every mapping of every kind */
void mmu_flush_everything(struct core *c, enum flush_cause cause);
void mmu_reset(struct core *c); /* that and the caches, untold */

/* ---- the walk without side effects, and tables in EPT format ---- */

void mmu_translate(struct core *c, u64 gva, enum rs_access access, bool caches, struct rs_walk *walk);

/* Drops host pointers.  No result changes. */
void mmu_drop_derived(struct core *c);

#endif
