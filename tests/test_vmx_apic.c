/* test_vmx_apic.c - the virtual APIC: TPR shadow (SDM vol. 3, 29 "APIC Virtualization and Virtual Interrupts"). */
#include "arch/apic.h"
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>

enum {
    PAGE = 0xa0000, /* the virtual-APIC page */
};

static struct bare b;
static struct core *c;

static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
    guest_set(c, VMCS_VIRTUAL_APIC_ADDRESS, PAGE);
}

static void tear_down(void)
{
    bare_close(&b);
}

static u64 page(u32 offset)
{
    return mem_read(b.machine->mem, PAGE + offset, 4);
}

static void set_page(u32 offset, u64 value)
{
    mem_write(b.machine->mem, PAGE + offset, 4, value);
}

#define GUEST(bytes) GUEST_RUN(&b, bytes)

static void check_exit(u32 reason, u64 qualification)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_str_eq(vmx_reason_name((u32)guest_get(c, VMCS_EXIT_REASON)), vmx_reason_name(reason));
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), qualification);
}

static void check_no_exit(void)
{
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.event_valid, 0);
    ck_assert_uint_eq(c->s.vapic_exit, 0);
}

/* The atom behind an instruction whose exit is trap-like. */
static void check_trap(u32 reason, u64 qualification)
{
    u64 next = c->s.rip;
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    bare_atoms(&b, 1);
    check_exit(reason, qualification);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), next);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 0);
}

/* ---- CR8 (29.3 "Virtualizing CR8-Based TPR Accesses") ---- */

#define MOV_CR8_RAX "\x44\x0f\x20\xc0" /* mov %cr8,%rax */
#define MOV_RAX_CR8 "\x44\x0f\x22\xc0" /* mov %rax,%cr8 */

START_TEST(cr8_is_the_shadow)
{
    u64 real = c->s.apic_reg[APIC_TPR >> 4], seen;
    guest_launch(&b);
    set_page(APIC_TPR, 0xabcdef57);
    GUEST(MOV_CR8_RAX);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 5);
    ck_assert_int_eq(rs_reg(b.machine, 0, "cr8", &seen), RS_OK);
    ck_assert_uint_eq(seen, 5);
    c->s.gpr[REG_RAX] = 9;
    GUEST(MOV_RAX_CR8);
    check_no_exit();
    ck_assert_uint_eq(page(APIC_TPR), 0x90);
    ck_assert_uint_eq(c->s.apic_reg[APIC_TPR >> 4], real);
    GUEST(VMCALL);
    GUEST(MOV_CR8_RAX); /* the host has its own */
    ck_assert_uint_eq(c->s.gpr[REG_RAX], real >> 4);
}
END_TEST

START_TEST(cr8_has_four_bits)
{
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 16;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
    ck_assert_uint_eq(page(APIC_TPR), 0);
}
END_TEST

START_TEST(cr8_exiting_comes_first)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_CR8_LOAD | PROC_CR8_STORE);
    guest_launch(&b);
    GUEST(MOV_CR8_RAX);
    check_exit(EXIT_CR_ACCESS, 0x18);
    GUEST(VMRESUME);
    c->s.gpr[REG_RAX] = 3;
    GUEST(MOV_RAX_CR8);
    check_exit(EXIT_CR_ACCESS, 8);
    ck_assert_uint_eq(page(APIC_TPR), 0);
}
END_TEST

/* 29.1.2 "TPR Virtualization" */
START_TEST(below_the_threshold)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 5);
    set_page(APIC_TPR, 0x50);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 5;
    GUEST(MOV_RAX_CR8);
    check_no_exit();
    c->s.gpr[REG_RAX] = 4;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(page(APIC_TPR), 0x40);
    check_trap(EXIT_TPR_BELOW_THRESHOLD, 0);
    ck_assert_uint_eq(c->s.vapic_exit, 0);
}
END_TEST

/* It takes priority over everything that the instruction makes pending: MTF and single step here. */
START_TEST(the_trap_comes_first)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 1);
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_TF);
    set_page(APIC_TPR, 0x10);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 0;
    GUEST(MOV_RAX_CR8);
    check_trap(EXIT_TPR_BELOW_THRESHOLD, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PENDING_DEBUG), PENDING_DEBUG_BS);
}
END_TEST

/* E7: the page is reached through the L1D. */
START_TEST(cycles_of_cr8)
{
    guest_launch(&b);
    u64 before = c->s.count.stall_vmx;
    GUEST(MOV_CR8_RAX);
    ck_assert_uint_eq(c->s.count.stall_vmx - before, c->m->p.l2_latency + c->m->p.mem_latency);
    before = c->s.count.stall_vmx;
    u64 looks = c->s.count.l1d_lookups;
    c->s.gpr[REG_RAX] = 1;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(c->s.count.stall_vmx, before);
    ck_assert_uint_eq(c->s.count.l1d_lookups, looks + 1);
}
END_TEST

/* A virtual-APIC page outside memory reads as ones and keeps nothing. */
START_TEST(a_page_that_is_nowhere)
{
    guest_set(c, VMCS_VIRTUAL_APIC_ADDRESS, 1ull << 38);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 3;
    GUEST(MOV_RAX_CR8);
    GUEST(MOV_CR8_RAX);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 15);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx apic");
    TCase *t = tcase_create("tpr shadow");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, cr8_is_the_shadow);
    tcase_add_test(t, cr8_has_four_bits);
    tcase_add_test(t, cr8_exiting_comes_first);
    tcase_add_test(t, below_the_threshold);
    tcase_add_test(t, the_trap_comes_first);
    tcase_add_test(t, cycles_of_cr8);
    tcase_add_test(t, a_page_that_is_nowhere);
    suite_add_tcase(s, t);
    return suite_run(s);
}
