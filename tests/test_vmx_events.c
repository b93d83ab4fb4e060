/* test_vmx_events.c - VM exits by events and by time: exceptions, interrupts, NMIs, timers, the monitor trap
 * flag; and events that VM entry injects (SDM vol. 3, 25 to 27). */
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>

/* ---- events ---- */

#define UD2      "\x0f\x0b"
#define LOAD_RAX "\x48\x8b\x00"

START_TEST(exceptions_exit_by_the_bitmap)
{
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_UD | 1u << VEC_BP);
    guest_launch(&b);
    GUEST(UD2);
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS), FLAG_FIXED | FLAG_RF);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), 0);
    GUEST_RUN(&b, VMRESUME);
    GUEST("\xcc"); /* int3 */
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), INTR_INFO(VEC_BP, EVENT_SOFT_EXCEPTION));
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 1);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
}
END_TEST

/* A page fault exits if bit 14 equals the match of its error code (25.2). */
START_TEST(page_faults_match)
{
    bool bit = _i & 1, match = _i & 2;
    guest_set(c, VMCS_EXCEPTION_BITMAP, (u64)bit << VEC_PF);
    guest_set(c, VMCS_PF_ERROR_MASK, PF_P | PF_W);
    guest_set(c, VMCS_PF_ERROR_MATCH, match ? 0 : PF_P);
    guest_launch(&b);
    c->s.cr2 = 77;
    c->s.gpr[REG_RAX] = BARE_UNMAPPED;
    GUEST(LOAD_RAX);
    bare_atoms(&b, 1);
    if (bit != match) {
        guest_check_no_exit();
        ck_assert_uint_eq(c->s.rip, BARE_HANDLER + 16 * VEC_PF);
        return;
    }
    guest_check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), BARE_UNMAPPED);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO),
                      INTR_INFO(VEC_PF, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_ERROR), 0);
    ck_assert_uint_eq(c->s.cr2, 77);
}
END_TEST

/* INT n whose delivery faults: the exit tells of both (27.2.4). */
START_TEST(idt_vectoring_information)
{
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_PF);
    guest_set(c, VMCS_GUEST_IDTR_BASE, BARE_UNMAPPED);
    guest_launch(&b);
    GUEST("\xcd\x80");
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO) & 0xff, VEC_PF);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), INTR_INFO(0x80, EVENT_SOFT_INT));
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 2);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
    ck_assert_uint_eq(c->s.event_valid, 0);
}
END_TEST

START_TEST(triple_fault_exits)
{
    guest_set(c, VMCS_GUEST_IDTR_LIMIT, 0);
    guest_launch(&b);
    GUEST(UD2);
    bare_atoms(&b, 3);
    guest_check_exit(EXIT_TRIPLE_FAULT);
    ck_assert_uint_eq(c->m->b.halted, HALT_NONE);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), 0);
}
END_TEST

/* An injected event is delivered, and causes no exit whatever the bitmap says (26.6). */
START_TEST(injected_exception)
{
    guest_set(c, VMCS_EXCEPTION_BITMAP, 0xffffffff);
    guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_GP, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    guest_set(c, VMCS_ENTRY_ERROR_CODE, 0x58);
    guest_launch(&b);
    bare_atoms(&b, 1);
    guest_check_no_exit();
    ck_assert_uint_eq(c->s.rip, BARE_HANDLER + 16 * VEC_GP);
    ck_assert_uint_eq(bare_u64(&b, c->s.gpr[REG_RSP]), 0x58);
    ck_assert_uint_eq(bare_u64(&b, c->s.gpr[REG_RSP] + 8), GUEST_CODE);
    GUEST(UD2); /* the next one exits */
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_ENTRY_INTR_INFO) & INTR_VALID, 0);
}
END_TEST

START_TEST(injected_software_interrupt_returns_after_it)
{
    guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(0x80, EVENT_SOFT_INT));
    guest_set(c, VMCS_ENTRY_INSN_LENGTH, 2);
    guest_launch(&b);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, BARE_HANDLER + 16 * 0x80);
    ck_assert_uint_eq(bare_u64(&b, c->s.gpr[REG_RSP]), GUEST_CODE + 2);
}
END_TEST

START_TEST(injected_page_fault_keeps_cr2)
{
    guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_PF, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    c->s.cr2 = 0x4321;
    guest_launch(&b);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.cr2, 0x4321);
    ck_assert_uint_eq(c->s.rip, BARE_HANDLER + 16 * VEC_PF);
}
END_TEST

/* ---- interrupts ---- */

#define NOP "\x90"

static void raise_interrupt(void)
{
    apic_write(c, 0xf0, 0x1ff); /* enabled, spurious vector ffH */
    apic_raise(c, 0x41);
    c->rt.look_again = 0;
}

START_TEST(external_interrupt_exits_whatever_if_says)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
    if (_i)
        guest_set_bits(c, VMCS_EXIT_CONTROLS, VMEXIT_ACK_INTERRUPT);
    guest_launch(&b);
    GUEST(NOP);
    raise_interrupt();
    GUEST(NOP);
    guest_check_exit(EXIT_EXTERNAL_INTERRUPT);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 1);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), _i ? INTR_INFO(0x41, EVENT_EXTERNAL) : 0);
    ck_assert_int_eq(apic_pending_vector(c), _i ? -1 : 0x41);
}
END_TEST

START_TEST(interrupt_window)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_INTERRUPT_WINDOW);
    guest_launch(&b);
    GUEST(NOP);
    guest_check_no_exit();
    GUEST("\xfb"); /* sti */
    GUEST(NOP);    /* its shadow */
    guest_check_no_exit();
    GUEST(NOP);
    guest_check_exit(EXIT_INTERRUPT_WINDOW);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 3);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), 0);
}
END_TEST

