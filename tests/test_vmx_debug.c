/* test_vmx_debug.c - debug exceptions, RF and NMI blocking between VMX non-root operation and its host (SDM
 * vol. 3, 26 "VM Entries", 27 "VM Exits"). */
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>
#include <stdlib.h>

#define DATA         0x40000u
#define NOP          "\x90"
#define STORE_RAX    "\x48\x89\x00" /* mov %rax,(%rax) */
#define LOAD_RAX_RBX "\x48\x8b\x18" /* mov (%rax),%rbx */
#define IRETQ        "\x48\xcf"
#define CPUID        "\x0f\xa2"

#define DR7_WRITE_0  (DR7_FIXED | 0x10001) /* L0, R/W 01, one byte */
#define DR7_ACCESS_0 (DR7_FIXED | 0x30001)
#define DR7_CODE_0   (DR7_FIXED | 0x1)

static void check_exit(enum exit_reason reason)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), reason);
    ck_assert_uint_eq(c->s.dr[7], DR7_FIXED);
    ck_assert_uint_eq(c->s.pending_debug, 0);
}

static void check_debug_exit(u64 qualification)
{
    check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), INTR_INFO(VEC_DB, EVENT_HARD_EXCEPTION));
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), qualification);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PENDING_DEBUG), 0);
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED); /* an exit leaves it alone (27.1) */
}

/* Breakpoint 0 with the guest's DR7, which entry loads. */
static void launch_armed(u64 address, u64 dr7)
{
    guest_set_bits(c, VMCS_ENTRY_CONTROLS, VMENTRY_LOAD_DEBUG_CONTROLS);
    guest_set_bits(c, VMCS_EXIT_CONTROLS, VMEXIT_SAVE_DEBUG_CONTROLS);
    guest_set(c, VMCS_GUEST_DR7, dr7);
    c->s.dr[0] = address;
    guest_launch(&b);
}

/* ---- DR7 ---- */

START_TEST(entry_arms_and_exit_disarms)
{
    c->s.gpr[REG_RAX] = DATA;
    launch_armed(DATA, DR7_WRITE_0);
    GUEST_RUN(&b, STORE_RAX);
    ck_assert_uint_eq(c->s.pending_debug, 1);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_DB));
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED | 1);
    GUEST_RUN(&b, VMCALL);
    check_exit(EXIT_VMCALL);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_DR7), DR7_WRITE_0);
    GUEST_RUN(&b, STORE_RAX);
    ck_assert_uint_eq(c->s.pending_debug, 0);
}
END_TEST

/* The guest runs first without the breakpoint, and its short cuts stay behind. */
START_TEST(entry_arms_what_was_touched)
{
    c->s.gpr[REG_RAX] = DATA;
    launch_armed(DATA, DR7_FIXED);
    GUEST_RUN(&b, LOAD_RAX_RBX);
    GUEST_RUN(&b, LOAD_RAX_RBX);
    GUEST_RUN(&b, VMCALL);
    guest_set(c, VMCS_GUEST_DR7, DR7_ACCESS_0);
    GUEST_RUN(&b, VMRESUME);
    GUEST_RUN(&b, LOAD_RAX_RBX);
    ck_assert_uint_eq(c->s.pending_debug, 1);
}
END_TEST

/* ---- exits by debug exceptions ---- */

START_TEST(exits_with_the_conditions)
{
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_DB);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_TF);
    c->s.gpr[REG_RAX] = DATA;
    launch_armed(DATA, DR7_WRITE_0);
    GUEST_RUN(&b, STORE_RAX);
    bare_atoms(&b, 2);
    check_debug_exit(DR6_BS | 1);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 3);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS) & FLAG_RF, 0);
}
END_TEST

