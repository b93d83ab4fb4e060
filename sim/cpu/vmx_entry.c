/* vmx_entry.c - VM entries (SDM vol. 3, 26 "VM Entries"). */
#include "cpu/ipi.h"
#include "cpu/vapic.h"
#include "cpu/vmx.h"
#include "schedule.h"

#define PHASES 4 /* checks of controls, host state, guest state; loading */

void vmx_phase(struct core *c, u64 cost, u64 k, u64 n)
{
    stall(c, &c->s.count.stall_vmx, cost * (k + 1) / n - cost * k / n);
    micro(c, MICRO_VMCS);
}

void vmx_flush(struct core *c, enum flush_cause cause)
{
    if (!(vmx_proc2(c) & PROC2_VPID))
        mmu_flush_vpid(c, 0, true, cause);
}

/* ---- controls, for use until the exit ---- */

static void load_controls(struct core *c)
{
    struct vmx_controls *v = &c->s.vmx;
    v->pin = VMCS_GET(c, PIN_CONTROLS);
    v->proc = VMCS_GET(c, PROC_CONTROLS);
    v->proc2 = vmx_proc2(c);
    v->exit = VMCS_GET(c, EXIT_CONTROLS);
    v->entry = VMCS_GET(c, ENTRY_CONTROLS);
    v->exception_bitmap = VMCS_GET(c, EXCEPTION_BITMAP);
    v->pf_mask = VMCS_GET(c, PF_ERROR_MASK);
    v->pf_match = VMCS_GET(c, PF_ERROR_MATCH);
    v->cr0_mask = VMCS_GET(c, CR0_MASK);
    v->cr0_shadow = VMCS_GET(c, CR0_SHADOW);
    v->cr4_mask = VMCS_GET(c, CR4_MASK);
    v->cr4_shadow = VMCS_GET(c, CR4_SHADOW);
    v->cr3_target_count = VMCS_GET(c, CR3_TARGET_COUNT);
    for (unsigned i = 0; i < VMX_CR3_TARGETS; i++)
        v->cr3_target[i] = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_CR3_TARGET0 + i));
    v->io_bitmap_a = VMCS_GET(c, IO_BITMAP_A);
    v->io_bitmap_b = VMCS_GET(c, IO_BITMAP_B);
    v->msr_bitmap = VMCS_GET(c, MSR_BITMAP);
    v->virtual_apic = VMCS_GET(c, VIRTUAL_APIC_ADDRESS);
    v->apic_access = VMCS_GET(c, APIC_ACCESS_ADDRESS);
    for (unsigned i = 0; i < 4; i++)
        v->eoi_exit[i] = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_EOI_EXIT_BITMAP0 + i));
    v->posted_vector = VMCS_GET(c, POSTED_VECTOR);
    v->posted_descriptor = VMCS_GET(c, POSTED_DESCRIPTOR);
    v->tpr_threshold = VMCS_GET(c, TPR_THRESHOLD);
    v->tsc_offset = VMCS_GET(c, TSC_OFFSET);
    v->vmread_bitmap = VMCS_GET(c, VMREAD_BITMAP);
    v->vmwrite_bitmap = VMCS_GET(c, VMWRITE_BITMAP);
    v->link = VMCS_GET(c, VMCS_LINK_POINTER);
    v->tsc_multiplier = VMCS_GET(c, TSC_MULTIPLIER);
    v->ple_gap = VMCS_GET(c, PLE_GAP);
    v->ple_window = VMCS_GET(c, PLE_WINDOW);
    v->eptp = v->proc2 & PROC2_EPT ? VMCS_GET(c, EPTP) : 0;
    v->vpid = v->proc2 & PROC2_VPID ? VMCS_GET(c, VPID) : 0;
    v->vm_functions = v->proc2 & PROC2_VMFUNC ? VMCS_GET(c, VM_FUNCTIONS) : 0;
    v->eptp_list = VMCS_GET(c, EPTP_LIST_ADDRESS);
    v->ve_information = VMCS_GET(c, VE_INFORMATION_ADDRESS);
    v->eptp_index = VMCS_GET(c, EPTP_INDEX);
    v->pml_address = VMCS_GET(c, PML_ADDRESS);
    v->pml_index = VMCS_GET(c, PML_INDEX);
}

/* ---- event injection (26.6) ---- */

static bool is_software(u64 type)
{
    return type == EVENT_SOFT_INT || type == EVENT_PRIV_EXCEPTION || type == EVENT_SOFT_EXCEPTION;
}

/* Injection makes pending debug exceptions vanish, unless an INT n, INT3, INTO or INT1 is made up that
 * follows a MOV SS (26.7.3 "Delivery of Pending Debug Exceptions after VM Entry"). */
static void drop_pending_debug(struct core *c, u64 type)
{
    if (!is_software(type) || !c->s.shadow_ss)
        c->s.pending_debug = 0;
}

