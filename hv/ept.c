#include "ept.h"

#include "arch/insn.h"
#include "arch/vmx.h"
#include "page.h"

#define LEVELS  4
#define ENTRIES 512

/* Bits of an address that select an entry: level 4 is the root's, level 1 that of 4 KiB pages. */
static unsigned shift_of(unsigned level)
{
    return 12 + 9 * (level - 1);
}

static uint64_t *entry_of(uint64_t table, uint64_t gpa, unsigned level)
{
    return (uint64_t *)table + (gpa >> shift_of(level) & (ENTRIES - 1));
}

static bool present(uint64_t entry)
{
    return entry & EPT_RWX;
}

static bool leaf(uint64_t entry, unsigned level)
{
    return level == 1 || entry & EPT_PS;
}

uint64_t ept_new(void)
{
    return page_alloc();
}

uint64_t ept_pointer(uint64_t root)
{
    return root | EPTP_WALK_4 | EPTP_WB | (ept_has_flags() ? EPTP_AD : 0);
}

bool ept_enter(uint64_t root, uint64_t gpa, uint64_t bytes, uint64_t leaf_entry, uint64_t tables)
{
    unsigned last = bytes == LARGE_BYTES ? 2 : 1;
    uint64_t table = root;

    for (unsigned level = LEVELS; level > last; level--) {
        uint64_t *entry = entry_of(table, gpa, level);

        if (!present(*entry)) {
            uint64_t next = page_alloc();

            if (!next)
                return false;
            *entry = next | tables;
        }
        table = *entry & EPT_FRAME;
    }
    *entry_of(table, gpa, last) = leaf_entry;
    return true;
}

bool ept_map(uint64_t root, uint64_t gpa, uint64_t hpa, uint64_t bytes)
{
    uint64_t size = bytes == LARGE_BYTES ? EPT_PS : 0;

    return ept_enter(root, gpa, bytes, hpa | EPT_RWX | EPT_WB | EPT_A | EPT_D | size, EPT_RWX);
}

/* The entry that maps gpa, and its level; NULL if it is not mapped. */
static uint64_t *leaf_of(uint64_t root, uint64_t gpa, unsigned *level)
{
    uint64_t table = root;

    for (*level = LEVELS;; (*level)--) {
        uint64_t *entry = entry_of(table, gpa, *level);

        if (!present(*entry))
            return NULL;
        if (leaf(*entry, *level))
            return entry;
        table = *entry & EPT_FRAME;
    }
}

bool ept_translate(uint64_t root, uint64_t gpa, uint64_t *hpa)
{
    unsigned level;
    const uint64_t *entry = leaf_of(root, gpa, &level);
    uint64_t offset;

    if (!entry)
        return false;
    offset = (UINT64_C(1) << shift_of(level)) - 1;
    *hpa = (*entry & EPT_FRAME & ~offset) | (gpa & offset);
    return true;
}

/* ---- A and D ---- */

bool ept_has_flags(void)
{
    return rdmsr(MSR_VMX_EPT_VPID_CAP) & EPT_CAP_AD;
}

void ept_mark(uint64_t root, uint64_t gpa, uint64_t flags)
{
    unsigned level;
    uint64_t *entry = leaf_of(root, gpa, &level);

    if (entry && (*entry & flags) != flags)
        __atomic_fetch_or(entry, flags, __ATOMIC_SEQ_CST);
}

/* What is done to the entry that maps `bytes` from gpa on. */
typedef void leaf_visit(uint64_t *entry, uint64_t gpa, uint64_t bytes, pager_page *page);

/* Of the entries for addresses below `end`. */
static void each_leaf(uint64_t table, uint64_t gpa, uint64_t end, unsigned level, leaf_visit *visit,
                      pager_page *page)
{
    for (unsigned i = 0; i < ENTRIES && gpa < end; i++, gpa += UINT64_C(1) << shift_of(level)) {
        uint64_t *entry = (uint64_t *)table + i;

        if (!present(*entry))
            continue;
        if (leaf(*entry, level))
            visit(entry, gpa, UINT64_C(1) << shift_of(level), page);
        else
            each_leaf(*entry & EPT_FRAME, gpa, end, level - 1, visit, page);
    }
}

static void mark(uint64_t *entry, uint64_t gpa, uint64_t bytes, pager_page *page)
{
    (void)gpa, (void)bytes, (void)page;
    *entry |= EPT_A | EPT_D;
}

void ept_mark_all(uint64_t root)
{
    each_leaf(root, 0, UINT64_MAX, LEVELS, mark, NULL);
}

static void tell_and_clear(uint64_t *entry, uint64_t gpa, uint64_t bytes, pager_page *page)
{
    uint64_t before = __atomic_fetch_and(entry, ~(EPT_A | EPT_D), __ATOMIC_SEQ_CST); /* cores set them too */

    if (before & EPT_A)
        page(gpa, bytes, before & EPT_D);
}

void ept_harvest(uint64_t root, uint64_t end, pager_page *page)
{
    each_leaf(root, 0, end, LEVELS, tell_and_clear, page);
}

/* ---- the end ---- */

static void free_table(uint64_t table, unsigned level, bool pages)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = ((uint64_t *)table)[i], hpa = entry & EPT_FRAME;

        if (!present(entry))
            continue;
        if (!leaf(entry, level))
            free_table(hpa, level - 1, pages);
        else if (pages)
            page_free(hpa, level == 2 ? LARGE_BYTES : PAGE_BYTES);
    }
    page_free(table, PAGE_BYTES);
}

void ept_free(uint64_t root)
{
    free_table(root, LEVELS, true);
}

void ept_free_tables(uint64_t root)
{
    free_table(root, LEVELS, false);
}
