/* level.c - the table formats: a row for each. */
#include "mmu/level.h"

#include "arch/vmx.h"
#include "mmu/tlb.h"

#define BITS(high, low) (((((u64)1 << ((high) - (low))) << 1) - 1) << (low))
#define BEYOND_PHYS     BITS(51, PHYS_BITS)

static u64 perms_ia32e(u64 entry)
{
    return PERM_R | (entry & PTE_W ? PERM_W : 0) | (entry & PTE_U ? PERM_U : 0) |
           (entry & PTE_NX ? 0 : PERM_X);
}

static u64 perms_ept(u64 entry)
{
    return (entry & EPT_R ? PERM_EPT_R : 0) | (entry & EPT_W ? PERM_EPT_W : 0) |
           (entry & EPT_X ? PERM_EPT_X : 0);
}

/* Reserved bits: SDM vol. 3, tables 4-15 to 4-20 "Format of a PML4 Entry ...". */
const struct level_format format_ia32e = {
    .name = "4-level paging",
    .shift = {0, 12, 21, 30, 39},
    .large = {false, false, true, true, false},
    .present = PTE_P,
    .accessed = PTE_A,
    .dirty = PTE_D,
    .reserved = {0, BEYOND_PHYS, BEYOND_PHYS, BEYOND_PHYS, BEYOND_PHYS | PTE_PS},
    .reserved_page = {0, 0, BEYOND_PHYS | BITS(20, 13), BEYOND_PHYS | BITS(29, 13), 0},
    .perms = perms_ia32e,
};

/* Reserved bits: SDM vol. 3, tables 28-1 to 28-6; never legal: 28.3.3.1 "EPT Misconfigurations".  W without R
 * is one; execute-only is not, for IA32_VMX_EPT_VPID_CAP offers it.  Memory types 2, 3 and 7 do not exist. */
const struct level_format format_ept = {
    .name = "EPT",
    .shift = {0, 12, 21, 30, 39},
    .large = {false, false, true, true, false},
    .present = EPT_RWX,
    .accessed = EPT_A,
    .dirty = EPT_D,
    .reserved = {0, BEYOND_PHYS, BEYOND_PHYS | BITS(6, 3), BEYOND_PHYS | BITS(6, 3),
                 BEYOND_PHYS | BITS(7, 3)},
    .reserved_page = {0, 0, BEYOND_PHYS | BITS(20, 12), BEYOND_PHYS | BITS(29, 12), 0},
    .bad_low = 1 << 2 | 1 << 6,
    .bad_type = 1 << 2 | 1 << 3 | 1 << 7,
    .perms = perms_ept,
};

bool level_well_formed(const struct level_format *f, unsigned level, u64 entry)
{
    bool leaf = level_is_leaf(f, level, entry);
    u64 reserved = leaf && level > 1 ? f->reserved_page[level] : f->reserved[level];
    if (entry & reserved || f->bad_low >> (entry & 7) & 1)
        return false;
    return !leaf || !(f->bad_type >> (entry >> 3 & 7) & 1);
}

u64 level_frame(const struct level_format *f, unsigned level, u64 entry)
{
    u64 frame = entry & PTE_ADDR & PHYS_MASK;
    return level_is_leaf(f, level, entry) ? frame & ~(((u64)1 << f->shift[level]) - 1) : frame;
}
