/* Proportional share by virtual time: a VM's advances with the cycles that its virtual CPUs run, the faster
 * the less its weight, and the next turn is that of the VM which is furthest behind.  So VMs that want to run
 * get cycles in the ratio of their weights, whatever their exits cost, and one that sleeps leaves its share
 * to the others. */
#include "scheduler.h"

#include <stddef.h>

#include "apic.h"
#include "arch/insn.h"
#include "config.h"
#include "core.h"
#include "exits.h"
#include "irq.h"
#include "lapic.h"
#include "lock.h"
#include "manage.h"
#include "posted.h"
#include "vm.h"
#include "vmcs.h"
#include "vmx.h"

/* How far behind the others a VM may be that cannot use its share, since it has fewer virtual CPUs than its
 * weight would give it cores: twice what one turn costs the lightest. */
#define LAG_MAX (2 * WEIGHT_MAX * (uint64_t)QUANTUM_CYCLES)

/* An entry gives the guest that many cycles at least, and a turn has an entry: a timer that is due again at
 * once, its own or that of one that sleeps, may not keep it from its next instruction for ever. */
#define LEAST_RUN 500

static unsigned timer_shift; /* of the VMX-preemption timer */
static uint64_t newest;      /* the largest time at which a turn has begun */

/* ---- shares ---- */

static uint64_t weighted(const struct vm *vm, uint64_t cycles)
{
    return cycles * WEIGHT_MAX / vm->config.weight;
}

static void not_before(struct share *s, uint64_t lag)
{
    if (newest > lag && s->time < newest - lag)
        s->time = newest - lag;
}

/* Its time with what it has had of the turn that it is in. */
static uint64_t time_in_turn(const struct vcpu *v)
{
    return v->vm->share.time + weighted(v->vm, rdtsc() - v->turn.start);
}

/* ---- choice ---- */

static bool is_ready(const struct vcpu *v)
{
    return v->vm->dir->state == VMDIR_RUNNING && !v->halted && !startup_idle(&v->startup) &&
           !vcpu_kept_out(v);
}

/* Of the VM's virtual CPUs that wait and are not held by another core: the one that has waited longest. */
static struct vcpu *longest_waiting(struct vm *vm, const struct core *c)
{
    struct vcpu *best = NULL;

    for (uint64_t i = 0; i < vm->dir->vcpus; i++) {
        struct vcpu *v = &vm->vcpu[i];

        if (!is_ready(v) || (v->core && v->core != c))
            continue;
        if (!best || v->turn.last < best->turn.last)
            best = v;
    }
    return best;
}

static struct vcpu *choose(const struct core *c)
{
    struct vcpu *best = NULL;

    for (unsigned i = 0; vm_at(i); i++) {
        struct vcpu *v = longest_waiting(vm_at(i), c);

        if (v && (!best || v->vm->share.time < best->vm->share.time))
            best = v;
    }
    return best;
}

void scheduler_yield(struct vcpu *v)
{
    struct core *c = this_core();
    const struct vcpu *next;

    v->turn.last = rdtsc(); /* all others have waited longer */
    next = longest_waiting(v->vm, c);
    if (next && next != v)
        c->must_choose = true;
}

/* ---- waking ---- */

static struct core *sleeping_core(void)
{
    for (unsigned i = 0; i < cores_count(); i++)
        if (core_at(i)->sleeps)
            return core_at(i);
    return NULL;
}

/* The core whose VM is furthest ahead, and further than vm; NULL if there is none. */
static struct core *core_to_preempt(const struct vm *vm)
{
    uint64_t most = vm->share.time;
    struct core *found = NULL;

    for (unsigned i = 0; i < cores_count(); i++) {
        const struct vcpu *v = core_at(i)->current;

        if (v && v->turn.core && time_in_turn(v) > most) {
            most = time_in_turn(v);
            found = core_at(i);
        }
    }
    return found;
}

static void offer(const struct vcpu *v)
{
    struct core *c = v->core ? v->core : sleeping_core();

    if (c) {
        core_wake(c);
        return;
    }
    c = core_to_preempt(v->vm);
    if (!c)
        return;
    c->must_choose = true;
    if (c != this_core())
        core_kick(c);
}

/* v has woken.  What its VM did not use, if all of it slept, is lost: it begins where the last turn has
 * begun, which puts it before all that have had theirs. */
static void end_sleep(struct vcpu *v)
{
    for (uint64_t i = 0; i < v->vm->dir->vcpus; i++)
        if (i != v->index && is_ready(&v->vm->vcpu[i]))
            return;
    not_before(&v->vm->share, 0);
}

void scheduler_enter(struct vm *vm)
{
    not_before(&vm->share, 0);
}

void scheduler_wake(struct vcpu *v)
{
    end_sleep(v);
    if (is_ready(v))
        offer(v);
}

/* Timers of virtual CPUs in HLT are looked after by the core that had them last. */
static bool looks_after(const struct core *c, const struct vcpu *v)
{
    return v->halted && v->last_core == c && v->vm->dir->state == VMDIR_RUNNING && !vcpu_kept_out(v);
}

/* Until a virtual timer wakes one of them, or LAPIC_NEVER.  One whose interrupt its priority holds back wakes
 * nobody, however often it fires: in HLT that priority does not change. */
static uint64_t next_alarm(const struct core *c)
{
    uint64_t next = LAPIC_NEVER;

    for (unsigned i = 0; vm_at(i); i++)
        for (uint64_t j = 0; j < vm_at(i)->dir->vcpus; j++) {
            const struct vcpu *v = &vm_at(i)->vcpu[j];

            if (looks_after(c, v) && v->wakers & WAKES_BY_INTERRUPT && lapic_timer_alarm(v) < next)
                next = lapic_timer_alarm(v);
        }
    return next;
}

