/* test_vmx_pml.c - the page-modification log (SDM vol. 3, 28.3.6 "Page-Modification Logging"). */
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/guest_ept.h"
#include "lib/suite.h"
#include "mmu/walk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define LOG       0x96000u
#define FLAGS_SET (EPT_A | EPT_D)

/* bits: of all EPT entries. */
static void use_log(u64 bits, u64 index)
{
    ept_use(&b, bits, EPTP_AD);
    ept_control(&b, PROC2_PML);
    guest_set(c, VMCS_PML_ADDRESS, LOG);
    guest_set(c, VMCS_PML_INDEX, index);
    c->s.gpr[REG_RBX] = EPT_PAGE + 8;
    c->s.gpr[REG_RAX] = 0x1234;
}

/* All flags are set but those of EPT_PAGE. */
static void launch_clean(u64 index)
{
    use_log(FLAGS_SET, index);
    bare_set_u64(&b, ept_entry(0, EPT_PAGE), EPT_PAGE | EPT_RWX | EPT_WB);
    guest_launch(&b);
}

static u64 logged(unsigned index)
{
    return bare_u64(&b, LOG + 8 * index);
}

static u64 page_flags(void)
{
    return bare_u64(&b, ept_entry(0, EPT_PAGE)) & FLAGS_SET;
}

static void check_full(void)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_PML_FULL);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION) & ~(u64)QUAL_EPT_NMI_UNBLOCKING, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PHYSICAL_ADDRESS), 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_LINEAR_ADDRESS), 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 0);
}

/* ---- what is logged ---- */

/* References to the guest's tables are writes (28.3.5): each page of them is logged as its D is set. */
START_TEST(tables_then_data)
{
    use_log(0, 511);
    guest_launch(&b);
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(logged(511), BARE_PML4);
    ck_assert_uint_eq(logged(510), BARE_PML4 + 0x1000);
    ck_assert_uint_eq(logged(509), BARE_PML4 + 0x2000);
    ck_assert_uint_eq(logged(508), EPT_PAGE); /* bits 11:0 are 0; the code's page is not there */
    ck_assert_uint_eq(logged(507), 0);
    GUEST_RUN(&b, VMCALL);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_VMCALL);
    ck_assert_uint_eq(guest_get(c, VMCS_PML_INDEX), 507);
}
END_TEST

START_TEST(reads_are_not_logged)
{
    launch_clean(511);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    ck_assert_uint_eq(page_flags(), EPT_A);
    ck_assert_uint_eq(c->s.vmx.pml_index, 511);
    ck_assert_uint_eq(logged(511), 0);
}
END_TEST

/* D is set once; who clears it must invalidate, or the TLB goes on. */
START_TEST(each_page_once)
{
    launch_clean(5);
    for (unsigned i = 0; i < 2; i++) {
        GUEST_RUN(&b, STORE_RAX_RBX);
        ck_assert_uint_eq(c->s.vmx.pml_index, 4);
    }
    bare_set_u64(&b, ept_entry(0, EPT_PAGE), EPT_PAGE | EPT_RWX | EPT_WB);
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(c->s.vmx.pml_index, 4);
    mmu_flush_ept(c, false, 0, FLUSH_INVEPT);
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(c->s.vmx.pml_index, 3);
    ck_assert_uint_eq(logged(5), EPT_PAGE);
    ck_assert_uint_eq(logged(4), EPT_PAGE);
}
END_TEST

/* Of a large page what has been written is the 4 KiB of the access; D is set for all of it. */
START_TEST(large_page)
{
    use_log(FLAGS_SET, 3);
    bare_set_u64(&b, EPT_TABLES(0) + 0x2018, (EPT_PAGE & ~0x1fffffu) | EPT_RWX | EPT_WB | EPT_PS | EPT_A);
    guest_launch(&b);
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(logged(3), EPT_PAGE);
    c->s.gpr[REG_RBX] += 0x1000;
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(c->s.vmx.pml_index, 2);
}
END_TEST

