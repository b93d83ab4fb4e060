/* test_vmx_ve.c - EPT violations that become #VE (SDM vol. 3, 25.5.7 "Virtualization Exceptions"). */
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/guest_ept.h"
#include "lib/suite.h"
#include "mmu/walk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define AREA 0x96000u
#define READ (QUAL_EPT_READ | QUAL_EPT_LINEAR_VALID | QUAL_EPT_TRANSLATED)

/* entry: of EPT_PAGE, in EPT. */
static void use_ve(u64 entry)
{
    ept_use(&b, 0, 0);
    ept_control(&b, PROC2_EPT_VE);
    guest_set(c, VMCS_VE_INFORMATION_ADDRESS, AREA);
    guest_set(c, VMCS_EPTP_INDEX, 5);
    bare_set_u64(&b, ept_entry(0, EPT_PAGE), entry);
    bare_set_u64(&b, EPT_PAGE + 8, 0x5555);
    c->s.gpr[REG_RBX] = EPT_PAGE + 8;
    c->s.gpr[REG_RAX] = 0x1234;
}

static void check_ve(void)
{
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.event_valid, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_VE);
    ck_assert_uint_eq(c->s.event_has_error, 0);
    ck_assert_uint_eq(c->s.count.vm_exits, 0);
}

static void check_information(u64 qualification, u64 gpa, u64 gva)
{
    ck_assert_uint_eq(bare_u64(&b, AREA), EXIT_EPT_VIOLATION | 0xffffffffull << 32);
    ck_assert_uint_eq(bare_u64(&b, AREA + VE_QUALIFICATION), qualification);
    ck_assert_uint_eq(bare_u64(&b, AREA + VE_GUEST_LINEAR), gva);
    ck_assert_uint_eq(bare_u64(&b, AREA + VE_GUEST_PHYSICAL), gpa);
}

static struct rs_event told;

static void hear(const struct rs_event *e, void *arg)
{
    (void)arg;
    told = *e;
}

/* ---- converted ---- */

START_TEST(a_page_that_is_not_there)
{
    use_ve(0);
    guest_launch(&b);
    rs_watch(c->m->world, RS_PROBE_ve, true, hear, NULL);
    bare_set_u64(&b, AREA + VE_EPTP_INDEX, ~0ull);
    u64 cr2 = c->s.cr2, rsp = c->s.gpr[REG_RSP];
    GUEST_RUN(&b, LOAD_RBX_RAX);
    check_ve();
    check_information(READ, EPT_PAGE + 8, EPT_PAGE + 8);
    ck_assert_uint_eq(bare_u64(&b, AREA + VE_EPTP_INDEX), 0xffffffffffff0005); /* 16 bits */
    ck_assert_uint_eq(told.field[0], READ);
    ck_assert_uint_eq(told.field[3], 5);
    ck_assert_int_eq(walk_of(c)->owner, RS_EPT_VE);
    ck_assert_ptr_nonnull(strstr(walk_of(c)->fault_text, "(#VE, no exit)"));
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_VE));
    ck_assert_uint_eq(rsp - c->s.gpr[REG_RSP], 5 * 8); /* no error code */
    ck_assert_uint_eq(bare_frame(&b, 0), GUEST_CODE);
    ck_assert_uint_eq(bare_frame(&b, 2), FLAG_FIXED | FLAG_RF);
    ck_assert_uint_eq(c->s.cr2, cr2);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x1234);
}
END_TEST

START_TEST(a_write_that_is_refused)
{
    use_ve(EPT_PAGE | EPT_R | EPT_WB);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x5555);
    GUEST_RUN(&b, STORE_RAX_RBX);
    check_ve();
    check_information(QUAL_EPT_WRITE | QUAL_EPT_READABLE | QUAL_EPT_LINEAR_VALID | QUAL_EPT_TRANSLATED,
                      EPT_PAGE + 8, EPT_PAGE + 8);
}
END_TEST

/* Once the handler has cleared the busy field and the hypervisor has the page, it goes on. */
START_TEST(once_more_after_the_handler)
{
    use_ve(0);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    bare_atoms(&b, 1);
    bare_set_u64(&b, AREA, 0);
    GUEST_RUN(&b, "\x48\xcf"); /* iretq */
    GUEST_RUN(&b, LOAD_RBX_RAX);
    check_ve();
    bare_atoms(&b, 1);
    bare_set_u64(&b, ept_entry(0, EPT_PAGE), EPT_PAGE | EPT_RWX | EPT_WB);
    GUEST_RUN(&b, "\x48\xcf");
    GUEST_RUN(&b, LOAD_RBX_RAX);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x5555);
}
END_TEST

