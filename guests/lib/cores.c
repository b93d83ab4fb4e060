#include "lib/cores.h"

#include "arch/insn.h"
#include "arch/x86.h"
#include "lib/startup.h"
#include "lib/traps.h"

extern const char cores_entry[]; /* cores.S */
_Noreturn void cores_arrive(unsigned number);

static void (*main_of_others)(unsigned number);
static uint64_t arrived;

/* For cores.S. */
struct {
    uint16_t pad[3], limit;
    uint64_t base;
} cores_gdtr;

unsigned cores_count(void)
{
    return startup_cores(CORES_MAX);
}

static void apic_on(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    wrmsr(X2APIC_MSR(APIC_SVR), APIC_SVR_ENABLE | 0xff);
}

void cores_arrive(unsigned number)
{
    traps_load();
    apic_on();
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    main_of_others(number);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void cores_start(void (*core_main)(unsigned number))
{
    unsigned others = cores_count() - 1;

    apic_on();
    if (!others)
        return;
    __asm__ volatile("sgdt %0" : "=m"(cores_gdtr.limit), "=m"(cores_gdtr.base));
    main_of_others = core_main;
    startup_set_entry(cores_entry);
    wrmsr(X2APIC_MSR(APIC_ICR_LOW), APIC_ICR_INIT | APIC_ICR_ASSERT | APIC_ICR_TO_OTHERS);
    wrmsr(X2APIC_MSR(APIC_ICR_LOW), APIC_ICR_STARTUP | APIC_ICR_ASSERT | APIC_ICR_TO_OTHERS);
    while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < others)
        __asm__ volatile("pause");
}

/* Logical x2APIC IDs: bit i of cluster 0 is number i (SDM vol. 3, 10.12.10.2 "Deriving Logical x2APIC ID from
 * the Local x2APIC ID"). */
void ipi_to_set(uint32_t set, uint32_t vector)
{
    wrmsr(X2APIC_MSR(APIC_ICR_LOW), (uint64_t)set << 32 | APIC_ICR_LOGICAL | APIC_ICR_ASSERT | vector);
}

void ipi_end(void)
{
    wrmsr(X2APIC_MSR(APIC_EOI), 0);
}

void barrier_meet(struct barrier *b, unsigned count, uint64_t turn)
{
    __atomic_fetch_add(&b->come, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&b->come, __ATOMIC_SEQ_CST) < turn * count)
        __asm__ volatile("pause");
}