/* Without accessed and dirty flags for EPT, or without the control. */
START_TEST(nothing_without)
{
    use_log(0, _i ? 511 : 0xffff);
    if (_i)
        guest_set(c, VMCS_PROC2_CONTROLS, PROC2_EPT);
    else
        guest_set(c, VMCS_EPTP, guest_get(c, VMCS_EPTP) & ~EPTP_AD);
    guest_launch(&b);
    GUEST_RUN(&b, STORE_RAX_RBX);
    GUEST_RUN(&b, VMCALL);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_VMCALL);
    ck_assert_uint_eq(guest_get(c, VMCS_PML_INDEX), _i ? 511 : 0xffff);
    ck_assert_uint_eq(logged(511), 0);
    ck_assert_uint_eq(page_flags(), _i ? FLAGS_SET : 0);
}
END_TEST

static struct rs_event heard;

static void hear(const struct rs_event *e, void *arg)
{
    (void)arg;
    heard = *e;
}

/* Rule E9: the log's line is missed once; and who watches hears of it. */
START_TEST(time_and_event)
{
    launch_clean(511);
    rs_watch(c->m->world, RS_PROBE_pml, true, hear, NULL);
    u64 before = c->s.count.stall_vmx;
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(c->s.count.stall_vmx - before, c->m->p.l2_latency + c->m->p.mem_latency);
    ck_assert_uint_eq(heard.field[0], EPT_PAGE);
    ck_assert_uint_eq(heard.field[1], 511);
    ck_assert_uint_eq(heard.field[2], LOG + 0xff8);
    bare_set_u64(&b, ept_entry(0, EPT_PAGE + 0x1000), (EPT_PAGE + 0x1000) | EPT_RWX | EPT_WB);
    c->s.gpr[REG_RBX] += 0x1000;
    before = c->s.count.stall_vmx;
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(c->s.count.stall_vmx, before);
    ck_assert_uint_eq(heard.field[1], 510);
}
END_TEST

/* ---- the log is full ---- */

/* Entry 0 is the last; then the index is FFFFH. */
START_TEST(full_after_entry_0)
{
    launch_clean(0);
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(logged(0), EPT_PAGE);
    ck_assert_uint_eq(c->s.vmx.pml_index, 0xffff);
    bare_set_u64(&b, ept_entry(0, EPT_PAGE + 0x1000), (EPT_PAGE + 0x1000) | EPT_RWX | EPT_WB);
    c->s.gpr[REG_RBX] += 0x1000;
    u64 rip = c->s.rip;
    GUEST_RUN(&b, STORE_RAX_RBX);
    check_full();
    ck_assert_uint_eq(guest_get(c, VMCS_PML_INDEX), 0xffff);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), rip);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS), FLAG_FIXED | FLAG_RF);
    ck_assert_uint_eq(bare_u64(&b, EPT_PAGE + 0x1008), 0); /* the access has not been made */
    ck_assert_uint_eq(bare_u64(&b, ept_entry(0, EPT_PAGE + 0x1000)) & FLAGS_SET, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), 0);
}
END_TEST

/* An accessed flag that would have to be set is enough. */
START_TEST(full_for_a_read)
{
    launch_clean(512);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    check_full();
    ck_assert_uint_eq(page_flags(), 0);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x1234);
    ck_assert_int_eq(walk_of(c)->owner, RS_PML_FULL);
    ck_assert_uint_eq(walk_of(c)->fault_gpa, EPT_PAGE + 8);
    ck_assert_ptr_nonnull(strstr(walk_of(c)->fault_text, "(exit 62)"));
}
END_TEST

START_TEST(full_matters_only_to_flags)
{
    use_log(FLAGS_SET, 0xffff);
    guest_launch(&b);
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(bare_u64(&b, EPT_PAGE + 8), 0x1234);
}
END_TEST

/* An EPT violation of the same access comes first: no flag would be set. */
START_TEST(violation_comes_first)
{
    use_log(FLAGS_SET, 0xffff);
    bare_set_u64(&b, ept_entry(0, EPT_PAGE), EPT_PAGE | EPT_R | EPT_WB);
    guest_launch(&b);
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_EPT_VIOLATION);
}
END_TEST

START_TEST(full_while_an_event_is_delivered)
{
    launch_clean(0xffff);
    c->s.gpr[REG_RSP] = EPT_PAGE + 0x800;
    GUEST_RUN(&b, "\x0f\x0b"); /* ud2 */
    bare_atoms(&b, 1);
    check_full();
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
}
END_TEST

