/* test_vmx_pause.c - PAUSE and PAUSE-loop exiting (SDM vol. 3, 24.6.13, 25.1.3; rule E8). */
#include "cpu/cpu.h"
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"

#include <check.h>

static struct bare b;
static struct core *c;

#define PAUSE      "\xf3\x90"
#define PAUSE_LOOP "\xf3\x90\xeb\xfc" /* 1: pause; jmp 1b */

static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    bare_put(&b, GUEST_CODE, PAUSE_LOOP, 4);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void launch(u64 gap, u64 window)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY);
    guest_set_bits(c, VMCS_PROC2_CONTROLS, PROC2_PAUSE_LOOP);
    guest_set(c, VMCS_PLE_GAP, gap);
    guest_set(c, VMCS_PLE_WINDOW, window);
    guest_launch(&b);
}

/* A PAUSE that many cycles behind the one before.  True if it exits. */
static bool pause_after(u64 cycles)
{
    c->s.rip = GUEST_CODE;
    c->s.cycle = c->s.ple_last + cycles;
    bare_atoms(&b, 1);
    return !c->s.vmx_guest;
}

static void first_pause(void)
{
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
}

static void check_exit(u64 rip)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_PAUSE);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 2);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), rip);
}

/* The loop exits at the first PAUSE that is later than the window behind its first, and no sooner. */
START_TEST(a_loop_exits_behind_the_window)
{
    u64 first = 0, now = 0, pauses = 0;
    launch(100, 1000);
    while (c->s.vmx_guest) {
        bool is_pause = c->s.rip == GUEST_CODE;
        now = c->s.cycle;
        bare_atoms(&b, 1);
        if (!is_pause)
            continue;
        first = pauses++ ? first : c->s.cycle - 1;
        ck_assert_int_eq(!c->s.vmx_guest, pauses > 1 && now - first > 1000);
    }
    ck_assert_uint_gt(pauses, 10);
    check_exit(GUEST_CODE);
}
END_TEST

static u64 exit_cycle;

static void keep_cycle(const struct rs_event *event, void *arg)
{
    (void)arg;
    exit_cycle = event->cycle;
}

static u64 cycle_of_exit(u64 atoms_at_once)
{
    rs_watch(b.world, RS_PROBE_vm_exit, true, keep_cycle, NULL);
    launch(100, 1000);
    while (c->s.vmx_guest)
        cpu_run(c, atoms_at_once, UINT64_MAX);
    return exit_cycle;
}

/* Blocks of instructions that run in one go between PAUSEs change nothing of that. */
START_TEST(a_loop_exits_in_one_go)
{
    u64 one_by_one = cycle_of_exit(1);
    tear_down();
    set_up();
    ck_assert_uint_eq(cycle_of_exit(7), one_by_one);
}
END_TEST

START_TEST(the_window_is_exact)
{
    launch(1000, 500);
    first_pause();
    ck_assert(!pause_after(200));
    ck_assert_int_eq(pause_after(300 + (u64)_i), _i);
}
END_TEST

/* Later than the gap: the first of another loop, from which the window counts again. */
START_TEST(the_gap_is_exact)
{
    launch(50, 60);
    first_pause();
    ck_assert(!pause_after(40));
    ck_assert_int_eq(pause_after(50 + (u64)_i), !_i);
    if (_i) {
        ck_assert(!pause_after(50));
        ck_assert(!pause_after(10));
        ck_assert(pause_after(2));
    }
}
END_TEST

/* The first after each entry begins a loop, however narrow the window is. */
START_TEST(entry_begins_anew)
{
    launch(1000, 0);
    first_pause();
    ck_assert(pause_after(2));
    check_exit(GUEST_CODE);
    ck_assert_uint_eq(c->s.ple_last, 0);
    GUEST_RUN(&b, VMRESUME);
    first_pause();
    ck_assert(pause_after(2));
}
END_TEST

/* PAUSEs at CPL 3 neither exit by their loop nor belong to one. */
START_TEST(user_level_does_not_count)
{
    launch(100, 0);
    first_pause();
    u64 last = c->s.ple_last;
    bare_enter_user(&b);
    for (unsigned i = 0; i < 4; i++)
        GUEST_RUN(&b, PAUSE);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.ple_last, last);
}
END_TEST

/* "PAUSE exiting" makes each exit, at any level, whatever the other control says. */
START_TEST(pause_exiting_comes_first)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_PAUSE);
    launch(1000, 1000);
    if (_i)
        bare_enter_user(&b);
    u64 rip = c->s.rip;
    GUEST_RUN(&b, PAUSE);
    check_exit(rip);
    ck_assert_uint_eq(c->s.ple_last, 0);
}
END_TEST

START_TEST(not_without_the_control)
{
    guest_set_bits(c, VMCS_PROC2_CONTROLS, PROC2_PAUSE_LOOP); /* secondary controls are off */
    guest_launch(&b);
    bare_atoms(&b, 40);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.ple_last, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx pause");
    TCase *t = tcase_create("pause");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_loop_exits_behind_the_window);
    tcase_add_test(t, a_loop_exits_in_one_go);
    tcase_add_loop_test(t, the_window_is_exact, 0, 2);
    tcase_add_loop_test(t, the_gap_is_exact, 0, 2);
    tcase_add_test(t, entry_begins_anew);
    tcase_add_test(t, user_level_does_not_count);
    tcase_add_loop_test(t, pause_exiting_comes_first, 0, 2);
    tcase_add_test(t, not_without_the_control);
    suite_add_tcase(s, t);
    return suite_run(s);
}
