/* level.h - formats of translation tables: what the one walker needs to know of each. */
#ifndef RINGSIDE_MMU_LEVEL_H
#define RINGSIDE_MMU_LEVEL_H

#include "machine.h"

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

extern const struct level_format format_ia32e; /* SDM vol. 3, 4.5 "4-Level Paging and 5-Level Paging" */
extern const struct level_format format_ept;   /* SDM vol. 3, 28.3.2 "EPT Translation Mechanism" */

static inline unsigned level_index(const struct level_format *f, unsigned level, u64 address)
{
    return (unsigned)(address >> f->shift[level] & 0x1ff);
}

static inline bool level_is_leaf(const struct level_format *f, unsigned level, u64 entry)
{
    return level == 1 || (f->large[level] && entry & PAGE_BIT);
}

/* False if the entry, which is present, sets what it must not. */
bool level_well_formed(const struct level_format *f, unsigned level, u64 entry);

/* Address of the table, or of the page, that an entry points to. */
u64 level_frame(const struct level_format *f, unsigned level, u64 entry);

#endif
