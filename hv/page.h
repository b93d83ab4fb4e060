/* page.h - the page allocator: host-physical memory that no image or module lies in. */
#ifndef HV_PAGE_H
#define HV_PAGE_H

#include <stdint.h>

#define PAGE_BYTES UINT64_C(0x1000)
#define LARGE_BYTES UINT64_C(0x200000)

/* Gives the allocator first .. end. */
void page_init(uint64_t first, uint64_t end);

/* A page, or 2 MiB, aligned to its size, all zeros; 0 if there is none left. */
uint64_t page_alloc(void);
uint64_t page_alloc_large(void);
void page_free(uint64_t hpa);
void page_free_large(uint64_t hpa);

uint64_t page_free_bytes(void);

#endif
