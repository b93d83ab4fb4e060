/* alarm - the local APIC's timer, by x2APIC: alarms come once each, in time, to a processor that is busy and
 * to one that sleeps.
 *
 *     alarm [ROUNDS] [CYCLES] [LATE]
 *
 * ROUNDS alarms of each kind (default 10), each CYCLES ahead (default 50000).  One that comes more than LATE
 * cycles (default CYCLES) behind its time is late.  Last are an NMI to itself,
 * with a self-IPI from its handler, and a self-IPI by an instruction that single-steps: the trap comes first.
 *
 * Marks: 1 and 2 around each kind: RDI its number, from 0. */
#include "lib/guest.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "lib/args.h"
#include "lib/mark.h"
#include "lib/print.h"
#include "lib/traps.h"

#define VECTOR_ALARM    0x31
#define VECTOR_CALL     0x41
#define VECTOR_SPURIOUS 0x4f

static uint64_t rounds, ahead, slack;
static volatile uint64_t come; /* alarms of this kind so far */
static uint64_t due, early, late;
static volatile unsigned nmis, calls, calls_in_nmi;

static void apic_write(uint32_t offset, uint64_t value)
{
    wrmsr(X2APIC_MSR(offset), value);
}

/* ---- what arrives ---- */

static void on_alarm(struct trap_frame *frame)
{
    uint64_t now = rdtsc();

    (void)frame;
    come++;
    early += now < due;
    late += now > due + slack;
    apic_write(APIC_EOI, 0);
}

static void on_call(struct trap_frame *frame)
{
    (void)frame;
    calls++;
    apic_write(APIC_EOI, 0);
}

/* The gates turn interrupts off, so the call waits until it is over. */
static void on_nmi(struct trap_frame *frame)
{
    (void)frame;
    nmis++;
    apic_write(APIC_SELF_IPI, VECTOR_CALL);
    calls_in_nmi = calls;
}

/* ---- kinds of alarms, and of waiting for them ---- */

static void set_deadline(void)
{
    apic_write(APIC_LVT_TIMER, APIC_TIMER_TSC_DEADLINE | VECTOR_ALARM);
    due = rdtsc() + ahead;
    wrmsr(MSR_TSC_DEADLINE, due);
}

/* A count is a cycle, or more: never early. */
static void set_count(void)
{
    apic_write(APIC_LVT_TIMER, APIC_TIMER_ONE_SHOT | VECTOR_ALARM);
    due = rdtsc() + ahead;
    apic_write(APIC_TIMER_INITIAL, ahead);
}

/* Half of the time interrupts are off, or in the shadow of STI. */
static void spin(uint64_t wanted)
{
    while (come < wanted)
        take_interrupts();
}

static void sleep(uint64_t wanted)
{
    while (come < wanted)
        wait_for_interrupt();
}

static const struct kind {
    const char *name;
    void (*set)(void);
    void (*wait)(uint64_t wanted);
} kinds[] = {
    {"busy, by deadline", set_deadline, spin},
    {"busy, by count", set_count, spin},
    {"asleep, by deadline", set_deadline, sleep},
    {"asleep, by count", set_count, sleep},
};

static void run(const struct kind *k, uint64_t number)
{
    come = early = late = 0;
    mark(1, number, 0);
    for (uint64_t i = 1; i <= rounds; i++) {
        k->set();
        k->wait(i);
    }
    mark(2, number, 0);
    print("%s: %lu alarms, %lu early, %lu late\n", k->name, come, early, late);
}

/* One timer for all rounds, with time for each. */
static void periodic(void)
{
    come = 0;
    due = 0;
    apic_write(APIC_LVT_TIMER, APIC_TIMER_PERIODIC | VECTOR_ALARM);
    apic_write(APIC_TIMER_INITIAL, ahead);
    sleep(rounds);
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
    print("periodic: %s\n", come >= rounds ? "as many as wanted" : "too few");
}

static void nmi(void)
{
    apic_write(APIC_ICR_LOW, APIC_ICR_NMI | APIC_ICR_ASSERT);
    take_interrupts();
    print("%u NMI, %u calls, %u of them inside it\n", nmis, calls, calls_in_nmi);
}

/* ---- a step ---- */

static unsigned calls_at_step;

static void on_step(struct trap_frame *frame)
{
    calls_at_step = calls;
    frame->rflags &= ~(uint64_t)FLAG_TF;
}

static void step(void)
{
    calls = 0;
    __asm__ volatile("pushfq\n\t"
                     "orl %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "wrmsr\n\t"
                     "nop\n\t"
                     "cli"
                     :
                     : "i"(FLAG_TF | FLAG_IF), "c"(X2APIC_MSR(APIC_SELF_IPI)), "a"(VECTOR_CALL), "d"(0)
                     : "memory", "cc");
    print("%u calls, %u of them before the step was over\n", calls, calls_at_step);
}

uint32_t guest_main(const char *args)
{
    rounds = args_number(args, 1, 10);
    ahead = args_number(args, 2, 50000);
    slack = args_number(args, 3, ahead);
    traps_init();
    trap_set(VECTOR_ALARM, on_alarm);
    trap_set(VECTOR_CALL, on_call);
    trap_set(VEC_NMI, on_nmi);
    trap_set(VEC_DB, on_step);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        run(&kinds[i], i);
    periodic();
    nmi();
    step();
    return nmis == 1 && calls == 1 ? 0 : 1;
}