START_TEST(the_index_of_a_switch)
{
    use_ve(0);
    ept_control(&b, PROC2_VMFUNC);
    guest_set(c, VMCS_VM_FUNCTIONS, VMFUNC_EPTP_SWITCHING);
    guest_set(c, VMCS_EPTP_LIST_ADDRESS, 0x97000);
    bare_set_u64(&b, 0x97000 + 8 * 300, guest_get(c, VMCS_EPTP));
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 0;
    c->s.gpr[REG_RCX] = 300;
    GUEST_RUN(&b, VMFUNC);
    ck_assert_uint_eq(guest_get(c, VMCS_EPTP_INDEX), 300);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    check_ve();
    ck_assert_uint_eq(bare_u64(&b, AREA + VE_EPTP_INDEX), 300);
}
END_TEST

/* Rule E11: one line of the area is missed, under stall_vmx. */
START_TEST(time)
{
    use_ve(0);
    guest_launch(&b);
    GUEST_RUN(&b, NOP_1);
    u64 before = c->s.count.stall_vmx;
    GUEST_RUN(&b, LOAD_RBX_RAX);
    check_ve();
    ck_assert_uint_eq(c->s.count.stall_vmx - before, c->m->p.l2_latency + c->m->p.mem_latency);
}
END_TEST

/* 25.5.7.2: what the exit would have said, "NMI unblocking due to IRET" too. */
START_TEST(unblocking_shows)
{
    use_ve(0);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, _i ? BLOCKING_NMI : 0);
    guest_set(c, VMCS_GUEST_RSP, EPT_PAGE + 0x800);
    guest_launch(&b);
    GUEST_RUN(&b, "\x48\xcf");
    check_ve();
    check_information(READ | (_i ? QUAL_EPT_NMI_UNBLOCKING : 0), EPT_PAGE + 0x800, EPT_PAGE + 0x800);
}
END_TEST

/* ---- which entry decides (25.5.7.1 "Convertible EPT Violations") ---- */

START_TEST(suppressed)
{
    const u64 entry[] = {EPT_SUPPRESS_VE, EPT_PAGE | EPT_X | EPT_WB | EPT_SUPPRESS_VE};
    use_ve(entry[_i]);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    guest_check_exit(EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PHYSICAL_ADDRESS), EPT_PAGE + 8);
    ck_assert_uint_eq(bare_u64(&b, AREA), 0);
}
END_TEST

/* Of an entry that points to a table bit 63 says nothing, unless it is not present. */
START_TEST(bit_63_of_a_table)
{
    u64 pde = EPT_TABLES(0) + 0x2018;
    use_ve(0);
    bare_set_u64(&b, pde, _i ? EPT_SUPPRESS_VE : bare_u64(&b, pde) | EPT_SUPPRESS_VE);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    if (_i)
        guest_check_exit(EXIT_EPT_VIOLATION);
    else
        check_ve();
}
END_TEST

/* Setting A in a guest's entry, in a page of tables that EPT makes read-only and the nested TLB knows. */
START_TEST(a_guest_table)
{
    use_ve(EPT_PAGE | EPT_RWX | EPT_WB);
    u64 table = BARE_PML4 + 0x2000, pde = bare_u64(&b, table);
    bare_set_u64(&b, table, pde | PTE_A | PTE_D);
    bare_set_u64(&b, ept_entry(0, table), table | EPT_R | EPT_WB | (_i ? EPT_SUPPRESS_VE : 0));
    guest_launch(&b);
    GUEST_RUN(&b, NOP_1);
    u64 hits = c->s.count.ntlb_hits;
    GUEST_RUN(&b, LOAD_RBX_RAX);
    ck_assert_uint_gt(c->s.count.ntlb_hits, hits);
    if (_i) {
        guest_check_exit(EXIT_EPT_VIOLATION);
        return;
    }
    check_ve();
    check_information(QUAL_EPT_READ | QUAL_EPT_WRITE | QUAL_EPT_READABLE | QUAL_EPT_LINEAR_VALID, table + 24,
                      EPT_PAGE + 8);
}
END_TEST

START_TEST(misconfigurations_exit)
{
    use_ve(EPT_PAGE | EPT_W | EPT_WB);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    guest_check_exit(EXIT_EPT_MISCONFIG);
}
END_TEST

/* ---- what else must hold ---- */

START_TEST(without_the_control)
{
    use_ve(0);
    guest_set(c, VMCS_PROC2_CONTROLS, PROC2_EPT);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    guest_check_exit(EXIT_EPT_VIOLATION);
}
END_TEST

