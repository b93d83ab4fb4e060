/* test_vmx_function.c - VMFUNC and EPTP switching (SDM vol. 3, 25.5.6 "VM Functions"). */
#include "cpu/cpu.h"
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/guest_ept.h"
#include "lib/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define LIST  0x96000u
#define OTHER 0x620000u /* where the second hierarchy has EPT_PAGE and GUEST_CODE */

static u64 eptp(unsigned i)
{
    return EPT_TABLES(i) | EPTP_WB | EPTP_WALK_4;
}

/* Two hierarchies, both in the list. */
static void use_list(void)
{
    ept_use(&b, 0, 0);
    ept_control(&b, PROC2_VMFUNC);
    guest_set(c, VMCS_VM_FUNCTIONS, VMFUNC_EPTP_SWITCHING);
    guest_set(c, VMCS_EPTP_LIST_ADDRESS, LIST);
    bare_set_u64(&b, LIST, eptp(0));
    bare_set_u64(&b, LIST + 8 * 511, ept_make(&b, 1, 0));
    bare_set_u64(&b, ept_entry(1, EPT_PAGE), OTHER | EPT_RWX | EPT_WB);
    bare_set_u64(&b, EPT_PAGE, 0x1111);
    bare_set_u64(&b, OTHER, 0x2222);
    c->s.gpr[REG_RBX] = EPT_PAGE;
    c->s.gpr[REG_RAX] = 0;
    c->s.gpr[REG_RCX] = 511;
}

static void use_vpid(void)
{
    ept_control(&b, PROC2_VPID);
    guest_set(c, VMCS_VPID, 7);
}

static void run(const char *bytes, size_t n)
{
    bare_put(&b, c->s.rip, bytes, n);
    bare_atoms(&b, 1);
}
#define RUN(bytes) run(bytes, sizeof(bytes) - 1)

static void switch_to(u64 index)
{
    u64 rax = c->s.gpr[REG_RAX];
    c->s.gpr[REG_RAX] = 0;
    c->s.gpr[REG_RCX] = index;
    RUN(VMFUNC);
    c->s.gpr[REG_RAX] = rax;
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.event_valid, 0);
}

static u64 loaded(void)
{
    RUN(LOAD_RBX_RAX);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    return c->s.gpr[REG_RAX];
}

/* ---- it works ---- */

START_TEST(switches)
{
    use_list();
    guest_launch(&b);
    ck_assert_uint_eq(loaded(), 0x1111);
    c->s.rflags |= FLAG_CF | FLAG_ZF;
    u64 rip = c->s.rip, rflags = c->s.rflags;
    switch_to(511);
    ck_assert_uint_eq(c->s.rip, rip + 3);
    ck_assert_uint_eq(c->s.rflags, rflags);
    ck_assert_uint_eq(c->s.gpr[REG_RCX], 511);
    ck_assert_uint_eq(guest_get(c, VMCS_EPTP), eptp(1));
    ck_assert_uint_eq(loaded(), 0x2222);
    switch_to(0);
    ck_assert_uint_eq(loaded(), 0x1111);
    ck_assert_uint_eq(c->s.count.vm_exits, 0);
}
END_TEST

/* EAX and ECX alone count, and no privilege is needed. */
START_TEST(anybody_may)
{
    use_list();
    bare_set_u64(&b, ept_entry(1, BARE_USER), OTHER | EPT_RWX | EPT_WB);
    guest_launch(&b);
    bare_enter_user(&b);
    c->s.gpr[REG_RAX] = 0xffffffff00000000;
    c->s.gpr[REG_RCX] = 0xffffffff000001ff;
    bare_put(&b, c->s.rip, VMFUNC, 3);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx.eptp, eptp(1));
    ck_assert_uint_eq(c->s.event_valid, 0);
}
END_TEST

/* What comes next is fetched by the new tables, though the line was in the fetch buffer. */
START_TEST(the_next_fetch_is_of_the_new_tables)
{
    use_list();
    bare_set_u64(&b, ept_entry(1, GUEST_CODE), (OTHER + 0x1000) | EPT_RWX | EPT_WB);
    bare_put(&b, GUEST_CODE, VMFUNC "\xb8\x01\0\0\0", 8); /* mov $1,%eax */
    bare_put(&b, OTHER + 0x1003, "\xb8\x02\0\0\0", 5);
    guest_launch(&b);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 2);
}
END_TEST

