/* interrupts.c - the local APIC: self-IPIs, priorities, shadows, HLT, NMI, timer, errors (SDM vol. 3, 10
 * "Advanced Programmable Interrupt Controller").  One line a case: what arrived, in order, and what the
 * registers said; never when. */
#include "conformance/interrupts.h"

#include <stdbool.h>
#include <stddef.h>

#include "arch/apic.h"
#include "arch/insn.h"
#include "conformance/apic.h"
#include "conformance/machine.h"
#include "conformance/run.h"
#include "lib/print.h"

#define LOW_VECTOR   0x21 /* one of each priority class */
#define LOW_VECTOR_2 0x22
#define MID_VECTOR   0x31
#define TOP_VECTOR   0x3f
#define SPURIOUS     0x3e
#define TICKS        20000000 /* of the timer: long enough to do something before */

/* ---- what arrives ---- */

static void (*inside)(uint64_t vector); /* done in the handler, before EOI */
static unsigned arrived, depth, deepest;
static bool sends_eoi;

static void handler(struct trap_frame *frame)
{
    arrived++;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    print(" %lx", frame->vector);
    if (inside)
        inside(frame->vector);
    if (sends_eoi && frame->vector != VEC_NMI && frame->vector != SPURIOUS) /* 10.9 "Spurious Interrupt" */
        apic_write(APIC_EOI, 0);
    depth--;
}

/* A case begins: the APIC is idle and IF is clear.  Interrupts come on the current stack, so that they nest.
 */
static bool begin(const char *name, uint64_t needs)
{
    if (!run_begin(name, needs | NEED_APIC))
        return false;
    machine_reset();
    for (unsigned v = VEC_EXTERNAL_MIN; v < INT_USER; v++)
        machine_idt[v].ist = 0;
    machine_idt[VEC_NMI].ist = 0;
    inside = NULL;
    arrived = depth = deepest = 0;
    sends_eoi = true;
    apic_idle(SPURIOUS);
    run_on_interrupt(handler);
    return true;
}

static void end(void)
{
    run_on_interrupt(NULL);
    print("\n");
}

static void print_state(unsigned vector)
{
    print(" irr=%u isr=%u ppr=%x", apic_bit(APIC_IRR, vector), apic_bit(APIC_ISR, vector),
          apic_read(APIC_PPR));
}

/* ---- acceptance and priority (10.8 "Handling Interrupts") ---- */

static void show_mid(uint64_t vector)
{
    (void)vector;
    print_state(MID_VECTOR);
}

/* IRR when it is accepted, ISR when it is taken, neither after EOI. */
static void self_ipi(void)
{
    if (!begin("ipi.self", 0))
        return;
    inside = show_mid;
    apic_self_ipi(MID_VECTOR);
    print_state(MID_VECTOR);
    take_interrupts();
    print_state(MID_VECTOR);
    end();
}

/* Edge-triggered interrupts leave TMR clear. */
static void trigger_mode(void)
{
    if (!begin("ipi.tmr", 0))
        return;
    apic_self_ipi(MID_VECTOR);
    print(" tmr=%u", apic_bit(APIC_TMR, MID_VECTOR));
    take_interrupts();
    end();
}

/* The highest first, whatever the order of arrival. */
static void by_priority(void)
{
    if (!begin("ipi.priority", 0))
        return;
    apic_self_ipi(LOW_VECTOR);
    apic_self_ipi(TOP_VECTOR);
    apic_self_ipi(LOW_VECTOR_2);
    apic_self_ipi(MID_VECTOR);
    take_interrupts();
    end();
}

static void nest(uint64_t vector)
{
    if (vector != LOW_VECTOR)
        return;
    apic_self_ipi(LOW_VECTOR_2);
    apic_self_ipi(MID_VECTOR);
    take_interrupts();
    print(" then");
}

/* In a handler only a higher class interrupts; the same class waits for EOI. */
static void nested(void)
{
    if (!begin("ipi.nested", 0))
        return;
    inside = nest;
    apic_self_ipi(LOW_VECTOR);
    take_interrupts();
    print(" depth=%u", deepest);
    end();
}

static void again(uint64_t vector)
{
    if (arrived == 1) {
        apic_self_ipi((uint8_t)vector);
        apic_self_ipi((uint8_t)vector);
        print_state((unsigned)vector);
    }
}

