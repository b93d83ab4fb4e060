/* test_vmx_msr.c - the lists of MSRs that entry and exit load and store, and the CR3-target list (SDM vol. 3,
 * 26.4, 27.4, 27.6, 27.7, 24.6.7). */
#include "cpu/cpu.h"
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>
#include <string.h>

static struct bare b;
static struct core *c;

/* Each list has room for 512 entries and one more. */
enum { ENTRY_LOAD = 0xa0000, EXIT_STORE = 0xa4000, EXIT_LOAD = 0xa8000 };
#define NO_RAM_THERE 0xf00000000u

static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    guest_set(c, VMCS_ENTRY_MSR_LOAD_ADDRESS, ENTRY_LOAD);
    guest_set(c, VMCS_EXIT_MSR_STORE_ADDRESS, EXIT_STORE);
    guest_set(c, VMCS_EXIT_MSR_LOAD_ADDRESS, EXIT_LOAD);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void put(u64 list, unsigned i, u64 msr, u64 value)
{
    bare_set_u64(&b, list + 16 * i, msr);
    bare_set_u64(&b, list + 16 * i + 8, value);
}

/* ---- what may not be in a list ---- */

struct bad_entry {
    const char *why;
    u64 msr, value;
    const char *rule; /* words of it */
};

#define HIGH_HALF "bits 63:32 of each entry"
#define BASES     "IA32_FS_BASE or IA32_GS_BASE"
#define X2APIC    "x2APIC MSR"
#define REFUSED   "WRMSR at CPL 0"

/* For loading, at entry or exit. */
static const struct bad_entry not_loaded[] = {
    {"IA32_FS_BASE", MSR_FS_BASE, 0, BASES},
    {"IA32_GS_BASE", MSR_GS_BASE, 0, BASES},
    {"the first x2APIC MSR", 0x800, 0, X2APIC},
    {"an x2APIC MSR: the TPR", 0x808, 0, X2APIC},
    {"the last x2APIC MSR", 0x8ff, 0, X2APIC},
    {"bit 32", 1ull << 32 | MSR_TSC_AUX, 0, HIGH_HALF},
    {"bit 63", 1ull << 63 | MSR_TSC_AUX, 0, HIGH_HALF},
    {"IA32_SMM_MONITOR_CTL", 0x9b, 0, REFUSED},
    {"no such MSR", 0x12345, 0, REFUSED},
    {"read-only", MSR_VMX_BASIC, 0, REFUSED},
    {"locked", MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK, REFUSED},
    {"not canonical", MSR_LSTAR, 1ull << 63, REFUSED},
    {"reserved bits of IA32_EFER", MSR_EFER, EFER_LME | EFER_LMA | 2, REFUSED},
    {"LME cleared", MSR_EFER, EFER_SCE, REFUSED},
    {"a reserved memory type", MSR_PAT, 2, REFUSED},
    {"bits 63:32 of IA32_TSC_AUX", MSR_TSC_AUX, 1ull << 32, REFUSED},
};

/* For storing: those that RDMSR may read are stored, the bases too. */
static const struct bad_entry not_stored[] = {
    {"the first x2APIC MSR", 0x800, 0, NULL},
    {"the last x2APIC MSR", 0x8ff, 0, NULL},
    {"bit 32", 1ull << 32 | MSR_TSC_AUX, 0, NULL},
    {"IA32_SMBASE", 0x9e, 0, NULL},
    {"no such MSR", 0x12345, 0, NULL},
};
#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

/* A good entry, the bad one, another good one. */
static void put_three(u64 list, const struct bad_entry *bad)
{
    put(list, 0, MSR_TSC_AUX, 5);
    put(list, 1, bad->msr, bad->value);
    put(list, 2, MSR_STAR, 6);
}

/* ---- VM entry ---- */

static void check_failed_entry(u64 entry)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(c->s.rip, GUEST_HOST);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_ENTRY_FAILURE | EXIT_MSR_LOADING);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), entry);
    ck_assert_uint_eq(c->s.count.vm_entry_failures, 1);
    ck_assert_uint_eq(c->s.count.vm_entries, 0);
}

/* Exit 34 with the number of the entry: what came before is done and stays, nothing behind it is looked at.
 */
