/* vmx.c - the VMX instructions in root operation (SDM vol. 3, 30.3 "VMX Instructions").  In non-root
 * operation each has made its exit before it comes here (vmx_intercept.c). */
#include "cpu/vmx.h"
#include "cpu/exec.h"
#include "cpu/ipi.h"
#include "mmu/mmu.h"

/* ---- VMsucceed, VMfailInvalid, VMfailValid (30.2 "Conventions") ---- */

static void set_status(struct core *c, u64 flags)
{
    c->s.rflags = (c->s.rflags & ~(u64)FLAGS_STATUS) | flags;
}

static void succeed(struct core *c)
{
    set_status(c, 0);
}

/* VMfail: valid if there is a current VMCS to hold the error's number. */
static void fail(struct core *c, enum vmx_error error)
{
    if (c->s.vmcs_hpa == VMCS_NONE) {
        set_status(c, FLAG_CF);
        return;
    }
    set_status(c, FLAG_ZF);
    VMCS_PUT(c, INSTRUCTION_ERROR, error);
}

/* ---- what they share ---- */

static void charge(struct core *c, u64 cycles)
{
    stall(c, &c->s.count.stall_vmx, cycles);
}

/* #UD outside VMX operation, then #GP(0) above ring 0.  In non-root operation only VMREAD and VMWRITE come
 * here. */
static void require_root(struct core *c)
{
    if (!c->s.vmx_on)
        cpu_fault(c, VEC_UD, 0);
    if (cpl(c) > 0)
        cpu_fault(c, VEC_GP, 0);
}

static u64 pointer_operand(struct core *c, const struct insn *in)
{
    return mem_load(c, in, ea(c, in), 8);
}

/* ---- VMXON, VMXOFF ---- */

static bool may_enter_vmx(const struct core *c)
{
    u64 needed = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
    return cpl(c) == 0 && (c->s.feature_control & needed) == needed && vmx_cr_allowed(c, 0, c->s.cr0) &&
           vmx_cr_allowed(c, 4, c->s.cr4);
}

static void enter_vmx(struct core *c, u64 hpa)
{
    if (!vmx_address_ok(hpa, 12) || vmcs_revision(c, hpa) != VMCS_REVISION) {
        set_status(c, FLAG_CF);
        return;
    }
    c->s.vmx_on = 1;
    c->s.vmxon_hpa = hpa;
    c->s.vmcs_hpa = VMCS_NONE;
    succeed(c);
}

void exec_vmxon(struct core *c, const struct insn *in)
{
    if (!(c->s.cr4 & CR4_VMXE))
        cpu_fault(c, VEC_UD, 0);
    if (c->s.vmx_on ? cpl(c) > 0 : !may_enter_vmx(c))
        cpu_fault(c, VEC_GP, 0);
    if (c->s.vmx_on) {
        fail(c, VMXERR_VMXON_IN_ROOT);
        return;
    }
    u64 hpa = pointer_operand(c, in);
    charge(c, c->m->p.vmxon_cycles);
    enter_vmx(c, hpa);
}

void exec_vmxoff(struct core *c, const struct insn *in)
{
    (void)in;
    require_root(c);
    charge(c, c->m->p.vmxon_cycles);
    c->s.vmx_on = 0;
    c->s.vmcs_hpa = VMCS_NONE;
    ipi_unblock_init(c);
    succeed(c);
}

/* ---- VMCLEAR, VMPTRLD, VMPTRST ---- */

static void clear(struct core *c, u64 hpa)
{
    vmcs_set_launch_state(c, hpa, LAUNCH_CLEAR);
    if (c->s.vmcs_hpa == hpa)
        c->s.vmcs_hpa = VMCS_NONE;
    succeed(c);
}

