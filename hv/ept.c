#include "ept.h"

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
    return root | EPTP_WALK_4 | EPTP_WB;
}

bool ept_map(uint64_t root, uint64_t gpa, uint64_t hpa, uint64_t bytes)
{
    unsigned last = bytes == LARGE_BYTES ? 2 : 1;
    uint64_t table = root;

    for (unsigned level = LEVELS; level > last; level--) {
        uint64_t *entry = entry_of(table, gpa, level);

        if (!present(*entry)) {
            uint64_t next = page_alloc();

            if (!next)
                return false;
            *entry = next | EPT_RWX;
        }
        table = *entry & EPT_FRAME;
    }
    *entry_of(table, gpa, last) = hpa | EPT_RWX | EPT_WB | (last > 1 ? EPT_PS : 0);
    return true;
}

bool ept_translate(uint64_t root, uint64_t gpa, uint64_t *hpa)
{
    uint64_t table = root;

    for (unsigned level = LEVELS;; level--) {
        uint64_t entry = *entry_of(table, gpa, level), offset = (UINT64_C(1) << shift_of(level)) - 1;

        if (!present(entry))
            return false;
        if (leaf(entry, level)) {
            *hpa = (entry & EPT_FRAME & ~offset) | (gpa & offset);
            return true;
        }
        table = entry & EPT_FRAME;
    }
}

static void free_table(uint64_t table, unsigned level)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = ((uint64_t *)table)[i], hpa = entry & EPT_FRAME;

        if (!present(entry))
            continue;
        if (!leaf(entry, level))
            free_table(hpa, level - 1);
        else
            page_free(hpa, level == 2 ? LARGE_BYTES : PAGE_BYTES);
    }
    page_free(table, PAGE_BYTES);
}

void ept_free(uint64_t root)
{
    free_table(root, LEVELS);
}