/* One in service and one requested: a third is merged. */
static void merged(void)
{
    if (!begin("ipi.merged", 0))
        return;
    inside = again;
    apic_self_ipi(MID_VECTOR);
    take_interrupts();
    take_interrupts();
    print(" count=%u", arrived);
    end();
}

/* Without EOI nothing of its class or below comes; EOI ends the highest in service. */
static void eoi_order(void)
{
    if (!begin("eoi.order", 0))
        return;
    sends_eoi = false;
    apic_self_ipi(LOW_VECTOR);
    take_interrupts();
    apic_self_ipi(MID_VECTOR);
    take_interrupts();
    print(" isr=%u,%u", apic_bit(APIC_ISR, LOW_VECTOR), apic_bit(APIC_ISR, MID_VECTOR));
    apic_self_ipi(MID_VECTOR);
    take_interrupts();
    print(" waits=%u", apic_bit(APIC_IRR, MID_VECTOR));
    apic_write(APIC_EOI, 0);
    print(" isr=%u,%u", apic_bit(APIC_ISR, LOW_VECTOR), apic_bit(APIC_ISR, MID_VECTOR));
    take_interrupts();
    apic_write(APIC_EOI, 0);
    apic_write(APIC_EOI, 0);
    print(" isr=%u,%u", apic_bit(APIC_ISR, LOW_VECTOR), apic_bit(APIC_ISR, MID_VECTOR));
    end();
}

static void eoi_idle(void)
{
    if (!begin("eoi.nothing-in-service", 0))
        return;
    apic_write(APIC_EOI, 0);
    print_state(MID_VECTOR);
    end();
}

/* 10.8.3.1: a class not above TPR's waits, and is taken when TPR falls. */
static void task_priority(void)
{
    if (!begin("tpr.class", 0))
        return;
    apic_write(APIC_TPR, 0x30);
    apic_self_ipi(MID_VECTOR);
    take_interrupts();
    print_state(MID_VECTOR);
    apic_write(APIC_TPR, 0x2f);
    print(" lowered");
    take_interrupts();
    end();
}

static void print_ppr(uint64_t vector)
{
    (void)vector;
    print(" ppr=%x", apic_read(APIC_PPR));
}

/* PPR is the higher of TPR and the class in service. */
static void processor_priority(void)
{
    if (!begin("ppr", 0))
        return;
    inside = print_ppr;
    apic_write(APIC_TPR, 0x17);
    print_ppr(0);
    apic_self_ipi(MID_VECTOR);
    take_interrupts();
    print_ppr(0);
    end();
}

/* 10.8.6.1 "Interaction of Task Priorities between CR8 and APIC". */
static void cr8(void)
{
    uint64_t value;

    if (!begin("cr8", 0))
        return;
    apic_write(APIC_TPR, 0x57);
    __asm__ volatile("mov %%cr8, %0" : "=r"(value));
    print(" cr8=%lx", value);
    __asm__ volatile("mov %0, %%cr8" : : "r"(UINT64_C(9)));
    print(" tpr=%x", apic_read(APIC_TPR));
    end();
}

static void cr8_blocks(void)
{
    if (!begin("cr8.blocks", 0))
        return;
    __asm__ volatile("mov %0, %%cr8" : : "r"(UINT64_C(3)));
    apic_self_ipi(MID_VECTOR);
    take_interrupts();
    print(" waits=%u", apic_bit(APIC_IRR, MID_VECTOR));
    __asm__ volatile("sti; mov %0, %%cr8; nop; cli" : : "r"(UINT64_C(0)));
    end();
}

/* ---- shadows (SDM vol. 2B, "STI"; vol. 3, 6.8.3 "Masking Exceptions and Interrupts When Switching Stacks")
 * --- */

extern const char shadow_sti[], shadow_sti_try[], shadow_sti_set[], shadow_sti_set_try[], shadow_popf[],
    shadow_popf_try[], shadow_iret[], shadow_iret_try[], shadow_sti_cli[], shadow_sti_cli_try[], shadow_hlt[],
    shadow_hlt_try[], shadow_ring3[], shadow_ring3_try[], shadow_sti_cli_sti[], shadow_sti_cli_sti_try[],
    shadow_sti_ss[], shadow_sti_ss_try[], shadow_ss_sti[], shadow_ss_sti_try[], shadow_ss_ss[],
    shadow_ss_ss_try[], shadow_sti_lss[], shadow_sti_lss_try[];