START_TEST(hlt_after_sti_shows_the_shadow)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_HLT);
    guest_launch(&b);
    GUEST("\xfb");
    GUEST("\xf4");
    guest_check_exit(EXIT_HLT);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), BLOCKING_STI);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_ACTIVE);
    ck_assert_uint_eq(c->s.shadow_sti, 0);
}
END_TEST

START_TEST(nmi_exits_and_blocks_the_next)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_NMI);
    guest_launch(&b);
    c->s.nmi_pending = 1;
    GUEST(NOP);
    guest_check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), INTR_INFO(VEC_NMI, EVENT_NMI));
    ck_assert_uint_eq(c->s.nmi_blocked, 1);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), 0);
}
END_TEST

/* ---- timer, MTF ---- */

/* It expires when bit 5 of the TSC has changed n times: at a multiple of 32. */
START_TEST(preemption_timer)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    guest_set_bits(c, VMCS_EXIT_CONTROLS, VMEXIT_SAVE_PREEMPTION_TIMER);
    guest_set(c, VMCS_PREEMPTION_TIMER, 10);
    guest_launch(&b);
    u64 expires = ((tsc_now(c) >> 5) + 10) << 5;
    ck_assert_uint_eq(tsc_now(c) + (vmx_next_due(c) - c->s.cycle), expires);
    bare_put(&b, GUEST_CODE, "\xeb\xfe", 2); /* jmp . */
    while (c->s.vmx_guest && tsc_now(c) < expires + 1000) {
        ck_assert_uint_eq(vmx_timer_value(c), tsc_now(c) < expires ? (expires >> 5) - (tsc_now(c) >> 5) : 0);
        ck_assert(tsc_now(c) < expires || c->rt.look_again <= c->s.cycle);
        bare_atoms(&b, 1);
    }
    guest_check_exit(EXIT_PREEMPTION_TIMER);
    ck_assert_uint_eq(guest_get(c, VMCS_PREEMPTION_TIMER), 0);
    ck_assert_uint_eq(vmx_next_due(c), UINT64_MAX);
}
END_TEST

START_TEST(preemption_timer_is_saved)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    if (_i)
        guest_set_bits(c, VMCS_EXIT_CONTROLS, VMEXIT_SAVE_PREEMPTION_TIMER);
    guest_set(c, VMCS_PREEMPTION_TIMER, 1000);
    guest_launch(&b);
    u64 start = tsc_now(c) >> 5;
    GUEST(NOP);
    GUEST(VMCALL);
    u64 left = guest_get(c, VMCS_PREEMPTION_TIMER);
    if (_i)
        ck_assert(left < 1000 && left >= 1000 - ((tsc_now(c) >> 5) - start));
    else
        ck_assert_uint_eq(left, 1000);
}
END_TEST

START_TEST(timer_of_0_lets_nothing_run)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    guest_launch(&b);
    GUEST(NOP);
    guest_check_exit(EXIT_PREEMPTION_TIMER);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
}
END_TEST

START_TEST(timer_ends_hlt)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    guest_set(c, VMCS_PREEMPTION_TIMER, 100);
    guest_launch(&b);
    GUEST("\xf4");
    bare_atoms(&b, 2);
    guest_check_exit(EXIT_PREEMPTION_TIMER);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_HLT);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 1);
    GUEST_RUN(&b, VMRESUME);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_HLT);
}
END_TEST

START_TEST(monitor_trap_flag)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_launch(&b);
    GUEST(NOP);
    guest_check_no_exit();
    GUEST(NOP);
    guest_check_exit(EXIT_MONITOR_TRAP_FLAG);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 1);
    guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(0x20, EVENT_SOFT_INT)); /* after the delivery */
    guest_set(c, VMCS_ENTRY_INSN_LENGTH, 1);
    GUEST_RUN(&b, VMRESUME);
    bare_atoms(&b, 2);
    guest_check_exit(EXIT_MONITOR_TRAP_FLAG);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), BARE_HANDLER + 16 * 0x20);
}
END_TEST

START_TEST(pending_mtf_exit_is_injected)
{
    guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(0, EVENT_OTHER));
    guest_launch(&b);
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_MONITOR_TRAP_FLAG);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
}
END_TEST

START_TEST(tsc_offset)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_TSC_OFFSETTING);
    guest_set(c, VMCS_TSC_OFFSET, 1ull << 40);
    guest_launch(&b);
    GUEST("\x0f\x31");
    ck_assert_uint_eq(c->s.gpr[REG_RDX], 1u << 8);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx events");
    TCase *t = tcase_create("events");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_test(t, exceptions_exit_by_the_bitmap);
    tcase_add_loop_test(t, page_faults_match, 0, 4);
    tcase_add_test(t, idt_vectoring_information);
    tcase_add_test(t, triple_fault_exits);
    tcase_add_test(t, injected_exception);
    tcase_add_test(t, injected_software_interrupt_returns_after_it);
    tcase_add_test(t, injected_page_fault_keeps_cr2);
    tcase_add_loop_test(t, external_interrupt_exits_whatever_if_says, 0, 2);
    tcase_add_test(t, interrupt_window);
    tcase_add_test(t, hlt_after_sti_shows_the_shadow);
    tcase_add_test(t, nmi_exits_and_blocks_the_next);
    tcase_add_test(t, preemption_timer);
    tcase_add_loop_test(t, preemption_timer_is_saved, 0, 2);
    tcase_add_test(t, timer_of_0_lets_nothing_run);
    tcase_add_test(t, timer_ends_hlt);
    tcase_add_test(t, monitor_trap_flag);
    tcase_add_test(t, pending_mtf_exit_is_injected);
    tcase_add_test(t, tsc_offset);
    suite_add_tcase(s, t);
    return suite_run(s);
}
