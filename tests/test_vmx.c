/* test_vmx.c - the VMX instructions in root operation, and the capability MSRs (SDM vol. 3, 30.3 and appendix
 * A). */
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>
#include <stdlib.h>

#define FIRMWARE (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define POINTER  0x8000 /* where memory operands are */

static struct bare b;
static struct core *c;

static void set_up_root(void)
{
    guest_open_root(&b, FIRMWARE);
    c = b.core;
}

static void set_up_current(void)
{
    guest_open(&b);
    c = b.core;
}

static void set_up_outside(void)
{
    bare_open(&b, FIRMWARE);
    c = b.core;
    mem_write(b.machine->mem, GUEST_VMXON, 4, VMCS_REVISION);
    bare_set_u64(&b, POINTER, GUEST_VMXON);
    c->s.gpr[REG_RAX] = POINTER;
    c->s.cr4 |= CR4_VMXE;
}

static void tear_down(void)
{
    bare_close(&b);
}

/* Runs an instruction whose memory operand holds `value`. */
#define RUN_ON(bytes, value) \
    (bare_set_u64(&b, POINTER, (value)), c->s.gpr[REG_RAX] = POINTER, GUEST_RUN(&b, bytes))

static void check_status(u64 flags)
{
    ck_assert_uint_eq(c->s.event_valid, 0);
    ck_assert_uint_eq(c->s.rflags & FLAGS_STATUS, flags);
}

static void check_succeed(void)
{
    check_status(0);
}

static void check_fail_invalid(void)
{
    check_status(FLAG_CF);
}

static void check_fail(enum vmx_error error)
{
    check_status(FLAG_ZF);
    ck_assert_uint_eq(guest_get(c, VMCS_INSTRUCTION_ERROR), error);
}

static void check_fault(unsigned vector)
{
    ck_assert_uint_eq(c->s.event_valid, 1);
    ck_assert_uint_eq(c->s.event_vector, vector);
    c->s.event_valid = 0;
}

/* ---- VMXON, VMXOFF ---- */

START_TEST(vmxon_enters_vmx_operation)
{
    c->s.rflags |= FLAG_CF | FLAG_ZF;
    GUEST_RUN(&b, VMXON_RAX);
    check_succeed();
    ck_assert_uint_eq(c->s.vmx_on, 1);
    ck_assert_uint_eq(c->s.vmxon_hpa, GUEST_VMXON);
    ck_assert_uint_eq(c->s.vmcs_hpa, VMCS_NONE);
    GUEST_RUN(&b, VMXOFF);
    check_succeed();
    ck_assert_uint_eq(c->s.vmx_on, 0);
}
END_TEST

START_TEST(vmxon_refuses)
{
    c->s.cr4 &= ~(u64)CR4_VMXE;
    GUEST_RUN(&b, VMXON_RAX);
    check_fault(VEC_UD);
    c->s.cr4 |= CR4_VMXE;
    c->s.cr0 &= ~(u64)CR0_NE;
    GUEST_RUN(&b, VMXON_RAX);
    check_fault(VEC_GP);
    c->s.cr0 |= CR0_NE;
    RUN_ON(VMXON_RAX, GUEST_VMXON + 8);
    check_fail_invalid();
    RUN_ON(VMXON_RAX, 1ull << PHYS_BITS);
    check_fail_invalid();
    RUN_ON(VMXON_RAX, 0x99000); /* no revision identifier */
    check_fail_invalid();
    ck_assert_uint_eq(c->s.vmx_on, 0);
}
END_TEST

START_TEST(vmxon_needs_feature_control)
{
    c->s.feature_control = FEATURE_CONTROL_LOCK;
    GUEST_RUN(&b, VMXON_RAX);
    check_fault(VEC_GP);
    c->s.feature_control = FEATURE_CONTROL_VMX;
    GUEST_RUN(&b, VMXON_RAX);
    check_fault(VEC_GP);
}
END_TEST

START_TEST(vmxon_in_root_is_error_15)
{
    GUEST_RUN(&b, VMXON_RAX);
    check_fail(VMXERR_VMXON_IN_ROOT);
}
END_TEST

