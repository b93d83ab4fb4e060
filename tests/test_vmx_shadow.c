/* test_vmx_shadow.c - VMCS shadowing: VMREAD and VMWRITE in non-root operation, and shadow VMCSs (SDM vol. 3,
 * 24.6.15 "VMCS Shadowing Bitmap Addresses", 24.10 "VMCS Types: Ordinary and Shadow"). */
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>
#include <stdlib.h>

#define SHADOW       0x99000u
#define VMREAD_BITS  GUEST_BITMAPS
#define VMWRITE_BITS (GUEST_BITMAPS + 0x1000)
#define POINTER      0x8000u
#define VMPTRLD(hpa) \
    (bare_set_u64(&b, POINTER, (hpa)), c->s.gpr[REG_RAX] = POINTER, GUEST_RUN(&b, VMPTRLD_RAX))
#define READ(field)  (c->s.gpr[REG_RCX] = (field), GUEST_RUN(&b, VMREAD_RCX_RBX))
#define WRITE(field) (c->s.gpr[REG_RCX] = (field), GUEST_RUN(&b, VMWRITE_RCX_RBX))

static struct bare b;
static struct core *c;

static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    mem_write(b.machine->mem, SHADOW, 4, VMCS_REVISION | VMCS_SHADOW);
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY);
    guest_set(c, VMCS_PROC2_CONTROLS, PROC2_VMCS_SHADOWING);
    guest_set(c, VMCS_VMREAD_BITMAP, VMREAD_BITS);
    guest_set(c, VMCS_VMWRITE_BITMAP, VMWRITE_BITS);
    guest_set(c, VMCS_VMCS_LINK_POINTER, SHADOW);
}

static void tear_down(void)
{
    bare_close(&b);
}

static u64 in_shadow(u32 field)
{
    u64 value = 0;
    ck_assert(vmcs_read_at(c, SHADOW, field, &value));
    return value;
}

static void set_bit(u64 bitmap, u32 field)
{
    u64 at = bitmap + field / 8;
    mem_write(b.machine->mem, at, 1, mem_read(b.machine->mem, at, 1) | 1u << field % 8);
}

/* In the guest still, without a fault. */
static void check_status(u64 flags)
{
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.event_valid, 0);
    ck_assert_uint_eq(c->s.rflags & FLAGS_STATUS, flags);
}

static void check_status_root(u64 flags)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(c->s.event_valid, 0);
    ck_assert_uint_eq(c->s.rflags & FLAGS_STATUS, flags);
}

static void check_exit(enum exit_reason reason)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), reason);
}

/* ---- in non-root operation ---- */

START_TEST(reads_and_writes_go_to_the_shadow)
{
    ck_assert(vmcs_write_at(c, SHADOW, VMCS_GUEST_RIP, 0x1234));
    guest_launch(&b);
    READ(VMCS_GUEST_RIP);
    check_status(0);
    ck_assert_uint_eq(c->s.gpr[REG_RBX], 0x1234);
    c->s.gpr[REG_RBX] = 0x5678;
    WRITE(VMCS_GUEST_RIP);
    check_status(0);
    ck_assert_uint_eq(in_shadow(VMCS_GUEST_RIP), 0x5678);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
}
END_TEST

START_TEST(every_field_of_the_shadow)
{
    guest_launch(&b);
    for (size_t i = 0; i < rs_vmcs_count(); i++) {
        u32 field = rs_vmcs_info(i)->encoding;
        c->s.gpr[REG_RBX] = i + 1;
        WRITE(field);
        check_status(0);
        ck_assert_uint_eq(in_shadow(field), i + 1);
        c->s.gpr[REG_RBX] = 0;
        READ(field);
        check_status(0);
        ck_assert_uint_eq(c->s.gpr[REG_RBX], i + 1);
    }
    WRITE(VMCS_TSC_OFFSET + 1);
    ck_assert_uint_eq(in_shadow(VMCS_TSC_OFFSET) >> 32, c->s.gpr[REG_RBX]);
}
END_TEST

START_TEST(a_memory_operand)
{
    ck_assert(vmcs_write_at(c, SHADOW, VMCS_GUEST_CR3, 0xabcd000));
    guest_launch(&b);
    c->s.gpr[REG_RCX] = VMCS_GUEST_CR3;
    c->s.gpr[REG_RAX] = POINTER;
    GUEST_RUN(&b, VMREAD_RCX_MEM);
    check_status(0);
    ck_assert_uint_eq(bare_u64(&b, POINTER), 0xabcd000);
    c->s.gpr[REG_RAX] = BARE_UNMAPPED;
    GUEST_RUN(&b, VMREAD_RCX_MEM);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
}
END_TEST

