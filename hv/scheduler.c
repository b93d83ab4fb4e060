#include "scheduler.h"

#include <stddef.h>

#include "apic.h"
#include "arch/insn.h"
#include "exits.h"
#include "manage.h"
#include "vm.h"
#include "vmx.h"

/* Round-robin: the next VM after the last one that can run, NULL if there is none. */
static struct vm *next_vm(void)
{
    static unsigned last = VMDIR_VMS - 1;

    for (unsigned tried = 0; tried < VMDIR_VMS; tried++) {
        struct vm *vm;

        last = (last + 1) % VMDIR_VMS;
        vm = vm_at(last);
        if (vm && vm_runnable(vm))
            return vm;
    }
    return NULL;
}

/* The processor itself keeps what is left of the timer from an exit to the next entry ("Save VMX-preemption
 * timer value"), but that is guest time alone: handlers count too, by the TSC. */
static void run_quantum(struct vm *vm)
{
    uint64_t end = rdtsc() + QUANTUM_CYCLES;

    vcpu_switch_to(vm);
    vmwrite(VMCS_PREEMPTION_TIMER, QUANTUM_CYCLES >> vmx_timer_shift());
    while (vm_runnable(vm)) {
        uint64_t reason = vm_enter_once(vm);

        if (reason == EXIT_PREEMPTION_TIMER || rdtsc() >= end)
            break;
    }
}

static void run_turn(struct vm *vm)
{
    vm->stats.turns++;
    for (uint64_t i = 0; i < vm->config.weight && vm_runnable(vm); i++) {
        run_quantum(vm);
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
        struct vm *vm = next_vm();

        if (vm)
            run_turn(vm);
        else
            idle();
    }
    return all_well();
}
