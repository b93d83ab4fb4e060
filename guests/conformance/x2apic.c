/* x2apic.c - the same APIC by MSRs (SDM vol. 3, 10.12 "Extended XAPIC (x2APIC)"); what #GP(0) answers. */
#include <stddef.h>

#include "arch/apic.h"
#include "arch/insn.h"
#include "conformance/apic.h"
#include "conformance/machine.h"
#include "conformance/run.h"
#include "lib/print.h"

extern const char msr_read[], msr_write[];

/* "ok" or the exception; the value too, if asked for. */
static const struct event *msr(const char *code, uint32_t number, uint64_t value)
{
    struct registers regs = run_registers(code, 0);
    const struct outcome *o;

    regs.rcx = number;
    regs.rax = (uint32_t)value;
    regs.rdx = value >> 32;
    o = run_from(&regs, 0);
    return &o->event[o->events - 1];
}

static void print_result(const char *name, const struct event *e)
{
    print(" %s=%s", name, e->frame.vector == INT_END ? "ok" : trap_name(e->frame.vector));
}

static void try_read(const char *name, uint32_t offset)
{
    print_result(name, msr(msr_read, X2APIC_MSR(offset), 0));
}

static void try_write(const char *name, uint32_t offset, uint64_t value)
{
    print_result(name, msr(msr_write, X2APIC_MSR(offset), value));
}

static void in_xapic_mode(void)
{
    if (!run_begin("x2apic.msrs-in-xapic-mode", NEED_X2APIC))
        return;
    machine_reset();
    try_read("id", APIC_ID);
    try_write("tpr", APIC_TPR, 0);
    print("\n");
}

/* 10.12.5: from xAPIC to x2APIC and not straight back, nor to EXTD without EN. */
static void transitions(void)
{
    uint64_t base;

    if (!run_begin("x2apic.transitions", NEED_X2APIC))
        return;
    machine_reset();
    base = rdmsr(MSR_APIC_BASE);
    print_result("extd-alone",
                 msr(msr_write, MSR_APIC_BASE, (base & ~(uint64_t)APIC_BASE_ENABLE) | APIC_BASE_X2APIC));
    print_result("to-x2apic", msr(msr_write, MSR_APIC_BASE, base | APIC_BASE_X2APIC));
    print_result("back", msr(msr_write, MSR_APIC_BASE, base));
    print(" mode=%u\n", apic_x2apic_mode());
}

static void identity(void)
{
    if (!run_begin("x2apic.id", NEED_X2APIC))
        return;
    print(" id=%x ldr=%x\n", apic_read(APIC_ID), apic_read(APIC_LDR));
}

static void readable(void)
{
    if (!run_begin("x2apic.reads", NEED_X2APIC))
        return;
    machine_reset();
    try_read("version", APIC_VERSION);
    try_read("tpr", APIC_TPR);
    try_read("ppr", APIC_PPR);
    try_read("eoi", APIC_EOI);
    try_read("dfr", APIC_DFR);
    try_read("isr7", APIC_ISR + 0x70);
    try_read("irr0", APIC_IRR);
    try_read("esr", APIC_ESR);
    try_read("icr", APIC_ICR_LOW);
    try_read("icr-high", APIC_ICR_HIGH);
    try_read("timer", APIC_LVT_TIMER);
    try_read("current", APIC_TIMER_CURRENT);
    try_read("self-ipi", APIC_SELF_IPI);
    try_read("0x10", 0x10);
    try_read("0x3d0", 0x3d0);
    print("\n");
}

static void writable(void)
{
    if (!run_begin("x2apic.writes", NEED_X2APIC))
        return;
    machine_reset();
    try_write("id", APIC_ID, 0);
    try_write("version", APIC_VERSION, 0);
    try_write("tpr", APIC_TPR, 0x20);
    try_write("tpr-reserved", APIC_TPR, 0x100);
    try_write("tpr-high", APIC_TPR, UINT64_C(1) << 32);
    try_write("ppr", APIC_PPR, 0);
    try_write("eoi", APIC_EOI, 0);
    try_write("eoi-1", APIC_EOI, 1);
    try_write("ldr", APIC_LDR, 0);
    try_write("dfr", APIC_DFR, 0);
    try_write("svr-reserved", APIC_SVR, 0x2013f);
    try_write("isr", APIC_ISR, 0);
    try_write("esr", APIC_ESR, 0);
    try_write("esr-1", APIC_ESR, 1);
    try_write("icr-reserved", APIC_ICR_LOW, 0x100000);
    try_write("timer-reserved", APIC_LVT_TIMER, 0x1000000);
    try_write("initial", APIC_TIMER_INITIAL, 0);
    try_write("current", APIC_TIMER_CURRENT, 0);
    try_write("divide-reserved", APIC_TIMER_DIVIDE, 0x10);
    try_write("self-ipi-reserved", APIC_SELF_IPI, 0x100);
    apic_write(APIC_TPR, 0);
    print("\n");
}

/* ---- interrupts ---- */

static void note_vector(struct trap_frame *frame)
{
    print(" %lx", frame->vector);
    if (frame->vector != VEC_NMI)
        apic_write(APIC_EOI, 0);
}

static void send(const char *name, uint32_t number, uint64_t value)
{
    if (!run_begin(name, NEED_X2APIC))
        return;
    machine_reset();
    apic_idle(0x3e);
    run_on_interrupt(note_vector);
    wrmsr(number, value);
    print(" irr=%u", apic_bit(APIC_IRR, 0x31));
    take_interrupts();
    __asm__ volatile("nop; nop; nop; nop");
    run_on_interrupt(NULL);
    print(" isr=%u\n", apic_bit(APIC_ISR, 0x31));
}

static void cr8_and_tpr(void)
{
    uint64_t value;

    if (!run_begin("x2apic.cr8", NEED_X2APIC))
        return;
    machine_reset();
    apic_write(APIC_TPR, 0x57);
    __asm__ volatile("mov %%cr8, %0" : "=r"(value));
    print(" cr8=%lx", value);
    __asm__ volatile("mov %0, %%cr8" : : "r"(UINT64_C(9)));
    print(" tpr=%x\n", apic_read(APIC_TPR));
    apic_write(APIC_TPR, 0);
}

void x2apic_cases(void)
{
    const uint32_t icr = X2APIC_MSR(APIC_ICR_LOW);
    const uint64_t logical_self = (uint64_t)1 << 32;

    in_xapic_mode();
    transitions();
    identity();
    readable();
    writable();
    cr8_and_tpr();
    send("x2apic.self-ipi", X2APIC_MSR(APIC_SELF_IPI), 0x31);
    send("x2apic.icr-physical", icr, APIC_ICR_ASSERT | 0x31);
    send("x2apic.icr-other", icr, UINT64_C(7) << 32 | APIC_ICR_ASSERT | 0x31);
    send("x2apic.icr-all", icr, UINT64_C(0xffffffff) << 32 | APIC_ICR_ASSERT | 0x31);
    send("x2apic.icr-logical", icr, logical_self | APIC_ICR_ASSERT | APIC_ICR_LOGICAL | 0x31);
    send("x2apic.icr-logical-cluster", icr,
         UINT64_C(0x10001) << 32 | APIC_ICR_ASSERT | APIC_ICR_LOGICAL | 0x31);
    send("x2apic.icr-shorthand", icr, APIC_ICR_TO_SELF | APIC_ICR_ASSERT | 0x31);
    send("x2apic.icr-nmi", icr, APIC_ICR_NMI | APIC_ICR_ASSERT);
}
