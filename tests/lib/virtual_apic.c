/* virtual_apic.c - see virtual_apic.h. */
#include "lib/virtual_apic.h"

#include "cpu/cpu.h"
#include "mmu/mem.h"

#include <check.h>

void va_open(struct bare *b)
{
    guest_open(b);
    guest_set_bits(b->core, VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
    guest_set(b->core, VMCS_VIRTUAL_APIC_ADDRESS, PAGE);
}

u64 va_page(const struct bare *b, u32 offset)
{
    return mem_read(b->machine->mem, PAGE + offset, 4);
}

void va_set_page(struct bare *b, u32 offset, u64 value)
{
    mem_write(b->machine->mem, PAGE + offset, 4, value);
}

void va_with_page(struct bare *b, u32 more)
{
    guest_set_bits(b->core, VMCS_PROC_CONTROLS, PROC_SECONDARY);
    guest_set_bits(b->core, VMCS_PROC2_CONTROLS, PROC2_APIC_ACCESSES | more);
    guest_set(b->core, VMCS_APIC_ACCESS_ADDRESS, ACCESS);
}

void va_launch_with_page(struct bare *b, u32 more)
{
    va_with_page(b, more);
    guest_launch(b);
    va_at(b, 0);
}

void va_at(struct bare *b, u32 offset)
{
    b->core->s.gpr[REG_RBX] = ACCESS + offset;
}

void va_launch_with_msrs(struct bare *b, u32 more)
{
    guest_set_bits(b->core, VMCS_PROC_CONTROLS, PROC_SECONDARY | PROC_MSR_BITMAPS);
    guest_set_bits(b->core, VMCS_PROC2_CONTROLS, PROC2_X2APIC_MODE | more);
    guest_launch(b);
}

void va_set_msr(struct bare *b, u32 msr, u64 value)
{
    b->core->s.gpr[REG_RCX] = msr;
    b->core->s.gpr[REG_RAX] = (u32)value;
    b->core->s.gpr[REG_RDX] = value >> 32;
}

void va_resume(struct bare *b)
{
    GUEST_RUN(b, VMRESUME);
    ck_assert_uint_eq(b->core->s.vmx_guest, 1);
}

void va_check_exit(struct bare *b, u32 reason, u64 qualification)
{
    const struct core *c = b->core;
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_str_eq(vmx_reason_name((u32)guest_get(c, VMCS_EXIT_REASON)), vmx_reason_name(reason));
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), qualification);
}

void va_check_no_exit(struct bare *b)
{
    ck_assert_uint_eq(b->core->s.vmx_guest, 1);
    ck_assert_uint_eq(b->core->s.event_valid, 0);
    ck_assert_uint_eq(b->core->s.vapic_exit, 0);
}

void va_check_trap(struct bare *b, u32 reason, u64 qualification)
{
    u64 next = b->core->s.rip;
    ck_assert_uint_eq(b->core->s.vmx_guest, 1);
    bare_atoms(b, 1);
    va_check_exit(b, reason, qualification);
    ck_assert_uint_eq(guest_get(b->core, VMCS_GUEST_RIP), next);
    ck_assert_uint_eq(guest_get(b->core, VMCS_EXIT_INSN_LENGTH), 0);
}