START_TEST(entry_fails_at_a_bad_msr)
{
    put_three(ENTRY_LOAD, &not_loaded[_i]);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 3);
    GUEST_RUN(&b, VMLAUNCH);
    ck_assert_msg(c->s.vmx_guest == 0, "entered: %s", not_loaded[_i].why);
    check_failed_entry(2);
    ck_assert_ptr_nonnull(strstr(vmx_rule_text(c->rt.vmx_rule), not_loaded[_i].rule));
    ck_assert_uint_eq(c->s.tsc_aux, 5);
    ck_assert_uint_eq(c->s.star, 0);
}
END_TEST

/* 26.8: the exit's load list is worked off, its store list is not, and the VMCS is still clear. */
START_TEST(a_failed_entry_loads_the_host)
{
    put(ENTRY_LOAD, 0, 0x12345, 0);
    put(EXIT_LOAD, 0, MSR_STAR, 77);
    put(EXIT_STORE, 0, MSR_STAR, 0);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 1);
    guest_set(c, VMCS_EXIT_MSR_LOAD_COUNT, 1);
    guest_set(c, VMCS_EXIT_MSR_STORE_COUNT, 1);
    c->s.star = 3;
    GUEST_RUN(&b, VMLAUNCH);
    check_failed_entry(1);
    ck_assert_uint_eq(c->s.star, 77);
    ck_assert_uint_eq(bare_u64(&b, EXIT_STORE + 8), 0);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    guest_launch(&b);
}
END_TEST

static void fill_list(u64 list)
{
    for (unsigned i = 0; i <= VMX_MSR_LIST_MAX; i++)
        put(list, i, MSR_TSC_AUX, i);
}

/* The length that IA32_VMX_MISC recommends is the longest (A.6: 512 times one more than bits 27:25). */
START_TEST(entry_list_of_the_longest)
{
    u64 misc = 0;
    ck_assert(vmx_read_msr(c, MSR_VMX_MISC, &misc));
    ck_assert_uint_eq(512 * ((misc >> 25 & 7) + 1), VMX_MSR_LIST_MAX);
    fill_list(ENTRY_LOAD);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, VMX_MSR_LIST_MAX);
    guest_launch(&b);
    ck_assert_uint_eq(c->s.tsc_aux, VMX_MSR_LIST_MAX - 1);
}
END_TEST

START_TEST(entry_list_too_long)
{
    static const u32 count[] = {VMX_MSR_LIST_MAX + 1, 0xffffffff};
    fill_list(ENTRY_LOAD);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, count[_i]);
    GUEST_RUN(&b, VMLAUNCH);
    check_failed_entry(VMX_MSR_LIST_MAX + 1);
    ck_assert_ptr_nonnull(strstr(vmx_rule_text(c->rt.vmx_rule), "entry_msr_load_count"));
    ck_assert_uint_eq(c->s.tsc_aux, VMX_MSR_LIST_MAX - 1);
}
END_TEST

/* An address that no RAM answers reads as ones, which are no MSR. */
START_TEST(entry_list_without_ram)
{
    guest_set(c, VMCS_ENTRY_MSR_LOAD_ADDRESS, NO_RAM_THERE);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 2);
    GUEST_RUN(&b, VMLAUNCH);
    check_failed_entry(1);
}
END_TEST

/* An empty list has no address. */
START_TEST(empty_lists_have_no_address)
{
    guest_set(c, VMCS_ENTRY_MSR_LOAD_ADDRESS, 1);
    guest_set(c, VMCS_EXIT_MSR_STORE_ADDRESS, 1);
    guest_set(c, VMCS_EXIT_MSR_LOAD_ADDRESS, UINT64_MAX);
    guest_launch(&b);
}
END_TEST

/* The lists come last: the guest's fields are loaded before, and a later entry counts. */
START_TEST(lists_come_after_the_fields)
{
    guest_set_bits(c, VMCS_ENTRY_CONTROLS, VMENTRY_LOAD_PAT);
    guest_set(c, VMCS_GUEST_SYSENTER_EIP, 0x1000);
    put(ENTRY_LOAD, 0, MSR_SYSENTER_EIP, 0x2000);
    put(ENTRY_LOAD, 1, MSR_PAT, 6);
    put(ENTRY_LOAD, 2, MSR_PAT, 4);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 3);
    guest_launch(&b);
    ck_assert_uint_eq(c->s.sysenter_eip, 0x2000);
    ck_assert_uint_eq(c->s.pat, 4);
}
END_TEST