/* The walk comes before what the APIC-access page makes of a write: virtualised or an exit, it is logged. */
START_TEST(the_apic_access_page)
{
    launch_clean(7);
    c->s.vmx.proc |= PROC_TPR_SHADOW;
    c->s.vmx.proc2 |= PROC2_APIC_ACCESSES;
    c->s.vmx.apic_access = EPT_PAGE;
    c->s.vmx.virtual_apic = 0x9e000;
    c->s.gpr[REG_RBX] = EPT_PAGE + (_i ? 0x300 : 0x80);
    GUEST_RUN(&b, "\x89\x03"); /* mov %eax,(%rbx) */
    ck_assert_uint_eq(c->s.vmx_guest, !_i);
    ck_assert_uint_eq(c->s.vmx.pml_index, 6);
    ck_assert_uint_eq(logged(7), EPT_PAGE);
    ck_assert_uint_eq(page_flags(), FLAGS_SET);
    ck_assert_uint_eq(bare_u64(&b, 0x9e080), _i ? 0 : c->s.gpr[REG_RAX] & 0xff);
    ck_assert_uint_eq(bare_u64(&b, c->s.gpr[REG_RBX]), 0);
    if (_i)
        ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_APIC_ACCESS);
}
END_TEST

/* 27.2.1: bit 12 of the qualification. */
START_TEST(full_in_iret_from_nmi)
{
    use_log(FLAGS_SET, 0xffff);
    bare_set_u64(&b, ept_entry(0, EPT_PAGE), EPT_PAGE | EPT_RWX | EPT_WB);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, _i ? BLOCKING_NMI : 0);
    guest_set(c, VMCS_GUEST_RSP, EPT_PAGE + 0x800);
    guest_launch(&b);
    GUEST_RUN(&b, "\x48\xcf");
    check_full();
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), _i ? QUAL_EPT_NMI_UNBLOCKING : 0);
}
END_TEST

/* ---- who looks on ---- */

START_TEST(a_look_logs_nothing)
{
    struct rs_walk w;
    launch_clean(511);
    GUEST_RUN(&b, NOP_1);
    rs_translate(b.machine, 0, EPT_PAGE, RS_WRITE, true, &w);
    ck_assert_int_eq(w.owner, RS_NO_FAULT);
    ck_assert_uint_eq(c->s.vmx.pml_index, 511);
    ck_assert_uint_eq(logged(511), 0);
    c->s.vmx.pml_index = 0xffff;
    rs_translate(b.machine, 0, EPT_PAGE, RS_WRITE, true, &w);
    ck_assert_int_eq(w.owner, RS_PML_FULL);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
}
END_TEST

/* The log may lie where there is no memory: what is written there is lost. */
START_TEST(log_outside_memory)
{
    use_log(0, 511);
    guest_set(c, VMCS_PML_ADDRESS, PHYS_MASK & ~(u64)0xfff);
    guest_launch(&b);
    GUEST_RUN(&b, STORE_RAX_RBX);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.vmx.pml_index, 507);
}
END_TEST

START_TEST(needs_ept)
{
    ck_assert_uint_ne(vmx_allowed(c, VMX_PROC2).may & PROC2_PML, 0);
    b.machine->b.firmware &= ~(u64)RS_FW_EPT;
    ck_assert_uint_eq(vmx_allowed(c, VMX_PROC2).may & PROC2_PML, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx page-modification log");
    TCase *t = tcase_create("logged");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_test(t, tables_then_data);
    tcase_add_test(t, reads_are_not_logged);
    tcase_add_test(t, each_page_once);
    tcase_add_test(t, large_page);
    tcase_add_loop_test(t, nothing_without, 0, 2);
    tcase_add_test(t, time_and_event);
    tcase_add_test(t, a_look_logs_nothing);
    tcase_add_test(t, log_outside_memory);
    tcase_add_test(t, needs_ept);
    suite_add_tcase(s, t);

    t = tcase_create("full");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_test(t, full_after_entry_0);
    tcase_add_test(t, full_for_a_read);
    tcase_add_test(t, full_matters_only_to_flags);
    tcase_add_test(t, violation_comes_first);
    tcase_add_test(t, full_while_an_event_is_delivered);
    tcase_add_loop_test(t, full_in_iret_from_nmi, 0, 2);
    tcase_add_loop_test(t, the_apic_access_page, 0, 2);
    suite_add_tcase(s, t);
    return suite_run(s);
}
