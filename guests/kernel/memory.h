/* memory.h - physical pages, page tables, and where everything lies.
 *
 *     0 .. USER_END            the process's own: image, mmap, stack
 *     DIRECT_MAP + pa          all of RAM, the local APIC and the registers of devices, for the kernel
 *     KERNEL_BASE + pa         the kernel's image
 *
 * Physical addresses are uint64_t, and 0 stands for none. */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86.h"
#include "lib/paging.h" /* PAGE_4K, PAGE_2M */

#define DIRECT_MAP  UINT64_C(0xffff800000000000)
#define KERNEL_BASE UINT64_C(0xffffffff80000000)

/* Image and stack share a page directory: what fork copies and exit frees is four tables, and two for mmap.
 */
#define USER_STACK_TOP UINT64_C(0x40000000)
#define USER_STACK     (UINT64_C(256) * 1024)
#define USER_MMAP      USER_STACK_TOP
/* Below the last page of the lower half: no SYSCALL there has a return address that is not canonical. */
#define USER_END       UINT64_C(0x7fffffe00000)

static inline void *direct(uint64_t pa)
{
    return (void *)(DIRECT_MAP + pa);
}

static inline uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* ---- page.c: physical pages, 4 KiB and 2 MiB, with counts of who uses them ---- */

void page_init(uint64_t from, uint64_t to);
/* A page of zeros that is used once, or 0. */
uint64_t page_new(uint64_t bytes);
/* The same with what was left there: for a caller that writes all of it. */
uint64_t page_new_for_copy(uint64_t bytes);
void page_hold(uint64_t pa);
void page_drop(uint64_t pa, uint64_t bytes); /* free, when nobody uses it */
bool page_shared(uint64_t pa);
/* Bytes that lie in one piece, zeros, and are never given back: for devices, before the first process.  0:
 * there is no room. */
uint64_t page_run(uint64_t bytes);
/* Bytes that are free. */
uint64_t page_free_bytes(void);

/* ---- tables.c: page tables (SDM vol. 3, 4.5 "4-Level Paging and 5-Level Paging") ---- */

/* The kernel's half, in tables of its own, and CR3 with them; RAM ends at `ram_end`. */
void tables_init(uint64_t ram_end);
/* A PML4 with the kernel's half, or 0. */
uint64_t tables_new(void);
/* Frees the lower half: its pages and its tables. */
void tables_free(uint64_t pml4);
void tables_load(uint64_t pml4);
void tables_load_kernel(void);
/* Makes a device's registers seen at DIRECT_MAP + pa, not cached, in all address spaces; before the first
 * process. */
void tables_map_device(uint64_t pa, uint64_t bytes);
/* The entry that maps va, present or not; NULL if there is no table for it. */
uint64_t *tables_find(uint64_t pml4, uint64_t va);
/* The same for a page of `bytes`; makes the tables on the way.  NULL if there is no page for one. */
uint64_t *tables_entry(uint64_t pml4, uint64_t va, uint64_t bytes);
/* PTE_NX where the processor has it, else 0. */
uint64_t tables_no_execute(void);

static inline uint64_t entry_bytes(uint64_t entry)
{
    return entry & PTE_PS ? PAGE_2M : PAGE_4K;
}

static inline uint64_t entry_page(uint64_t entry)
{
    return entry & PTE_ADDR & ~(entry_bytes(entry) - 1);
}

#endif