/* 26.4: LMA of IA32_EFER is not written, whatever the list says. */
START_TEST(lma_is_not_written)
{
    put(ENTRY_LOAD, 0, MSR_EFER, EFER_LME | EFER_SCE);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 1);
    guest_launch(&b);
    ck_assert_uint_eq(c->s.efer, EFER_LME | EFER_LMA | EFER_SCE);
}
END_TEST

static unsigned flushes;

static void count_flush(const struct rs_event *event, void *arg)
{
    (void)arg;
    flushes += event->field[0] == FLUSH_APIC_BASE;
}

/* A write that drops translations does so from a list as well. */
START_TEST(lists_drop_translations)
{
    flushes = 0;
    rs_watch(b.world, RS_PROBE_tlb_flush, true, count_flush, NULL);
    put(ENTRY_LOAD, 0, MSR_APIC_BASE, c->s.apic_base + 0x1000);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 1);
    guest_launch(&b);
    ck_assert_uint_eq(flushes, 1);
}
END_TEST

/* ---- VM exit ---- */

static void leave(void)
{
    guest_launch(&b);
    GUEST_RUN(&b, VMCALL);
}

static void check_abort(enum vmx_abort why)
{
    ck_assert_uint_eq(c->m->b.halted, HALT_VMX_ABORT);
    ck_assert_uint_eq(c->m->b.halt_detail, why);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_SHUTDOWN);
    ck_assert_uint_eq(mem_read(b.machine->mem, GUEST_VMCS + VMCS_ABORT, 4), why);
}

START_TEST(exit_aborts_at_a_bad_load)
{
    put_three(EXIT_LOAD, &not_loaded[_i]);
    guest_set(c, VMCS_EXIT_MSR_LOAD_COUNT, 3);
    leave();
    ck_assert_msg(c->m->b.halted, "no VMX abort: %s", not_loaded[_i].why);
    check_abort(VMX_ABORT_MSR_LOAD);
    ck_assert_uint_eq(c->s.tsc_aux, 5);
    ck_assert_uint_eq(c->s.star, 0);
}
END_TEST

START_TEST(exit_aborts_at_a_bad_store)
{
    put_three(EXIT_STORE, &not_stored[_i]);
    guest_set(c, VMCS_EXIT_MSR_STORE_COUNT, 3);
    c->s.tsc_aux = 9;
    leave();
    ck_assert_msg(c->m->b.halted, "no VMX abort: %s", not_stored[_i].why);
    check_abort(VMX_ABORT_MSR_SAVE);
    ck_assert_uint_eq(bare_u64(&b, EXIT_STORE + 8), 9);
    ck_assert_uint_eq(bare_u64(&b, EXIT_STORE + 40), 6); /* the third is as it was */
}
END_TEST

START_TEST(exit_list_too_long)
{
    u64 list = _i ? EXIT_LOAD : EXIT_STORE;
    fill_list(list);
    guest_set(c, _i ? VMCS_EXIT_MSR_LOAD_COUNT : VMCS_EXIT_MSR_STORE_COUNT, VMX_MSR_LIST_MAX + 1);
    leave();
    check_abort(_i ? VMX_ABORT_MSR_LOAD : VMX_ABORT_MSR_SAVE);
}
END_TEST

START_TEST(exit_lists_of_the_longest)
{
    fill_list(EXIT_LOAD);
    fill_list(EXIT_STORE);
    guest_set(c, VMCS_EXIT_MSR_LOAD_COUNT, VMX_MSR_LIST_MAX);
    guest_set(c, VMCS_EXIT_MSR_STORE_COUNT, VMX_MSR_LIST_MAX);
    c->s.tsc_aux = 9999;
    leave();
    ck_assert_uint_eq(c->m->b.halted, HALT_NONE);
    ck_assert_uint_eq(bare_u64(&b, EXIT_STORE + 16 * (VMX_MSR_LIST_MAX - 1) + 8), 9999);
    ck_assert_uint_eq(c->s.tsc_aux, VMX_MSR_LIST_MAX - 1);
}
END_TEST

