/* test_vmx_apic.c - the virtual APIC: TPR shadow, APIC-access page, x2APIC MSRs (SDM vol. 3, 29 "APIC
 * Virtualization and Virtual Interrupts"). */
#include "arch/apic.h"
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/suite.h"
#include "lib/virtual_apic.h"
#include "mmu/mem.h"

#include <check.h>

/* ---- CR8 (29.3 "Virtualizing CR8-Based TPR Accesses") ---- */

START_TEST(cr8_is_the_shadow)
{
    u64 real = c->s.apic_reg[APIC_TPR >> 4], seen;
    guest_launch(&b);
    va_set_page(&b, APIC_TPR, 0xabcdef57);
    GUEST(MOV_CR8_RAX);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 5);
    ck_assert_int_eq(rs_reg(b.machine, 0, "cr8", &seen), RS_OK);
    ck_assert_uint_eq(seen, 5);
    c->s.gpr[REG_RAX] = 9;
    GUEST(MOV_RAX_CR8);
    va_check_no_exit(&b);
    ck_assert_uint_eq(va_page(&b, APIC_TPR), 0x90);
    ck_assert_uint_eq(c->s.apic_reg[APIC_TPR >> 4], real);
    GUEST(VMCALL);
    GUEST(MOV_CR8_RAX); /* the host has its own */
    ck_assert_uint_eq(c->s.gpr[REG_RAX], real >> 4);
}
END_TEST

START_TEST(cr8_has_four_bits)
{
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 16;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
    ck_assert_uint_eq(va_page(&b, APIC_TPR), 0);
}
END_TEST

START_TEST(cr8_exiting_comes_first)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_CR8_LOAD | PROC_CR8_STORE);
    guest_launch(&b);
    GUEST(MOV_CR8_RAX);
    va_check_exit(&b, EXIT_CR_ACCESS, 0x18);
    GUEST(VMRESUME);
    c->s.gpr[REG_RAX] = 3;
    GUEST(MOV_RAX_CR8);
    va_check_exit(&b, EXIT_CR_ACCESS, 8);
    ck_assert_uint_eq(va_page(&b, APIC_TPR), 0);
}
END_TEST

/* 29.1.2 "TPR Virtualization" */
START_TEST(below_the_threshold)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 5);
    va_set_page(&b, APIC_TPR, 0x50);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 5;
    GUEST(MOV_RAX_CR8);
    va_check_no_exit(&b);
    c->s.gpr[REG_RAX] = 4;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(va_page(&b, APIC_TPR), 0x40);
    va_check_trap(&b, EXIT_TPR_BELOW_THRESHOLD, 0);
    ck_assert_uint_eq(c->s.vapic_exit, 0);
}
END_TEST

/* It takes priority over everything that the instruction makes pending: MTF and single step here. */
START_TEST(the_trap_comes_first)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 1);
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_TF);
    va_set_page(&b, APIC_TPR, 0x10);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 0;
    GUEST(MOV_RAX_CR8);
    va_check_trap(&b, EXIT_TPR_BELOW_THRESHOLD, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PENDING_DEBUG), PENDING_DEBUG_BS);
}
END_TEST

/* E7: the page is reached through the L1D. */
START_TEST(cycles_of_cr8)
{
    guest_launch(&b);
    u64 before = c->s.count.stall_vmx;
    GUEST(MOV_CR8_RAX);
    ck_assert_uint_eq(c->s.count.stall_vmx - before, c->m->p.l2_latency + c->m->p.mem_latency);
    before = c->s.count.stall_vmx;
    u64 looks = c->s.count.l1d_lookups;
    c->s.gpr[REG_RAX] = 1;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(c->s.count.stall_vmx, before);
    ck_assert_uint_eq(c->s.count.l1d_lookups, looks + 1);
}
END_TEST

/* A virtual-APIC page outside memory reads as ones and keeps nothing. */
START_TEST(a_page_that_is_nowhere)
{
    guest_set(c, VMCS_VIRTUAL_APIC_ADDRESS, 1ull << 38);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 3;
    GUEST(MOV_RAX_CR8);
    GUEST(MOV_CR8_RAX);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 15);
}
END_TEST

/* ---- the APIC-access page (29.4 "Virtualizing Memory-Mapped APIC Accesses") ---- */

