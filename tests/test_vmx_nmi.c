/* test_vmx_nmi.c - virtual NMIs and the NMI window (SDM vol. 3, 24.6.1, 25.2, 25.3, 26.7.6). */
#include "cpu/cpu.h"
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"

#include <check.h>

static struct bare b;
static struct core *c;

#define NOP    "\x90"
#define IRETQ  "\x48\xcf"
#define FRAME  0x40000u /* what IRETQ pops */
#define TARGET (GUEST_CODE + 0x100)
#define INJECT INTR_INFO(VEC_NMI, EVENT_NMI)

/* The stack has a frame for IRETQ, which leads to NOPs. */
static void set_up(void)
{
    static const u64 frame[] = {TARGET, BARE_CS0, FLAG_FIXED, GUEST_STACK, BARE_DS0};
    guest_open(&b);
    c = b.core;
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_NMI | PIN_VIRTUAL_NMIS);
    for (unsigned i = 0; i < 5; i++)
        bare_set_u64(&b, FRAME + 8 * i, frame[i]);
    for (unsigned i = 0; i < 16; i++) {
        bare_put(&b, GUEST_CODE + i, NOP, 1);
        bare_put(&b, TARGET + i, NOP, 1);
    }
    guest_set(c, VMCS_GUEST_RSP, FRAME);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void launch(u64 interruptibility, bool window)
{
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, interruptibility);
    guest_set_bits(c, VMCS_PROC_CONTROLS, window ? PROC_NMI_WINDOW : 0);
    guest_launch(&b);
}

static void check_exit(u32 reason, u64 rip, u64 interruptibility)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_str_eq(vmx_reason_name((u32)guest_get(c, VMCS_EXIT_REASON)), vmx_reason_name(reason));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), rip);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), interruptibility);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 0);
    ck_assert_uint_eq(c->s.virtual_nmi_blocked, 0);
}

/* ---- blocking ---- */

/* Virtual blocking goes in and out by the interruptibility state, and the host has none. */
START_TEST(interruptibility_is_the_virtual_one)
{
    launch(_i ? BLOCKING_NMI : 0, false);
    ck_assert_uint_eq(c->s.nmi_blocked, 0);
    ck_assert_uint_eq(c->s.virtual_nmi_blocked, (u64)_i);
    GUEST_RUN(&b, VMCALL);
    check_exit(EXIT_VMCALL, GUEST_CODE, _i ? BLOCKING_NMI : 0);
    ck_assert_uint_eq(c->s.nmi_blocked, 0);
}
END_TEST

/* Whatever the guest's state says, and whatever the host's was. */
START_TEST(nmis_exit_though_virtually_blocked)
{
    c->s.nmi_blocked = c->s.nmi_pending = 1;
    launch(BLOCKING_NMI, false);
    bare_atoms(&b, 1);
    check_exit(EXIT_EXCEPTION_NMI, GUEST_CODE, BLOCKING_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), INTR_INFO(VEC_NMI, EVENT_NMI));
    ck_assert_uint_eq(c->s.nmi_blocked, 1);
    ck_assert_uint_eq(c->s.nmi_pending, 0);
}
END_TEST

/* An injected NMI blocks the next virtual one, which the handler's IRET unblocks; real ones stay as they are.
 */
START_TEST(injected_nmi_blocks)
{
    guest_set(c, VMCS_ENTRY_INTR_INFO, INJECT);
    launch(0, true);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
    ck_assert_uint_eq(c->s.virtual_nmi_blocked, 1);
    ck_assert_uint_eq(c->s.nmi_blocked, 0);
    GUEST_RUN(&b, NOP);
    GUEST_RUN(&b, IRETQ);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    bare_atoms(&b, 1);
    check_exit(EXIT_NMI_WINDOW, GUEST_CODE, 0);
}
END_TEST

/* 27.1: blocking is in effect before an exit that the injected NMI's delivery leads to. */
START_TEST(exit_in_the_delivery_shows_blocking)
{
    bare_set_u64(&b, BARE_IDT + 16 * VEC_NMI, 0);
    guest_set(c, VMCS_ENTRY_INTR_INFO, INJECT);
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_GP);
    launch(0, true);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), INJECT);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), BLOCKING_NMI);
    ck_assert_uint_eq(c->s.nmi_blocked, 0);
}
END_TEST

/* An IRET that faults has unblocked. */
START_TEST(iret_that_faults_opens_the_window)
{
    guest_set(c, VMCS_GUEST_RSP, BARE_UNMAPPED);
    guest_set(c, VMCS_EXCEPTION_BITMAP, _i ? 1u << VEC_PF : 0);
    launch(BLOCKING_NMI, true);
    GUEST_RUN(&b, IRETQ);
    bare_atoms(&b, _i ? 1 : 2); /* the exit by the bitmap, or the fault's delivery and then the window */
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), _i ? EXIT_EXCEPTION_NMI : EXIT_NMI_WINDOW);
    ck_assert_int_eq(!!(guest_get(c, VMCS_EXIT_INTR_INFO) & INTR_NMI_UNBLOCKING), _i);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), 0);
}
END_TEST

