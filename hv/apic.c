#include "apic.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "traps.h"

#define PORT_PIC_MASK  0x21
#define PORT_PIC2_MASK 0xa1
#define LEAF_TSC       0x15

/* The xAPIC page, where reset leaves it (SDM vol. 3, 10.4.1 "The Local APIC Block Diagram"). */
static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uint64_t)(APIC_PHYS_BASE + offset) = value;
}

/* On a PC the legacy interrupt controllers tick on, at vectors that are exceptions'; here nobody claims their
 * ports. */
static void mask_legacy(void)
{
    out8(PORT_PIC_MASK, 0xff);
    out8(PORT_PIC2_MASK, 0xff);
}

static uint64_t cycles_per_count = 1;

uint64_t apic_cycles_per_count(void)
{
    return cycles_per_count;
}

/* A processor that does not tell has a timer which counts as fast as its TSC, for all we know. */
static void learn_frequency(void)
{
    uint32_t r[4];

    cpuid(0, 0, r);
    if (r[0] < LEAF_TSC)
        return;
    cpuid(LEAF_TSC, 0, r);
    if (r[0] && r[1] >= r[0])
        cycles_per_count = r[1] / r[0];
}

void apic_init(void)
{
    mask_legacy();
    learn_frequency();
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_ONE_SHOT | VECTOR_TIMER);
}

void apic_arm_timer(uint32_t ticks)
{
    apic_write(APIC_TIMER_INITIAL, ticks);
}

/* The write to the lower half sends (SDM vol. 3, 10.6.1 "Interrupt Command Register (ICR)"). */
void apic_send(uint32_t id, uint32_t command)
{
    apic_write(APIC_ICR_HIGH, id << 24);
    apic_write(APIC_ICR_LOW, command);
}

void apic_end_of_interrupt(void)
{
    apic_write(APIC_EOI, 0);
}
