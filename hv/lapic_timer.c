/* lapic_timer.c - the timer of a virtual local APIC (SDM vol. 3, 10.5.4 "APIC Timer").  It is not simulated
 * count by count: the time at which it fires is known when it is started, and the rest follows from that. */
#include "apic.h"
#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "vm.h"
#include "vmx.h"

static uint32_t *reg(const struct vcpu *v, uint32_t offset)
{
    return (uint32_t *)(v->lapic.page + offset);
}

static bool in_deadline_mode(const struct lapic *a)
{
    return a->timer_mode == APIC_TIMER_TSC_DEADLINE;
}

static uint64_t period(const struct vcpu *v)
{
    return *reg(v, APIC_TIMER_INITIAL) * v->lapic.count_cycles;
}

uint64_t lapic_timer_due(const struct vcpu *v)
{
    bool runs = v->lapic.due && !(*reg(v, APIC_LVT_TIMER) & APIC_LVT_MASKED);

    return runs ? v->lapic.due : LAPIC_NEVER;
}

uint64_t lapic_timer_alarm(const struct vcpu *v)
{
    return lapic_would_take(v, *reg(v, APIC_LVT_TIMER) & APIC_LVT_VECTOR) ? lapic_timer_due(v) : LAPIC_NEVER;
}

/* A periodic timer that nobody has looked at for more than a period has fired once. */
static void rewind_timer(struct vcpu *v, uint64_t now)
{
    struct lapic *a = &v->lapic;

    if (a->timer_mode == APIC_TIMER_PERIODIC && period(v)) {
        a->due += ((now - a->due) / period(v) + 1) * period(v);
    } else {
        a->due = 0;
        a->deadline = 0;
    }
}

void lapic_timer_run(struct vcpu *v, uint64_t now)
{
    uint32_t lvt;

    if (!v->lapic.due || v->lapic.due > now)
        return;
    lvt = *reg(v, APIC_LVT_TIMER);
    rewind_timer(v, now);
    if (!(lvt & APIC_LVT_MASKED))
        lapic_raise(v, lvt & APIC_LVT_VECTOR);
}

/* In TSC-deadline mode writes to the initial count are ignored (10.5.4.1). */
void lapic_timer_start(struct vcpu *v, uint64_t initial)
{
    struct lapic *a = &v->lapic;

    if (in_deadline_mode(a))
        initial = 0;
    *reg(v, APIC_TIMER_INITIAL) = (uint32_t)initial;
    if (!in_deadline_mode(a))
        a->due = initial ? rdtsc() + period(v) : 0;
}

uint32_t lapic_timer_current(const struct vcpu *v)
{
    const struct lapic *a = &v->lapic;
    uint64_t now = rdtsc();

    if (!a->due || in_deadline_mode(a) || a->due <= now)
        return 0;
    return (uint32_t)((a->due - now + a->count_cycles - 1) / a->count_cycles);
}

/* 000B divides by 2, 110B by 128, 111B by 1 (figure 10-10). */
void lapic_timer_divide(struct vcpu *v, uint32_t code)
{
    struct lapic *a = &v->lapic;
    uint32_t left = a->count_cycles ? lapic_timer_current(v) : 0;
    unsigned shift = (((code & 3) | (code >> 1 & 4)) + 1) & 7;

    *reg(v, APIC_TIMER_DIVIDE) = code;
    a->count_cycles = apic_cycles_per_count() << shift;
    if (left)
        a->due = rdtsc() + left * a->count_cycles;
}

void lapic_timer_mode(struct vcpu *v, uint32_t lvt)
{
    struct lapic *a = &v->lapic;
    uint32_t mode = lvt & APIC_TIMER_MODE;
    bool was_deadline = in_deadline_mode(a);

    a->timer_mode = mode;
    if (was_deadline == in_deadline_mode(a))
        return;
    a->due = 0;
    a->deadline = 0;
    *reg(v, APIC_TIMER_INITIAL) = 0;
}

/* A deadline that is farther than time goes never comes. */
void lapic_tsc_moved(struct vcpu *v)
{
    struct lapic *a = &v->lapic;
    uint64_t now = rdtsc(), tsc = now + vmread(VMCS_TSC_OFFSET);

    if (!in_deadline_mode(a) || !a->deadline)
        return;
    a->due = now;
    if (a->deadline > tsc)
        a->due += a->deadline - tsc;
    if (a->due < now)
        a->due = LAPIC_NEVER;
}

/* Ignored unless in TSC-deadline mode; 0 disarms (10.5.4.1). */
void lapic_write_deadline(struct vcpu *v, uint64_t tsc)
{
    struct lapic *a = &v->lapic;

    if (!in_deadline_mode(a))
        return;
    a->deadline = tsc;
    a->due = 0;
    lapic_tsc_moved(v);
}