void exec_vmclear(struct core *c, const struct insn *in)
{
    require_root(c);
    u64 hpa = pointer_operand(c, in);
    charge(c, c->m->p.vmptrld_cycles);
    if (!vmx_address_ok(hpa, 12))
        fail(c, VMXERR_VMCLEAR_ADDRESS);
    else if (hpa == c->s.vmxon_hpa)
        fail(c, VMXERR_VMCLEAR_VMXON);
    else
        clear(c, hpa);
}

static void load_pointer(struct core *c, u64 hpa)
{
    c->s.vmcs_hpa = hpa;
    succeed(c);
}

void exec_vmptrld(struct core *c, const struct insn *in)
{
    require_root(c);
    u64 hpa = pointer_operand(c, in);
    charge(c, c->m->p.vmptrld_cycles);
    if (!vmx_address_ok(hpa, 12))
        fail(c, VMXERR_VMPTRLD_ADDRESS);
    else if (hpa == c->s.vmxon_hpa)
        fail(c, VMXERR_VMPTRLD_VMXON);
    else if ((vmcs_revision(c, hpa) & ~VMCS_SHADOW) != VMCS_REVISION)
        fail(c, VMXERR_VMPTRLD_REVISION);
    else
        load_pointer(c, hpa);
}

void exec_vmptrst(struct core *c, const struct insn *in)
{
    struct latch l;
    require_root(c);
    mem_store_check(c, in, ea(c, in), 8, &l);
    charge(c, c->m->p.vmptrld_cycles);
    mmu_store_commit(c, &l, c->s.vmcs_hpa);
    succeed(c);
}

/* ---- VMREAD, VMWRITE ---- */

/* The region that they access: in non-root operation, where VMCS shadowing has let them pass, that of the
 * VMCS link pointer.  VMCS_NONE: there is none. */
static u64 accessed_region(const struct core *c)
{
    return c->s.vmx_guest ? c->s.vmx.link : c->s.vmcs_hpa;
}

/* The number goes to the current VMCS, not to the shadow. */
static void fail_access(struct core *c)
{
    if (accessed_region(c) == VMCS_NONE)
        set_status(c, FLAG_CF);
    else
        fail(c, VMXERR_UNSUPPORTED_FIELD);
}

void exec_vmread(struct core *c, const struct insn *in)
{
    u64 value;
    struct latch l;
    require_root(c);
    u64 hpa = accessed_region(c);
    if (hpa == VMCS_NONE || !vmcs_read_at(c, hpa, g_read(c, in), &value)) {
        charge(c, c->m->p.vmread_cycles);
        fail_access(c);
        return;
    }
    e_prepare(c, in, &l);
    charge(c, c->m->p.vmread_cycles);
    e_commit(c, in, &l, value);
    succeed(c);
}

/* IA32_VMX_MISC bit 29 is 1: every field can be written, exit information too. */
void exec_vmwrite(struct core *c, const struct insn *in)
{
    require_root(c);
    u64 hpa = accessed_region(c), field = g_read(c, in), old;
    if (hpa == VMCS_NONE || !vmcs_read_at(c, hpa, field, &old)) {
        charge(c, c->m->p.vmwrite_cycles);
        fail_access(c);
        return;
    }
    u64 value = e_read(c, in);
    charge(c, c->m->p.vmwrite_cycles);
    vmcs_write_at(c, hpa, field, value);
    succeed(c);
}

/* ---- VMLAUNCH, VMRESUME, VMCALL ---- */

/* 0: go on to the checks of VM entry (26.1 "Basic VM-Entry Checks"). */
static enum vmx_error refuse_entry(struct core *c, bool launch)
{
    bool clear_state = vmcs_launch_state(c, c->s.vmcs_hpa) == LAUNCH_CLEAR;
    if (c->s.shadow_ss)
        return VMXERR_ENTRY_MOV_SS;
    if (launch && !clear_state)
        return VMXERR_LAUNCH_NOT_CLEAR;
    if (!launch && clear_state)
        return VMXERR_RESUME_NOT_LAUNCHED;
    return 0;
}