/* The 32 bits at offset 4; those at 0 do not count.  Where there is no memory they read as ones. */
START_TEST(busy)
{
    use_ve(0);
    bare_set_u64(&b, AREA, _i == 1 ? 0x80000000ull << 32 : 0xffffffff);
    if (_i == 2)
        guest_set(c, VMCS_VE_INFORMATION_ADDRESS, PHYS_MASK & ~(u64)0xfff);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    if (_i == 0) {
        check_ve();
        return;
    }
    guest_check_exit(EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), READ);
    ck_assert_uint_eq(bare_u64(&b, AREA + VE_QUALIFICATION), 0);
    ck_assert_ptr_nonnull(strstr(walk_of(c)->fault_text, "(exit 48)"));
}
END_TEST

START_TEST(not_while_an_event_is_delivered)
{
    use_ve(0);
    guest_set(c, VMCS_GUEST_RSP, EPT_PAGE + 0x800);
    guest_launch(&b);
    GUEST_RUN(&b, "\x0f\x0b"); /* ud2 */
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    ck_assert_uint_eq(bare_u64(&b, AREA), 0);
}
END_TEST

/* ---- delivery (25.5.7.3 "Delivery of Virtualization Exceptions") ---- */

START_TEST(the_bitmap_makes_it_exit)
{
    use_ve(0);
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_VE);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    ck_assert_ptr_nonnull(strstr(walk_of(c)->fault_text, "(exit 0, #VE)"));
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), INTR_INFO(VEC_VE, EVENT_HARD_EXCEPTION));
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 0);
    check_information(READ, EPT_PAGE + 8, EPT_PAGE + 8);
}
END_TEST

/* Its own stack is on a page that is not there. */
START_TEST(a_delivery_that_fails_names_it)
{
    use_ve(0);
    guest_set(c, VMCS_GUEST_RSP, EPT_PAGE + 0x800);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    check_ve();
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), INTR_INFO(VEC_VE, EVENT_HARD_EXCEPTION));
}
END_TEST

/* As severe as a page fault: #NP in its delivery makes #DF. */
START_TEST(a_fault_in_its_delivery_is_a_double_fault)
{
    use_ve(0);
    bare_gate(&b, VEC_VE, bare_handler(VEC_VE), BARE_CS0, SYS_INTERRUPT_GATE, 0);
    guest_launch(&b);
    GUEST_RUN(&b, LOAD_RBX_RAX);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_valid, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_DF);
}
END_TEST

/* ---- who looks on, and what is offered ---- */

START_TEST(a_look_writes_nothing)
{
    struct rs_walk w;
    use_ve(0);
    guest_launch(&b);
    rs_translate(b.machine, 0, EPT_PAGE, RS_READ, true, &w);
    ck_assert_int_eq(w.owner, RS_EPT_VE);
    ck_assert_uint_eq(bare_u64(&b, AREA), 0);
    bare_set_u64(&b, AREA, 1ull << 32);
    rs_translate(b.machine, 0, EPT_PAGE, RS_READ, true, &w);
    ck_assert_int_eq(w.owner, RS_EPT_VIOLATION);
}
END_TEST

START_TEST(needs_ept)
{
    ck_assert_uint_ne(vmx_allowed(c, VMX_PROC2).may & PROC2_EPT_VE, 0);
    b.machine->b.firmware &= ~(u64)RS_FW_EPT;
    ck_assert_uint_eq(vmx_allowed(c, VMX_PROC2).may & PROC2_EPT_VE, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx virtualization exceptions");
    TCase *t = tcase_create("converted");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_test(t, a_page_that_is_not_there);
    tcase_add_test(t, a_write_that_is_refused);
    tcase_add_test(t, once_more_after_the_handler);
    tcase_add_test(t, the_index_of_a_switch);
    tcase_add_test(t, time);
    tcase_add_loop_test(t, unblocking_shows, 0, 2);
    tcase_add_test(t, the_bitmap_makes_it_exit);
    tcase_add_test(t, a_delivery_that_fails_names_it);
    tcase_add_test(t, a_fault_in_its_delivery_is_a_double_fault);
    tcase_add_test(t, a_look_writes_nothing);
    suite_add_tcase(s, t);

    t = tcase_create("conditions");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_loop_test(t, suppressed, 0, 2);
    tcase_add_loop_test(t, bit_63_of_a_table, 0, 2);
    tcase_add_loop_test(t, a_guest_table, 0, 2);
    tcase_add_test(t, misconfigurations_exit);
    tcase_add_test(t, without_the_control);
    tcase_add_loop_test(t, busy, 0, 3);
    tcase_add_test(t, not_while_an_event_is_delivered);
    tcase_add_test(t, needs_ept);
    suite_add_tcase(s, t);
    return suite_run(s);
}