#define LOAD_1  "\x8a\x03" /* mov (%rbx),%al */
#define STORE_1 "\x88\x03" /* mov %al,(%rbx) */
#define LOAD_8  "\x48\x8b\x03"
#define ADD     "\x01\x03" /* add %eax,(%rbx) */
#define JMP     "\xff\xe3" /* jmp *%rbx */

#define KIND(kind) ((u64)QUAL_APIC_##kind << QUAL_APIC_KIND_SHIFT)

/* Fault-like: RIP is the instruction's, RF is set, and nothing has been done. */
static void check_access(u32 offset, u64 kind)
{
    va_check_exit(&b, EXIT_APIC_ACCESS, offset | kind);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS) & FLAG_RF, FLAG_RF);
}

START_TEST(accesses_exit_without_the_shadow)
{
    guest_set(c, VMCS_PROC_CONTROLS, guest_get(c, VMCS_PROC_CONTROLS) & ~(u64)PROC_TPR_SHADOW);
    va_launch_with_page(&b, 0);
    va_at(&b, APIC_TPR);
    u64 rip = c->s.rip;
    GUEST(LOAD);
    check_access(APIC_TPR, KIND(READ));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), rip);
    va_resume(&b);
    GUEST(STORE);
    check_access(APIC_TPR, KIND(WRITE));
    va_resume(&b);
    GUEST(ADD);
    check_access(APIC_TPR, KIND(WRITE));
}
END_TEST

START_TEST(the_task_priority_is_virtualised)
{
    va_launch_with_page(&b, 0);
    va_set_page(&b, APIC_TPR, 0x12345678);
    va_at(&b, APIC_TPR);
    GUEST(LOAD);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x12345678);
    GUEST(LOAD_1);
    c->s.gpr[REG_RAX] = 0xabcdef35;
    GUEST(STORE);
    va_check_no_exit(&b);
    ck_assert_uint_eq(va_page(&b, APIC_TPR), 0x35); /* bytes 3:1 are cleared */
    c->s.gpr[REG_RAX] = 1;
    GUEST(ADD);
    va_check_no_exit(&b);
    ck_assert_uint_eq(va_page(&b, APIC_TPR), 0x36);
    ck_assert_uint_eq(mem_read(b.machine->mem, ACCESS + APIC_TPR, 4), 0);
}
END_TEST

START_TEST(other_accesses_exit)
{
    static const struct {
        const char *bytes;
        u32 length, offset;
        u64 kind;
    } row[] = {
        {LOAD, 2, APIC_EOI, KIND(READ)},       {STORE, 2, APIC_EOI, KIND(WRITE)},
        {LOAD_1, 2, APIC_TPR + 1, KIND(READ)}, {LOAD, 2, APIC_TPR + 1, KIND(READ)},
        {LOAD_8, 3, APIC_TPR, KIND(READ)},     {JMP, 2, APIC_TPR, KIND(FETCH)},
    };
    va_launch_with_page(&b, 0);
    va_at(&b, row[_i].offset);
    bare_put(&b, c->s.rip, row[_i].bytes, row[_i].length);
    bare_atoms(&b, row[_i].kind == KIND(FETCH) ? 2 : 1);
    check_access(row[_i].offset, row[_i].kind);
}
END_TEST

START_TEST(a_write_below_the_threshold)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 3);
    va_set_page(&b, APIC_TPR, 0x30);
    va_launch_with_page(&b, 0);
    va_at(&b, APIC_TPR);
    c->s.gpr[REG_RAX] = 0x2f;
    GUEST(STORE);
    va_check_trap(&b, EXIT_TPR_BELOW_THRESHOLD, 0);
}
END_TEST

/* 26.7.7: not a failed entry but a VM exit, behind the injected event, even in HLT. */
START_TEST(entry_below_the_threshold)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 3);
    va_with_page(&b, 0);
    if (_i)
        guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    else
        guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_GP, EVENT_SOFT_INT));
    guest_set(c, VMCS_ENTRY_INSN_LENGTH, 2);
    guest_launch(&b);
    if (!_i)
        bare_atoms(&b, 1);
    bare_atoms(&b, 1);
    va_check_exit(&b, EXIT_TPR_BELOW_THRESHOLD, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), _i ? GUEST_CODE : bare_handler(VEC_GP));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), _i ? VMX_ACTIVITY_HLT : VMX_ACTIVITY_ACTIVE);
}
END_TEST