START_TEST(exits_before_the_instruction)
{
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_DB);
    launch_armed(GUEST_CODE, DR7_CODE_0);
    bare_atoms(&b, 2);
    check_debug_exit(1);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS) & FLAG_RF, 0);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_RF);
    bare_put(&b, GUEST_CODE, VMCALL, 3);
    bare_put(&b, c->s.rip, VMRESUME, 3);
    bare_atoms(&b, 2);
    check_exit(EXIT_VMCALL);
}
END_TEST

START_TEST(exits_by_general_detect)
{
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_DB);
    launch_armed(0, DR7_FIXED | DR7_GD);
    GUEST_RUN(&b, "\x0f\x21\xc0"); /* mov %dr0,%rax */
    bare_atoms(&b, 1);
    check_debug_exit(DR6_BD);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_DR7), DR7_FIXED | DR7_GD); /* an exit keeps it */
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS) & FLAG_RF, FLAG_RF);
}
END_TEST

/* MOV-DR exiting comes before what else MOV DR may meet (25.1.3). */
START_TEST(mov_dr_exits_first)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MOV_DR);
    guest_set_bits(c, VMCS_GUEST_CR4, CR4_DE);
    launch_armed(0, DR7_FIXED | DR7_GD);
    GUEST_RUN(&b, "\x0f\x21\xe0"); /* mov %dr4,%rax */
    check_exit(EXIT_MOV_DR);
}
END_TEST

/* ---- pending debug exceptions (24.4.2, 26.7.3, 27.3.4) ---- */

static const struct {
    u64 field;
    u64 dr6; /* 0: no debug exception after the entry */
} pending[] = {
    {0, 0},
    {PENDING_DEBUG_BS, DR6_BS},
    {PENDING_DEBUG_ENABLED | 5, 5},
    {PENDING_DEBUG_ENABLED | PENDING_DEBUG_BS | 8, DR6_BS | 8},
    {5, 0}, /* met, but not enabled */
};

START_TEST(pending_at_entry)
{
    guest_set(c, VMCS_GUEST_PENDING_DEBUG, pending[_i].field);
    guest_launch(&b);
    GUEST_RUN(&b, NOP NOP);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, pending[_i].dr6 ? bare_handler(VEC_DB) : GUEST_CODE + 2);
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED | pending[_i].dr6);
}
END_TEST

START_TEST(pending_at_entry_exits)
{
    if (!pending[_i].dr6)
        return;
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_DB);
    guest_set(c, VMCS_GUEST_PENDING_DEBUG, pending[_i].field);
    guest_launch(&b);
    bare_atoms(&b, 2);
    check_debug_exit(pending[_i].dr6);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
}
END_TEST

static const struct {
    u32 vector, type;
    bool shadow, stays;
} vectoring[] = {
    {VEC_UD, EVENT_HARD_EXCEPTION, false, false}, {VEC_UD, EVENT_HARD_EXCEPTION, true, false},
    {0x80, EVENT_SOFT_INT, false, false},         {0x80, EVENT_SOFT_INT, true, true},
    {VEC_BP, EVENT_SOFT_EXCEPTION, true, true},
};

START_TEST(injection_makes_them_vanish)
{
    guest_set(c, VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_ENABLED | 1);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, vectoring[_i].shadow ? BLOCKING_MOV_SS : 0);
    guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(vectoring[_i].vector, vectoring[_i].type));
    guest_set(c, VMCS_ENTRY_INSN_LENGTH, 2);
    guest_launch(&b);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(vectoring[_i].vector));
    bare_atoms(&b, 2);
    ck_assert_int_eq(c->s.dr[6] & 1, vectoring[_i].stays);
}
END_TEST

/* An MTF VM exit finds the trap of the instruction before it. */
START_TEST(saved_by_a_trap_flag_exit)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    c->s.gpr[REG_RAX] = DATA;
    launch_armed(DATA, DR7_WRITE_0);
    GUEST_RUN(&b, STORE_RAX);
    bare_atoms(&b, 1);
    check_exit(EXIT_MONITOR_TRAP_FLAG);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PENDING_DEBUG), PENDING_DEBUG_ENABLED | 1);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 3);
}
END_TEST

