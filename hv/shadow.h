/* shadow.h - what the files of the shadow pager have of each other.
 *
 * A shadow table is a page table that the processor reads.  It stands for one of the guest's tables, or, if
 * it is `direct`, for a part of a large page of the guest's that is not large here.  Only entries that lead
 * to a page carry rights, those of the whole way; so a guest's table that is reached with different rights
 * has a shadow for each.  README has the story. */
#ifndef HV_SHADOW_H
#define HV_SHADOW_H

#include "guest_walk.h"
#include "shadow_state.h"

#define SHADOW_ENTRIES 512
#define SHADOW_WORD    64 /* bits */

/* The entry for gva in a table of this level. */
static inline unsigned shadow_index(uint64_t gva, unsigned level)
{
    return gva >> (12 + 9 * (level - 1)) & (SHADOW_ENTRIES - 1);
}

/* What a shadow table is, besides the frame that it stands for: its level (1 to 4), and the rights that lead
 * to it, PTE_W, PTE_U and PTE_NX; of a direct one, all that its entries have: PTE_D and PTE_G too.  And the
 * mode of those who use it, as far as entries depend on it: virtual CPUs may differ.  All that is no right
 * lies where entries of tables have bits that processors ignore. */
#define ROLE_LEVEL_SHIFT    52
#define ROLE_DIRECT         (UINT64_C(1) << 55)
#define ROLE_WP_CLEAR       (UINT64_C(1) << 56)
#define ROLE_SMEP           (UINT64_C(1) << 57) /* these two only with WP clear */
#define ROLE_SMAP           (UINT64_C(1) << 58)
#define ROLE_NXE            (UINT64_C(1) << 59)
#define ROLE_MODE           (ROLE_WP_CLEAR | ROLE_SMEP | ROLE_SMAP | ROLE_NXE)
#define ROLE(level, rights) ((uint64_t)(level) << ROLE_LEVEL_SHIFT | (rights))
#define ROLE_LEVEL(role)    ((unsigned)((role) >> ROLE_LEVEL_SHIFT) & 7)
#define ROLE_RIGHTS(role)   ((role) & (PTE_W | PTE_U | PTE_D | PTE_G | PTE_NX))

struct shadow_table {
    uint64_t *entry;          /* read by the processor; its address is its hpa */
    struct shadow_link *link; /* of each entry that is present */
    uint64_t *seen;           /* not of direct ones: the guest's entry that each agrees with */
    uint64_t role;            /* 0: free */
    uint32_t gfn;             /* the guest's table; of a direct one, its first page */
    uint32_t parents;         /* the first entry that leads here */
    uint16_t slot;            /* its number */
    uint16_t next;            /* table of the same frame, or in the list of the free; 0: the last */
    uint16_t users;           /* virtual CPUs whose root it is */
    uint64_t walk;            /* the last fault that it was on the way of: not to be evicted meanwhile */
    uint64_t present[SHADOW_ENTRIES / SHADOW_WORD]; /* entries, a bit each */
};

/* ---- shadow_table.c ---- */

bool shadow_pool_begin(struct vm *vm);
/* Frames beyond RAM, for a page of registers; nothing maps it any more. */
bool shadow_adopt(struct vm *vm, uint64_t gpa);
void shadow_forget(struct vm *vm, uint64_t gpa);
void shadow_pool_end(struct vm *vm);

struct shadow_table *shadow_table_at(struct shadow *s, unsigned slot); /* 1 to s->slots */
struct shadow_frame *shadow_frame_at(struct shadow *s, uint64_t gfn);
/* The table of this frame and role: an empty one if there was none, for which another may have to go.  NULL:
 * no memory even for that. */
struct shadow_table *shadow_table_get(struct vm *vm, uint64_t gfn, uint64_t role);
void shadow_table_free(struct shadow *s, struct shadow_table *t);
/* Entries.  What one loses that the processor may have cached sets s->stale. */
unsigned shadow_next(const struct shadow_table *t, unsigned i); /* the first from i on that is present */
void shadow_set_page(struct shadow *s, struct shadow_table *t, unsigned i, uint64_t value, uint64_t gfn);
void shadow_set_table(struct shadow *s, struct shadow_table *t, unsigned i, struct shadow_table *below);
void shadow_clear(struct shadow *s, struct shadow_table *t, unsigned i);
/* One that maps a page has other rights from now on.  What it had, but for what processors have set
 * meanwhile. */
uint64_t shadow_change_page(struct shadow_table *t, unsigned i, uint64_t value);
bool shadow_entry_is_page(const struct shadow_table *t, unsigned i);
/* The table that an entry leads to. */
struct shadow_table *shadow_below(struct shadow *s, const struct shadow_table *t, unsigned i);
/* The VM's other virtual CPUs leave their guests, until this exit has been handled: no table changes under
 * us, and nobody walks what is taken apart. */
void shadow_stop_others(struct shadow *s);
/* No entry lets the guest write to this frame any more: the next write is a trace fault. */
void shadow_protect(struct shadow *s, uint64_t gfn);
/* Whether a frame of the 2 MiB around it is a table of the guest's: then they cannot be mapped as one. */
bool shadow_tables_near(const struct shadow *s, uint64_t gfn);
/* A and D of all entries into those below dir->root. */
void shadow_collect(struct vm *vm);

/* Whether any stands for the frame as a table of the guest's, or as one above the last level. */
bool shadow_is_table(struct shadow *s, uint64_t gfn);
bool shadow_is_upper(struct shadow *s, uint64_t gfn);

/* ---- shadow_sync.c ---- */

/* The guest writes to its table: from now on its shadows may differ from it. */
void shadow_unsync(struct vcpu *v, uint64_t gfn);
/* What the guest's invalidations ask for: of everything, or of one address. */
void shadow_sync(struct vcpu *v);
void shadow_sync_address(struct vcpu *v, uint64_t gva);
/* What has to be before a fault fills anything in. */
void shadow_before_fill(struct vcpu *v);
/* Tables on the way to gva that were not traced yet when they were read, and have been written to since. */
void shadow_look_again(struct vcpu *v, uint64_t gva);
/* What the entry of a shadow table that maps a page has, its address aside: `rights` are those of the whole
 * way, `entry` the guest's. */
uint64_t shadow_page_flags(struct vcpu *v, uint64_t rights, uint64_t entry, uint64_t gfn);
/* Frame and role of the table to which the guest's entry leads from a table of this role. */
uint64_t shadow_role_below(const struct vcpu *v, uint64_t role, uint64_t entry);

/* ---- shadow.c ---- */

/* Drops what processors have cached, if anything of it is no longer true. */
void shadow_flush_stale(struct vm *vm);
struct shadow_table *shadow_root(struct vcpu *v);
/* The last table on the way to gva, and the index there; NULL if there is no root.  The same if the entry
 * maps a page, else NULL. */
struct shadow_table *shadow_reach(struct vcpu *v, uint64_t gva, unsigned *index);
struct shadow_table *shadow_find(struct vcpu *v, uint64_t gva, unsigned *index);

/* ---- shadow_fault.c ---- */

void shadow_page_fault(struct vcpu *v);
void shadow_instruction_done(struct vcpu *v);
/* The pages that v has lent are taken back, whether its VMCS is current or not. */
void shadow_take_back(struct vcpu *v);

#endif
