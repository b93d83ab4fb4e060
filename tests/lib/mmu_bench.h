/* mmu_bench.h - a core and tables made by hand, for tests of the memory side: accesses without instructions.
 */
#ifndef TESTS_LIB_MMU_BENCH_H
#define TESTS_LIB_MMU_BENCH_H

#include "machine.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"
#include "mmu/tlb.h"

struct setting {
    const char *name;
    u64 value;
};

/* Under EPT the guest's memory, 16 MiB from gPA 0, lies at GUEST_HPA, and its tables are in it. */
#define GUEST_HPA   0x1000000u
#define GUEST_BYTES 0x1000000u
#define BENCH_VMCS  0x3000000u

struct mmu_bench {
    rs_world *world;
    rs_machine *m;
    struct core *c;
    bool nested;
    u64 next_table; /* address of the next table to be made; a gPA under EPT */
    u64 ept_root, next_ept_table;
};

/* settings: pairs up to a NULL name; NULL: defaults. */
struct mmu_bench bench_new(const struct setting *settings);
/* With these every miss of an L1 TLB is a walk, and every walk is whole. */
extern const struct setting bench_whole_walks[];
void bench_free(struct mmu_bench *b);

/* VMX non-root operation with EPT that maps the guest's memory with pages of `reach`, VPID 1, and an empty
 * guest PML4. */
void bench_enter_guest(struct mmu_bench *b, unsigned reach);

/* The entry that maps an address to a frame, with the tables on the way, which grant everything. */
void bench_map_guest(struct mmu_bench *b, u64 gva, u64 frame, unsigned reach, u64 bits);
void bench_map_ept(struct mmu_bench *b, u64 gpa, u64 frame, unsigned reach, u64 bits);
/* hPA of the entry of `level` that translates an address. */
u64 bench_guest_entry(const struct mmu_bench *b, u64 gva, unsigned level);
u64 bench_ept_entry(const struct mmu_bench *b, u64 gpa, unsigned level);
u64 bench_u64(const struct mmu_bench *b, u64 hpa);
void bench_or(struct mmu_bench *b, u64 hpa, u64 bits);
void bench_clear(struct mmu_bench *b, u64 hpa, u64 bits);

/* One access (enum mmu_access; 8 bytes).  False if it left the atom. */
bool bench_access(struct mmu_bench *b, u64 gva, unsigned access);
/* The same, and how many references its walk made: 0 if there was none. */
unsigned bench_refs(struct mmu_bench *b, u64 gva, unsigned access);
/* Runs an invalidation or another function that may leave the atom. */
void bench_run(struct mmu_bench *b, void (*fn)(struct core *c, const void *arg), const void *arg);

#endif
