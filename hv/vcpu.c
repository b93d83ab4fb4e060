#include "vcpu.h"

#include <stddef.h>

#include "arch/insn.h"
#include "arch/x86.h"
#include "core.h"
#include "lock.h"
#include "vm.h"
#include "vmcs.h"
#include "vmx.h"

_Static_assert(offsetof(struct vcpu, host_rsp) == VCPU_HOST_RSP, "vmenter.S relies on it");
_Static_assert(VMCS_HOST_RSP == VCPU_HOST_RSP_FIELD, "vmenter.S relies on it");

bool vmx_enter(struct vcpu *vcpu, uint64_t launched);

/* Registers that neither VM entry nor the hypervisor itself uses: the guest's stay in the core until another
 * guest runs there. */
static const uint32_t vcpu_msrs[VCPU_MSRS] = {MSR_STAR,  MSR_LSTAR,          MSR_CSTAR,
                                              MSR_FMASK, MSR_KERNEL_GS_BASE, MSR_TSC_AUX};

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

/* A VMCS may be active on one core only: VMCLEAR before another makes it current (SDM vol. 3, 24.11.1
 * "Software Use of Virtual-Machine Control Structures").  The next entry is a VMLAUNCH. */
void vcpu_put_down(void)
{
    struct core *c = this_core();
    struct vcpu *v = c->current;

    if (!v)
        return;
    save(v);
    vmcs_clear(v->vmcs);
    v->launched = false;
    v->core = NULL;
    c->current = NULL;
}

/* What v has executed elsewhere since it was here (INVLPG, MOV to CR3) has invalidated nothing here. */
static void move_to_core(struct vcpu *v, struct core *c)
{
    vmcs_set_core(c);
    vmx_flush_vpid(v->vpid);
    v->last_core = c;
}

void vcpu_switch_to(struct vcpu *v)
{
    struct core *c = this_core();

    if (v == c->current)
        return;
    vcpu_put_down();
    vmcs_load(v->vmcs);
    if (v->last_core != c)
        move_to_core(v, c);
    load(v);
    c->current = v;
    v->core = c;
}

bool vcpu_enter(struct vcpu *v)
{
    struct core *c = this_core();
    bool entered;

    __atomic_store_n(&c->in_guest, v, __ATOMIC_RELEASE);
    lock_give();
    entered = vmx_enter(v, v->launched);
    __atomic_store_n(&c->in_guest, NULL, __ATOMIC_RELEASE);
    v->launched |= entered;
    return entered;
}

/* An instruction that single-steps ends with #DB, who ever executes it (SDM vol. 3, 24.4.2), and so does an
 * iteration of a string instruction; RF covers all iterations, and ends with the last (17.3.1.1): an exit by
 * an access has set it (27.3.3), one by the instruction itself has cleared it. */
static void finish_flags(uint64_t rf)
{
    uint64_t flags = vmread(VMCS_GUEST_RFLAGS);

    if ((flags & FLAG_RF) != rf)
        vmwrite(VMCS_GUEST_RFLAGS, flags ^ FLAG_RF);
    if (flags & FLAG_TF)
        vmwrite(VMCS_GUEST_PENDING_DEBUG, vmread(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

/* The blocking of events by the instruction before (SDM vol. 3, 24.4.2). */
static void end_blocking(void)
{
    uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY);

    if (blocking & (BLOCKING_STI | BLOCKING_MOV_SS))
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint64_t)(BLOCKING_STI | BLOCKING_MOV_SS));
}

void vcpu_advance(uint64_t bytes)
{
    finish_flags(0);
    end_blocking();
    vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + bytes);
}

void vcpu_skip_instruction(void)
{
    vcpu_advance(vmread(VMCS_EXIT_INSN_LENGTH));
}

void vcpu_skip_iteration(void)
{
    finish_flags(FLAG_RF);
    end_blocking();
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