/* Only a start-up IPI ends the wait for one. */
START_TEST(entry_below_the_threshold_to_wait)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 3);
    va_with_page(&b, 0);
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
    guest_launch(&b);
    c->s.ipi_sipi_due[0] = c->s.cycle + 100;
    c->s.ipi_sipi_vector[0] = 0x9a;
    bare_atoms(&b, 2);
    va_check_exit(&b, EXIT_SIPI, 0x9a);
}
END_TEST

/* Event delivery reads and pushes 8 bytes: never virtualised. */
START_TEST(events_exit)
{
    va_launch_with_page(&b, 0);
    c->s.gpr[REG_RSP] = ACCESS + 0x800;
    GUEST("\x0f\x0b"); /* ud2 */
    bare_atoms(&b, 1);
    va_check_exit(&b, EXIT_APIC_ACCESS, 0x7f8 | KIND(EVENT));
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
}
END_TEST

/* 29.4.1: A and D are set before the exit; the entry is in the TLB, a small one, and is used again. */
START_TEST(the_page_is_found_by_the_tlb)
{
    struct rs_tlb_view v;
    va_launch_with_page(&b, 0);
    GUEST(LOAD);
    check_access(0, KIND(READ));
    guest_set_bits(c, VMCS_PROC2_CONTROLS, PROC2_VPID);
    guest_set(c, VMCS_VPID, 3);
    va_resume(&b);
    c->s.gpr[REG_RBX] = ACCESS + APIC_TPR;
    GUEST(LOAD);
    u64 walks = c->s.count.walks;
    GUEST(LOAD);
    va_check_no_exit(&b);
    ck_assert_uint_eq(c->s.count.walks, walks);
    size_t i = 0;
    while (rs_tlb_get(b.machine, 0, RS_DTLB, i, &v) && v.va != ACCESS)
        i++;
    ck_assert_uint_eq(v.va, ACCESS);
    ck_assert_uint_eq(v.page_bytes, 4096);
    GUEST(VMCALL);
    guest_set(c, VMCS_PROC2_CONTROLS, PROC2_VPID); /* an entry older than the control: plain memory */
    bare_set_u64(&b, ACCESS + APIC_TPR, 0x99);
    va_resume(&b);
    GUEST(LOAD);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x99);
}
END_TEST

/* 29.4.6.1: the walker meets its own tables there. */
START_TEST(a_guest_table_in_the_page)
{
    enum { EPT = 0xb0000 };
    mem_write(b.machine->mem, EPT, 8, (EPT + 0x1000) | EPT_RWX);
    mem_write(b.machine->mem, EPT + 0x1000, 8, EPT_PS | EPT_WB | EPT_RWX);
    va_with_page(&b, PROC2_EPT);
    guest_set(c, VMCS_EPTP, EPT | EPTP_WB | EPTP_WALK_4);
    guest_set(c, VMCS_APIC_ACCESS_ADDRESS, BARE_PML4);
    guest_launch(&b);
    bare_atoms(&b, 1);
    va_check_exit(&b, EXIT_APIC_ACCESS, KIND(PHYSICAL));
    ck_assert_int_eq(rs_last_walk(b.machine, 0)->owner, RS_APIC_ACCESS);
    ck_assert_uint_eq(rs_last_walk(b.machine, 0)->fault_gpa, BARE_PML4);
}
END_TEST

/* A load in the middle of a block, which has run before: the instructions in front of it have retired, and no
 * more. */
#define LOOP_AND_LOAD \
    "\xff\xc2\xff\xc2\x8b\x4c\x24\x08" /* 1: inc %edx, twice; mov 8(%rsp),%ecx */ \
    "\x8b\x03"                         /* mov (%rbx),%eax */ \
    "\xff\xc6\xeb\xf2"                 /* inc %esi; jmp 1b */

static u64 hash_of_run(unsigned atoms_at_once)
{
    guest_tear_down();
    va_set_up();
    va_launch_with_page(&b, 0);
    bare_put(&b, GUEST_CODE, LOOP_AND_LOAD, sizeof LOOP_AND_LOAD - 1);
    bare_put(&b, GUEST_HOST, "\xeb\xfe", 2); /* jmp . */
    c->s.gpr[REG_RDX] = 0;
    va_at(&b, APIC_TPR);
    for (unsigned i = 0; i < 60; i += atoms_at_once)
        cpu_run(c, atoms_at_once, UINT64_MAX);
    va_at(&b, APIC_EOI);
    for (unsigned i = 0; i < 60; i += atoms_at_once)
        cpu_run(c, atoms_at_once, UINT64_MAX);
    va_check_exit(&b, EXIT_APIC_ACCESS, APIC_EOI | KIND(READ));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 8);
    ck_assert_uint_eq(c->s.gpr[REG_RDX], 22);
    return rs_hash(b.world, RS_HASH_ALL);
}