static void vm_entry(struct core *c, bool launch)
{
    require_root(c);
    if (c->s.vmcs_hpa == VMCS_NONE || vmcs_revision(c, c->s.vmcs_hpa) & VMCS_SHADOW) {
        set_status(c, FLAG_CF); /* VMfailInvalid */
        return;
    }
    c->rt.vmx_rule = 0;
    enum vmx_error error = refuse_entry(c, launch);
    if (!error)
        error = vmx_enter(c, launch);
    c->s.count.vm_entry_failures++;
    fail(c, error);
    PROBE(c, RS_PROBE_vm_fail, c->rt.vmx_rule, error, error, 0);
    micro(c, MICRO_EVENT);
}

void exec_vmlaunch(struct core *c, const struct insn *in)
{
    (void)in;
    vm_entry(c, true);
}

void exec_vmresume(struct core *c, const struct insn *in)
{
    (void)in;
    vm_entry(c, false);
}

/* There is no dual-monitor treatment of SMIs. */
void exec_vmcall(struct core *c, const struct insn *in)
{
    (void)in;
    require_root(c);
    fail(c, VMXERR_VMCALL_IN_ROOT);
}

/* ---- INVEPT, INVVPID ---- */

struct descriptor {
    u64 low, high;
};

static struct descriptor read_descriptor(struct core *c, const struct insn *in)
{
    u64 gva = ea(c, in);
    struct descriptor d;
    check_range(c, gva, 16, in->seg == SEG_SS);
    d.low = mem_load(c, in, gva, 8);
    d.high = mem_load(c, in, gva + 8, 8);
    return d;
}

/* A type that is not offered fails before the descriptor is read. */
static void fail_type(struct core *c)
{
    charge(c, c->m->p.invept_cycles);
    fail(c, VMXERR_INVEPT_OPERAND);
}

void exec_invept(struct core *c, const struct insn *in)
{
    if (!vmx_has_ept(c))
        cpu_fault(c, VEC_UD, 0);
    require_root(c);
    u64 type = c->s.gpr[in->reg];
    if (type != INVEPT_SINGLE && type != INVEPT_ALL) {
        fail_type(c);
        return;
    }
    struct descriptor d = read_descriptor(c, in);
    charge(c, c->m->p.invept_cycles);
    if (type == INVEPT_SINGLE && !vmx_eptp_ok(d.low)) {
        fail(c, VMXERR_INVEPT_OPERAND);
        return;
    }
    mmu_flush_ept(c, type == INVEPT_SINGLE, EP4TA(d.low), FLUSH_INVEPT);
    succeed(c);
}

/* The VPID in bits 15:0, the linear address above bit 63. */
static bool vpid_operand_ok(u64 type, struct descriptor d)
{
    if (d.low >> 16 || (type != INVVPID_ALL && d.low == 0))
        return false;
    return type != INVVPID_ADDRESS || sys_canonical(d.high);
}

static void invalidate_vpid(struct core *c, u64 type, struct descriptor d)
{
    switch (type) {
    case INVVPID_ADDRESS: mmu_flush_vpid_page(c, d.low, d.high, FLUSH_INVVPID); return;
    case INVVPID_SINGLE: mmu_flush_vpid(c, d.low, true, FLUSH_INVVPID); return;
    case INVVPID_ALL: mmu_flush_all_linear(c, FLUSH_INVVPID); return;
    default: mmu_flush_vpid(c, d.low, false, FLUSH_INVVPID); return;
    }
}

void exec_invvpid(struct core *c, const struct insn *in)
{
    require_root(c);
    u64 type = c->s.gpr[in->reg];
    if (type > INVVPID_SINGLE_GLOBAL) {
        fail_type(c);
        return;
    }
    struct descriptor d = read_descriptor(c, in);
    charge(c, c->m->p.invept_cycles);
    if (!vpid_operand_ok(type, d)) {
        fail(c, VMXERR_INVEPT_OPERAND);
        return;
    }
    invalidate_vpid(c, type, d);
    succeed(c);
}