/* A failed entry whose host list fails too. */
START_TEST(failed_entry_aborts)
{
    put(ENTRY_LOAD, 0, 0x12345, 0);
    put(EXIT_LOAD, 0, 0x12345, 0);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 1);
    guest_set(c, VMCS_EXIT_MSR_LOAD_COUNT, 1);
    GUEST_RUN(&b, VMLAUNCH);
    check_abort(VMX_ABORT_MSR_LOAD);
}
END_TEST

/* What is stored is the guest's, before anything of the host is loaded; what is loaded, the host's list's,
 * behind its fields. */
START_TEST(stored_before_the_host_is_loaded)
{
    guest_set(c, VMCS_GUEST_FS_BASE, 0x123000);
    guest_set(c, VMCS_GUEST_SYSENTER_EIP, 0x1000);
    guest_set(c, VMCS_HOST_SYSENTER_EIP, 0x2000);
    put(EXIT_STORE, 0, MSR_FS_BASE, 0);
    put(EXIT_STORE, 1, MSR_SYSENTER_EIP, 0);
    put(EXIT_LOAD, 0, MSR_SYSENTER_EIP, 0x3000);
    guest_set(c, VMCS_EXIT_MSR_STORE_COUNT, 2);
    guest_set(c, VMCS_EXIT_MSR_LOAD_COUNT, 1);
    leave();
    ck_assert_uint_eq(bare_u64(&b, EXIT_STORE + 8), 0x123000);
    ck_assert_uint_eq(bare_u64(&b, EXIT_STORE + 24), 0x1000);
    ck_assert_uint_eq(c->s.sysenter_eip, 0x3000);
}
END_TEST

/* ---- the CR3-target list ---- */

enum { TARGETS = 4, COUNTS = TARGETS + 1 };

/* Value j of a list of n: an exit unless it is one of the first n. */
START_TEST(cr3_targets_by_count)
{
    unsigned n = (unsigned)_i / TARGETS, j = (unsigned)_i % TARGETS;
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_CR3_LOAD);
    for (unsigned i = 0; i < TARGETS; i++)
        guest_set(c, VMCS_CR3_TARGET0 + 2 * i, BARE_PML4 | (i == j ? 0 : 0x8000000u + 0x1000 * i));
    guest_set(c, VMCS_CR3_TARGET_COUNT, n);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = BARE_PML4;
    GUEST_RUN(&b, "\x0f\x22\xd8"); /* mov %rax,%cr3 */
    ck_assert_int_eq(c->s.vmx_guest, j < n);
}
END_TEST

/* The whole operand is compared. */
START_TEST(cr3_targets_to_the_last_bit)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_CR3_LOAD);
    guest_set(c, VMCS_CR3_TARGET0, BARE_PML4 | CR3_PCD);
    guest_set(c, VMCS_CR3_TARGET_COUNT, 1);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = BARE_PML4 | (_i ? CR3_PCD : 0);
    GUEST_RUN(&b, "\x0f\x22\xd8");
    ck_assert_int_eq(c->s.vmx_guest, _i);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx msr");
    TCase *t = tcase_create("lists");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, entry_fails_at_a_bad_msr, 0, ROWS(not_loaded));
    tcase_add_loop_test(t, entry_list_too_long, 0, 2);
    tcase_add_loop_test(t, exit_aborts_at_a_bad_load, 0, ROWS(not_loaded));
    tcase_add_loop_test(t, exit_aborts_at_a_bad_store, 0, ROWS(not_stored));
    tcase_add_loop_test(t, exit_list_too_long, 0, 2);
    tcase_add_loop_test(t, cr3_targets_by_count, 0, COUNTS * TARGETS);
    tcase_add_loop_test(t, cr3_targets_to_the_last_bit, 0, 2);
    const TTest *const tests[] = {a_failed_entry_loads_the_host, entry_list_of_the_longest,
                                  entry_list_without_ram,        empty_lists_have_no_address,
                                  lists_come_after_the_fields,   lma_is_not_written,
                                  lists_drop_translations,       exit_lists_of_the_longest,
                                  failed_entry_aborts,           stored_before_the_host_is_loaded};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return suite_run(s);
}