START_TEST(an_exit_in_a_block)
{
    ck_assert_uint_eq(hash_of_run(60), hash_of_run(1));
}
END_TEST

/* ---- APIC-register virtualization ---- */

START_TEST(registers_are_read_from_the_page)
{
    static const struct {
        u32 offset;
        bool reads, writes;
    } row[] = {
        {APIC_ID, true, true},           {APIC_VERSION, true, false},      {APIC_TPR, true, true},
        {APIC_PPR, false, false},        {APIC_EOI, true, true},           {0xc0, false, false},
        {APIC_LDR, true, true},          {APIC_DFR, true, true},           {APIC_SVR, true, true},
        {APIC_ISR, true, false},         {APIC_TMR + 0x70, true, false},   {APIC_IRR + 0x70, true, false},
        {APIC_ESR, true, true},          {APIC_ESR + 16, false, false},    {APIC_LVT_CMCI, false, false},
        {APIC_ICR_LOW, true, true},      {APIC_ICR_HIGH, true, true},      {APIC_LVT_TIMER, true, true},
        {APIC_LVT_ERROR, true, true},    {APIC_TIMER_INITIAL, true, true}, {APIC_TIMER_CURRENT, false, false},
        {APIC_TIMER_DIVIDE, true, true}, {APIC_SELF_IPI, false, false},
    };
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        u32 offset = row[i].offset;
        i ? va_resume(&b) : va_launch_with_page(&b, PROC2_APIC_REGISTERS);
        va_set_page(&b, offset, 0x5500 + i);
        va_at(&b, offset);
        GUEST(LOAD);
        if (!row[i].reads) {
            check_access(offset, KIND(READ));
            va_resume(&b);
        } else {
            ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x5500 + i);
        }
        c->s.gpr[REG_RAX] = 0x31323334;
        GUEST(STORE);
        if (!row[i].writes) {
            check_access(offset, KIND(WRITE));
            continue;
        }
        if (offset == APIC_TPR || offset == APIC_ICR_HIGH) {
            va_check_no_exit(&b);
            ck_assert_uint_eq(va_page(&b, offset), offset == APIC_TPR ? 0x34 : 0x31000000);
            GUEST(VMCALL);
            continue;
        }
        ck_assert_uint_eq(va_page(&b, offset), 0x31323334);
        va_check_trap(&b, EXIT_APIC_WRITE, offset);
    }
}
END_TEST

START_TEST(bytes_of_registers)
{
    va_launch_with_page(&b, PROC2_APIC_REGISTERS);
    va_set_page(&b, APIC_LDR, 0x44332211);
    va_at(&b, APIC_LDR + 3);
    GUEST(LOAD_1);
    ck_assert_uint_eq(c->s.gpr[REG_RAX] & 0xff, 0x44);
    c->s.gpr[REG_RAX] = 0x77;
    GUEST(STORE_1);
    ck_assert_uint_eq(va_page(&b, APIC_LDR), 0x77332211);
    va_check_trap(&b, EXIT_APIC_WRITE, APIC_LDR + 3);
}
END_TEST

/* lcall with a 16-bit operand pushes two bytes twice: the second write of one operation exits, and nothing is
 * done. */
START_TEST(one_write_an_operation)
{
    va_launch_with_page(&b, PROC2_APIC_REGISTERS);
    bare_set_u64(&b, 0x8000, 0x9000 | BARE_CS0 << 16);
    c->s.gpr[REG_RCX] = 0x8000;
    c->s.gpr[REG_RSP] = ACCESS + APIC_LDR + 4;
    GUEST("\x66\xff\x19"); /* lcallw *(%rcx) */
    va_check_exit(&b, EXIT_APIC_ACCESS, APIC_LDR | KIND(WRITE));
    ck_assert_uint_eq(va_page(&b, APIC_LDR), 0);
}
END_TEST

