/* tables.c - page tables: the kernel's half, which all share, and the tables of a process. */
#include "arch/apic.h"
#include "arch/insn.h"
#include "kernel/memory.h"
#include "kernel/panic.h"
#include "lib/string.h"

#define ENTRIES    512
#define TOP_SHIFT  39
#define LAST_SHIFT 12

/* Beyond it there is neither RAM nor a device: the direct map must not reach the image's. */
#define DEVICE_END (UINT64_C(1) << 46)

extern const char text_start[], text_end[], rodata_end[], image_end[]; /* kernel.ld */

static uint64_t kernel_pml4, no_execute, global;

static uint64_t *slot(uint64_t table, uint64_t va, unsigned shift)
{
    return (uint64_t *)direct(table) + (va >> shift & (ENTRIES - 1));
}

uint64_t *tables_find(uint64_t pml4, uint64_t va)
{
    uint64_t *entry = slot(pml4, va, TOP_SHIFT);

    for (unsigned shift = TOP_SHIFT; shift > LAST_SHIFT; shift -= 9) {
        if (shift < TOP_SHIFT && (*entry & PTE_PS))
            return entry;
        if (!(*entry & PTE_P))
            return NULL;
        entry = slot(*entry & PTE_ADDR, va, shift - 9);
    }
    return entry;
}

/* An entry for a 2 MiB page: an empty table may be left where small pages were. */
static uint64_t *without_table(uint64_t *entry, uint64_t va)
{
    if ((*entry & PTE_P) && !(*entry & PTE_PS)) {
        page_drop(*entry & PTE_ADDR, PAGE_4K);
        *entry = 0;
        invlpg(va); /* processors remember tables too */
    }
    return entry;
}

uint64_t *tables_entry(uint64_t pml4, uint64_t va, uint64_t bytes)
{
    unsigned last = bytes == PAGE_2M ? 21 : LAST_SHIFT;
    uint64_t table = pml4;

    for (unsigned shift = TOP_SHIFT; shift > last; shift -= 9) {
        uint64_t *entry = slot(table, va, shift);
        uint64_t page = *entry & PTE_P ? *entry & PTE_ADDR : page_new(PAGE_4K);

        if (!page)
            return NULL;
        if (!(*entry & PTE_P))
            *entry = page | PTE_P | PTE_W | PTE_U; /* the last level decides */
        table = page;
    }
    return last > LAST_SHIFT ? without_table(slot(table, va, last), va) : slot(table, va, last);
}

uint64_t tables_no_execute(void)
{
    return no_execute;
}

/* ---- the kernel's half ---- */

static void map(uint64_t va, uint64_t end, uint64_t pa, uint64_t bytes, uint64_t flags)
{
    for (; va < end; va += bytes, pa += bytes) {
        uint64_t *entry = tables_entry(kernel_pml4, va, bytes);

        if (!entry)
            panic("no memory for the kernel's page tables");
        *entry = pa | flags | global | PTE_P | (bytes == PAGE_2M ? PTE_PS : 0);
    }
}

static void map_image(const char *from, const char *to, uint64_t flags)
{
    map((uint64_t)from, (uint64_t)to, (uint64_t)from - KERNEL_BASE, PAGE_4K, flags);
}

static void features(void)
{
    uint32_t r[4];

    cpuid(0x80000001, 0, r);
    if (r[3] & CPUID_EXT1_EDX_NX) {
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
        no_execute = PTE_NX;
    }
    cpuid(1, 0, r);
    if (r[3] & CPUID_1_EDX_PGE)
        global = PTE_G;
}

void tables_init(uint64_t ram_end)
{
    features();
    kernel_pml4 = page_new(PAGE_4K);
    if (!kernel_pml4)
        panic("no memory for the kernel's page tables");
    map(DIRECT_MAP, DIRECT_MAP + round_up(ram_end, PAGE_2M), 0, PAGE_2M, PTE_W | no_execute);
    tables_map_device(APIC_PHYS_BASE, PAGE_4K);
    map_image(text_start, text_end, 0);
    map_image(text_end, rodata_end, no_execute);
    map_image(rodata_end, image_end, PTE_W | no_execute);
    write_cr0(read_cr0() | CR0_WP);
    write_cr3(kernel_pml4);
    if (global)
        write_cr4(read_cr4() | CR4_PGE);
}

void tables_map_device(uint64_t pa, uint64_t bytes)
{
    uint64_t start = DIRECT_MAP + (pa & ~(PAGE_2M - 1)), end = DIRECT_MAP + round_up(pa + bytes, PAGE_2M);

    if (pa < DEVICE_END && bytes < DEVICE_END)
        map(start, end, start - DIRECT_MAP, PAGE_2M, PTE_W | PTE_PCD | PTE_PWT | no_execute);
}

void tables_load(uint64_t pml4)
{
    write_cr3(pml4);
}

void tables_load_kernel(void)
{
    write_cr3(kernel_pml4);
}

/* ---- a process's ---- */

uint64_t tables_new(void)
{
    uint64_t pml4 = page_new(PAGE_4K);

    if (pml4)
        memcpy(slot(pml4, DIRECT_MAP, TOP_SHIFT), slot(kernel_pml4, DIRECT_MAP, TOP_SHIFT), PAGE_4K / 2);
    return pml4;
}

static void free_table(uint64_t table, unsigned shift, unsigned entries)
{
    const uint64_t *entry = direct(table);

    for (unsigned i = 0; i < entries; i++)
        if (!(entry[i] & PTE_P))
            continue;
        else if (shift == LAST_SHIFT || (entry[i] & PTE_PS))
            page_drop(entry_page(entry[i]), entry_bytes(entry[i]));
        else
            free_table(entry[i] & PTE_ADDR, shift - 9, ENTRIES);
    page_drop(table, PAGE_4K);
}

void tables_free(uint64_t pml4)
{
    free_table(pml4, TOP_SHIFT, ENTRIES / 2);
}
