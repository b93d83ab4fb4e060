/* cr.c - control registers of a VM: only accesses that touch bits which are not the guest's exit (vmcs.c). */
#include "arch/insn.h"
#include "arch/x86.h"
#include "cr.h"
#include "exits.h"
#include "guest_walk.h"
#include "vmcs.h"
#include "vmx.h"

static uint64_t read_gpr(const struct vcpu *v, unsigned r)
{
    return r == REG_RSP ? vmread(VMCS_GUEST_RSP) : v->gpr[r];
}

static void write_gpr(struct vcpu *v, unsigned r, uint64_t value)
{
    if (r == REG_RSP)
        vmwrite(VMCS_GUEST_RSP, value);
    else
        v->gpr[r] = value;
}

/* Caching off (CD, NW) and NE off are the guest's own belief: it reads back what it wrote.  Reserved bits of
 * the lower half are ignored (SDM vol. 3, 2.5 "Control Registers"). */
static bool write_guest_cr0(struct vcpu *v, uint64_t value)
{
    if (value >> 32 || !(value & CR0_PE) || !(value & CR0_PG) || (value & (CR0_NW | CR0_CD)) == CR0_NW)
        return false;
    value &= CR0_ALL;
    vmwrite(VMCS_CR0_SHADOW, value);
    vmwrite(VMCS_GUEST_CR0, vmx_fix_cr0(value & ~(uint64_t)(CR0_NW | CR0_CD)) | v->vm->config.pager->cr0_set);
    pager_mode_changed(v);
    return true;
}

/* Whoever comes here wants VMXE, which it has not, or to leave PAE, or a bit that no CR4 here has, or one
 * that the shadow pager has to know of. */
static bool write_guest_cr4(struct vcpu *v, uint64_t value)
{
    if (value & (CR4_VMXE | v->vm->config.pager->cr4_absent | ~vmx_cr4_allowed()) || !(value & CR4_PAE))
        return false;
    vmwrite(VMCS_CR4_SHADOW, value);
    vmwrite(VMCS_GUEST_CR4, vmx_fix_cr4(value));
    pager_mode_changed(v);
    return true;
}

/* Bits beyond MAXPHYADDR are reserved (SDM vol. 3, 2.5 "Control Registers"). */
static bool write_guest_cr3(struct vcpu *v, uint64_t value)
{
    if (value & ~guest_address_mask())
        return false;
    if (v->vm->config.pager->shadow)
        v->vm->config.pager->load_cr3(v, value);
    else
        vmwrite(VMCS_GUEST_CR3, value);
    return true;
}

bool cr_write(struct vcpu *v, unsigned cr, uint64_t value)
{
    switch (cr) {
    case 0: return write_guest_cr0(v, value);
    case 3: return write_guest_cr3(v, value);
    case 4: return write_guest_cr4(v, value);
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

    return (guest_cr0() & ~low) | (QUAL_CR_LMSW_SOURCE(qualification) & low) | CR0_PE;
}

void exit_cr_access(struct vcpu *v)
{
    uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
    unsigned cr = QUAL_CR_NUMBER(q), r = QUAL_CR_GPR(q);

    switch (QUAL_CR_ACCESS(q)) {
    case QUAL_MOV_TO_CR: move_to(v, cr, read_gpr(v, r)); break;
    case QUAL_MOV_FROM_CR: /* CR3 with the shadow pager */
        write_gpr(v, r, vcpu_cr3(v));
        vcpu_skip_instruction();
        break;
    case QUAL_CLTS: move_to(v, 0, guest_cr0() & ~(uint64_t)CR0_TS); break;
    default: move_to(v, 0, lmsw_value(q)); break;
    }
}
