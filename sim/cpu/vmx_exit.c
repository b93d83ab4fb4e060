/* vmx_exit.c - VM exits (SDM vol. 3, 27 "VM Exits"). */
#include "cpu/debug.h"
#include "cpu/vmx.h"
#include "mmu/mem.h"

#define PHASES 3 /* exit information, guest state, host state */

/* ---- what the exit-information fields say (27.2 "Recording VM-Exit Information and Updating VM-entry
 * Control Fields") ---- */

static u64 pack_event(u64 vector, u64 type, u64 has_error)
{
    return INTR_INFO(vector, type) | (has_error ? INTR_HAS_ERROR : 0);
}

/* The event whose delivery led to this exit; a double or triple fault stands for itself (27.2.4). */
static void record_vectoring(struct core *c)
{
    const struct delivered *d = &c->rt.delivered;
    bool delivering = c->rt.delivering;
    VMCS_PUT(c, IDT_VECTORING_INFO, delivering ? pack_event(d->vector, d->type, d->has_error) : 0);
    VMCS_PUT(c, IDT_VECTORING_ERROR, delivering && d->has_error ? d->error : 0);
}

/* Length of the INT n, INT3, INTO or INT1 whose delivery led to this exit (27.2.5). */
static u64 vectoring_length(const struct core *c)
{
    u64 type = c->rt.delivered.type;
    bool software = type == EVENT_SOFT_INT || type == EVENT_PRIV_EXCEPTION || type == EVENT_SOFT_EXCEPTION;
    return c->rt.delivering && software ? c->rt.delivered.next_rip - c->s.rip : 0;
}

/* Fields that have no meaning for an exit are written as 0. */
static void record(struct core *c, const struct vmx_exit *x)
{
    VMCS_PUT(c, EXIT_REASON, x->reason);
    VMCS_PUT(c, EXIT_QUALIFICATION, x->qualification);
    VMCS_PUT(c, GUEST_PHYSICAL_ADDRESS, x->gpa);
    VMCS_PUT(c, GUEST_LINEAR_ADDRESS, x->gva);
    VMCS_PUT(c, EXIT_INTR_INFO, x->intr_info);
    VMCS_PUT(c, EXIT_INTR_ERROR, x->intr_error);
    VMCS_PUT(c, EXIT_INSN_LENGTH, x->insn_length ? x->insn_length : vectoring_length(c));
    VMCS_PUT(c, EXIT_INSN_INFO, x->insn_info);
    record_vectoring(c);
    VMCS_PUT(c, ENTRY_INTR_INFO, VMCS_GET(c, ENTRY_INTR_INFO) & ~(u64)INTR_VALID);
}

/* ---- VMX abort (27.7 "VMX Aborts"): shutdown ---- */

static _Noreturn void vmx_abort(struct core *c, enum vmx_abort why)
{
    mem_write(c->m->mem, c->s.vmcs_hpa + VMCS_ABORT, 4, why);
    c->s.activity = ACTIVITY_SHUTDOWN;
    board_halt(c, HALT_VMX_ABORT, HALT_STATUS, why);
    atom_leave(c, ATOM_DONE);
}

/* ---- the exit ---- */

static void load_host(struct core *c)
{
    vmx_load_host(c);
    vmx_flush(c, FLUSH_VM_EXIT);
    vmx_phase(c, c->m->p.vm_exit_cycles, PHASES - 1, PHASES);
    if (vmx_msr_load(c, VMCS_GET(c, EXIT_MSR_LOAD_ADDRESS), VMCS_GET(c, EXIT_MSR_LOAD_COUNT)).entry)
        vmx_abort(c, VMX_ABORT_MSR_LOAD);
}

static _Noreturn void complete(struct core *c, const struct vmx_exit *x, u64 start, u64 guest_rip)
{
    pipeline_serialise(c);
    PROBE(c, RS_PROBE_vm_exit, x->reason, x->reason, x->qualification, x->gpa, x->gva, guest_rip,
          c->s.cycle - start);
    micro(c, MICRO_EXIT);
    atom_leave(c, ATOM_DONE);
}

static u64 info_type(u32 intr_info)
{
    return (intr_info & INTR_TYPE) >> INTR_TYPE_SHIFT;
}

static bool is_event(const struct vmx_exit *x)
{
    u64 type = info_type(x->intr_info);
    return x->intr_info & INTR_VALID && type != EVENT_EXTERNAL && type != EVENT_NMI;
}

static bool is_access(const struct vmx_exit *x)
{
    return x->reason == EXIT_EPT_VIOLATION || x->reason == EXIT_EPT_MISCONFIG ||
           x->reason == EXIT_APIC_ACCESS || x->reason == EXIT_PML_FULL;
}

/* RF of events and of accesses is that of the frame which was or would have been pushed; an instruction that
 * exits has cleared it (27.3.3 "Saving RIP, RSP, RFLAGS, and SSP"). */
static u64 saved_rflags(const struct core *c, const struct vmx_exit *x)
{
    if (is_event(x))
        return cpu_flags_image(c);
    if (is_access(x))
        return c->rt.delivering ? c->rt.delivered.rflags : c->s.rflags | FLAG_RF;
    return x->insn_length ? c->s.rflags & ~(u64)FLAG_RF : c->s.rflags;
}

void vmx_leave(struct core *c, const struct vmx_exit *x)
{
    u64 start = c->s.cycle, guest_rip = c->s.rip;
    u64 cost = c->m->p.vm_exit_cycles, rflags = saved_rflags(c, x);
    debug_forget(c);
    if (is_event(x) && c->s.event_vector == VEC_DB)
        c->s.pending_debug = 0;
    record(c, x);
    vmx_phase(c, cost, 0, PHASES);
    vmx_save_guest(c, rflags);
    vmx_phase(c, cost, 1, PHASES);
    if (vmx_msr_store(c, VMCS_GET(c, EXIT_MSR_STORE_ADDRESS), VMCS_GET(c, EXIT_MSR_STORE_COUNT)).entry)
        vmx_abort(c, VMX_ABORT_MSR_SAVE);
    load_host(c);
    if (x->intr_info & INTR_VALID && info_type(x->intr_info) == EVENT_NMI)
        c->s.nmi_blocked = 1;
    c->s.count.vm_exits++;
    complete(c, x, start, guest_rip);
}

/* Only the exit reason and the qualification are written, and no guest state is saved. */
void vmx_entry_failed(struct core *c, enum exit_reason reason, u64 qualification)
{
    struct vmx_exit x = {.reason = reason, .qualification = qualification};
    PROBE(c, RS_PROBE_vm_fail, c->rt.vmx_rule, 0, 0, reason);
    micro(c, MICRO_EVENT);
    u64 start = c->s.cycle, guest_rip = VMCS_GET(c, GUEST_RIP);
    VMCS_PUT(c, EXIT_REASON, reason | EXIT_ENTRY_FAILURE);
    VMCS_PUT(c, EXIT_QUALIFICATION, qualification);
    load_host(c);
    c->s.count.vm_entry_failures++;
    complete(c, &x, start, guest_rip);
}