/* An interrupt is pending; where is it taken? */
static void shadow(const char *name, const char *code, const char *try, uint64_t flags)
{
    struct registers regs = run_registers(code, flags);

    if (!run_begin(name, NEED_APIC))
        return;
    machine_reset();
    apic_idle(SPURIOUS);
    apic_self_ipi(MID_VECTOR);
    if (flags & RING3)
        regs.rflags |= FLAG_IF;
    const struct outcome *o = run_from(&regs, flags);
    for (unsigned i = 0; i < o->events; i++) {
        print(i ? "; " : " ");
        run_print_event(&o->event[i], (uint64_t)try, 0);
    }
    apic_write(APIC_EOI, 0);
    print("\n");
}

static void all_shadows(void)
{
    shadow("shadow.sti", shadow_sti, shadow_sti_try, 0);
    shadow("shadow.sti-when-set", shadow_sti_set, shadow_sti_set_try, 0);
    shadow("shadow.popf", shadow_popf, shadow_popf_try, 0);
    shadow("shadow.iret", shadow_iret, shadow_iret_try, 0);
    shadow("shadow.sti-cli", shadow_sti_cli, shadow_sti_cli_try, 0);
    shadow("shadow.sti-cli-sti", shadow_sti_cli_sti, shadow_sti_cli_sti_try, 0);
    shadow("shadow.sti-mov-ss", shadow_sti_ss, shadow_sti_ss_try, 0);
    shadow("shadow.mov-ss-sti", shadow_ss_sti, shadow_ss_sti_try, 0);
    shadow("shadow.mov-ss-twice", shadow_ss_ss, shadow_ss_ss_try, 0);
    shadow("shadow.sti-lss", shadow_sti_lss, shadow_sti_lss_try, 0);
    shadow("shadow.sti-hlt", shadow_hlt, shadow_hlt_try, 0);
    shadow("shadow.ring3", shadow_ring3, shadow_ring3_try, RING3);
}

/* ---- delivery through bad gates: EXT is set (6.13 "Error Code") ---- */

static void through_gate(const char *name, struct gate64 gate)
{
    struct registers regs = run_registers(shadow_popf, 0);

    if (!run_begin(name, NEED_APIC))
        return;
    machine_reset();
    apic_idle(SPURIOUS);
    machine_idt[MID_VECTOR] = gate;
    apic_self_ipi(MID_VECTOR);
    const struct outcome *o = run_from(&regs, 0);
    print(" ");
    run_print_event(&o->event[0], (uint64_t)shadow_popf_try, 0);
    print_state(MID_VECTOR);
    apic_write(APIC_EOI, 0);
    print("\n");
}

static void bad_gates(void)
{
    struct gate64 gate = trap_gate(MID_VECTOR, 1);

    gate.type &= 0x7f;
    through_gate("gate.interrupt-absent", gate);
    gate = trap_gate(MID_VECTOR, 1);
    gate.selector = 0;
    through_gate("gate.interrupt-null", gate);
    gate.selector = SEL_BEYOND;
    through_gate("gate.interrupt-selector", gate);
    gate = trap_gate(MID_VECTOR, 1);
    gate.type = 0x85;
    through_gate("gate.interrupt-type", gate);
}

/* ---- HLT (SDM vol. 2A, "HLT") ---- */

static void hlt_wakes(void)
{
    if (!begin("hlt.wakes", 0))
        return;
    apic_self_ipi(MID_VECTOR);
    wait_for_interrupt();
    print(" awake");
    end();
}

static void hlt_nmi(void)
{
    if (!begin("hlt.nmi-pending", 0))
        return;
    inside = NULL;
    apic_nmi();
    print(" back");
    end();
}

/* ---- NMI (6.7.1 "Handling Multiple NMIs") ---- */

static void nmi_inside(uint64_t vector)
{
    (void)vector;
    if (arrived > 1)
        return;
    apic_nmi();
    apic_nmi();
    __asm__ volatile("nop; nop; nop; nop");
    print(" blocked=%u", arrived == 1);
}

/* Until IRET others wait, and only one of them. */
static void nmi_blocks(void)
{
    if (!begin("nmi.blocks", 0))
        return;
    inside = nmi_inside;
    apic_nmi();
    __asm__ volatile("nop; nop; nop; nop");
    print(" count=%u depth=%u", arrived, deepest);
    end();
}

