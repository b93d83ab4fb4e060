#include "traps.h"

#include "apic.h"
#include "arch/x86.h"
#include "panic.h"

#define IST_DOUBLE_FAULT 1
#define IST_BYTES        4096

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static uint64_t gdt[5]; /* null, code, data, TSS (two entries) */
static struct gate64 idt[TRAP_VECTORS];
static struct tss64 tss;
static uint8_t double_fault_stack[IST_BYTES] __attribute__((aligned(16)));

/* The TSS descriptor takes 16 bytes (SDM vol. 3, 7.2.3 "TSS Descriptor in 64-bit mode"). */
static void set_tss(void)
{
    uint64_t base = (uint64_t)&tss, stack = (uint64_t)double_fault_stack + IST_BYTES;

    tss.ist[0][0] = (uint32_t)stack;
    tss.ist[0][1] = (uint32_t)(stack >> 32);
    tss.iomap = sizeof tss;
    gdt[3] = (sizeof tss - 1) | (base & 0xffffff) << 16 | (uint64_t)(SYS_TSS_AVAILABLE | SEG_P) << 40 |
             (base >> 24 & 0xff) << 56;
    gdt[4] = base >> 32;
}

/* CS and the data segments need no reload: the boot protocol's GDT had the same descriptors at the same
 * selectors. */
static void load_tables(void)
{
    struct table_register gdtr = {sizeof gdt - 1, (uint64_t)gdt};
    struct table_register idtr = {sizeof idt - 1, (uint64_t)idt};

    __asm__ volatile("lgdt %0\n\t"
                     "lidt %1\n\t"
                     "ltr %w2"
                     :
                     : "m"(gdtr), "m"(idtr), "r"(SELECTOR_TSS)
                     : "memory");
}

void traps_init(void)
{
    gdt[1] = DESC_CODE64;
    gdt[2] = DESC_DATA;
    set_tss();
    for (unsigned v = 0; v < TRAP_VECTORS; v++)
        idt[v] = trap_gate(v, v == VEC_DF ? IST_DOUBLE_FAULT : 0);
    load_tables();
}

uint64_t traps_gdt_base(void)
{
    return (uint64_t)gdt;
}

uint64_t traps_idt_base(void)
{
    return (uint64_t)idt;
}

uint64_t traps_tss_base(void)
{
    return (uint64_t)&tss;
}

/* NMIs are not used here and may be ignored. */
void trap_dispatch(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_TIMER)
        apic_end_of_interrupt();
    else if (frame->vector < VEC_EXTERNAL_MIN && frame->vector != VEC_NMI)
        panic_trap(frame);
}
