/* guest_case.c - see guest_case.h. */
#include "lib/guest_case.h"

#include "lib/virtual_apic.h"

#include <check.h>

struct bare b;
struct core *c;

void guest_set_up(void)
{
    guest_open(&b);
    c = b.core;
}

void va_set_up(void)
{
    va_open(&b);
    c = b.core;
}

void guest_tear_down(void)
{
    bare_close(&b);
}

void guest_check_exit(u32 reason)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_str_eq(vmx_reason_name((u32)guest_get(c, VMCS_EXIT_REASON)), vmx_reason_name(reason));
}

void guest_check_no_exit(void)
{
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.event_valid, 0);
}