START_TEST(without_the_control_both_exit)
{
    guest_set(c, VMCS_PROC2_CONTROLS, 0);
    guest_set(c, VMCS_VMCS_LINK_POINTER, UINT64_MAX);
    guest_launch(&b);
    READ(VMCS_GUEST_RIP);
    check_exit(EXIT_VMREAD);
    GUEST_RUN(&b, VMRESUME);
    WRITE(VMCS_GUEST_RIP);
    check_exit(EXIT_VMWRITE);
}
END_TEST

/* A bit is for VMREAD or VMWRITE, of one encoding. */
START_TEST(bits_make_them_exit)
{
    set_bit(VMREAD_BITS, VMCS_GUEST_RIP);
    set_bit(VMWRITE_BITS, VMCS_HOST_RIP + 1);
    guest_launch(&b);
    WRITE(VMCS_GUEST_RIP);
    check_status(0);
    READ(VMCS_GUEST_RIP + 2);
    check_status(0);
    WRITE(VMCS_HOST_RIP);
    check_status(0);
    READ(VMCS_GUEST_RIP);
    check_exit(EXIT_VMREAD);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_INFO) >> 28, REG_RCX);
    GUEST_RUN(&b, VMRESUME);
    WRITE(VMCS_HOST_RIP + 1);
    check_exit(EXIT_VMWRITE);
}
END_TEST

/* The register counts whole: bits 63:15 have no place in the bitmaps. */
START_TEST(large_encodings_exit)
{
    static const u64 large[] = {1ull << 15, 1ull << 31, 1ull << 32, 1ull << 63};
    guest_launch(&b);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        READ(VMCS_GUEST_RIP | large[i]);
        check_exit(EXIT_VMREAD);
        GUEST_RUN(&b, VMRESUME);
        WRITE(VMCS_GUEST_RIP | large[i]);
        check_exit(EXIT_VMWRITE);
        GUEST_RUN(&b, VMRESUME);
    }
    READ(0x7fff);
    check_status(FLAG_ZF);
}
END_TEST

START_TEST(without_a_shadow_they_fail_invalid)
{
    guest_set(c, VMCS_VMCS_LINK_POINTER, UINT64_MAX);
    guest_launch(&b);
    READ(VMCS_GUEST_RIP);
    check_status(FLAG_CF);
    WRITE(VMCS_GUEST_RIP);
    check_status(FLAG_CF);
    READ(0x7ffe);
    check_status(FLAG_CF);
}
END_TEST

/* The current VMCS has the error's number. */
START_TEST(unsupported_fields_are_error_12)
{
    guest_launch(&b);
    READ(0x7ffe);
    check_status(FLAG_ZF);
    ck_assert_uint_eq(guest_get(c, VMCS_INSTRUCTION_ERROR), VMXERR_UNSUPPORTED_FIELD);
    ck_assert_uint_eq(in_shadow(VMCS_INSTRUCTION_ERROR), 0);
    guest_set(c, VMCS_INSTRUCTION_ERROR, 0);
    WRITE(0x7ffe);
    check_status(FLAG_ZF);
    ck_assert_uint_eq(guest_get(c, VMCS_INSTRUCTION_ERROR), VMXERR_UNSUPPORTED_FIELD);
}
END_TEST

/* Exits come before #GP by the CPL. */
START_TEST(above_ring_0)
{
    set_bit(VMREAD_BITS, VMCS_GUEST_RSP);
    guest_launch(&b);
    bare_enter_user(&b);
    READ(VMCS_GUEST_RIP);
    ck_assert(c->s.vmx_guest && c->s.event_valid && c->s.event_vector == VEC_GP);
    c->s.event_valid = 0;
    WRITE(VMCS_GUEST_RIP);
    ck_assert(c->s.vmx_guest && c->s.event_valid && c->s.event_vector == VEC_GP);
    c->s.event_valid = 0;
    READ(VMCS_GUEST_RSP);
    check_exit(EXIT_VMREAD);
}
END_TEST