START_TEST(outside_vmx_operation_all_are_undefined)
{
#define UNDEFINED(bytes) GUEST_RUN(&b, bytes), check_fault(VEC_UD)
    UNDEFINED(VMXOFF);
    UNDEFINED(VMCLEAR_RAX);
    UNDEFINED(VMPTRLD_RAX);
    UNDEFINED(VMPTRST_RAX);
    UNDEFINED(VMREAD_RCX_RBX);
    UNDEFINED(VMWRITE_RCX_RBX);
    UNDEFINED(VMLAUNCH);
    UNDEFINED(VMRESUME);
    UNDEFINED(VMCALL);
    UNDEFINED(VMFUNC);
    UNDEFINED(INVEPT_RCX_RAX);
    UNDEFINED(INVVPID_RCX_RAX);
}
END_TEST

START_TEST(above_ring_0_all_are_refused)
{
#define REFUSED(bytes) GUEST_RUN(&b, bytes), check_fault(VEC_GP)
    bare_enter_user(&b);
    REFUSED(VMXON_RAX);
    REFUSED(VMXOFF);
    REFUSED(VMCLEAR_RAX);
    REFUSED(VMPTRLD_RAX);
    REFUSED(VMPTRST_RAX);
    REFUSED(VMREAD_RCX_RBX);
    REFUSED(VMWRITE_RCX_RBX);
    REFUSED(VMLAUNCH);
    REFUSED(VMRESUME);
    REFUSED(VMCALL);
    REFUSED(INVEPT_RCX_RAX);
    REFUSED(INVVPID_RCX_RAX);
}
END_TEST

/* ---- VMCLEAR, VMPTRLD, VMPTRST ---- */

START_TEST(vmptrld_makes_current)
{
    RUN_ON(VMPTRLD_RAX, GUEST_VMCS);
    check_succeed();
    ck_assert_uint_eq(rs_current_vmcs(b.machine, 0), GUEST_VMCS);
    RUN_ON(VMPTRST_RAX, 0);
    check_succeed();
    ck_assert_uint_eq(bare_u64(&b, POINTER), GUEST_VMCS);
}
END_TEST

START_TEST(vmptrld_fails)
{
    RUN_ON(VMPTRLD_RAX, GUEST_VMCS + 1);
    check_fail_invalid();
    RUN_ON(VMPTRLD_RAX, GUEST_VMCS);
    RUN_ON(VMPTRLD_RAX, GUEST_VMCS + 1);
    check_fail(VMXERR_VMPTRLD_ADDRESS);
    RUN_ON(VMPTRLD_RAX, 1ull << PHYS_BITS);
    check_fail(VMXERR_VMPTRLD_ADDRESS);
    RUN_ON(VMPTRLD_RAX, GUEST_VMXON);
    check_fail(VMXERR_VMPTRLD_VMXON);
    RUN_ON(VMPTRLD_RAX, 0x99000);
    check_fail(VMXERR_VMPTRLD_REVISION);
    RUN_ON(VMPTRLD_RAX, 0xff000000); /* beyond RAM */
    check_fail(VMXERR_VMPTRLD_REVISION);
    ck_assert_uint_eq(c->s.vmcs_hpa, GUEST_VMCS);
}
END_TEST

START_TEST(vmclear_leaves_none_current)
{
    RUN_ON(VMPTRLD_RAX, GUEST_VMCS);
    RUN_ON(VMCLEAR_RAX, GUEST_VMCS2);
    check_succeed();
    ck_assert_uint_eq(c->s.vmcs_hpa, GUEST_VMCS);
    RUN_ON(VMCLEAR_RAX, GUEST_VMCS);
    check_succeed();
    ck_assert_uint_eq(c->s.vmcs_hpa, VMCS_NONE);
}
END_TEST

START_TEST(vmclear_fails)
{
    RUN_ON(VMPTRLD_RAX, GUEST_VMCS);
    RUN_ON(VMCLEAR_RAX, 4);
    check_fail(VMXERR_VMCLEAR_ADDRESS);
    RUN_ON(VMCLEAR_RAX, GUEST_VMXON);
    check_fail(VMXERR_VMCLEAR_VMXON);
}
END_TEST

/* ---- VMREAD, VMWRITE ---- */

static u64 mask_of(u32 encoding)
{
    switch (VMCS_FIELD_WIDTH(encoding)) {
    case VMCS_WIDTH_16: return 0xffff;
    case VMCS_WIDTH_32: return 0xffffffff;
    default: return UINT64_MAX;
    }
}

