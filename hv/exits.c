#include "exits.h"

#include "arch/insn.h"
#include "arch/x86.h"
#include "irq.h"
#include "lapic_page.h"
#include "lock.h"
#include "posted.h"
#include "reach.h"
#include "step.h"
#include "vmcs.h"
#include "vmx.h"

#define REASON_BASIC 0xffff

/* ---- handlers of few lines ---- */

/* The interrupt is the idle timer's, another core's kick or a device's: our own IDT takes it. */
static void exit_interrupt(struct vcpu *v)
{
    if (!v->posted) /* else it has been acknowledged on exit (posted_acknowledge) */
        take_interrupts();
    irq_run();
}

static void exit_triple_fault(struct vcpu *v)
{
    vm_crash(v->vm, "triple fault (an exception in delivering a double fault) at rip 0x%lx",
             vmread(VMCS_GUEST_RIP));
    vmcs_dump(v);
}

/* With interrupts off, only an NMI could end it; if there is nobody who could send one, nothing will. */
static void exit_hlt(struct vcpu *v)
{
    vcpu_skip_instruction();
    v->wakers = event_wakers();
    v->halted = true;
    if (vm_is_halted_for_ever(v->vm))
        vm_stop(v->vm, STATUS_HALTED, "halted for ever: HLT with interrupts off");
}

/* It has spun for a while: whoever it waits for may be waiting for this core. */
static void exit_pause(struct vcpu *v)
{
    vcpu_skip_instruction();
    scheduler_yield(v);
}

/* Caches need no write-back here: memory is coherent. */
static void exit_wbinvd(struct vcpu *v)
{
    (void)v;
    vcpu_skip_instruction();
}

/* Instructions that the virtual processor does not have: its CPUID says so. */
static void exit_undefined(struct vcpu *v)
{
    (void)v;
    vcpu_inject(VEC_UD, false, 0);
}

static void exit_general_protection(struct vcpu *v)
{
    (void)v;
    vcpu_inject(VEC_GP, true, 0);
}

/* INVLPG exits with the shadow pager alone. */
static void exit_invlpg(struct vcpu *v)
{
    v->vm->config.pager->invalidate(v, vmread(VMCS_EXIT_QUALIFICATION));
    vcpu_skip_instruction();
}

/* A step over an access to the APIC's page has ended already (vcpu_run_once). */
static void exit_monitor_trap(struct vcpu *v)
{
    if (v->steps & STEP_LENT)
        v->vm->config.pager->instruction_done(v);
}

static void exit_unhandled(struct vcpu *v, uint64_t reason)
{
    vm_crash(v->vm, "VM exit %lu (%s) that this hypervisor does not handle", reason,
             exit_reason_name(reason));
    vmcs_dump(v);
}

/* SDM vol. 3, 26.8 "VM-Entry Failures During or After Loading Guest State" */
static void exit_entry_failure(struct vcpu *v, uint64_t reason)
{
    vm_crash(v->vm, "%s, qualification %lu", exit_reason_name(reason), vmread(VMCS_EXIT_QUALIFICATION));
    vmcs_dump(v);
}

/* Page faults, if the VM's pager or its faults=hypervisor asks for them, and NMIs, which are not used here.
 */
static void exit_exception(struct vcpu *v)
{
    uint64_t info = vmread(VMCS_EXIT_INTR_INFO);

    if ((info & INTR_VECTOR) != VEC_PF) {
        if ((info & INTR_VECTOR) != VEC_NMI)
            exit_unhandled(v, EXIT_EXCEPTION_NMI);
        return;
    }
    v->vm->config.pager->page_fault(v);
}

/* ---- the switch ---- */

static void handle(struct vcpu *v, uint64_t reason)
{
    /* clang-format off */
    switch (reason) {
    case EXIT_EXCEPTION_NMI: exit_exception(v); break;
    case EXIT_EXTERNAL_INTERRUPT: exit_interrupt(v); break;
    case EXIT_TRIPLE_FAULT: exit_triple_fault(v); break;
    case EXIT_CPUID: exit_cpuid(v); break;
    case EXIT_HLT: exit_hlt(v); break;
    case EXIT_INVLPG: exit_invlpg(v); break;
    case EXIT_VMCALL: exit_vmcall(v); break;
    case EXIT_CR_ACCESS: exit_cr_access(v); break;
    case EXIT_IO: exit_io(v); break;
    case EXIT_RDMSR: exit_rdmsr(v); break;
    case EXIT_WRMSR: exit_wrmsr(v); break;
    case EXIT_EPT_VIOLATION: exit_ept_violation(v); break;
    case EXIT_APIC_ACCESS: exit_apic_access(v); break;
    case EXIT_APIC_WRITE: exit_apic_write(v); break;
    case EXIT_PREEMPTION_TIMER: break; /* the scheduler's */
    case EXIT_INTERRUPT_WINDOW:        /* the next entry's (event.c) */
    case EXIT_NMI_WINDOW:
    case EXIT_TPR_BELOW_THRESHOLD: break;
    case EXIT_MONITOR_TRAP_FLAG: exit_monitor_trap(v); break;
    case EXIT_PAUSE: exit_pause(v); break;
    case EXIT_INVD:
    case EXIT_WBINVD: exit_wbinvd(v); break;
    case EXIT_XSETBV: exit_general_protection(v); break;
    case EXIT_GETSEC:
    case EXIT_VMCLEAR:
    case EXIT_VMLAUNCH:
    case EXIT_VMPTRLD:
    case EXIT_VMPTRST:
    case EXIT_VMREAD:
    case EXIT_VMRESUME:
    case EXIT_VMWRITE:
    case EXIT_VMXOFF:
    case EXIT_VMXON:
    case EXIT_INVEPT:
    case EXIT_INVVPID: exit_undefined(v); break;
    default: exit_unhandled(v, reason); break;
    }
    /* clang-format on */
}

/* SDM vol. 3, 26.2: the entry failed before any guest state was loaded. */
static uint64_t entry_refused(struct vcpu *v)
{
    uint64_t error = vmread(VMCS_INSTRUCTION_ERROR);

    vm_crash(v->vm, "VM entry refused, error %lu: %s", error, vmx_error_name(error));
    vmcs_dump(v);
    return EXIT_INVALID_GUEST_STATE;
}

uint64_t vcpu_run_once(struct vcpu *v)
{
    uint64_t entry, exit, reason;
    bool entered;

    v->vm->stats.entries++;
    event_prepare(v);
    vcpus_before_entry(v, this_core());
    entry = rdtsc();
    entered = vcpu_enter(v);
    exit = rdtsc();
    lock_take();
    if (!entered)
        return entry_refused(v);
    reason = vmread(VMCS_EXIT_REASON);
    if (v->posted && (reason & REASON_BASIC) == EXIT_EXTERNAL_INTERRUPT)
        posted_acknowledge();
    v->vm->stats.guest_cycles += exit - entry;
    if (!vm_alive(v->vm) || v->startup.waits) /* another core has ended it, or sent it an INIT */
        return EXIT_EXTERNAL_INTERRUPT;
    if (v->steps & STEP_APIC_PAGE)
        lapic_page_end_step(v);
    if (reason & EXIT_ENTRY_FAILURE)
        exit_entry_failure(v, reason & REASON_BASIC);
    else
        handle(v, reason & REASON_BASIC);
    stats_exit(&v->vm->stats, reason & REASON_BASIC, rdtsc() - exit);
    return reason & REASON_BASIC;
}