/* Those that MOV SS holds back are saved by whatever exit the next instruction makes. */
START_TEST(saved_behind_mov_ss)
{
    bare_set_u64(&b, DATA, BARE_DS0);
    c->s.gpr[REG_RBX] = DATA;
    launch_armed(DATA, DR7_ACCESS_0);
    bare_put(&b, GUEST_CODE, "\x8e\x13" CPUID, 4); /* mov (%rbx),%ss; cpuid */
    bare_atoms(&b, 2);
    check_exit(EXIT_CPUID);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PENDING_DEBUG), PENDING_DEBUG_ENABLED | 1);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), BLOCKING_MOV_SS);
}
END_TEST

/* ---- EPT: an access that leaves the guest has not been made ---- */

#define EPT_TABLES 0xa0000u

/* An identity of the first 8 MiB but for the 2 MiB from 6 MiB. */
static void use_ept(void)
{
    bare_set_u64(&b, EPT_TABLES, (EPT_TABLES + 0x1000) | EPT_RWX);
    bare_set_u64(&b, EPT_TABLES + 0x1000, (EPT_TABLES + 0x2000) | EPT_RWX);
    for (u64 i = 0; i < 3; i++)
        bare_set_u64(&b, EPT_TABLES + 0x2000 + 8 * i, i << 21 | EPT_RWX | EPT_WB | EPT_PS);
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY);
    guest_set_bits(c, VMCS_PROC2_CONTROLS, PROC2_EPT);
    guest_set(c, VMCS_EPTP, EPT_TABLES | EPTP_WALK_4 | EPTP_WB);
}

#define NO_EPT 0x600000u

START_TEST(exit_in_mid_access_forgets)
{
    use_ept();
    c->s.gpr[REG_RSI] = DATA;
    c->s.gpr[REG_RDI] = NO_EPT;
    launch_armed(DATA, DR7_ACCESS_0);
    GUEST_RUN(&b, "\xa4"); /* movsb */
    check_exit(EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PENDING_DEBUG), 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS), FLAG_FIXED | FLAG_RF);
}
END_TEST

/* ---- RF as exits save it (27.3.3) ---- */

START_TEST(rf_of_an_instruction)
{
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_RF);
    guest_launch(&b);
    GUEST_RUN(&b, CPUID);
    check_exit(EXIT_CPUID);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS), FLAG_FIXED);
}
END_TEST

START_TEST(rf_of_a_breakpoint_instruction)
{
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_BP);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_RF);
    guest_launch(&b);
    GUEST_RUN(&b, "\xcc");
    bare_atoms(&b, 1);
    check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS), FLAG_FIXED);
}
END_TEST

/* In a delivery: as the frame would have it. */
START_TEST(rf_in_a_delivery)
{
    use_ept();
    bare_set_u64(&b, BARE_TSS + TSS_IST1, NO_EPT + 0x1000);
    bare_gate(&b, _i ? VEC_UD : VEC_BP, bare_handler(0), BARE_CS0, SEG_P | SYS_INTERRUPT_GATE, 1);
    guest_launch(&b);
    if (_i)
        GUEST_RUN(&b, "\x0f\x0b");
    else
        GUEST_RUN(&b, "\xcc");
    bare_atoms(&b, 1);
    check_exit(EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS), FLAG_FIXED | (_i ? FLAG_RF : 0));
}
END_TEST

/* ---- NMI unblocking due to IRET (27.2.1, 27.2.3) ---- */

enum { BLOCKED, NOT_BLOCKED, NMI_EXITING, VIRTUALLY_BLOCKED, VIRTUALLY_NOT_BLOCKED, UNBLOCKING_WAYS };

static bool unblocks(int way)
{
    return way == BLOCKED || way == VIRTUALLY_BLOCKED;
}