/* ---- x2APIC MSRs (29.5 "Virtualizing MSR-Based APIC Accesses") ---- */

START_TEST(the_task_priority_msr)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 2);
    va_set_page(&b, APIC_TPR, 0x20);
    va_launch_with_msrs(&b, 0);
    mem_write(b.machine->mem, PAGE + APIC_TPR + 4, 4, 7);
    va_set_msr(&b, X2APIC_MSR(APIC_TPR), 0);
    GUEST(RDMSR);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x20);
    ck_assert_uint_eq(c->s.gpr[REG_RDX], 7);
    va_set_msr(&b, X2APIC_MSR(APIC_TPR), 0x2f);
    GUEST(WRMSR);
    va_check_no_exit(&b);
    ck_assert_uint_eq(bare_u64(&b, PAGE + APIC_TPR), 0x2f);
    va_set_msr(&b, X2APIC_MSR(APIC_TPR), 0x1f);
    GUEST(WRMSR);
    va_check_trap(&b, EXIT_TPR_BELOW_THRESHOLD, 0);
    guest_set(c, VMCS_TPR_THRESHOLD, 1);
    va_resume(&b);
    va_set_msr(&b, X2APIC_MSR(APIC_TPR), 1ull << 32);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
}
END_TEST

/* Without APIC-register virtualization they are the processor's own, which is not in x2APIC mode. */
START_TEST(other_msrs)
{
    va_launch_with_msrs(&b, _i ? PROC2_APIC_REGISTERS : 0);
    va_set_page(&b, APIC_LDR, 0x1234);
    va_set_msr(&b, X2APIC_MSR(APIC_LDR), 0);
    GUEST(RDMSR);
    ck_assert_uint_eq(c->s.event_valid, !_i);
    if (!_i)
        return;
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x1234);
    va_set_msr(&b, 0x8ff, 0); /* no register, and no fault */
    GUEST(RDMSR);
    va_check_no_exit(&b);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
}
END_TEST

START_TEST(msr_bitmaps_come_first)
{
    va_launch_with_msrs(&b, 0);
    mem_write(b.machine->mem, GUEST_BITMAPS + 0x2000 + X2APIC_MSR(APIC_TPR) / 8, 1,
              1u << X2APIC_MSR(APIC_TPR) % 8);
    va_set_msr(&b, X2APIC_MSR(APIC_TPR), 0);
    GUEST(RDMSR);
    va_check_exit(&b, EXIT_RDMSR, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx apic");
    TCase *t = tcase_create("tpr shadow");
    tcase_add_checked_fixture(t, va_set_up, guest_tear_down);
    tcase_add_test(t, cr8_is_the_shadow);
    tcase_add_test(t, cr8_has_four_bits);
    tcase_add_test(t, cr8_exiting_comes_first);
    tcase_add_test(t, below_the_threshold);
    tcase_add_test(t, the_trap_comes_first);
    tcase_add_test(t, cycles_of_cr8);
    tcase_add_test(t, a_page_that_is_nowhere);
    suite_add_tcase(s, t);
    t = tcase_create("apic-access page");
    tcase_add_checked_fixture(t, va_set_up, guest_tear_down);
    tcase_add_test(t, accesses_exit_without_the_shadow);
    tcase_add_test(t, the_task_priority_is_virtualised);
    tcase_add_loop_test(t, other_accesses_exit, 0, 6);
    tcase_add_test(t, a_write_below_the_threshold);
    tcase_add_loop_test(t, entry_below_the_threshold, 0, 2);
    tcase_add_test(t, entry_below_the_threshold_to_wait);
    tcase_add_test(t, events_exit);
    tcase_add_test(t, the_page_is_found_by_the_tlb);
    tcase_add_test(t, a_guest_table_in_the_page);
    tcase_add_test(t, an_exit_in_a_block);
    tcase_add_test(t, registers_are_read_from_the_page);
    tcase_add_test(t, bytes_of_registers);
    tcase_add_test(t, one_write_an_operation);
    suite_add_tcase(s, t);
    t = tcase_create("x2apic msrs");
    tcase_add_checked_fixture(t, va_set_up, guest_tear_down);
    tcase_add_test(t, the_task_priority_msr);
    tcase_add_loop_test(t, other_msrs, 0, 2);
    tcase_add_test(t, msr_bitmaps_come_first);
    suite_add_tcase(s, t);
    return suite_run(s);
}
