/* page.h - the page allocator: host-physical memory that no image or module lies in. */
#ifndef HV_PAGE_H
#define HV_PAGE_H

#include <stdint.h>

#define PAGE_BYTES  UINT64_C(0x1000)
#define LARGE_BYTES UINT64_C(0x200000)

/* Gives the allocator first .. limit. */
void page_init(uint64_t first, uint64_t limit);

/* A page for a table, all zeros; 0 if there is none left. */
uint64_t page_alloc(void);
/* A page of a VM's RAM, PAGE_BYTES or LARGE_BYTES, aligned to its size, all zeros too; one that has not been
 * used since power-on if there is one, which need not be cleared.  0 if none is left. */
uint64_t page_alloc_ram(uint64_t bytes);
/* Takes either back. */
void page_free(uint64_t hpa, uint64_t bytes);

uint64_t page_free_bytes(void);

#endif
