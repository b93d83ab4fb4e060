/* segments.c - GDT, TSS and the two stacks that the processor looks up itself. */
#include "kernel/segments.h"

#include "arch/x86.h"

#define IST_BYTES 4096

uint64_t kernel_stack_top; /* for syscall_entry.S */

static struct tss64 tss;
static uint64_t gdt[SEL_TSS / 8 + 2];
static uint8_t ist_stack[IST_BYTES] __attribute__((aligned(16)));

static void put_address(uint32_t field[2], uint64_t address)
{
    field[0] = (uint32_t)address;
    field[1] = (uint32_t)(address >> 32);
}

void segments_set_kernel_stack(uint64_t top)
{
    kernel_stack_top = top;
    put_address(tss.rsp[0], top);
}

static void fill_gdt(void)
{
    uint64_t base = (uint64_t)&tss;

    gdt[SEL_KERNEL_CODE / 8] = DESC_CODE64;
    gdt[SEL_KERNEL_DATA / 8] = DESC_DATA;
    gdt[SEL_USER_DATA / 8] = DESC_DATA_USER;
    gdt[SEL_USER_CODE / 8] = DESC_CODE64_USER;
    gdt[SEL_TSS / 8] = (TSS_BYTES - 1) | (base & 0xffffff) << 16 |
                       (uint64_t)(SEG_P | SYS_TSS_AVAILABLE) << 40 | (base >> 24 & 0xff) << 56;
    gdt[SEL_TSS / 8 + 1] = base >> 32;
}

void segments_init(void)
{
    struct {
        uint16_t pad[3], limit;
        uint64_t base;
    } gdtr = {.limit = sizeof gdt - 1, .base = (uint64_t)gdt};

    fill_gdt();
    put_address(tss.ist[0], (uint64_t)ist_stack + IST_BYTES);
    tss.iomap = TSS_BYTES; /* beyond the limit: ring 3 has no ports */
    __asm__ volatile("lgdt %0" : : "m"(gdtr.limit), "m"(gdtr.base));
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}