static void wake_sleepers(const struct core *c)
{
    for (unsigned i = 0; vm_at(i); i++)
        for (uint64_t j = 0; j < vm_at(i)->dir->vcpus; j++) {
            struct vcpu *v = &vm_at(i)->vcpu[j];

            if (looks_after(c, v) && vcpu_runnable(v))
                end_sleep(v);
        }
}

/* ---- turns ---- */

/* What waits and is not held by anyone is for whoever sleeps. */
static void wake_for_the_rest(void)
{
    struct core *c = sleeping_core();

    if (c && choose(c))
        core_wake(c);
}

static void begin_turn(struct vcpu *v, struct core *c)
{
    not_before(&v->vm->share, LAG_MAX);
    if (v->vm->share.time > newest)
        newest = v->vm->share.time;
    v->turn.core = c;
    v->turn.start = rdtsc();
    v->turn.count++;
    c->must_choose = false;
    if (v->posted)
        posted_turn(v, c);
    vcpu_switch_to(v);
    vmcs_choose_exceptions(v->vm);
    wake_for_the_rest();
}

static void end_turn(struct vcpu *v)
{
    uint64_t now = rdtsc();

    v->turn.last = now;
    v->turn.cycles += now - v->turn.start;
    v->vm->share.time += weighted(v->vm, now - v->turn.start);
    v->turn.core = NULL;
    if (v->posted)
        posted_turn(v, NULL);
}

/* Changes of the TSC's bit timer_shift until it is `until`: what the timer counts (SDM vol. 3, 25.5.1
 * "VMX-Preemption Timer"). */
static uint64_t timer_counts(uint64_t now, uint64_t until)
{
    return until > now ? (until >> timer_shift) - (now >> timer_shift) + 1 : 0;
}

/* The processor itself keeps what is left of its timer from an exit to the next entry ("Save VMX-preemption
 * timer value"), but that is guest time alone, and handlers count too: by the TSC.  A virtual timer that is
 * due before the end of the turn is to be met in time, so then the rest is written anew for each entry. */
static void set_preemption_timer(struct vcpu *v, uint64_t now, uint64_t end)
{
    uint64_t due = lapic_timer_due(v), until = due < end ? due : end;

    if (until < now + LEAST_RUN)
        until = now + LEAST_RUN;
    if (until == v->runs_until && until == end)
        return;
    v->runs_until = until;
    vmwrite(VMCS_PREEMPTION_TIMER, timer_counts(now, until));
}

/* A turn also ends when somebody else's timer is due. */
static uint64_t turn_end(uint64_t now, uint64_t alarm)
{
    if (alarm < now + LEAST_RUN)
        return now + LEAST_RUN;
    return alarm < now + QUANTUM_CYCLES ? alarm : now + QUANTUM_CYCLES;
}

static void run_turn(struct vcpu *v, struct core *c)
{
    uint64_t now, end, alarm = next_alarm(c);

    begin_turn(v, c);
    vm_devices_turn(v->vm);
    now = v->turn.start;
    end = turn_end(now, alarm);
    while (vcpu_runnable(v) && !c->must_choose && now < end) {
        if (v->startup.begin) {
            startup_begin(v);
            continue;
        }
        lapic_timer_run(v, now);
        set_preemption_timer(v, now, end);
        vcpu_run_once(v);
        now = rdtsc();
    }
    end_turn(v);
}

static void arm_alarm(const struct core *c, uint64_t now, uint64_t alarm)
{
    uint64_t counts;

    if (c->number == 0 && alarm > now + QUANTUM_CYCLES)
        alarm = now + QUANTUM_CYCLES;
    counts = (alarm - now) / apic_cycles_per_count();
    if (alarm != LAPIC_NEVER)
        apic_arm_timer(counts > UINT32_MAX ? UINT32_MAX : counts ? (uint32_t)counts : 1);
}

/* Nothing to run, until a virtual timer is due, another core wakes this one or a device has something.  The
 * first core looks at the management line again after a quantum at most.  Where the timer is due already,
 * other cores and devices have their moment all the same. */
static void sleep(struct core *c)
{
    uint64_t alarm = next_alarm(c), now = rdtsc();
    bool due = alarm <= now;

    if (!due)
        arm_alarm(c, now, alarm);
    c->sleeps = true;
    lock_give();
    if (due)
        take_interrupts();
    else
        wait_for_interrupt();
    lock_take();
    c->sleeps = false;
    irq_run();
}

static void serve(struct core *c)
{
    struct vcpu *v;

    if (c->current && !vm_alive(c->current->vm))
        vcpu_put_down();
    wake_sleepers(c);
    v = choose(c);
    if (v)
        run_turn(v, c);
    else
        sleep(c);
}

void scheduler_init(void)
{
    timer_shift = vmx_timer_shift();
}

_Noreturn void scheduler_serve(void)
{
    for (;;)
        serve(this_core());
}

/* ---- the end ---- */

static bool all_over(void)
{
    bool any_started = false;

    for (unsigned i = 0; vm_at(i); i++) {
        if (vm_alive(vm_at(i)))
            return false;
        any_started |= vm_at(i)->ever_started;
    }
    return any_started || !vm_at(0);
}

static bool all_well(void)
{
    for (unsigned i = 0; vm_at(i); i++)
        if (vm_at(i)->dir->state == VMDIR_CRASHED ||
            (vm_at(i)->dir->status != STATUS_NONE && vm_at(i)->dir->status != STATUS_SUCCESS))
            return false;
    return true;
}

bool scheduler_run(bool stay)
{
    while (stay || !all_over()) {
        serve(this_core());
        manage_poll();
    }
    return all_well();
}