/* It does not heed IF or TPR, and takes no place in ISR. */
static void nmi_if_clear(void)
{
    if (!begin("nmi.if-clear", 0))
        return;
    inside = show_mid;
    apic_write(APIC_TPR, 0xf0);
    apic_nmi();
    __asm__ volatile("nop; nop; nop; nop");
    end();
}

static void int2_inside(uint64_t vector)
{
    (void)vector;
    if (arrived > 1)
        return;
    apic_nmi();
    __asm__ volatile("nop; nop; nop; nop");
    print(" nested=%u", arrived == 2);
}

/* INT 2 is not an NMI, and blocks none. */
static void nmi_by_int2(void)
{
    if (!begin("nmi.int-2", 0))
        return;
    inside = int2_inside;
    __asm__ volatile("int $2");
    end();
}

/* ---- timer (10.5.4 "APIC Timer") ---- */

static void timer(uint32_t lvt, uint32_t count)
{
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, lvt);
    apic_write(APIC_TIMER_INITIAL, count);
}

static void one_shot(void)
{
    if (!begin("timer.one-shot", 0))
        return;
    timer(APIC_TIMER_ONE_SHOT | MID_VECTOR, TICKS);
    wait_for_interrupt();
    print(" initial=%u current=%u", apic_read(APIC_TIMER_INITIAL), apic_read(APIC_TIMER_CURRENT));
    end();
}

static void periodic(void)
{
    if (!begin("timer.periodic", 0))
        return;
    timer(APIC_TIMER_PERIODIC | MID_VECTOR, TICKS);
    for (unsigned i = 0; i < 3; i++)
        wait_for_interrupt();
    apic_write(APIC_TIMER_INITIAL, 0);
    print(" current=%u", apic_read(APIC_TIMER_CURRENT));
    end();
}

static void wait_for_zero(void)
{
    while (apic_read(APIC_TIMER_CURRENT))
        ;
}

/* Masked it counts, and requests nothing, nor later. */
static void masked(void)
{
    if (!begin("timer.masked", 0))
        return;
    timer(APIC_LVT_MASKED | MID_VECTOR, TICKS);
    wait_for_zero();
    print_state(MID_VECTOR);
    apic_write(APIC_LVT_TIMER, MID_VECTOR);
    take_interrupts();
    print_state(MID_VECTOR);
    end();
}

static void stopped(void)
{
    if (!begin("timer.stopped", 0))
        return;
    timer(APIC_TIMER_ONE_SHOT | MID_VECTOR, 0xffffffff);
    print(" runs=%u", apic_read(APIC_TIMER_CURRENT) != 0);
    apic_write(APIC_TIMER_INITIAL, 0);
    print(" current=%u", apic_read(APIC_TIMER_CURRENT));
    end();
}

/* The count is kept while the vector changes. */
static void other_vector(void)
{
    if (!begin("timer.other-vector", 0))
        return;
    timer(APIC_TIMER_ONE_SHOT | LOW_VECTOR, TICKS);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_ONE_SHOT | MID_VECTOR);
    wait_for_interrupt();
    end();
}

/* 10.5.4.1 "TSC-Deadline Mode": the MSR reads 0 once it has fired; initial count is ignored. */
static void deadline(void)
{
    if (!begin("deadline.future", NEED_DEADLINE))
        return;
    apic_write(APIC_LVT_TIMER, APIC_TIMER_TSC_DEADLINE | MID_VECTOR);
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + TICKS);
    wait_for_interrupt();
    print(" cleared=%u current=%u", rdmsr(MSR_TSC_DEADLINE) == 0, apic_read(APIC_TIMER_CURRENT));
    end();
}

static void deadline_past(void)
{
    if (!begin("deadline.past", NEED_DEADLINE))
        return;
    apic_write(APIC_LVT_TIMER, APIC_TIMER_TSC_DEADLINE | MID_VECTOR);
    wrmsr(MSR_TSC_DEADLINE, 1);
    wait_for_interrupt();
    end();
}

