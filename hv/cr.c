/* cr.c - control registers of a VM: only accesses that touch bits which are not the guest's exit (vmcs.c). */
#include "arch/insn.h"
#include "arch/x86.h"
#include "cr.h"
#include "exits.h"
#include "vmcs.h"
#include "vmx.h"

static uint64_t read_gpr(const struct vcpu *v, unsigned r)
{
    return r == REG_RSP ? vmread(VMCS_GUEST_RSP) : v->gpr[r];
}

/* Caching off (CD, NW) and NE off are the guest's own belief: it reads back what it wrote. */
static bool write_guest_cr0(uint64_t value)
{
    if (value & ~(uint64_t)CR0_ALL || !(value & CR0_PE) || !(value & CR0_PG) ||
        (value & (CR0_NW | CR0_CD)) == CR0_NW)
        return false;
    vmwrite(VMCS_CR0_SHADOW, value);
    vmwrite(VMCS_GUEST_CR0, vmx_fix_cr0(value & ~(uint64_t)(CR0_NW | CR0_CD)));
    return true;
}

/* Whoever comes here wants VMXE, which it has not, or to leave PAE, or a bit that no CR4 here has. */
static bool write_guest_cr4(uint64_t value)
{
    if (value & (CR4_VMXE | ~vmx_cr4_allowed()) || !(value & CR4_PAE))
        return false;
    vmwrite(VMCS_CR4_SHADOW, value);
    vmwrite(VMCS_GUEST_CR4, vmx_fix_cr4(value));
    return true;
}

bool cr_write(struct vcpu *v, unsigned cr, uint64_t value)
{
    (void)v;
    switch (cr) {
    case 0: return write_guest_cr0(value);
    case 3: vmwrite(VMCS_GUEST_CR3, value); return true;
    case 4: return write_guest_cr4(value);
    default: return false;
    }
}

static void move_to(struct vcpu *v, unsigned cr, uint64_t value)
{
    if (cr_write(v, cr, value))
        vcpu_skip_instruction();
    else
        vcpu_inject(VEC_GP, true, 0);
}

/* LMSW sets PE, MP, EM and TS, and cannot clear PE (SDM vol. 2A, "LMSW - Load Machine Status Word"). */
static uint64_t lmsw_value(uint64_t qualification)
{
    uint64_t low = CR0_PE | CR0_MP | CR0_EM | CR0_TS;

    return (vmread(VMCS_GUEST_CR0) & ~low) | (QUAL_CR_LMSW_SOURCE(qualification) & low) | CR0_PE;
}

void exit_cr_access(struct vcpu *v)
{
    uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
    unsigned cr = QUAL_CR_NUMBER(q), r = QUAL_CR_GPR(q);

    switch (QUAL_CR_ACCESS(q)) {
    case QUAL_MOV_TO_CR: move_to(v, cr, read_gpr(v, r)); break;
    case QUAL_CLTS: move_to(v, 0, vmread(VMCS_GUEST_CR0) & ~(uint64_t)CR0_TS); break;
    default: move_to(v, 0, lmsw_value(q)); break;
    }
}
