#include "traps.h"

#include "apic.h"
#include "arch/x86.h"
#include "irq.h"
#include "panic.h"

#define IST_DOUBLE_FAULT 1

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static struct gate64 idt[TRAP_VECTORS];

/* The TSS descriptor takes 16 bytes (SDM vol. 3, 7.2.3 "TSS Descriptor in 64-bit mode"). */
static void set_tss(struct trap_tables *t)
{
    uint64_t base = (uint64_t)&t->tss, stack = (uint64_t)t->double_fault_stack + IST_BYTES;

    t->tss.ist[0][0] = (uint32_t)stack;
    t->tss.ist[0][1] = (uint32_t)(stack >> 32);
    t->tss.iomap = sizeof t->tss;
    t->gdt[3] = (sizeof t->tss - 1) | (base & 0xffffff) << 16 | (uint64_t)(SYS_TSS_AVAILABLE | SEG_P) << 40 |
                (base >> 24 & 0xff) << 56;
    t->gdt[4] = base >> 32;
}

/* CS and the data segments need no reload: the boot protocol's GDT had the same descriptors at the same
 * selectors, and a start-up IPI leaves the same in the segment registers. */
static void load_tables(const struct trap_tables *t)
{
    struct table_register gdtr = {sizeof t->gdt - 1, (uint64_t)t->gdt};
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
    for (unsigned v = 0; v < TRAP_VECTORS; v++)
        idt[v] = trap_gate(v, v == VEC_DF ? IST_DOUBLE_FAULT : 0);
}

void traps_load(struct trap_tables *t)
{
    t->gdt[1] = DESC_CODE64;
    t->gdt[2] = DESC_DATA;
    set_tss(t);
    load_tables(t);
}

uint64_t traps_idt_base(void)
{
    return (uint64_t)idt;
}

bool traps_interrupt(uint64_t vector)
{
    bool ours = vector == VECTOR_TIMER || vector == VECTOR_KICK || irq_arrived(vector);

    if (ours)
        apic_end_of_interrupt();
    return ours;
}

/* NMIs are not used here and may be ignored. */
void trap_dispatch(struct trap_frame *frame)
{
    if (!traps_interrupt(frame->vector) && frame->vector < VEC_EXTERNAL_MIN && frame->vector != VEC_NMI)
        panic_trap(frame);
}