static void deadline_disarmed(void)
{
    if (!begin("deadline.disarmed", NEED_DEADLINE))
        return;
    apic_write(APIC_LVT_TIMER, APIC_TIMER_TSC_DEADLINE | MID_VECTOR);
    wrmsr(MSR_TSC_DEADLINE, UINT64_MAX);
    print(" armed=%u", rdmsr(MSR_TSC_DEADLINE) == UINT64_MAX);
    wrmsr(MSR_TSC_DEADLINE, 0);
    print(" msr=%lx", rdmsr(MSR_TSC_DEADLINE));
    apic_write(APIC_TIMER_INITIAL, 1000);
    print(" initial=%u", apic_read(APIC_TIMER_INITIAL));
    end();
}

static void deadline_other_mode(void)
{
    if (!begin("deadline.other-mode", NEED_DEADLINE))
        return;
    wrmsr(MSR_TSC_DEADLINE, UINT64_MAX);
    print(" ignored=%u", rdmsr(MSR_TSC_DEADLINE) == 0);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_TSC_DEADLINE | MID_VECTOR);
    wrmsr(MSR_TSC_DEADLINE, UINT64_MAX);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_ONE_SHOT | MID_VECTOR);
    print(" disarmed=%u", rdmsr(MSR_TSC_DEADLINE) == 0);
    end();
}

/* ---- errors (10.5.3 "Error Handling") ---- */

static unsigned esr(void)
{
    apic_write(APIC_ESR, 0);
    return apic_read(APIC_ESR);
}

/* A vector below 16 is sent as an error; reading shows what was before the last write. */
static void illegal_vector(void)
{
    if (!begin("esr.send-illegal-vector", 0))
        return;
    esr();
    apic_self_ipi(5);
    print(" before=%x", apic_read(APIC_ESR));
    print(" sent=%x", esr() & APIC_ESR_SEND_VECTOR);
    print(" again=%x", esr());
    end();
}

static void error_interrupt(void)
{
    if (!begin("esr.interrupt", 0))
        return;
    esr();
    apic_write(APIC_LVT_ERROR, MID_VECTOR);
    apic_self_ipi(5);
    take_interrupts();
    apic_write(APIC_LVT_ERROR, APIC_LVT_MASKED | MID_VECTOR);
    esr();
    end();
}

/* A write to ESR arms it again. */
static void error_interrupts(void)
{
    if (!begin("esr.interrupt-again", 0))
        return;
    esr();
    apic_write(APIC_LVT_ERROR, MID_VECTOR);
    for (unsigned i = 0; i < 4; i++) {
        apic_self_ipi(5);
        take_interrupts();
        if (i == 2)
            esr();
    }
    apic_write(APIC_LVT_ERROR, APIC_LVT_MASKED | MID_VECTOR);
    esr();
    end();
}

/* A local source with an illegal vector: received. */
static void timer_illegal(void)
{
    if (!begin("esr.timer-vector", 0))
        return;
    esr();
    timer(APIC_TIMER_ONE_SHOT | 5, 100);
    wait_for_zero();
    print(" esr=%x", esr());
    end();
}

/* ---- disabling (10.4.7.2 "Local APIC State After It Has Been Software Disabled") ---- */

static void disabled(void)
{
    if (!begin("svr.disabled", 0))
        return;
    apic_write(APIC_LVT_LINT0, 0x700);
    apic_write(APIC_LVT_TIMER, MID_VECTOR);
    apic_write(APIC_SVR, SPURIOUS);
    print(" timer=%x lint0=%x error=%x", apic_read(APIC_LVT_TIMER), apic_read(APIC_LVT_LINT0) & ~0x1000u,
          apic_read(APIC_LVT_ERROR));
    apic_write(APIC_LVT_TIMER, MID_VECTOR);
    print(" stays=%x", apic_read(APIC_LVT_TIMER));
    apic_self_ipi(MID_VECTOR);
    print_state(MID_VECTOR);
    take_interrupts();
    apic_write(APIC_SVR, SPURIOUS | APIC_SVR_ENABLE);
    print(" enabled=%x", apic_read(APIC_LVT_TIMER));
    take_interrupts();
    end();
}

static void nmi_when_disabled(void)
{
    if (!begin("svr.disabled-nmi", 0))
        return;
    apic_write(APIC_SVR, SPURIOUS);
    apic_nmi();
    __asm__ volatile("nop; nop; nop; nop");
    end();
}

/* ---- destinations (10.6 "Issuing Interprocessor Interrupts") ---- */

