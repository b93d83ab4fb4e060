/* walk_cache.h - paging-structure caches of both dimensions and the nested TLB (SDM vol. 3, 4.10.3, 28.4.1).
 */
#ifndef RINGSIDE_MMU_WALK_CACHE_H
#define RINGSIDE_MMU_WALK_CACHE_H

#include "mmu/tlb.h"

/* Which walk cache.  The first unit of each; levels 4, 3, 2 follow each other. */
enum walk_cache { CACHE_OF_GUEST = UNIT_PWC, CACHE_OF_EPT = UNIT_NPWC };

struct walk_cache_tag {
    u64 space, eptp;
};

/* One look-up, the longest match first.  Returns the level of the entry found, 4..2, whose table and rights
 * are then in *out; 0: a miss, or off.  A hit costs walk_cache_latency. */
unsigned walk_cache_look_up(struct core *c, enum walk_cache which, u64 address, struct walk_cache_tag tag,
                            struct tlb_entry *out);

/* The entry of level 2 of the guest's walk cache, not used yet, or NULL; and using it, as walk_cache_look_up
 * does. */
struct tlb_entry *walk_cache_find_pde(struct core *c, u64 gva, const struct mmu_context *x);
void walk_cache_hit(struct core *c, struct tlb_entry *e);

/* Keeps an entry of `level` that points to `table` and, with those above it, grants `perms`. */
void walk_cache_fill(struct core *c, enum walk_cache which, unsigned level, u64 address,
                     struct walk_cache_tag tag, u64 table, u64 perms);

/* The nested TLB: a hit must allow `need` (enum tlb_perm, EPT side and PERM_DIRTY); what refuses is dropped
 * (rule T5). */
bool nested_tlb_look_up(struct core *c, u64 gpa, u64 need, u64 eptp, struct tlb_entry *out);
void nested_tlb_fill(struct core *c, u64 gpa, unsigned reach, u64 eptp, u64 frame, u64 perms);

#endif
