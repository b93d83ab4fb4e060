#include "guest_boot.h"

#include "arch/boot.h"
#include "arch/x86.h"
#include "page.h"
#include "text.h"

#define ENTRIES        512
#define TABLE          (PTE_P | PTE_W)
#define DIRECTORIES    4 /* of 1 GiB each */
#define LOW_MEMORY_KIB 640

#define MMAP_AT    (BOOT_INFO + 0x100)
#define CMDLINE_AT (BOOT_INFO + 0x200)

static uint64_t *table_at(struct vm *vm, uint64_t gpa)
{
    return (uint64_t *)vm_page(vm, gpa);
}

/* 4 GiB in pages of 2 MiB. */
static bool write_directories(struct vm *vm)
{
    for (uint64_t d = 0; d < DIRECTORIES; d++) {
        uint64_t *pd = table_at(vm, BOOT_PD + d * PAGE_BYTES);

        if (!pd)
            return false;
        for (uint64_t i = 0; i < ENTRIES; i++)
            pd[i] = (d * ENTRIES + i) * LARGE_BYTES | TABLE | PTE_PS;
    }
    return true;
}

/* The low 4 GiB at 0; the low 2 GiB at 0xffff800000000000 and 0xffffffff80000000. */
static bool write_tables(struct vm *vm)
{
    uint64_t *pml4 = table_at(vm, BOOT_PML4), *low = table_at(vm, BOOT_PDPT_LOW);
    uint64_t *half = table_at(vm, BOOT_PDPT_HALF), *top = table_at(vm, BOOT_PDPT_TOP);

    if (!pml4 || !low || !half || !top || !write_directories(vm))
        return false;
    pml4[0] = BOOT_PDPT_LOW | TABLE;
    pml4[256] = BOOT_PDPT_HALF | TABLE;
    pml4[511] = BOOT_PDPT_TOP | TABLE;
    for (uint64_t d = 0; d < DIRECTORIES; d++)
        low[d] = (BOOT_PD + d * PAGE_BYTES) | TABLE;
    for (uint64_t d = 0; d < 2; d++) {
        half[d] = low[d];
        top[ENTRIES - 2 + d] = low[d];
    }
    return true;
}

static bool write_gdt(struct vm *vm)
{
    static const uint64_t gdt[3] = {0, DESC_CODE64, DESC_DATA};

    return vm_write(vm, BOOT_GDT, gdt, sizeof gdt);
}

static struct boot_mmap ram_entry(uint64_t base, uint64_t length)
{
    return (struct boot_mmap){
        .size = sizeof(struct boot_mmap) - sizeof(unsigned),
        .base_low = (uint32_t)base,
        .base_high = (uint32_t)(base >> 32),
        .length_low = (uint32_t)length,
        .length_high = (uint32_t)(length >> 32),
        .type = 1,
    };
}

static bool write_info(struct vm *vm)
{
    struct boot_mmap mmap = ram_entry(0, vm->config.ram_bytes);
    struct boot_info info = {
        .flags = BOOT_INFO_MEMORY | BOOT_INFO_CMDLINE | BOOT_INFO_MODS | BOOT_INFO_MMAP,
        .mem_lower = LOW_MEMORY_KIB,
        .mem_upper = (uint32_t)((vm->config.ram_bytes >> 10) - 1024),
        .cmdline = CMDLINE_AT,
        .mmap_length = sizeof mmap,
        .mmap_addr = MMAP_AT,
    };

    return vm_write(vm, BOOT_INFO, &info, sizeof info) && vm_write(vm, MMAP_AT, &mmap, sizeof mmap) &&
           vm_write(vm, CMDLINE_AT, vm->config.cmdline, text_length(vm->config.cmdline) + 1);
}

bool guest_boot_write(struct vm *vm)
{
    return write_tables(vm) && write_gdt(vm) && write_info(vm);
}