static void destination(const char *name, uint32_t high, uint32_t low, uint32_t ldr, uint32_t dfr)
{
    if (!begin(name, 0))
        return;
    apic_write(APIC_DFR, dfr);
    apic_write(APIC_LDR, ldr);
    apic_write(APIC_ICR_HIGH, high);
    apic_write(APIC_ICR_LOW, low | MID_VECTOR);
    take_interrupts();
    print(" icr=%x", apic_read(APIC_ICR_LOW) & ~0x1000u);
    apic_write(APIC_LDR, 0);
    apic_write(APIC_DFR, 0xffffffff);
    end();
}

static void destinations(void)
{
    const uint32_t flat = 0xffffffff, cluster = 0x0fffffff;

    destination("dest.physical-self", 0, APIC_ICR_ASSERT, 0, flat);
    destination("dest.physical-other", 0x05000000, APIC_ICR_ASSERT, 0, flat);
    destination("dest.physical-all", 0xff000000, APIC_ICR_ASSERT, 0, flat);
    destination("dest.shorthand-self", 0, APIC_ICR_TO_SELF, 0, flat);
    destination("dest.shorthand-all", 0, APIC_ICR_ASSERT | APIC_ICR_TO_ALL, 0, flat);
    destination("dest.shorthand-others", 0, APIC_ICR_ASSERT | APIC_ICR_TO_OTHERS, 0, flat);
    destination("dest.flat", 0x06000000, APIC_ICR_ASSERT | APIC_ICR_LOGICAL, 0x02000000, flat);
    destination("dest.flat-other", 0x05000000, APIC_ICR_ASSERT | APIC_ICR_LOGICAL, 0x02000000, flat);
    destination("dest.flat-all", 0xff000000, APIC_ICR_ASSERT | APIC_ICR_LOGICAL, 0x80000000, flat);
    destination("dest.cluster", 0x32000000, APIC_ICR_ASSERT | APIC_ICR_LOGICAL, 0x32000000, cluster);
    destination("dest.cluster-other", 0x22000000, APIC_ICR_ASSERT | APIC_ICR_LOGICAL, 0x32000000, cluster);
    destination("dest.cluster-member", 0x3d000000, APIC_ICR_ASSERT | APIC_ICR_LOGICAL, 0x32000000, cluster);
    destination("dest.lowest-priority", 0, APIC_ICR_ASSERT | APIC_ICR_LOWEST, 0, flat);
}

/* ---- registers ---- */

static void registers_read_back(void)
{
    if (!begin("xapic.registers", 0))
        return;
    apic_write(APIC_DFR, 0);
    print(" dfr=%x", apic_read(APIC_DFR));
    apic_write(APIC_DFR, 0xffffffff);
    apic_write(APIC_LDR, 0xffffffff);
    print(" ldr=%x", apic_read(APIC_LDR));
    apic_write(APIC_LDR, 0);
    apic_write(APIC_TPR, 0xffffffff);
    print(" tpr=%x", apic_read(APIC_TPR));
    apic_write(APIC_TPR, 0);
    apic_write(APIC_TIMER_DIVIDE, 0xffffffff);
    print(" divide=%x", apic_read(APIC_TIMER_DIVIDE));
    apic_write(APIC_LVT_ERROR, 0xffffffff);
    print(" error=%x", apic_read(APIC_LVT_ERROR));
    apic_write(APIC_ICR_HIGH, 0xffffffff);
    print(" icr-high=%x", apic_read(APIC_ICR_HIGH));
    apic_write(APIC_ICR_HIGH, 0);
    end();
}

void interrupt_cases(void)
{
    void (*const cases[])(void) = {
        self_ipi,
        trigger_mode,
        by_priority,
        nested,
        merged,
        eoi_order,
        eoi_idle,
        task_priority,
        processor_priority,
        cr8,
        cr8_blocks,
        all_shadows,
        bad_gates,
        hlt_wakes,
        hlt_nmi,
        nmi_blocks,
        nmi_if_clear,
        nmi_by_int2,
        one_shot,
        periodic,
        masked,
        stopped,
        other_vector,
        deadline,
        deadline_past,
        deadline_disarmed,
        deadline_other_mode,
        illegal_vector,
        error_interrupt,
        error_interrupts,
        timer_illegal,
        disabled,
        nmi_when_disabled,
        destinations,
        registers_read_back,
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        cases[i]();
    x2apic_cases();
}
