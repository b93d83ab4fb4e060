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

#define TYPE_HARDWARE_EXCEPTION (INTR_HARDWARE_EXCEPTION >> INTR_TYPE_SHIFT)
#define TYPE_IS_SOFTWARE(info)  (((info) >> INTR_TYPE_SHIFT & 7) >= 4)

/* A fault leaves RF in the flags that it pushes (SDM vol. 3, 17.3.1.1); VM entry pushes those of the VMCS. */
void vcpu_inject(unsigned vector, bool has_error, uint32_t error)
{
    uint32_t info = INTR_INFO(vector, TYPE_HARDWARE_EXCEPTION);

    vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | FLAG_RF);
    if (has_error) {
        info |= INTR_HAS_ERROR;
        vmwrite(VMCS_ENTRY_ERROR_CODE, error);
    }
    vmwrite(VMCS_ENTRY_INTR_INFO, info);
}

void vcpu_redeliver_event(void)
{
    uint64_t info = vmread(VMCS_IDT_VECTORING_INFO);

    if (!(info & INTR_VALID))
        return;
    if (info & INTR_HAS_ERROR)
        vmwrite(VMCS_ENTRY_ERROR_CODE, vmread(VMCS_IDT_VECTORING_ERROR));
    if (TYPE_IS_SOFTWARE(info))
        vmwrite(VMCS_ENTRY_INSN_LENGTH, vmread(VMCS_EXIT_INSN_LENGTH));
    vmwrite(VMCS_ENTRY_INTR_INFO, info & ~(uint64_t)INTR_NMI_UNBLOCKING);
}

/* After #PF, #PF is a double fault, and after #DF the end.  Other events take place before the fault's
 * handler, or again after it. */
void vcpu_inject_page_fault(struct vcpu *v, uint32_t error)
{
    uint64_t first = vmread(VMCS_IDT_VECTORING_INFO), vector = first & INTR_VECTOR;
    bool exception = first & INTR_VALID && (first & INTR_TYPE) == INTR_HARDWARE_EXCEPTION;

    if (exception && vector == VEC_DF)
        vm_crash(v->vm, "triple fault (an exception in delivering a double fault) at rip 0x%lx",
                 vmread(VMCS_GUEST_RIP));
    else if (exception && vector == VEC_PF)
        vcpu_inject(VEC_DF, true, 0);
    else
        vcpu_inject(VEC_PF, true, error);
}

uint64_t guest_cr0(void)
{
    uint64_t mask = vmread(VMCS_CR0_MASK);

    return (vmread(VMCS_GUEST_CR0) & ~mask) | (vmread(VMCS_CR0_SHADOW) & mask);
}

uint64_t vcpu_cr3(const struct vcpu *v)
{
    return v->vm->config.pager->shadow ? v->vm->dir->guest_cr3[v->index] : vmread(VMCS_GUEST_CR3);
}

bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}
