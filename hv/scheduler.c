#include "scheduler.h"

#include <stddef.h>

#include "apic.h"
#include "arch/insn.h"
#include "exits.h"
#include "manage.h"
#include "vm.h"
#include "vmx.h"

#define VCPUS (VMDIR_VMS * VMDIR_VCPUS)

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

/* The processor itself keeps what is left of the timer from an exit to the next entry ("Save VMX-preemption
 * timer value"), but that is guest time alone: handlers count too, by the TSC. */
static void run_quantum(struct vcpu *v)
{
    uint64_t end = rdtsc() + QUANTUM_CYCLES;

    vcpu_switch_to(v);
    vmwrite(VMCS_PREEMPTION_TIMER, QUANTUM_CYCLES >> vmx_timer_shift());
    while (vcpu_runnable(v)) {
        uint64_t reason = vcpu_run_once(v);

        if (reason == EXIT_PREEMPTION_TIMER || rdtsc() >= end)
            break;
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

/* Nothing to run: sleep for a quantum, to look at the management line then. */
static void idle(void)
{
    apic_arm_timer(QUANTUM_CYCLES);
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
    while (stay || !all_over()) {
        struct vcpu *v = next_vcpu();

        if (v)
            run_turn(v);
        else
            idle();
    }
    return all_well();
}