static void launch_to_iret(unsigned way)
{
    static const u32 pin[] = {[NMI_EXITING] = PIN_NMI,
                              [VIRTUALLY_BLOCKED] = PIN_NMI | PIN_VIRTUAL_NMIS,
                              [VIRTUALLY_NOT_BLOCKED] = PIN_NMI | PIN_VIRTUAL_NMIS};
    bool blocked = way != NOT_BLOCKED && way != VIRTUALLY_NOT_BLOCKED;
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, blocked ? BLOCKING_NMI : 0);
    guest_set_bits(c, VMCS_PIN_CONTROLS, pin[way]);
    guest_launch(&b);
}

START_TEST(faults_of_iret_tell)
{
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_PF);
    guest_set(c, VMCS_GUEST_RSP, BARE_UNMAPPED);
    launch_to_iret((unsigned)_i);
    GUEST_RUN(&b, IRETQ);
    bare_atoms(&b, 1);
    check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_int_eq(!!(guest_get(c, VMCS_EXIT_INTR_INFO) & INTR_NMI_UNBLOCKING), unblocks(_i));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), _i == NMI_EXITING ? BLOCKING_NMI : 0);
}
END_TEST

START_TEST(violations_of_iret_tell)
{
    use_ept();
    guest_set(c, VMCS_GUEST_RSP, NO_EPT);
    launch_to_iret((unsigned)_i);
    GUEST_RUN(&b, IRETQ);
    check_exit(EXIT_EPT_VIOLATION);
    ck_assert_int_eq(!!(guest_get(c, VMCS_EXIT_QUALIFICATION) & QUAL_EPT_NMI_UNBLOCKING), unblocks(_i));
}
END_TEST

/* Neither later faults nor those of a delivery. */
START_TEST(only_faults_of_iret_tell)
{
    static const u64 image[] = {GUEST_CODE, BARE_CS0, FLAG_FIXED, GUEST_STACK, BARE_DS0};
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_UD);
    guest_set(c, VMCS_GUEST_RSP, DATA);
    for (unsigned i = 0; i < 5; i++)
        bare_set_u64(&b, DATA + 8 * i, image[i]);
    launch_to_iret(BLOCKED);
    GUEST_RUN(&b, IRETQ);
    ck_assert_uint_eq(c->s.nmi_blocked, 0);
    GUEST_RUN(&b, "\x0f\x0b");
    bare_atoms(&b, 1);
    check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_debug(TCase *t)
{
    tcase_add_test(t, entry_arms_and_exit_disarms);
    tcase_add_test(t, entry_arms_what_was_touched);
    tcase_add_test(t, exits_with_the_conditions);
    tcase_add_test(t, exits_before_the_instruction);
    tcase_add_test(t, exits_by_general_detect);
    tcase_add_test(t, mov_dr_exits_first);
    tcase_add_loop_test(t, pending_at_entry, 0, ROWS(pending));
    tcase_add_loop_test(t, pending_at_entry_exits, 0, ROWS(pending));
    tcase_add_loop_test(t, injection_makes_them_vanish, 0, ROWS(vectoring));
    tcase_add_test(t, saved_by_a_trap_flag_exit);
    tcase_add_test(t, saved_behind_mov_ss);
    tcase_add_test(t, exit_in_mid_access_forgets);
}

int main(void)
{
    Suite *suite = suite_create("vmx_debug");
    TCase *t = tcase_create("vmx_debug");

    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    add_debug(t);
    tcase_add_test(t, rf_of_an_instruction);
    tcase_add_test(t, rf_of_a_breakpoint_instruction);
    tcase_add_loop_test(t, rf_in_a_delivery, 0, 2);
    tcase_add_loop_test(t, faults_of_iret_tell, 0, UNBLOCKING_WAYS);
    tcase_add_loop_test(t, violations_of_iret_tell, 0, UNBLOCKING_WAYS);
    tcase_add_test(t, only_faults_of_iret_tell);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
