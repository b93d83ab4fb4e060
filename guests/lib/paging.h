/* paging.h - 4-level page tables of a guest's own (SDM vol. 3, 4.5 "4-Level Paging and 5-Level Paging"). */
#ifndef PAGING_H
#define PAGING_H

#include <stdint.h>

#define PAGE_4K UINT64_C(0x1000)
#define PAGE_2M UINT64_C(0x200000)
#define PAGE_1G UINT64_C(0x40000000)

/* The address whose indices are given: PML4, PDPT, page directory, page table. */
#define GVA(pml4, pdpt, pd, pt) \
    ((uint64_t)(pml4) << 39 | (uint64_t)(pdpt) << 30 | (uint64_t)(pd) << 21 | (uint64_t)(pt) << 12)

/* An empty PML4. */
uint64_t *paging_new(void);
/* The entry that maps gva with pages of `page_bytes`; missing tables on the way are made. */
uint64_t *paging_entry(uint64_t *pml4, uint64_t gva, uint64_t page_bytes);
/* Maps one page.  flags: PTE_W, PTE_U, PTE_G; PTE_P is added. */
void paging_map(uint64_t *pml4, uint64_t gva, uint64_t gpa, uint64_t page_bytes, uint64_t flags);
/* Maps 0..bytes to itself, writable. */
void paging_identity(uint64_t *pml4, uint64_t bytes, uint64_t page_bytes);

#endif