/* The event is delivered as the next atom, and causes no exit itself.  CR2 and DR6 stay as they are. */
static void inject_event(struct core *c, u64 info, u64 type)
{
    c->s.event_valid = c->s.event_injected = 1;
    c->s.event_vector = info & INTR_VECTOR;
    c->s.event_type = type;
    c->s.event_has_error = !!(info & INTR_HAS_ERROR);
    c->s.event_error = c->s.event_has_error ? VMCS_GET(c, ENTRY_ERROR_CODE) : 0;
    c->s.event_next_rip = c->s.rip + (is_software(type) ? VMCS_GET(c, ENTRY_INSN_LENGTH) : 0);
    c->s.event_cr2 = c->s.cr2;
    drop_pending_debug(c, type);
    c->s.shadow_sti = c->s.shadow_ss = 0; /* 26.7.1 "Interruptibility State" */
    c->s.activity = ACTIVITY_ACTIVE;
}

/* The first MTF VM exit is due after the next atom: an instruction or an injected event (25.5.2 "Monitor Trap
 * Flag"). */
static void inject(struct core *c)
{
    u64 info = VMCS_GET(c, ENTRY_INTR_INFO);
    u64 type = (info & INTR_TYPE) >> INTR_TYPE_SHIFT;
    c->s.event_valid = c->s.event_injected = 0;
    c->s.vmx_mtf_atom = c->s.vmx.proc & PROC_MONITOR_TRAP_FLAG ? c->s.atom + 2 : 0;
    if (!(info & INTR_VALID))
        return;
    if (type == EVENT_OTHER)
        c->s.vmx_mtf_atom = c->s.atom + 1;
    else
        inject_event(c, info, type);
}

/* ---- preemption timer (25.5.1 "VMX-Preemption Timer") ---- */

/* It counts down when bit VMX_TIMER_SHIFT of the TSC changes. */
static void start_timer(struct core *c)
{
    u64 tsc = tsc_now(c);
    u64 zero = ((tsc >> VMX_TIMER_SHIFT) + VMCS_GET(c, PREEMPTION_TIMER)) << VMX_TIMER_SHIFT;
    c->s.vmx_timer_due = 0;
    if (c->s.vmx.pin & PIN_PREEMPTION_TIMER)
        c->s.vmx_timer_due = c->s.cycle + (zero > tsc ? zero - tsc : 0);
}

u64 vmx_timer_value(const struct core *c)
{
    u64 tick = 1ull << VMX_TIMER_SHIFT;
    if (c->s.vmx_timer_due <= c->s.cycle)
        return 0;
    return (c->s.vmx_timer_due - c->s.cycle + tick - 1) >> VMX_TIMER_SHIFT;
}

/* ---- the entry ---- */

static bool rules_hold(struct core *c, enum vmx_stage stage, bool again)
{
    c->rt.vmx_rule = again ? vmx_check_again(c, stage) : vmx_check(c, stage);
    vmx_phase(c, c->m->p.vm_entry_cycles, stage, PHASES);
    return c->rt.vmx_rule == 0;
}

static void load_guest(struct core *c)
{
    u64 nmi_blocked = c->s.nmi_blocked;
    load_controls(c);
    vmx_load_guest(c);
    vmx_phase(c, c->m->p.vm_entry_cycles, PHASES - 1, PHASES);
    struct vmx_msr_result bad =
        vmx_msr_load(c, VMCS_GET(c, ENTRY_MSR_LOAD_ADDRESS), VMCS_GET(c, ENTRY_MSR_LOAD_COUNT));
    if (bad.entry) {
        c->s.nmi_blocked = nmi_blocked;
        c->rt.vmx_rule = vmx_msr_rule(bad.rule);
        vmx_entry_failed(c, EXIT_MSR_LOADING, bad.entry);
    }
}

/* The instruction retires in the guest's state; rip: its own address. */
static _Noreturn void retire(struct core *c, bool launch, u64 start, u64 rip)
{
    u64 info = VMCS_GET(c, ENTRY_INTR_INFO);
    pipeline_serialise(c);
    c->s.cycle++;
    c->s.count.insns++;
    c->s.count.vm_entries++;
    start_timer(c);
    ipi_unblock_init(c);
    PROBE(c, RS_PROBE_vm_entry, launch, c->s.cycle - start, info & INTR_VALID ? info : 0);
    if (c->s.activity != ACTIVITY_ACTIVE)
        schedule_yield(c);
    micro(c, MICRO_ENTRY);
    PROBE(c, RS_PROBE_insn, rip, 3, c->s.cycle - c->rt.atom_cycle);
    atom_leave(c, ATOM_DONE);
}

enum vmx_error vmx_enter(struct core *c, bool launch)
{
    u64 start = c->s.cycle, rip = c->s.rip;
    bool again = vmx_kept_same(c);
    if (!rules_hold(c, VMX_CHECK_CONTROLS, again))
        return VMXERR_ENTRY_CONTROLS;
    if (!rules_hold(c, VMX_CHECK_HOST, again))
        return VMXERR_ENTRY_HOST_STATE;
    if (!rules_hold(c, VMX_CHECK_GUEST, again))
        vmx_entry_failed(c, EXIT_INVALID_GUEST_STATE, vmx_rule(c->rt.vmx_rule)->qualification);
    if (!again)
        vmx_kept_take(c);
    load_guest(c);
    vmcs_set_launch_state(c, c->s.vmcs_hpa, LAUNCH_LAUNCHED);
    c->s.vmx_guest = 1;
    inject(c);
    vapic_enter(c);
    vmx_flush(c, FLUSH_VM_ENTRY);
    retire(c, launch, start, rip);
}
