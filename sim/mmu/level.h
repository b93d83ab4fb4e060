/* level.h - formats of translation tables: what the one walker needs to know of each, a row for each.
 *
 * All of it is in the header, for a walk knows its format beforehand: then the row's fields are constants. */
#ifndef RINGSIDE_MMU_LEVEL_H
#define RINGSIDE_MMU_LEVEL_H

#include "arch/iommu.h"
#include "arch/vmx.h"
#include "mmu/tlb.h"

#define LEVELS   4
#define PAGE_BIT ((u64)1 << 7) /* this entry maps a page: PS; in both formats */

/* One table format.  Arrays are by level, 1..4; [0] is unused. */
struct level_format {
    const char *name;
    u8 shift[LEVELS + 1];   /* lowest bit of the address that indexes a table of this level */
    bool large[LEVELS + 1]; /* bit 7 makes an entry map a page */
    u64 present;            /* any of these bits: the entry is present */
    u64 accessed, dirty;
    u64 reserved[LEVELS + 1];      /* must be 0 in an entry that points to a table; level 1: in any */
    u64 reserved_page[LEVELS + 1]; /* must be 0 in an entry that maps a large page */
    u8 bad_low;                    /* a bit for each value of bits 2:0 that is never legal */
    u8 bad_type;                   /* a bit for each value of a leaf's bits 5:3 that is never legal */
    u64 (*perms)(u64 entry);       /* enum tlb_perm that the entry grants, of its side alone */
};

static inline u64 perms_ia32e(u64 entry)
{
    return PERM_R | (entry & PTE_W ? PERM_W : 0) | (entry & PTE_U ? PERM_U : 0) |
           (entry & PTE_NX ? 0 : PERM_X);
}

static inline u64 perms_ept(u64 entry)
{
    return (entry & EPT_R ? PERM_EPT_R : 0) | (entry & EPT_W ? PERM_EPT_W : 0) |
           (entry & EPT_X ? PERM_EPT_X : 0);
}

static inline u64 perms_vtd(u64 entry)
{
    return (entry & IOMMU_SL_R ? PERM_R : 0) | (entry & IOMMU_SL_W ? PERM_W : 0);
}

#define LEVEL_BITS(high, low) (((((u64)1 << ((high) - (low))) << 1) - 1) << (low))
#define BEYOND_PHYS           LEVEL_BITS(51, PHYS_BITS)

/* SDM vol. 3, 4.5 "4-Level Paging and 5-Level Paging"; reserved bits: tables 4-15 to 4-20 "Format of a PML4
 * Entry ...". */
static const struct level_format format_ia32e = {
    .name = "4-level paging",
    .shift = {0, 12, 21, 30, 39},
    .large = {false, false, true, true, false},
    .present = PTE_P,
    .accessed = PTE_A,
    .dirty = PTE_D,
    .reserved = {0, BEYOND_PHYS, BEYOND_PHYS, BEYOND_PHYS, BEYOND_PHYS | PTE_PS},
    .reserved_page = {0, 0, BEYOND_PHYS | LEVEL_BITS(20, 13), BEYOND_PHYS | LEVEL_BITS(29, 13), 0},
    .perms = perms_ia32e,
};

/* SDM vol. 3, 28.3.2 "EPT Translation Mechanism"; reserved bits: tables 28-1 to 28-6; never legal: 28.3.3.1
 * "EPT Misconfigurations".  W without R is one; execute-only is not, for IA32_VMX_EPT_VPID_CAP offers it.
 * Memory types 2, 3 and 7 do not exist. */
static const struct level_format format_ept = {
    .name = "EPT",
    .shift = {0, 12, 21, 30, 39},
    .large = {false, false, true, true, false},
    .present = EPT_RWX,
    .accessed = EPT_A,
    .dirty = EPT_D,
    .reserved = {0, BEYOND_PHYS, BEYOND_PHYS | LEVEL_BITS(6, 3), BEYOND_PHYS | LEVEL_BITS(6, 3),
                 BEYOND_PHYS | LEVEL_BITS(7, 3)},
    .reserved_page = {0, 0, BEYOND_PHYS | LEVEL_BITS(20, 12), BEYOND_PHYS | LEVEL_BITS(29, 12), 0},
    .bad_low = 1 << 2 | 1 << 6,
    .bad_type = 1 << 2 | 1 << 3 | 1 << 7,
    .perms = perms_ept,
};

/* VT-d specification, 9.8 "Second-Level Paging Entries": bits 11 and 62 are reserved without snoop control
 * and device TLBs. */
#define VTD_RESERVED (BEYOND_PHYS | LEVEL_BITS(11, 11) | LEVEL_BITS(62, 62))
static const struct level_format format_vtd = {
    .name = "second-level tables",
    .shift = {0, 12, 21, 30, 39},
    .large = {false, false, true, true, false},
    .present = IOMMU_SL_R | IOMMU_SL_W,
    .reserved = {0, VTD_RESERVED, VTD_RESERVED, VTD_RESERVED, VTD_RESERVED | IOMMU_SL_PS},
    .reserved_page = {0, 0, VTD_RESERVED | LEVEL_BITS(20, 12), VTD_RESERVED | LEVEL_BITS(29, 12), 0},
    .perms = perms_vtd,
};

static inline unsigned level_index(const struct level_format *f, unsigned level, u64 address)
{
    return (unsigned)(address >> f->shift[level] & 0x1ff);
}

static inline bool level_is_leaf(const struct level_format *f, unsigned level, u64 entry)
{
    return level == 1 || (f->large[level] && entry & PAGE_BIT);
}

/* False if the entry, which is present, sets what it must not. */
static inline bool level_well_formed(const struct level_format *f, unsigned level, u64 entry)
{
    bool leaf = level_is_leaf(f, level, entry);
    u64 reserved = leaf && level > 1 ? f->reserved_page[level] : f->reserved[level];
    if (entry & reserved || f->bad_low >> (entry & 7) & 1)
        return false;
    return !leaf || !(f->bad_type >> (entry >> 3 & 7) & 1);
}

/* Address of the table, or of the page, that an entry points to. */
static inline u64 level_frame(const struct level_format *f, unsigned level, u64 entry)
{
    u64 frame = entry & PTE_ADDR & PHYS_MASK;
    return level_is_leaf(f, level, entry) ? frame & ~(((u64)1 << f->shift[level]) - 1) : frame;
}

/* Where a walk stands. */
struct cursor {
    unsigned level;
    u64 table;   /* gPA in the guest's tables under EPT */
    u64 perms;   /* granted so far */
    u8 base_ref; /* number of the reference that gave `table` */
};

/* Reads the cursor's entry, on behalf of a walk and its pass; false: the walk ends there. */
typedef bool level_visit(void *walk, const void *pass, struct cursor *at, u64 address, u64 *entry);
/* Takes note of an entry that points to a table, which is next. */
typedef void level_remember(void *walk, const void *pass, const struct cursor *at, u64 address, u64 table);

/* The loop, for every format: from the cursor's table to the entry that maps the address, at which the cursor
 * then stands.  False: `visit` has ended it. */
INLINED bool level_loop(const struct level_format *f, level_visit *visit, level_remember *remember,
                        void *walk, const void *pass, struct cursor *at, u64 address, u64 *entry)
{
    while (visit(walk, pass, at, address, entry)) {
        if (level_is_leaf(f, at->level, *entry))
            return true;
        u64 table = level_frame(f, at->level, *entry);
        remember(walk, pass, at, address, table);
        at->table = table;
        at->level--;
    }
    return false;
}

#endif