/* Without the control IRET under NMI exiting leaves the blocking of NMIs alone (25.3). */
START_TEST(iret_without_virtual_nmis)
{
    guest_set(c, VMCS_PIN_CONTROLS, guest_get(c, VMCS_PIN_CONTROLS) & ~(u64)PIN_VIRTUAL_NMIS);
    launch(BLOCKING_NMI, false);
    GUEST_RUN(&b, IRETQ);
    ck_assert_uint_eq(c->s.nmi_blocked, 1);
    c->s.nmi_pending = 1;
    GUEST_RUN(&b, VMCALL);
    check_exit(EXIT_VMCALL, TARGET, BLOCKING_NMI);
    ck_assert_uint_eq(c->s.nmi_blocked, 1);
}
END_TEST

/* ---- the window ---- */

START_TEST(window_opens_at_entry)
{
    launch(0, true);
    bare_atoms(&b, 1);
    check_exit(EXIT_NMI_WINDOW, GUEST_CODE, 0);
}
END_TEST

/* In one go, so that blocks of instructions may run on either side of the IRET. */
START_TEST(window_opens_behind_iret)
{
    bare_put(&b, GUEST_CODE + 16, IRETQ, 2);
    launch(BLOCKING_NMI, true);
    u64 insns = c->s.count.insns;
    cpu_run(c, 18, UINT64_MAX);
    check_exit(EXIT_NMI_WINDOW, TARGET, 0);
    ck_assert_uint_eq(c->s.count.insns, insns + 17);
}
END_TEST

START_TEST(mov_ss_holds_the_window)
{
    launch(BLOCKING_MOV_SS, true);
    GUEST_RUN(&b, NOP);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    bare_atoms(&b, 1);
    check_exit(EXIT_NMI_WINDOW, GUEST_CODE + 1, 0);
}
END_TEST

/* An NMI's own rule: STI does not hold it. */
START_TEST(sti_does_not_hold_the_window)
{
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    launch(BLOCKING_STI, true);
    bare_atoms(&b, 1);
    check_exit(EXIT_NMI_WINDOW, GUEST_CODE, BLOCKING_STI);
}
END_TEST

/* It ends HLT, as an NMI would, and the guest is saved as halted. */
START_TEST(window_ends_hlt)
{
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    launch(0, true);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_HLT);
    ck_assert(cpu_wakes(c));
    bare_atoms(&b, 1);
    check_exit(EXIT_NMI_WINDOW, GUEST_CODE, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_HLT);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_ACTIVE);
}
END_TEST

/* ... and while virtual NMIs are blocked, only the real NMI does. */
START_TEST(blocked_window_leaves_hlt_alone)
{
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    launch(BLOCKING_NMI, true);
    ck_assert(!cpu_wakes(c));
    c->s.nmi_pending = 1;
    ck_assert(cpu_wakes(c));
    bare_atoms(&b, 1);
    check_exit(EXIT_EXCEPTION_NMI, GUEST_CODE, BLOCKING_NMI);
}
END_TEST

/* In order of priority: each is made pending together with all that come after it. */
enum { MTF, DEBUG, TIMER, WINDOW, NMI, INTERRUPT_WINDOW, PRIORITIES };

static void make_pending(int first)
{
    if (first <= MTF)
        guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(0, EVENT_OTHER));
    if (first <= DEBUG) {
        guest_set(c, VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_BS);
        guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_DB);
    }
    if (first <= TIMER)
        guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    c->s.nmi_blocked = 1; /* the host's, which entry removes */
    c->s.nmi_pending = first <= NMI;
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_INTERRUPT_WINDOW);
}

START_TEST(priorities)
{
    static const u32 reason[] = {EXIT_MONITOR_TRAP_FLAG, EXIT_EXCEPTION_NMI, EXIT_PREEMPTION_TIMER,
                                 EXIT_NMI_WINDOW,        EXIT_EXCEPTION_NMI, EXIT_INTERRUPT_WINDOW};
    make_pending(_i);
    launch(0, _i <= WINDOW);
    bare_atoms(&b, _i == DEBUG ? 2 : 1); /* #DB is recognised, then delivered */
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_str_eq(vmx_reason_name((u32)guest_get(c, VMCS_EXIT_REASON)), vmx_reason_name(reason[_i]));
    u64 info = guest_get(c, VMCS_EXIT_INTR_INFO);
    ck_assert_int_eq(info == INTR_INFO(VEC_DB, EVENT_HARD_EXCEPTION), _i == DEBUG);
    ck_assert_int_eq(c->s.nmi_pending, _i < NMI);
}
END_TEST

/* ---- what the machine offers ---- */

START_TEST(capabilities)
{
    ck_assert(vmx_allowed(c, VMX_PIN).may & PIN_VIRTUAL_NMIS);
    ck_assert(vmx_allowed(c, VMX_PROC).may & PROC_NMI_WINDOW);
    ck_assert(!(vmx_allowed(c, VMX_PIN).must & PIN_VIRTUAL_NMIS));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx nmi");
    TCase *t = tcase_create("nmi");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, interruptibility_is_the_virtual_one, 0, 2);
    tcase_add_loop_test(t, iret_that_faults_opens_the_window, 0, 2);
    tcase_add_loop_test(t, priorities, 0, PRIORITIES);
    const TTest *const tests[] = {nmis_exit_though_virtually_blocked,
                                  injected_nmi_blocks,
                                  exit_in_the_delivery_shows_blocking,
                                  iret_without_virtual_nmis,
                                  window_opens_at_entry,
                                  window_opens_behind_iret,
                                  mov_ss_holds_the_window,
                                  sti_does_not_hold_the_window,
                                  window_ends_hlt,
                                  blocked_window_leaves_hlt_alone,
                                  capabilities};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return suite_run(s);
}