/* Each field keeps its own value, of its own width; exit information too (IA32_VMX_MISC bit 29). */
START_TEST(every_field_is_read_and_written)
{
    for (u64 i = 0; i < rs_vmcs_count(); i++) {
        u32 encoding = rs_vmcs_info(i)->encoding;
        c->s.gpr[REG_RCX] = encoding;
        c->s.gpr[REG_RBX] = 0x0123456789abcd00 + i * 0x0101010101;
        GUEST_RUN(&b, VMWRITE_RCX_RBX);
        check_succeed();
    }
    for (u64 i = 0; i < rs_vmcs_count(); i++) {
        u32 encoding = rs_vmcs_info(i)->encoding;
        u64 want = (0x0123456789abcd00 + i * 0x0101010101) & mask_of(encoding), seen;
        c->s.gpr[REG_RCX] = encoding;
        GUEST_RUN(&b, VMREAD_RCX_RBX);
        check_succeed();
        ck_assert_uint_eq(c->s.gpr[REG_RBX], want);
        ck_assert_int_eq(rs_vmcs_get(b.machine, GUEST_VMCS, rs_vmcs_info(i)->name, &seen), RS_OK);
        ck_assert_uint_eq(c->s.gpr[REG_RBX], seen);
    }
}
END_TEST

START_TEST(halves_of_64_bit_fields)
{
    c->s.gpr[REG_RCX] = VMCS_TSC_OFFSET + 1;
    c->s.gpr[REG_RBX] = 0x1122334455667788;
    GUEST_RUN(&b, VMWRITE_RCX_RBX);
    ck_assert_uint_eq(guest_get(c, VMCS_TSC_OFFSET), 0x5566778800000000);
    GUEST_RUN(&b, VMREAD_RCX_RBX);
    ck_assert_uint_eq(c->s.gpr[REG_RBX], 0x55667788);
    c->s.gpr[REG_RCX] = VMCS_GUEST_RIP + 1;
    GUEST_RUN(&b, VMREAD_RCX_RBX);
    check_fail(VMXERR_UNSUPPORTED_FIELD);
}
END_TEST

START_TEST(unsupported_fields)
{
    static const u64 field[] = {0x6, 0x7ffe, 0x1000, 0x8000, 0x10000681e, VMCS_EPTP + 0x200, 0x202e};
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        c->s.gpr[REG_RCX] = field[i];
        GUEST_RUN(&b, VMREAD_RCX_RBX);
        check_fail(VMXERR_UNSUPPORTED_FIELD);
        GUEST_RUN(&b, VMWRITE_RCX_RBX);
        check_fail(VMXERR_UNSUPPORTED_FIELD);
    }
}
END_TEST

START_TEST(fields_to_memory_and_without_vmcs)
{
    c->s.gpr[REG_RCX] = VMCS_GUEST_RIP;
    RUN_ON(VMREAD_RCX_MEM, 0);
    ck_assert_uint_eq(bare_u64(&b, POINTER), GUEST_CODE);
    c->s.gpr[REG_RAX] = BARE_UNMAPPED;
    GUEST_RUN(&b, VMREAD_RCX_MEM);
    check_fault(VEC_PF);
    RUN_ON(VMCLEAR_RAX, GUEST_VMCS);
    GUEST_RUN(&b, VMREAD_RCX_RBX);
    check_fail_invalid();
    GUEST_RUN(&b, VMWRITE_RCX_RBX);
    check_fail_invalid();
    GUEST_RUN(&b, VMLAUNCH);
    check_fail_invalid();
    GUEST_RUN(&b, VMCALL);
    check_fail_invalid();
}
END_TEST

/* ---- VMLAUNCH, VMRESUME, VMCALL ---- */

START_TEST(launch_and_resume_want_their_state)
{
    GUEST_RUN(&b, VMRESUME);
    check_fail(VMXERR_RESUME_NOT_LAUNCHED);
    guest_launch(&b);
    ck_assert_uint_eq(c->s.rip, GUEST_CODE);
    GUEST_RUN(&b, VMCALL);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    GUEST_RUN(&b, VMLAUNCH);
    check_fail(VMXERR_LAUNCH_NOT_CLEAR);
    GUEST_RUN(&b, VMRESUME);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
}
END_TEST

