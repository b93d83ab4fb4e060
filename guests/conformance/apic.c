#include "conformance/apic.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/x86.h"

static bool x2apic;

bool apic_x2apic_mode(void)
{
    x2apic = rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
    return x2apic;
}

static volatile uint32_t *page(uint32_t offset)
{
    return (volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset);
}

uint32_t apic_read(uint32_t offset)
{
    return x2apic ? (uint32_t)rdmsr(X2APIC_MSR(offset)) : *page(offset);
}

void apic_write(uint32_t offset, uint32_t value)
{
    if (x2apic)
        wrmsr(X2APIC_MSR(offset), value);
    else
        *page(offset) = value;
}

unsigned apic_bit(uint32_t base, unsigned vector)
{
    return apic_read(base + (vector >> 5 << 4)) >> (vector & 31) & 1;
}

void apic_self_ipi(uint8_t vector)
{
    apic_write(APIC_ICR_LOW, APIC_ICR_TO_SELF | APIC_ICR_ASSERT | vector);
}

void apic_nmi(void)
{
    if (!x2apic)
        apic_write(APIC_ICR_HIGH, apic_read(APIC_ID) & 0xff000000);
    apic_write(APIC_ICR_LOW, APIC_ICR_NMI | APIC_ICR_ASSERT);
}

/* Whatever is requested or in service is let go: enough EOIs for all, and nothing pends here. */
void apic_idle(uint8_t spurious)
{
    apic_write(APIC_SVR, APIC_SVR_ENABLE | spurious);
    for (uint32_t lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 16)
        apic_write(lvt, APIC_LVT_MASKED | spurious);
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_TPR, 0);
    for (unsigned i = 0; i < 4; i++)
        apic_write(APIC_EOI, 0);
}
