#include "scheduler.h"

#include <stddef.h>

#include "apic.h"
#include "arch/insn.h"
#include "exits.h"
#include "lapic.h"
#include "manage.h"
#include "vm.h"
#include "vmx.h"

#define VCPUS (VMDIR_VMS * VMDIR_VCPUS)

static unsigned timer_shift; /* of the VMX-preemption timer */

static struct vcpu *vcpu_at(unsigned i)
{
    struct vm *vm = vm_at(i / VMDIR_VCPUS);

    return vm && i % VMDIR_VCPUS < vm->dir->vcpus ? &vm->vcpu[i % VMDIR_VCPUS] : NULL;
}

/* Round-robin: the next virtual CPU after the last one that can run, NULL if there is none. */
static struct vcpu *next_vcpu(void)
{
    static unsigned last = VCPUS - 1;

    for (unsigned tried = 0; tried < VCPUS; tried++) {
        struct vcpu *v;

        last = (last + 1) % VCPUS;
        v = vcpu_at(last);
        if (v && vcpu_runnable(v))
            return v;
    }
    return NULL;
}

/* Changes of the TSC's bit timer_shift until it is `until`: what the timer counts (SDM vol. 3, 25.5.1
 * "VMX-Preemption Timer"). */
static uint64_t timer_counts(uint64_t now, uint64_t until)
{
    return until > now ? (until >> timer_shift) - (now >> timer_shift) + 1 : 0;
}

/* The processor itself keeps what is left of its timer from an exit to the next entry ("Save VMX-preemption
 * timer value"), but that is guest time alone, and handlers count too: by the TSC.  A virtual timer that is
 * due before the end of the quantum is to be met in time, so then the rest is written anew for each entry. */
static void set_preemption_timer(struct vcpu *v, uint64_t now, uint64_t end)
{
    uint64_t due = lapic_timer_due(v), until = due < end ? due : end;

    if (until == v->runs_until && until == end)
        return;
    v->runs_until = until;
    vmwrite(VMCS_PREEMPTION_TIMER, timer_counts(now, until));
}

static void run_quantum(struct vcpu *v)
{
    uint64_t now = rdtsc(), end = now + QUANTUM_CYCLES;

    vcpu_switch_to(v);
    while (vcpu_runnable(v) && now < end) {
        lapic_timer_run(v, now);
        set_preemption_timer(v, now, end);
        vcpu_run_once(v);
        now = rdtsc();
    }
}

static void run_turn(struct vcpu *v)
{
    v->vm->stats.turns++;
    for (uint64_t i = 0; i < v->vm->config.weight && vcpu_runnable(v); i++) {
        run_quantum(v);
        manage_poll();
    }
}

/* Until a virtual timer wakes somebody, or LAPIC_NEVER. */
static uint64_t next_timer(void)
{
    uint64_t next = LAPIC_NEVER;

    for (unsigned i = 0; i < VCPUS; i++) {
        const struct vcpu *v = vcpu_at(i);
        uint64_t due = v && v->halted && v->wakers & WAKES_BY_INTERRUPT && v->vm->dir->state == VMDIR_RUNNING
                           ? lapic_timer_due(v)
                           : LAPIC_NEVER;

        next = due < next ? due : next;
    }
    return next;
}

/* Nothing to run: sleep, for a quantum at most, to look at the management line then. */
static void idle(void)
{
    uint64_t due = next_timer(), now = rdtsc(), end = now + QUANTUM_CYCLES;
    uint64_t counts = ((due < end ? due : end) - now) / apic_cycles_per_count();

    if (due <= now)
        return;
    apic_arm_timer(counts ? (uint32_t)counts : 1);
    wait_for_interrupt();
    manage_poll();
}

static bool alive(const struct vm *vm)
{
    return vm->dir->state == VMDIR_RUNNING || vm->dir->state == VMDIR_PAUSED;
}

static bool all_over(void)
{
    bool any_started = false;

    for (unsigned i = 0; vm_at(i); i++) {
        if (alive(vm_at(i)))
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
    manage_start();
    timer_shift = vmx_timer_shift();
    while (stay || !all_over()) {
        struct vcpu *v = next_vcpu();

        if (v)
            run_turn(v);
        else
            idle();
    }
    return all_well();
}