START_TEST(mov_ss_blocks_entry)
{
    c->s.shadow_ss = 1;
    GUEST_RUN(&b, VMLAUNCH);
    check_fail(VMXERR_ENTRY_MOV_SS);
}
END_TEST

/* STI's shadow over VMLAUNCH is the host's; what the guest is entered with lasts one of its instructions. */
START_TEST(the_guest_has_its_own_shadow)
{
    bare_put(&b, c->s.rip, "\xfb" VMLAUNCH, 4);
    bare_put(&b, GUEST_CODE, "\x8e\xd0\x90", 3); /* mov %eax, %ss; nop */
    c->s.gpr[REG_RAX] = BARE_DS0;
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_STI);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert(c->s.shadow_sti && !c->s.shadow_ss);
    bare_atoms(&b, 1);
    ck_assert(!c->s.shadow_sti && c->s.shadow_ss);
    bare_atoms(&b, 1);
    ck_assert(!c->s.shadow_sti && !c->s.shadow_ss);
}
END_TEST

/* Appendix B: a field is there if the control that uses it may be 1. */
START_TEST(fields_of_ept_need_ept)
{
    static const u32 fields[] = {VMCS_EPTP,         VMCS_EPTP | 1,     VMCS_GUEST_PHYSICAL_ADDRESS,
                                 VMCS_GUEST_PDPTE3, VMCS_PML_INDEX,    VMCS_PML_ADDRESS,
                                 VMCS_EPTP_INDEX,   VMCS_VM_FUNCTIONS, VMCS_VE_INFORMATION_ADDRESS};
    u64 value;
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        b.machine->b.firmware |= RS_FW_EPT;
        ck_assert(vmcs_read(c, fields[i], &value));
        b.machine->b.firmware &= ~(u64)RS_FW_EPT;
        ck_assert(!vmcs_read(c, fields[i], &value) && !vmcs_write(c, fields[i], 0));
    }
    ck_assert(vmcs_read(c, VMCS_VPID, &value) && vmcs_read(c, VMCS_PLE_GAP, &value));
}
END_TEST

START_TEST(vmcall_in_root_is_error_1)
{
    GUEST_RUN(&b, VMCALL);
    check_fail(VMXERR_VMCALL_IN_ROOT);
}
END_TEST

/* ---- INVEPT, INVVPID ---- */

static void invalidate(const char *bytes, size_t n, u64 type, u64 low, u64 high)
{
    bare_set_u64(&b, POINTER, low);
    bare_set_u64(&b, POINTER + 8, high);
    c->s.gpr[REG_RAX] = POINTER;
    c->s.gpr[REG_RCX] = type;
    bare_put(&b, c->s.rip, bytes, n);
    bare_atoms(&b, 1);
}

#define INVEPT(type, eptp)  invalidate(INVEPT_RCX_RAX, 5, type, eptp, 0)
#define INVVPID(type, vpid) invalidate(INVVPID_RCX_RAX, 5, type, vpid, 0)

START_TEST(invept_checks_its_operand)
{
    INVEPT(INVEPT_SINGLE, 0x100000 | EPTP_WALK_4 | EPTP_WB);
    check_succeed();
    INVEPT(INVEPT_ALL, 0);
    check_succeed();
    INVEPT(0, 0x100000 | EPTP_WALK_4 | EPTP_WB);
    check_fail(VMXERR_INVEPT_OPERAND);
    INVEPT(3, 0);
    check_fail(VMXERR_INVEPT_OPERAND);
    INVEPT(INVEPT_SINGLE, 0x100000 | EPTP_WB);
    check_fail(VMXERR_INVEPT_OPERAND);
    INVEPT(INVEPT_SINGLE, 1ull << PHYS_BITS | EPTP_WALK_4 | EPTP_WB);
    check_fail(VMXERR_INVEPT_OPERAND);
}
END_TEST

