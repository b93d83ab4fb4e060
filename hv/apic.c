#include "apic.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "traps.h"

#define PORT_PIC_MASK  0x21
#define PORT_PIC2_MASK 0xa1

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

void apic_init(void)
{
    mask_legacy();
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_ONE_SHOT | VECTOR_TIMER);
}

void apic_arm_timer(uint32_t ticks)
{
    apic_write(APIC_TIMER_INITIAL, ticks);
}

void apic_end_of_interrupt(void)
{
    apic_write(APIC_EOI, 0);
}