START_TEST(flags_are_those_of_the_new_eptp)
{
    use_list();
    bare_set_u64(&b, LIST + 8, eptp(1) | EPTP_AD);
    guest_launch(&b);
    switch_to(1);
    ck_assert_uint_eq(loaded(), 0x2222);
    ck_assert_uint_eq(bare_u64(&b, ept_entry(1, EPT_PAGE)) & (EPT_A | EPT_D), EPT_A);
    ck_assert_uint_eq(bare_u64(&b, ept_entry(0, EPT_PAGE)) & (EPT_A | EPT_D), 0);
}
END_TEST

START_TEST(the_next_entry_goes_on_with_it)
{
    use_list();
    guest_launch(&b);
    switch_to(511);
    RUN(VMCALL);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    GUEST_RUN(&b, VMRESUME);
    ck_assert_uint_eq(loaded(), 0x2222);
}
END_TEST

/* ---- mappings (28.4.3.1) ---- */

/* With VPIDs both hierarchies keep theirs; without them the combined ones of VPID 0 go, and the
 * guest-physical ones stay. */
START_TEST(mappings_are_tagged)
{
    use_list();
    if (_i)
        use_vpid();
    guest_launch(&b);
    for (unsigned i = 0; i < 2; i++) {
        loaded();
        switch_to(511);
        loaded();
        switch_to(0);
    }
    u64 walks = c->s.count.walks, saved = c->s.count.ntlb_hits, nested = c->s.count.walk_refs_nested;
    ck_assert_uint_eq(loaded(), 0x1111);
    ck_assert_int_eq(c->s.count.walks == walks, _i);
    ck_assert_int_eq(c->s.count.ntlb_hits > saved, !_i);
    ck_assert_uint_eq(c->s.count.walk_refs_nested, nested);
}
END_TEST

/* A switch invalidates nothing of the hierarchy that it leaves or enters, and INVEPT of the one spares the
 * other: what has changed in its tables is seen when its own mappings go. */
START_TEST(a_change_is_seen_after_invept_of_its_own_eptp)
{
    use_list();
    use_vpid();
    guest_launch(&b);
    loaded();
    switch_to(511);
    ck_assert_uint_eq(loaded(), 0x2222);
    switch_to(0);
    bare_set_u64(&b, ept_entry(1, EPT_PAGE), EPT_PAGE | EPT_RWX | EPT_WB);
    mmu_flush_ept(c, true, eptp(0), FLUSH_INVEPT);
    switch_to(511);
    ck_assert_uint_eq(loaded(), 0x2222);
    switch_to(0);
    mmu_flush_ept(c, true, eptp(1), FLUSH_INVEPT);
    switch_to(511);
    ck_assert_uint_eq(loaded(), 0x1111);
}
END_TEST

static struct rs_event told[2];

static void hear(const struct rs_event *e, void *arg)
{
    (void)arg;
    told[e->probe == RS_PROBE_vmfunc] = *e;
}

START_TEST(is_told_of)
{
    use_list();
    guest_launch(&b);
    rs_watch(c->m->world, RS_PROBE_vmfunc, true, hear, NULL);
    rs_watch(c->m->world, RS_PROBE_tlb_flush, true, hear, NULL);
    switch_to(511);
    ck_assert_uint_eq(told[1].field[0], 511);
    ck_assert_uint_eq(told[1].field[1], eptp(0));
    ck_assert_str_eq(rs_word(RS_FLUSH, told[0].field[0]), "VMFUNC");
}
END_TEST

/* Rule E10: the list's line is missed the first time, then its own cycles, Z1 and the instruction's own. */
START_TEST(time)
{
    use_list();
    use_vpid();
    guest_launch(&b);
    RUN(NOP_1);
    u64 stall = c->s.count.stall_vmx, serial = c->s.count.stall_serial;
    switch_to(511);
    u64 miss = c->m->p.l2_latency + c->m->p.mem_latency;
    ck_assert_uint_eq(c->s.count.stall_vmx - stall, miss + c->m->p.vmfunc_cycles);
    ck_assert_uint_eq(c->s.count.stall_serial - serial, REDIRECT_CYCLES);
    for (unsigned i = 0; i < 2; i++)
        switch_to(511 * i);
    u64 cycle = c->s.cycle;
    switch_to(511);
    ck_assert_uint_eq(c->s.cycle - cycle, c->m->p.vmfunc_cycles + REDIRECT_CYCLES + 1);
}
END_TEST