START_TEST(invvpid_checks_its_operand)
{
    INVVPID(INVVPID_SINGLE, 1);
    check_succeed();
    INVVPID(INVVPID_ALL, 0);
    check_succeed();
    INVVPID(INVVPID_ADDRESS, 1);
    check_succeed();
    INVVPID(INVVPID_SINGLE_GLOBAL, 1);
    check_succeed();
    static const u64 needs_vpid[] = {INVVPID_ADDRESS, INVVPID_SINGLE, INVVPID_SINGLE_GLOBAL};
    for (unsigned i = 0; i < 3; i++) {
        INVVPID(needs_vpid[i], 0);
        check_fail(VMXERR_INVEPT_OPERAND);
    }
    invalidate(INVVPID_RCX_RAX, 5, INVVPID_ADDRESS, 1, 1ull << 47); /* not canonical */
    check_fail(VMXERR_INVEPT_OPERAND);
    invalidate(INVVPID_RCX_RAX, 5, INVVPID_SINGLE, 1, 1ull << 47); /* of no concern to the other kinds */
    check_succeed();
    INVVPID(INVVPID_SINGLE, 0x10001);
    check_fail(VMXERR_INVEPT_OPERAND);
    INVVPID(4, 1);
    check_fail(VMXERR_INVEPT_OPERAND);
    INVVPID(INVVPID_ALL, 0x10000);
    check_fail(VMXERR_INVEPT_OPERAND);
}
END_TEST

/* ---- capability MSRs ---- */

static u64 capability(u32 msr)
{
    u64 value = 0;
    ck_assert_msg(sys_read_msr(c, msr, &value), "MSR %x", msr);
    return value;
}

START_TEST(basic_information)
{
    u64 basic = capability(MSR_VMX_BASIC);
    ck_assert_uint_eq(basic & 0x7fffffff, VMCS_REVISION);
    ck_assert_uint_eq(basic >> 32 & 0x1fff, VMCS_BYTES);
    ck_assert_uint_eq(basic >> 50 & 15, 6);
    ck_assert_uint_eq(basic >> 55 & 1, 1);
    ck_assert_uint_eq(capability(MSR_VMX_MISC) & 31, VMX_TIMER_SHIFT);
    ck_assert_uint_eq(capability(MSR_VMX_VMCS_ENUM), 0x19 << 1);
    ck_assert_uint_eq(capability(MSR_VMX_CR0_FIXED0), CR0_PG | CR0_NE | CR0_PE);
    ck_assert_uint_eq(capability(MSR_VMX_CR4_FIXED0), CR4_VMXE);
}
END_TEST

/* Bits of the default1 class: 1 in the plain MSR; the others, and CR3 and debug exiting in the TRUE one, may
 * be 0. */
START_TEST(default_settings)
{
    ck_assert_uint_eq(capability(MSR_VMX_PINBASED_CTLS) & 0xffffffff, 0x16);
    ck_assert_uint_eq(capability(MSR_VMX_PROCBASED_CTLS) & 0xffffffff, 0x0401e172);
    ck_assert_uint_eq(capability(MSR_VMX_TRUE_PROCBASED_CTLS) & 0xffffffff, 0x04006172);
    ck_assert_uint_eq(capability(MSR_VMX_EXIT_CTLS) & 0xffffffff, 0x00036fff);
    ck_assert_uint_eq(capability(MSR_VMX_TRUE_EXIT_CTLS) & 0xffffffff, 0x00036ffb);
    ck_assert_uint_eq(capability(MSR_VMX_ENTRY_CTLS) & 0xffffffff, 0x000013ff);
    ck_assert_uint_eq(capability(MSR_VMX_TRUE_ENTRY_CTLS) & 0xffffffff, 0x000013fb);
    ck_assert_uint_eq(capability(MSR_VMX_PROCBASED_CTLS2) & 0xffffffff, 0);
}
END_TEST

