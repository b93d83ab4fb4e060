/* tlb.h - the TLBs and the walk caches as stores of tagged mappings: look-up, fill, replacement.
 *
 * Three kinds of mapping (SDM vol. 3, 28.4.1 "Information That May Be Cached"): linear, by VPID and PCID,
 * while EPT is not in use; guest-physical, by EP4TA; combined, by all three.  The walk caches use the same
 * entries: one that stands for a table entry of level n reaches as far as a page of that level would. */
#ifndef RINGSIDE_MMU_TLB_H
#define RINGSIDE_MMU_TLB_H

#include "machine.h"

/* Stores of one core.  A walk cache has one for each level whose entries it keeps, highest first. */
enum tlb_unit {
    UNIT_ITLB,
    UNIT_DTLB,
    UNIT_STLB,
    UNIT_PWC,
    UNIT_PWC_PDPTE,
    UNIT_PWC_PDE,
    UNIT_NPWC,
    UNIT_NPWC_PDPTE,
    UNIT_NPWC_PDE,
    UNIT_NTLB,
    TLB_UNITS
};

/* Reach of an entry: 4 KiB, 2 MiB, 1 GiB, and 512 GiB of a walk cache's highest level. */
enum tlb_reach { REACH_4K, REACH_2M, REACH_1G, REACH_512G };

static inline unsigned reach_shift(unsigned reach)
{
    return 12 + 9 * reach;
}

static inline u64 reach_bytes(unsigned reach)
{
    return (u64)1 << reach_shift(reach);
}

/* tlb_entry.perms: rights of the guest's tables and of EPT side by side; both must allow an access.  A
 * mapping that does not pass through one of them has all rights of it. */
enum tlb_perm {
    PERM_R = 1 << 0,
    PERM_W = 1 << 1,
    PERM_X = 1 << 2,
    PERM_U = 1 << 3, /* user-mode address */
    PERM_GUEST = PERM_R | PERM_W | PERM_X | PERM_U,
    PERM_EPT_R = 1 << 4,
    PERM_EPT_W = 1 << 5,
    PERM_EPT_X = 1 << 6,
    PERM_EPT = PERM_EPT_R | PERM_EPT_W | PERM_EPT_X,
    PERM_DIRTY = 1 << 7, /* a store needs no walk: D is set wherever it is in use */
    PERM_GLOBAL = 1 << 8,
    PERM_KIND_SHIFT = 9, /* enum page_kind, three bits */
    PERM_KIND = 7 << PERM_KIND_SHIFT,
    PERM_REACH_SHIFT = 12, /* reach of the guest's own page, two bits: INVLPG drops all pieces of it */
    PERM_REACH = 3 << PERM_REACH_SHIFT,
    PERM_SUPPRESS_VE = 1 << 14 /* guest-physical mappings: bit 63 of the entry that maps the page */
};

enum tlb_kind { KIND_LINEAR, KIND_COMBINED, KIND_GUEST_PHYSICAL };

/* tlb_entry.space */
#define SPACE_PCID        0xfffull
#define SPACE_VPID_SHIFT  16
#define SPACE_KIND_SHIFT  32
#define SPACE_REACH_SHIFT 34

static inline u64 tlb_space(enum tlb_kind kind, u64 vpid, u64 pcid)
{
    return (u64)kind << SPACE_KIND_SHIFT | (vpid & 0xffff) << SPACE_VPID_SHIFT | (pcid & SPACE_PCID);
}

static inline unsigned entry_reach(const struct tlb_entry *e)
{
    return (unsigned)(e->space >> SPACE_REACH_SHIFT & 3);
}

static inline enum tlb_kind entry_kind(const struct tlb_entry *e)
{
    return (enum tlb_kind)(e->space >> SPACE_KIND_SHIFT & 3);
}

static inline u64 entry_vpid(const struct tlb_entry *e)
{
    return e->space >> SPACE_VPID_SHIFT & 0xffff;
}

static inline u64 entry_address(const struct tlb_entry *e)
{
    return (e->tag - 1) << reach_shift(entry_reach(e));
}

/* hPA of an address inside the entry's page. */
static inline u64 entry_hpa(const struct tlb_entry *e, u64 address)
{
    return e->frame | (address & (reach_bytes(entry_reach(e)) - 1));
}

/* Whose mappings a core uses now: the tags of a look-up. */
struct mmu_context {
    u64 space;      /* of linear or combined mappings */
    u64 eptp;       /* EP4TA, 0 without EPT */
    bool nested;    /* EPT is in use */
    bool ept_flags; /* accessed and dirty flags for EPT: EPTP bit 6 */
};

struct mmu_context mmu_context(const struct core *c);

/* Geometry of a unit. */
struct tlb {
    struct tlb_entry *entry; /* set s holds entry[s * ways] and on */
    u32 sets, ways;
    u32 mask; /* sets_mask(sets) */
    u8 which; /* enum rs_tlb */
};

struct tlb tlb_geometry(struct core *c, enum tlb_unit unit);

/* The entry of `unit` for an address under exactly this tag and reach, or NULL.  Its age is left alone. */
struct tlb_entry *tlb_find(struct core *c, enum tlb_unit unit, u64 address, unsigned reach, u64 space,
                           u64 eptp);

/* One look-up: 4 KiB first, then the larger pages.  A hit becomes the youngest.  NULL: a miss. */
struct tlb_entry *tlb_look_up(struct core *c, enum tlb_unit unit, u64 address, u64 space, u64 eptp);

/* Puts a mapping in (rule T4) after the look-up that missed, with the events and micros of the fill and of an
 * eviction; where it stands now. */
struct tlb_entry *tlb_fill(struct core *c, enum tlb_unit unit, const struct tlb_entry *mapping);

/* `e` is one of `unit`. */
void tlb_drop(struct core *c, enum tlb_unit unit, struct tlb_entry *e);

#endif
