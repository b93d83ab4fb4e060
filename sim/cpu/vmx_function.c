/* vmx_function.c - VM functions (SDM vol. 3, 25.5.6 "VM Functions"): what a guest may do to its own virtual
 * machine without an exit, at any privilege.  There is one, EPTP switching. */
#include "cpu/exec.h"
#include "cpu/vmx.h"

static _Noreturn void leave(struct core *c, const struct insn *in)
{
    vmx_leave(c, &(struct vmx_exit){.reason = EXIT_VMFUNC, .insn_length = in->length});
}

/* Linear and guest-physical mappings stay: they do not depend on which EPTP is in use, or are tagged by it.
 */
static void load_eptp(struct core *c, u64 eptp, u64 index)
{
    c->s.vmx.eptp = eptp;
    c->s.vmx.eptp_index = index;
    VMCS_PUT(c, EPTP, eptp);
    VMCS_PUT(c, EPTP_INDEX, index);
    if (!(c->s.vmx.proc2 & PROC2_VPID))
        mmu_flush_combined(c, 0, FLUSH_VMFUNC);
}

/* 25.5.6.3 "EPTP Switching": no register and no flag changes. */
static void switch_eptp(struct core *c, const struct insn *in)
{
    u32 index = (u32)c->s.gpr[REG_RCX];
    if (index >= EPTP_LIST_ENTRIES)
        leave(c, in);
    u64 eptp = phys_load(c, c->s.vmx.eptp_list + 8 * (u64)index, 8), old = c->s.vmx.eptp;
    if (!vmx_eptp_ok(eptp))
        leave(c, in);
    stall(c, &c->s.count.stall_vmx, c->m->p.vmfunc_cycles);
    load_eptp(c, eptp, index);
    PROBE(c, RS_PROBE_vmfunc, index, old);
    micro(c, MICRO_VMCS);
}

/* 25.5.6.2 "General Operation of the VMFUNC Instruction" */
void exec_vmfunc(struct core *c, const struct insn *in)
{
    u32 function = (u32)c->s.gpr[REG_RAX];
    if (!c->s.vmx_guest || !(c->s.vmx.proc2 & PROC2_VMFUNC))
        cpu_fault(c, VEC_UD, 0);
    if (function > VMFUNC_MAX)
        cpu_fault(c, VEC_UD, 0);
    else if (!(c->s.vmx.vm_functions >> function & 1))
        leave(c, in);
    switch_eptp(c, in);
}
