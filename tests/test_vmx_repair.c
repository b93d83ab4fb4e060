/* test_vmx_repair.c - what a hypervisor mends after an exit by EPT is seen without INVEPT (SDM vol.
 * 3, 28.4.3.1 "Operations that Invalidate Cached Mappings"): the violation has dropped what it used, and what
 * is not present or misconfigured is never cached. */
#include "cpu/vmx.h"
#include "lib/guest_ept.h"
#include "lib/suite.h"

#include <check.h>

static struct bare b;
static struct core *c;

#define TABLE (EPT_TABLES(0) + 0x2000 + 8 * (EPT_PAGE >> 21)) /* the entry that leads to the page's table */

static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    ept_use(&b, 0, 0);
    bare_put(&b, GUEST_HOST, VMRESUME, 3);
}

static void tear_down(void)
{
    bare_close(&b);
}

/* The entry that is mended, what is wrong with it, and how the guest finds out. */
static const struct {
    u64 at, wrong;
    const char *insn;
    u32 reason;
    bool read_before; /* which is allowed, and fills the caches */
} row[] = {
    {TABLE, EPT_R | EPT_X, STORE_RAX_RBX, EXIT_EPT_VIOLATION, true},
    {TABLE, 0, STORE_RAX_RBX, EXIT_EPT_VIOLATION, false},
    {TABLE, EPT_W, STORE_RAX_RBX, EXIT_EPT_MISCONFIG, false},
    {0, EPT_R | EPT_X | EPT_WB, STORE_RAX_RBX, EXIT_EPT_VIOLATION, true},
    {0, EPT_X | EPT_WB, LOAD_RBX_RAX, EXIT_EPT_VIOLATION, false},
    {0, 0, LOAD_RBX_RAX, EXIT_EPT_VIOLATION, false},
    {0, EPT_RWX | 7 << 3, LOAD_RBX_RAX, EXIT_EPT_MISCONFIG, false},
};
#define ROWS (sizeof row / sizeof *row)

START_TEST(mended)
{
    int i = _i % (int)ROWS;
    u64 at = row[i].at ? row[i].at : ept_entry(0, EPT_PAGE), right = bare_u64(&b, at);
    bare_set_u64(&b, at, (right & EPT_FRAME) | row[i].wrong);
    if (_i >= (int)ROWS) {
        ept_control(&b, PROC2_VPID);
        guest_set(c, VMCS_VPID, 5);
    }
    guest_launch(&b);
    c->s.gpr[REG_RBX] = EPT_PAGE;
    c->s.gpr[REG_RAX] = 0x1234;
    if (row[i].read_before) {
        GUEST_RUN(&b, LOAD_RBX_RAX);
        ck_assert_uint_eq(c->s.vmx_guest, 1);
    }
    bare_put(&b, c->s.rip, row[i].insn, 3);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), row[i].reason);
    bare_set_u64(&b, at, right);
    u64 rip = guest_get(c, VMCS_GUEST_RIP);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.rip, rip + 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx repair");
    TCase *t = tcase_create("repair");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, mended, 0, 2 * ROWS);
    suite_add_tcase(s, t);
    return suite_run(s);
}