/* Neither the field nor the region's first word is looked at again until the next entry. */
START_TEST(the_shadow_is_that_of_the_entry)
{
    guest_launch(&b);
    guest_set(c, VMCS_VMCS_LINK_POINTER, UINT64_MAX);
    mem_write(b.machine->mem, SHADOW, 4, 0);
    c->s.gpr[REG_RBX] = 7;
    WRITE(VMCS_GUEST_RSP);
    check_status(0);
    ck_assert_uint_eq(in_shadow(VMCS_GUEST_RSP), 7);
}
END_TEST

/* E6: the bitmap's line from memory, then from the L1D; no exit and no entry. */
START_TEST(what_it_costs)
{
    guest_launch(&b);
    READ(VMCS_GUEST_RIP);
    u64 before = c->s.count.stall_vmx;
    READ(VMCS_GUEST_RSP);
    ck_assert_uint_eq(c->s.count.stall_vmx - before, 20);
    before = c->s.count.stall_vmx;
    WRITE(VMCS_GUEST_RSP);
    ck_assert_uint_ge(c->s.count.stall_vmx - before, 20 + 10 + 170);
    before = c->s.count.stall_vmx;
    WRITE(VMCS_GUEST_RIP);
    ck_assert_uint_eq(c->s.count.stall_vmx - before, 20);
}
END_TEST

/* ---- shadow VMCSs in root operation ---- */

START_TEST(a_shadow_may_be_current_but_not_entered)
{
    VMPTRLD(SHADOW);
    check_status_root(0);
    ck_assert_uint_eq(c->s.vmcs_hpa, SHADOW);
    c->s.gpr[REG_RBX] = 0x4000;
    WRITE(VMCS_GUEST_RIP);
    READ(VMCS_GUEST_RIP);
    ck_assert_uint_eq(c->s.gpr[REG_RBX], 0x4000);
    c->s.shadow_ss = 1; /* comes later in the order of 26.1 */
    GUEST_RUN(&b, VMLAUNCH);
    check_status_root(FLAG_CF);
    GUEST_RUN(&b, VMRESUME);
    check_status_root(FLAG_CF);
    ck_assert_uint_eq(in_shadow(VMCS_INSTRUCTION_ERROR), 0);
    bare_set_u64(&b, POINTER, SHADOW);
    GUEST_RUN(&b, VMCLEAR_RAX);
    check_status_root(0);
    ck_assert_uint_eq(vmcs_revision(c, SHADOW), VMCS_REVISION | VMCS_SHADOW);
}
END_TEST

START_TEST(no_shadow_holds_vmxon)
{
    GUEST_RUN(&b, VMXOFF);
    bare_set_u64(&b, POINTER, SHADOW);
    GUEST_RUN(&b, VMXON_RAX);
    check_status_root(FLAG_CF);
    ck_assert_uint_eq(c->s.vmx_on, 0);
}
END_TEST

START_TEST(the_link_must_be_of_the_right_kind)
{
    guest_set(c, VMCS_VMCS_LINK_POINTER, GUEST_VMCS2);
    GUEST_RUN(&b, VMLAUNCH);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 4);
    guest_set(c, VMCS_PROC2_CONTROLS, 0);
    ck_assert_uint_eq(vmx_check(c, VMX_CHECK_GUEST), 0);
    guest_set(c, VMCS_VMCS_LINK_POINTER, SHADOW);
    ck_assert_uint_ne(vmx_check(c, VMX_CHECK_GUEST), 0);
}
END_TEST

START_TEST(capabilities)
{
    u64 value = 0;
    ck_assert(sys_read_msr(c, MSR_VMX_PROCBASED_CTLS2, &value));
    ck_assert(value >> 32 & PROC2_VMCS_SHADOWING);
    ck_assert(sys_read_msr(c, MSR_VMX_MISC, &value));
    ck_assert(value & VMX_MISC_VMWRITE_ANY);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {reads_and_writes_go_to_the_shadow,
                                  every_field_of_the_shadow,
                                  a_memory_operand,
                                  without_the_control_both_exit,
                                  bits_make_them_exit,
                                  large_encodings_exit,
                                  without_a_shadow_they_fail_invalid,
                                  unsupported_fields_are_error_12,
                                  above_ring_0,
                                  the_shadow_is_that_of_the_entry,
                                  what_it_costs,
                                  a_shadow_may_be_current_but_not_entered,
                                  no_shadow_holds_vmxon,
                                  the_link_must_be_of_the_right_kind,
                                  capabilities};
    Suite *s = suite_create("vmx shadow");
    TCase *t = tcase_create("shadow");
    tcase_add_checked_fixture(t, set_up, tear_down);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return suite_run(s);
}
