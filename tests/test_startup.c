/* test_startup.c - start-up IPIs that come when nobody waits for them, and those that come at once with an
 * INIT (docs/machine.md, rule C6 and "Start of the other cores"). */
#include "arch/apic.h"
#include "arch/boot.h"
#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "schedule.h"
#include "world.h"

#include <check.h>
#include <string.h>

#define FIRMWARE (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define LATENCY  150 /* ipi_latency */
#define SPIN     "\xeb\xfe"
#define CLI_HLT  "\xfa\xf4\xeb\xfd"
#define NEXT     0x1000 /* core 1's code in the page behind core 0's */

static struct bare b;
static struct core *sender, *target;
static unsigned starts;

static void count_start(const struct rs_event *e, void *arg)
{
    (void)e;
    (void)arg;
    starts++;
}

/* Core 0 spins; core 1 waits, and once it is started it runs `code`. */
static void set_up(void)
{
    bare_open_cores(&b, FIRMWARE, 2);
    sender = b.machine->core[0];
    target = b.machine->core[1];
    const u64 entry[SIPI_ENTRY_WORDS] = {1, BARE_CODE + NEXT, BARE_PML4, sender->s.cr0, CR4_PAE};
    for (unsigned i = 0; i < SIPI_ENTRY_WORDS; i++)
        bare_set_u64(&b, 0x7000 + 8 * i, entry[i]);
    ck_assert(sys_write_msr(sender, MSR_SIPI_ENTRY_STRUCT_PTR, 0x7000));
    bare_put(&b, BARE_CODE, SPIN, 2);
    starts = 0;
    rs_watch(b.world, RS_PROBE_core_start, true, count_start, NULL);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void run(u64 cycles)
{
    machine_run(b.machine, 1000000, machine_cycle(b.machine) + cycles);
    ck_assert_uint_eq(b.machine->b.halted, HALT_NONE);
}

/* As if the sender's store to its ICR came at `cycle`. */
static void send(u64 mode, u64 cycle)
{
    u64 now = sender->s.cycle;
    sender->s.cycle = cycle;
    apic_write(sender, APIC_ICR_HIGH, 1u << 24);
    apic_write(sender, APIC_ICR_LOW, (u32)mode | APIC_ICR_ASSERT);
    sender->s.cycle = now;
}

static void send_and_run(u64 mode)
{
    send(mode, sender->s.cycle);
    run(4000);
}

static void expect_end(const char *words)
{
    machine_run(b.machine, 100000, machine_cycle(b.machine) + 10000);
    ck_assert_uint_eq(b.machine->b.halted, HALT_FOREVER);
    ck_assert_msg(strstr(rs_halt_text(b.machine), words) != NULL, "%s", rs_halt_text(b.machine));
}

/* ---- the target does not wait ---- */

static const char code[][4] = {SPIN, CLI_HLT};

START_TEST(dropped_by_who_does_not_wait)
{
    bare_put(&b, BARE_CODE + NEXT, code[_i], sizeof code[_i]);
    send_and_run(APIC_ICR_STARTUP);
    ck_assert_uint_eq(starts, 1);
    for (unsigned n = 0; n < 3; n++)
        send_and_run(APIC_ICR_STARTUP);
    ck_assert_uint_eq(starts, 1);
    ck_assert_uint_eq(target->s.ipi_sipi_due[0] | target->s.ipi_sipi_due[1], 0);
    send_and_run(APIC_ICR_INIT);
    ck_assert_uint_eq(target->s.activity, ACTIVITY_WAIT_SIPI);
    send_and_run(APIC_ICR_STARTUP);
    ck_assert_uint_eq(starts, 2);
}
END_TEST

/* The halted core has an atom for it, in which nothing happens (C9). */
START_TEST(costs_a_halted_core_an_atom)
{
    bare_put(&b, BARE_CODE + NEXT, CLI_HLT, 4);
    send_and_run(APIC_ICR_STARTUP);
    u64 insns = target->s.count.insns, cycle = sender->s.cycle;
    send(APIC_ICR_STARTUP, cycle);
    run(4000);
    ck_assert_uint_eq(target->s.activity, ACTIVITY_HLT);
    ck_assert_uint_eq(target->s.count.insns, insns);
    ck_assert_uint_eq(target->s.cycle, cycle + LATENCY);
}
END_TEST

/* Where no one else runs, that is the end of it. */
START_TEST(parks_the_machine_after_it)
{
    bare_put(&b, BARE_CODE + NEXT, CLI_HLT, 4);
    send_and_run(APIC_ICR_STARTUP);
    bare_put(&b, BARE_CODE, CLI_HLT, 4);
    send(APIC_ICR_STARTUP, sender->s.cycle);
    expect_end("any core");
    ck_assert_uint_eq(target->s.ipi_sipi_due[0], 0);
}
END_TEST

/* Not a word of HLT where no one has executed it. */
START_TEST(says_that_all_wait_for_one)
{
    sender->s.activity = ACTIVITY_WAIT_SIPI;
    expect_end("all cores wait for a start-up IPI");
    ck_assert_ptr_null(strstr(rs_halt_text(b.machine), "HLT"));
}
END_TEST

START_TEST(says_who_is_in_hlt)
{
    bare_put(&b, BARE_CODE + NEXT, CLI_HLT, 4);
    send_and_run(APIC_ICR_STARTUP);
    sender->s.activity = ACTIVITY_WAIT_SIPI;
    expect_end("HLT of core 2");
}
END_TEST

/* ---- several on their way, to a core in a long atom ---- */

#define I APIC_ICR_INIT
#define S APIC_ICR_STARTUP

/* In the order in which they are sent; `at` says when they arrive. */
static const struct flight {
    struct {
        u64 mode, at;
    } sent[4];
    unsigned starts;
    u64 activity;
} flights[] = {
    {{{S, 100}, {I, 200}}, 0, ACTIVITY_WAIT_SIPI},
    {{{I, 100}, {S, 200}}, 1, ACTIVITY_ACTIVE},
    {{{S, 200}, {I, 100}}, 1, ACTIVITY_ACTIVE}, /* one core's atom was longer than another's */
    {{{I, 200}, {S, 100}}, 0, ACTIVITY_WAIT_SIPI},
    {{{S, 100}, {I, 200}, {S, 300}}, 1, ACTIVITY_ACTIVE},
    {{{S, 100}, {S, 300}, {I, 200}}, 0, ACTIVITY_WAIT_SIPI}, /* the second had become part of the first */
    {{{S, 300}, {I, 200}, {S, 100}}, 1, ACTIVITY_ACTIVE},
    {{{I, 200}, {S, 300}, {S, 250}}, 1, ACTIVITY_ACTIVE},
    {{{I, 200}, {S, 200}}, 0, ACTIVITY_WAIT_SIPI},                  /* in the same cycle */
    {{{I, 200}, {S, 300}, {S, 400}, {I, 500}}, 1, ACTIVITY_ACTIVE}, /* the second INIT is part of the first */
    {{{S, 100}, {S, 200}}, 0, ACTIVITY_ACTIVE},
};

START_TEST(arrive_in_the_order_of_their_cycles)
{
    const struct flight *f = &flights[_i];
    bare_put(&b, BARE_CODE + NEXT, SPIN, 2);
    send_and_run(APIC_ICR_STARTUP);
    starts = 0;
    u64 now = sender->s.cycle + 1000;
    for (unsigned k = 0; k < 4 && f->sent[k].mode; k++)
        send(f->sent[k].mode, now + f->sent[k].at - LATENCY);
    target->s.cycle = now + 1000;
    run(10000);
    ck_assert_uint_eq(starts, f->starts);
    ck_assert_uint_eq(target->s.activity, f->activity);
    ck_assert(!target->s.ipi_sipi_due[0] && !target->s.ipi_sipi_due[1] && !target->s.ipi_init_due);
}
END_TEST

/* ---- in VMX operation ---- */

static struct core *c;

static void set_up_guest(void)
{
    guest_open(&b);
    c = b.core;
}

/* All of it arrives while the VMXOFF runs, which ends the INIT's being blocked: the INIT comes last. */
START_TEST(vmxoff_finds_nobody_waiting)
{
    bare_put(&b, c->s.rip, VMXOFF SPIN, 5);
    c->s.ipi_init_due = c->s.cycle;
    c->s.ipi_sipi_due[1] = c->s.cycle + 5;
    c->s.ipi_nmi_due = c->s.ipi_first_due = c->s.cycle + 5;
    c->rt.look_again = 0;
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_WAIT_SIPI);
    ck_assert(!c->s.ipi_init_due && !c->s.ipi_sipi_due[0] && !c->s.ipi_sipi_due[1]);
    ck_assert(!c->s.ipi_nmi_due && !c->s.nmi_pending);
}
END_TEST

