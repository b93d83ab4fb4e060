/* test_vmx_startup.c - INIT and start-up IPIs in VMX operation (SDM vol. 3, 23.8 "Restrictions on VMX
 * Operation", 25.2 "Other Causes of VM Exits"). */
#include "lib/guest_case.h"
#include "lib/suite.h"

#include <check.h>

START_TEST(init_is_blocked_in_root_operation)
{
    bare_put(&b, c->s.rip, "\x90" VMXOFF "\x90", 5);
    c->s.ipi_init_due = c->s.cycle;
    c->rt.look_again = 0;
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.vmx_on, 0);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_ACTIVE);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_WAIT_SIPI);
    ck_assert_uint_eq(c->s.ipi_init_due, 0);
}
END_TEST

START_TEST(init_exits)
{
    guest_launch(&b);
    c->s.ipi_init_due = c->s.cycle;
    c->rt.look_again = 0;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_INIT);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_ACTIVE);
    ck_assert_uint_eq(c->s.ipi_init_due, 0);
}
END_TEST

START_TEST(a_guest_that_waits_exits_by_a_start_up_ipi)
{
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
    guest_launch(&b);
    c->s.nmi_pending = 1; /* blocked in this state */
    c->s.ipi_sipi_due[0] = c->s.cycle + 500;
    c->s.ipi_sipi_vector[0] = 0x9a;
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_SIPI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 0x9a);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_WAIT_SIPI);
}
END_TEST

/* What has come by the end of the entry found a core that did not wait. */
START_TEST(a_start_up_ipi_that_comes_with_the_entry_is_lost)
{
    u64 end = 0;
    for (u64 late = 0; late < 3; late++) {
        if (late) {
            guest_tear_down();
            guest_set_up();
        }
        guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
        c->s.ipi_sipi_due[0] = late ? end + late - 1 : 0;
        guest_launch(&b);
        end = late ? end : c->s.cycle;
        ck_assert_uint_eq(c->s.cycle, end);
        ck_assert_uint_eq(c->s.ipi_sipi_due[0], late == 2 ? end + 1 : 0);
    }
}
END_TEST

START_TEST(init_is_blocked_in_a_guest_that_waits)
{
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
    guest_launch(&b);
    c->s.ipi_init_due = c->s.cycle + 100;
    c->s.ipi_sipi_due[0] = c->s.cycle + 500;
    bare_atoms(&b, 2);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_SIPI);
    ck_assert_uint_ne(c->s.ipi_init_due, 0); /* still pending: root operation blocks it too */
}
END_TEST

START_TEST(no_event_is_injected_into_a_guest_that_waits)
{
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
    guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_NMI, EVENT_NMI));
    GUEST(VMLAUNCH);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON) & 0xffff, EXIT_INVALID_GUEST_STATE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx startup");
    TCase *t = tcase_create("in VMX operation");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_test(t, init_is_blocked_in_root_operation);
    tcase_add_test(t, init_exits);
    tcase_add_test(t, a_guest_that_waits_exits_by_a_start_up_ipi);
    tcase_add_test(t, a_start_up_ipi_that_comes_with_the_entry_is_lost);
    tcase_add_test(t, init_is_blocked_in_a_guest_that_waits);
    tcase_add_test(t, no_event_is_injected_into_a_guest_that_waits);
    suite_add_tcase(s, t);
    return suite_run(s);
}
