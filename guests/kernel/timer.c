/* timer.c - the local APIC (SDM vol. 3, 10.5.4 "APIC Timer"), by MSRs where there is x2APIC, else by its
 * page.
 *
 * Nothing that a program prints depends on the length of a turn, so that is about a millisecond: where CPUID
 * leaf 15H tells how fast the timer counts, by that, else by a guess of 1 GHz, which needs no other clock. */
#include "kernel/timer.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "kernel/memory.h"
#include "kernel/trap.h"

#define LEAF_TSC       0x15
#define TURNS_A_SECOND 1000
#define GUESSED_HZ     1000000000

/* The PCs that Bochs and QEMU model have interrupt controllers of old besides, with their clock running.  The
 * board has none: nobody is at these ports, and what is written there is lost. */
#define PORT_PIC_MASK_1 0x21
#define PORT_PIC_MASK_2 0xa1
#define PIC_MASK_ALL    0xff

static bool present, x2apic;

static void apic_write(uint32_t offset, uint32_t value)
{
    if (x2apic)
        wrmsr(X2APIC_MSR(offset), value);
    else
        *(volatile uint32_t *)direct(APIC_PHYS_BASE + offset) = value;
}

static uint32_t apic_read(uint32_t offset)
{
    return x2apic ? (uint32_t)rdmsr(X2APIC_MSR(offset))
                  : *(volatile uint32_t *)direct(APIC_PHYS_BASE + offset);
}

/* The core crystal clock, which the timer counts (SDM vol. 3, 10.5.4). */
uint32_t timer_hz(void)
{
    uint32_t r[4];

    cpuid(0, 0, r);
    if (r[0] < LEAF_TSC)
        return GUESSED_HZ;
    cpuid(LEAF_TSC, 0, r);
    return r[2] >= TURNS_A_SECOND ? r[2] : GUESSED_HZ;
}

void timer_init(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    present = r[3] & CPUID_1_EDX_APIC;
    x2apic = r[2] & CPUID_1_ECX_X2APIC;
    if (!present)
        return;
    out8(PORT_PIC_MASK_1, PIC_MASK_ALL);
    out8(PORT_PIC_MASK_2, PIC_MASK_ALL);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | (x2apic ? APIC_BASE_X2APIC : 0));
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
    apic_write(APIC_LVT_LINT1, APIC_LVT_MASKED);
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_PERIODIC | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, timer_period());
}

uint32_t timer_period(void)
{
    return timer_hz() / TURNS_A_SECOND;
}

uint32_t timer_count(void)
{
    return apic_read(APIC_TIMER_CURRENT);
}

bool timer_present(void)
{
    return present;
}

void timer_hold(bool held)
{
    if (present)
        apic_write(APIC_LVT_TIMER, APIC_TIMER_PERIODIC | VECTOR_TIMER | (held ? APIC_LVT_MASKED : 0));
}

void timer_acknowledge(void)
{
    apic_write(APIC_EOI, 0);
}

uint8_t timer_apic_id(void)
{
    return (uint8_t)(x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24);
}