/* One that arrives while the VMLAUNCH runs is dropped, and the next is the guest's. */
START_TEST(vm_entry_finds_nobody_waiting)
{
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
    u64 start = c->s.cycle;
    c->s.ipi_sipi_due[0] = start + 5;
    c->s.ipi_sipi_due[1] = start + 5000;
    c->s.ipi_sipi_vector[1] = 0x31;
    guest_launch(&b);
    ck_assert_uint_eq(c->s.ipi_sipi_due[0], 0);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_SIPI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 0x31);
    ck_assert_uint_gt(c->s.cycle, start + 5000);
}
END_TEST

START_TEST(says_that_a_guest_waits)
{
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
    guest_launch(&b);
    expect_end("the core waits for a start-up IPI");
    ck_assert_ptr_nonnull(strstr(rs_halt_text(b.machine), "guest"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("startup");
    TCase *t = tcase_create("startup");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, dropped_by_who_does_not_wait, 0, 2);
    tcase_add_test(t, costs_a_halted_core_an_atom);
    tcase_add_test(t, parks_the_machine_after_it);
    tcase_add_test(t, says_that_all_wait_for_one);
    tcase_add_test(t, says_who_is_in_hlt);
    tcase_add_loop_test(t, arrive_in_the_order_of_their_cycles, 0, sizeof flights / sizeof *flights);
    TCase *g = tcase_create("in VMX operation");
    tcase_add_checked_fixture(g, set_up_guest, tear_down);
    tcase_add_test(g, vmxoff_finds_nobody_waiting);
    tcase_add_test(g, vm_entry_finds_nobody_waiting);
    tcase_add_test(g, says_that_a_guest_waits);
    suite_add_tcase(s, t);
    suite_add_tcase(s, g);
    return suite_run(s);
}
