#include "vcpu.h"

#include <stddef.h>

#include "arch/insn.h"
#include "arch/x86.h"
#include "vm.h"
#include "vmx.h"

_Static_assert(offsetof(struct vcpu, host_rsp) == VCPU_HOST_RSP, "vmenter.S relies on it");
_Static_assert(VMCS_HOST_RSP == VCPU_HOST_RSP_FIELD, "vmenter.S relies on it");

bool vmx_enter(struct vcpu *vcpu, uint64_t launched);

/* Registers that neither VM entry nor the hypervisor itself uses: the guest's stay in the core until another
 * guest runs. */
static const uint32_t vcpu_msrs[VCPU_MSRS] = {MSR_STAR,  MSR_LSTAR,          MSR_CSTAR,
                                              MSR_FMASK, MSR_KERNEL_GS_BASE, MSR_TSC_AUX};

static struct vcpu *current; /* whose state the core holds, and whose VMCS is current */

static void save(struct vcpu *v)
{
    for (unsigned i = 0; i < VCPU_MSRS; i++)
        v->msr[i] = rdmsr(vcpu_msrs[i]);
    v->cr2 = read_cr2();
    v->dr[0] = read_dr0();
    v->dr[1] = read_dr1();
    v->dr[2] = read_dr2();
    v->dr[3] = read_dr3();
    v->dr6 = read_dr6();
}

static void load(const struct vcpu *v)
{
    for (unsigned i = 0; i < VCPU_MSRS; i++)
        wrmsr(vcpu_msrs[i], v->msr[i]);
    write_cr2(v->cr2);
    write_dr0(v->dr[0]);
    write_dr1(v->dr[1]);
    write_dr2(v->dr[2]);
    write_dr3(v->dr[3]);
    write_dr6(v->dr6);
}

void vcpu_switch_to(struct vcpu *v)
{
    if (v == current)
        return;
    if (current)
        save(current);
    vmcs_load(v->vmcs);
    load(v);
    current = v;
}

void vcpu_forget(const struct vcpu *v)
{
    if (current == v)
        current = NULL;
}

bool vcpu_enter(struct vcpu *v)
{
    bool entered = vmx_enter(v, v->launched);

    v->launched |= entered;
    return entered;
}

/* An instruction that single-steps ends with #DB, who ever executes it (SDM vol. 3, 24.4.2), and RF ends with
 * it: an exit by an access has set it (27.3.3). */
static void finish_flags(void)
{
    uint64_t flags = vmread(VMCS_GUEST_RFLAGS);

    if (flags & FLAG_RF)
        vmwrite(VMCS_GUEST_RFLAGS, flags & ~(uint64_t)FLAG_RF);
    if (flags & FLAG_TF)
        vmwrite(VMCS_GUEST_PENDING_DEBUG, vmread(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

/* Emulating an instruction also ends the blocking of events by the one before it (SDM vol. 3, 24.4.2). */
void vcpu_skip_instruction(void)
{
    uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY);

    finish_flags();
    vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSN_LENGTH));
    if (blocking & (BLOCKING_STI | BLOCKING_MOV_SS))
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint64_t)(BLOCKING_STI | BLOCKING_MOV_SS));
}

bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}
