#include "lib/paging.h"

#include "arch/x86.h"
#include "lib/guest.h"
#include "lib/print.h"

#define TABLES         64
#define ENTRIES        512
#define EXIT_NO_TABLES 125

static uint64_t pool[TABLES][ENTRIES] __attribute__((aligned(4096)));
static unsigned used;

uint64_t *paging_new(void)
{
    if (used == TABLES) {
        print("no page left for another page table\n");
        debug_exit(EXIT_NO_TABLES);
    }
    return pool[used++];
}

static uint64_t *next_table(uint64_t *entry)
{
    if (!(*entry & PTE_P))
        *entry = (uint64_t)paging_new() | PTE_P | PTE_W | PTE_U;
    return (uint64_t *)(*entry & PTE_ADDR);
}

uint64_t *paging_entry(uint64_t *pml4, uint64_t gva, uint64_t page_bytes)
{
    unsigned last = page_bytes == PAGE_1G ? 30 : page_bytes == PAGE_2M ? 21 : 12;
    uint64_t *table = pml4;

    for (unsigned shift = 39; shift > last; shift -= 9)
        table = next_table(&table[gva >> shift & (ENTRIES - 1)]);
    return &table[gva >> last & (ENTRIES - 1)];
}

void paging_map(uint64_t *pml4, uint64_t gva, uint64_t gpa, uint64_t page_bytes, uint64_t flags)
{
    uint64_t size = page_bytes == PAGE_4K ? 0 : PTE_PS;

    *paging_entry(pml4, gva, page_bytes) = (gpa & ~(page_bytes - 1)) | size | flags | PTE_P;
}

void paging_identity(uint64_t *pml4, uint64_t bytes, uint64_t page_bytes)
{
    for (uint64_t a = 0; a < bytes; a += page_bytes)
        paging_map(pml4, a, a, page_bytes, PTE_W);
}