/* ---- it does not ---- */

static void check_undefined(void)
{
    ck_assert_uint_eq(c->s.event_valid, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_UD);
    ck_assert_uint_eq(c->s.vmx.eptp, eptp(0));
}

/* In root operation; without the control, though the function's bit is set; functions above 63. */
START_TEST(undefined)
{
    use_list();
    if (_i == 0) {
        c->s.vmx.eptp = eptp(0);
        RUN(VMFUNC);
        check_undefined();
        return;
    }
    if (_i == 1)
        guest_set(c, VMCS_PROC2_CONTROLS, PROC2_EPT);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = _i == 2 ? 64 : _i == 3 ? 0x80000000 : 0;
    RUN(VMFUNC);
    check_undefined();
}
END_TEST

static void check_exit(void)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_VMFUNC);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 3);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
    ck_assert_uint_eq(guest_get(c, VMCS_EPTP), eptp(0));
}

START_TEST(functions_that_are_not_enabled_exit)
{
    use_list();
    guest_set(c, VMCS_VM_FUNCTIONS, _i ? VMFUNC_EPTP_SWITCHING : 0);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = _i ? 63 : 0;
    RUN(VMFUNC);
    check_exit();
}
END_TEST

/* ... though a good one follows the list in memory. */
START_TEST(entries_beyond_the_list_exit)
{
    use_list();
    bare_set_u64(&b, LIST + 8 * EPTP_LIST_ENTRIES, eptp(0));
    guest_launch(&b);
    c->s.gpr[REG_RCX] = 512;
    RUN(VMFUNC);
    check_exit();
}
END_TEST

/* What VM entry would refuse. */
START_TEST(bad_eptps_exit)
{
    const u64 bad[] = {
        0,
        eptp(1) ^ 1,           /* memory type */
        eptp(1) ^ EPTP_WALK_4, /* length of the walk */
        eptp(1) | 0x80,        /* reserved */
        eptp(1) | 1ull << PHYS_BITS,
    };
    use_list();
    bare_set_u64(&b, LIST + 8 * 511, bad[_i]);
    guest_launch(&b);
    RUN(VMFUNC);
    check_exit();
}
END_TEST

START_TEST(list_outside_memory)
{
    use_list();
    guest_set(c, VMCS_EPTP_LIST_ADDRESS, PHYS_MASK & ~(u64)0xfff);
    guest_launch(&b);
    RUN(VMFUNC);
    check_exit();
}
END_TEST

START_TEST(capabilities)
{
    u64 value;
    ck_assert(sys_read_msr(c, MSR_VMX_VMFUNC, &value));
    ck_assert_uint_eq(value, VMFUNC_EPTP_SWITCHING);
    ck_assert_uint_ne(vmx_allowed(c, VMX_PROC2).may & PROC2_VMFUNC, 0);
    b.machine->b.firmware &= ~(u64)RS_FW_EPT;
    ck_assert(!sys_read_msr(c, MSR_VMX_VMFUNC, &value));
    ck_assert_uint_eq(vmx_allowed(c, VMX_PROC2).may & PROC2_VMFUNC, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx functions");
    TCase *t = tcase_create("switching");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_test(t, switches);
    tcase_add_test(t, anybody_may);
    tcase_add_test(t, the_next_fetch_is_of_the_new_tables);
    tcase_add_test(t, flags_are_those_of_the_new_eptp);
    tcase_add_test(t, the_next_entry_goes_on_with_it);
    tcase_add_loop_test(t, mappings_are_tagged, 0, 2);
    tcase_add_test(t, a_change_is_seen_after_invept_of_its_own_eptp);
    tcase_add_test(t, is_told_of);
    tcase_add_test(t, time);
    suite_add_tcase(s, t);

    t = tcase_create("refused");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_loop_test(t, undefined, 0, 4);
    tcase_add_loop_test(t, functions_that_are_not_enabled_exit, 0, 2);
    tcase_add_test(t, entries_beyond_the_list_exit);
    tcase_add_loop_test(t, bad_eptps_exit, 0, 5);
    tcase_add_test(t, list_outside_memory);
    tcase_add_test(t, capabilities);
    suite_add_tcase(s, t);
    return suite_run(s);
}