/* What the MSRs say of each bit of each word is what VM entry does with it. */
START_TEST(capabilities_agree_with_the_checks)
{
    static const struct {
        u32 field, msr;
        const char *name;
    } word[] = {
        {VMCS_PIN_CONTROLS, MSR_VMX_TRUE_PINBASED_CTLS, "pin_controls"},
        {VMCS_PROC_CONTROLS, MSR_VMX_TRUE_PROCBASED_CTLS, "proc_controls"},
        {VMCS_PROC2_CONTROLS, MSR_VMX_PROCBASED_CTLS2, "proc2_controls"},
        {VMCS_EXIT_CONTROLS, MSR_VMX_TRUE_EXIT_CTLS, "exit_controls"},
        {VMCS_ENTRY_CONTROLS, MSR_VMX_TRUE_ENTRY_CTLS, "entry_controls"},
    };
    for (u32 i = 0; i < 5 * 32; i++) {
        u64 cap = capability(word[i / 32].msr), bit = 1ull << i % 32;
        bool must = cap & bit, may = cap >> 32 & bit;
        guest_fill(c);
        guest_set(c, VMCS_VPID, 1);
        guest_set(c, VMCS_TSC_MULTIPLIER, 1);
        guest_set(c, VMCS_EPTP, EPTP_WB | EPTP_WALK_4);
        if (word[i / 32].field == VMCS_PROC2_CONTROLS) {
            guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY | PROC_TPR_SHADOW);
            guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
        }
        if (word[i / 32].field == VMCS_PIN_CONTROLS && bit == PIN_POSTED_INTERRUPTS) {
            guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
            guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY | PROC_TPR_SHADOW);
            guest_set(c, VMCS_PROC2_CONTROLS, PROC2_VIRTUAL_INTERRUPTS);
            guest_set_bits(c, VMCS_EXIT_CONTROLS, VMEXIT_ACK_INTERRUPT);
        }
        if (word[i / 32].field == VMCS_EXIT_CONTROLS)
            guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
        if (bit == PIN_VIRTUAL_NMIS || word[i / 32].field == VMCS_PROC_CONTROLS)
            guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_NMI | (bit == PROC_NMI_WINDOW ? PIN_VIRTUAL_NMIS : 0));
        if (word[i / 32].field == VMCS_PROC2_CONTROLS && bit == PROC2_PML)
            guest_set(c, VMCS_PROC2_CONTROLS, PROC2_EPT);
        guest_set(c, word[i / 32].field, guest_get(c, word[i / 32].field) ^ bit);
        bool legal = vmx_check(c, VMX_CHECK_CONTROLS) == 0;
        ck_assert_msg(legal == (!must && may), "%s bit %u", word[i / 32].name, i % 32);
    }
}
END_TEST

START_TEST(firmware_decides)
{
    u64 value;
    b.machine->b.firmware = RS_FW_VTX;
    ck_assert_uint_eq(capability(MSR_VMX_PROCBASED_CTLS2) >> 32 & PROC2_EPT, 0);
    ck_assert_uint_eq(capability(MSR_VMX_EPT_VPID_CAP) & EPT_CAP_INVEPT, 0);
    INVEPT(INVEPT_ALL, 0);
    check_fault(VEC_UD);
    b.machine->b.firmware = 0;
    for (u32 msr = MSR_VMX_BASIC; msr <= MSR_VMX_VMFUNC; msr++)
        ck_assert(!sys_read_msr(c, msr, &value));
}
END_TEST

static void add(Suite *s, const char *name, void (*set_up)(void), const TTest *const *tests)
{
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, set_up, tear_down);
    for (; *tests; tests++)
        tcase_add_test(t, *tests);
    suite_add_tcase(s, t);
}

int main(void)
{
    const TTest *const outside[] = {vmxon_enters_vmx_operation, vmxon_refuses, vmxon_needs_feature_control,
                                    outside_vmx_operation_all_are_undefined, NULL};
    const TTest *const root[] = {above_ring_0_all_are_refused, vmptrld_makes_current, vmptrld_fails,
                                 vmclear_leaves_none_current,  vmclear_fails,         NULL};
    const TTest *const current[] = {vmxon_in_root_is_error_15,
                                    every_field_is_read_and_written,
                                    halves_of_64_bit_fields,
                                    unsupported_fields,
                                    fields_to_memory_and_without_vmcs,
                                    launch_and_resume_want_their_state,
                                    mov_ss_blocks_entry,
                                    the_guest_has_its_own_shadow,
                                    vmcall_in_root_is_error_1,
                                    fields_of_ept_need_ept,
                                    invept_checks_its_operand,
                                    invvpid_checks_its_operand,
                                    basic_information,
                                    default_settings,
                                    capabilities_agree_with_the_checks,
                                    firmware_decides,
                                    NULL};
    Suite *s = suite_create("vmx");
    add(s, "outside", set_up_outside, outside);
    add(s, "root", set_up_root, root);
    add(s, "current", set_up_current, current);
    return suite_run(s);
}
