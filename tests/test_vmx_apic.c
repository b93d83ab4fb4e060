/* test_vmx_apic.c - the virtual APIC (SDM vol. 3, 29 "APIC Virtualization and Virtual Interrupts"). */
#include "arch/apic.h"
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>

enum {
    PAGE = 0xa0000,   /* the virtual-APIC page */
    ACCESS = 0xa4000, /* the APIC-access page, somewhere in a page of 2 MiB */
};

static struct bare b;
static struct core *c;

static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
    guest_set(c, VMCS_VIRTUAL_APIC_ADDRESS, PAGE);
}

static void tear_down(void)
{
    bare_close(&b);
}

static u64 page(u32 offset)
{
    return mem_read(b.machine->mem, PAGE + offset, 4);
}

static void set_page(u32 offset, u64 value)
{
    mem_write(b.machine->mem, PAGE + offset, 4, value);
}

#define GUEST(bytes) GUEST_RUN(&b, bytes)

static void check_exit(u32 reason, u64 qualification)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_str_eq(vmx_reason_name((u32)guest_get(c, VMCS_EXIT_REASON)), vmx_reason_name(reason));
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), qualification);
}

static void check_no_exit(void)
{
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.event_valid, 0);
    ck_assert_uint_eq(c->s.vapic_exit, 0);
}

/* The atom behind an instruction whose exit is trap-like. */
static void check_trap(u32 reason, u64 qualification)
{
    u64 next = c->s.rip;
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    bare_atoms(&b, 1);
    check_exit(reason, qualification);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), next);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 0);
}

/* ---- CR8 (29.3 "Virtualizing CR8-Based TPR Accesses") ---- */

#define MOV_CR8_RAX "\x44\x0f\x20\xc0" /* mov %cr8,%rax */
#define MOV_RAX_CR8 "\x44\x0f\x22\xc0" /* mov %rax,%cr8 */

START_TEST(cr8_is_the_shadow)
{
    u64 real = c->s.apic_reg[APIC_TPR >> 4], seen;
    guest_launch(&b);
    set_page(APIC_TPR, 0xabcdef57);
    GUEST(MOV_CR8_RAX);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 5);
    ck_assert_int_eq(rs_reg(b.machine, 0, "cr8", &seen), RS_OK);
    ck_assert_uint_eq(seen, 5);
    c->s.gpr[REG_RAX] = 9;
    GUEST(MOV_RAX_CR8);
    check_no_exit();
    ck_assert_uint_eq(page(APIC_TPR), 0x90);
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
    ck_assert_uint_eq(page(APIC_TPR), 0);
}
END_TEST

START_TEST(cr8_exiting_comes_first)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_CR8_LOAD | PROC_CR8_STORE);
    guest_launch(&b);
    GUEST(MOV_CR8_RAX);
    check_exit(EXIT_CR_ACCESS, 0x18);
    GUEST(VMRESUME);
    c->s.gpr[REG_RAX] = 3;
    GUEST(MOV_RAX_CR8);
    check_exit(EXIT_CR_ACCESS, 8);
    ck_assert_uint_eq(page(APIC_TPR), 0);
}
END_TEST

/* 29.1.2 "TPR Virtualization" */
START_TEST(below_the_threshold)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 5);
    set_page(APIC_TPR, 0x50);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 5;
    GUEST(MOV_RAX_CR8);
    check_no_exit();
    c->s.gpr[REG_RAX] = 4;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(page(APIC_TPR), 0x40);
    check_trap(EXIT_TPR_BELOW_THRESHOLD, 0);
    ck_assert_uint_eq(c->s.vapic_exit, 0);
}
END_TEST

/* It takes priority over everything that the instruction makes pending: MTF and single step here. */
START_TEST(the_trap_comes_first)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 1);
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_TF);
    set_page(APIC_TPR, 0x10);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 0;
    GUEST(MOV_RAX_CR8);
    check_trap(EXIT_TPR_BELOW_THRESHOLD, 0);
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

static void with_page(u32 more)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY);
    guest_set_bits(c, VMCS_PROC2_CONTROLS, PROC2_APIC_ACCESSES | more);
    guest_set(c, VMCS_APIC_ACCESS_ADDRESS, ACCESS);
}

static void launch_with_page(u32 more)
{
    with_page(more);
    guest_launch(&b);
    c->s.gpr[REG_RBX] = ACCESS;
}

#define LOAD    "\x8b\x03" /* mov (%rbx),%eax */
#define STORE   "\x89\x03" /* mov %eax,(%rbx) */
#define LOAD_1  "\x8a\x03" /* mov (%rbx),%al */
#define STORE_1 "\x88\x03" /* mov %al,(%rbx) */
#define LOAD_8  "\x48\x8b\x03"
#define ADD     "\x01\x03" /* add %eax,(%rbx) */
#define JMP     "\xff\xe3" /* jmp *%rbx */

static void at(u32 offset)
{
    c->s.gpr[REG_RBX] = ACCESS + offset;
}

#define KIND(kind) ((u64)QUAL_APIC_##kind << QUAL_APIC_KIND_SHIFT)

/* Fault-like: RIP is the instruction's, RF is set, and nothing has been done. */
static void check_access(u32 offset, u64 kind)
{
    check_exit(EXIT_APIC_ACCESS, offset | kind);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS) & FLAG_RF, FLAG_RF);
}

static void resume(void)
{
    GUEST(VMRESUME);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
}

START_TEST(accesses_exit_without_the_shadow)
{
    guest_set(c, VMCS_PROC_CONTROLS, guest_get(c, VMCS_PROC_CONTROLS) & ~(u64)PROC_TPR_SHADOW);
    launch_with_page(0);
    at(APIC_TPR);
    u64 rip = c->s.rip;
    GUEST(LOAD);
    check_access(APIC_TPR, KIND(READ));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), rip);
    resume();
    GUEST(STORE);
    check_access(APIC_TPR, KIND(WRITE));
    resume();
    GUEST(ADD);
    check_access(APIC_TPR, KIND(WRITE));
}
END_TEST

START_TEST(the_task_priority_is_virtualised)
{
    launch_with_page(0);
    set_page(APIC_TPR, 0x12345678);
    at(APIC_TPR);
    GUEST(LOAD);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x12345678);
    GUEST(LOAD_1);
    c->s.gpr[REG_RAX] = 0xabcdef35;
    GUEST(STORE);
    check_no_exit();
    ck_assert_uint_eq(page(APIC_TPR), 0x35); /* bytes 3:1 are cleared */
    c->s.gpr[REG_RAX] = 1;
    GUEST(ADD);
    check_no_exit();
    ck_assert_uint_eq(page(APIC_TPR), 0x36);
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
        {LOAD, 2, APIC_EOI, KIND(READ)},
        {STORE, 2, APIC_EOI, KIND(WRITE)},
        {LOAD_1, 2, APIC_TPR + 1, KIND(READ)},
        {LOAD, 2, APIC_TPR + 1, KIND(READ)},
        {LOAD_8, 3, APIC_TPR, KIND(READ)},
        {JMP, 2, APIC_TPR, KIND(FETCH)},
    };
    launch_with_page(0);
    at(row[_i].offset);
    bare_put(&b, c->s.rip, row[_i].bytes, row[_i].length);
    bare_atoms(&b, row[_i].kind == KIND(FETCH) ? 2 : 1);
    check_access(row[_i].offset, row[_i].kind);
}
END_TEST

START_TEST(a_write_below_the_threshold)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 3);
    set_page(APIC_TPR, 0x30);
    launch_with_page(0);
    at(APIC_TPR);
    c->s.gpr[REG_RAX] = 0x2f;
    GUEST(STORE);
    check_trap(EXIT_TPR_BELOW_THRESHOLD, 0);
}
END_TEST

/* 26.7.7: not a failed entry but a VM exit, behind the injected event, even in HLT. */
START_TEST(entry_below_the_threshold)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 3);
    with_page(0);
    if (_i)
        guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    else
        guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_GP, EVENT_SOFT_INT));
    guest_set(c, VMCS_ENTRY_INSN_LENGTH, 2);
    guest_launch(&b);
    if (!_i)
        bare_atoms(&b, 1);
    bare_atoms(&b, 1);
    check_exit(EXIT_TPR_BELOW_THRESHOLD, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), _i ? GUEST_CODE : bare_handler(VEC_GP));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), _i ? VMX_ACTIVITY_HLT : VMX_ACTIVITY_ACTIVE);
}
END_TEST

/* Event delivery reads and pushes 8 bytes: never virtualised. */
START_TEST(events_exit)
{
    launch_with_page(0);
    c->s.gpr[REG_RSP] = ACCESS + 0x800;
    GUEST("\x0f\x0b"); /* ud2 */
    bare_atoms(&b, 1);
    check_exit(EXIT_APIC_ACCESS, 0x7f8 | KIND(EVENT));
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
}
END_TEST

/* 29.4.1: A and D are set before the exit; the entry is in the TLB, a small one, and is used again. */
START_TEST(the_page_is_found_by_the_tlb)
{
    struct rs_tlb_view v;
    launch_with_page(0);
    GUEST(LOAD);
    check_access(0, KIND(READ));
    guest_set_bits(c, VMCS_PROC2_CONTROLS, PROC2_VPID);
    guest_set(c, VMCS_VPID, 3);
    resume();
    c->s.gpr[REG_RBX] = ACCESS + APIC_TPR;
    GUEST(LOAD);
    u64 walks = c->s.count.walks;
    GUEST(LOAD);
    check_no_exit();
    ck_assert_uint_eq(c->s.count.walks, walks);
    size_t i = 0;
    while (rs_tlb_get(b.machine, 0, RS_DTLB, i, &v) && v.va != ACCESS)
        i++;
    ck_assert_uint_eq(v.va, ACCESS);
    ck_assert_uint_eq(v.page_bytes, 4096);
    GUEST(VMCALL);
    guest_set(c, VMCS_PROC2_CONTROLS, PROC2_VPID); /* an entry older than the control: plain memory */
    bare_set_u64(&b, ACCESS + APIC_TPR, 0x99);
    resume();
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
    with_page(PROC2_EPT);
    guest_set(c, VMCS_EPTP, EPT | EPTP_WB | EPTP_WALK_4);
    guest_set(c, VMCS_APIC_ACCESS_ADDRESS, BARE_PML4);
    guest_launch(&b);
    bare_atoms(&b, 1);
    check_exit(EXIT_APIC_ACCESS, KIND(PHYSICAL));
    ck_assert_int_eq(rs_last_walk(b.machine, 0)->owner, RS_APIC_ACCESS);
    ck_assert_uint_eq(rs_last_walk(b.machine, 0)->fault_gpa, BARE_PML4);
}
END_TEST

/* ---- APIC-register virtualization ---- */

START_TEST(registers_are_read_from_the_page)
{
    static const struct {
        u32 offset;
        bool reads, writes;
    } row[] = {
        {APIC_ID, true, true},
        {APIC_VERSION, true, false},
        {APIC_TPR, true, true},
        {APIC_PPR, false, false},
        {APIC_EOI, true, true},
        {0xc0, false, false},
        {APIC_LDR, true, true},
        {APIC_DFR, true, true},
        {APIC_SVR, true, true},
        {APIC_ISR, true, false},
        {APIC_TMR + 0x70, true, false},
        {APIC_IRR + 0x70, true, false},
        {APIC_ESR, true, true},
        {APIC_ESR + 16, false, false},
        {APIC_LVT_CMCI, false, false},
        {APIC_ICR_LOW, true, true},
        {APIC_ICR_HIGH, true, true},
        {APIC_LVT_TIMER, true, true},
        {APIC_LVT_ERROR, true, true},
        {APIC_TIMER_INITIAL, true, true},
        {APIC_TIMER_CURRENT, false, false},
        {APIC_TIMER_DIVIDE, true, true},
        {APIC_SELF_IPI, false, false},
    };
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        u32 offset = row[i].offset;
        i ? resume() : launch_with_page(PROC2_APIC_REGISTERS);
        set_page(offset, 0x5500 + i);
        at(offset);
        GUEST(LOAD);
        if (!row[i].reads) {
            check_access(offset, KIND(READ));
            resume();
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
            check_no_exit();
            ck_assert_uint_eq(page(offset), offset == APIC_TPR ? 0x34 : 0x31000000);
            GUEST(VMCALL);
            continue;
        }
        ck_assert_uint_eq(page(offset), 0x31323334);
        check_trap(EXIT_APIC_WRITE, offset);
    }
}
END_TEST

START_TEST(bytes_of_registers)
{
    launch_with_page(PROC2_APIC_REGISTERS);
    set_page(APIC_LDR, 0x44332211);
    at(APIC_LDR + 3);
    GUEST(LOAD_1);
    ck_assert_uint_eq(c->s.gpr[REG_RAX] & 0xff, 0x44);
    c->s.gpr[REG_RAX] = 0x77;
    GUEST(STORE_1);
    ck_assert_uint_eq(page(APIC_LDR), 0x77332211);
    check_trap(EXIT_APIC_WRITE, APIC_LDR + 3);
}
END_TEST

/* lcall with a 16-bit operand pushes two bytes twice: the second write of one operation exits, and nothing is done. */
START_TEST(one_write_an_operation)
{
    launch_with_page(PROC2_APIC_REGISTERS);
    bare_set_u64(&b, 0x8000, 0x9000 | BARE_CS0 << 16);
    c->s.gpr[REG_RCX] = 0x8000;
    c->s.gpr[REG_RSP] = ACCESS + APIC_LDR + 4;
    GUEST("\x66\xff\x19"); /* lcallw *(%rcx) */
    check_exit(EXIT_APIC_ACCESS, APIC_LDR | KIND(WRITE));
    ck_assert_uint_eq(page(APIC_LDR), 0);
}
END_TEST

/* ---- x2APIC MSRs (29.5 "Virtualizing MSR-Based APIC Accesses") ---- */

#define RDMSR "\x0f\x32"
#define WRMSR "\x0f\x30"

static void launch_with_msrs(u32 more)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY | PROC_MSR_BITMAPS);
    guest_set_bits(c, VMCS_PROC2_CONTROLS, PROC2_X2APIC_MODE | more);
    guest_launch(&b);
}

static void set_msr(u32 msr, u64 value)
{
    c->s.gpr[REG_RCX] = msr;
    c->s.gpr[REG_RAX] = (u32)value;
    c->s.gpr[REG_RDX] = value >> 32;
}

START_TEST(the_task_priority_msr)
{
    guest_set(c, VMCS_TPR_THRESHOLD, 2);
    set_page(APIC_TPR, 0x20);
    launch_with_msrs(0);
    mem_write(b.machine->mem, PAGE + APIC_TPR + 4, 4, 7);
    set_msr(X2APIC_MSR(APIC_TPR), 0);
    GUEST(RDMSR);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x20);
    ck_assert_uint_eq(c->s.gpr[REG_RDX], 7);
    set_msr(X2APIC_MSR(APIC_TPR), 0x2f);
    GUEST(WRMSR);
    check_no_exit();
    ck_assert_uint_eq(bare_u64(&b, PAGE + APIC_TPR), 0x2f);
    set_msr(X2APIC_MSR(APIC_TPR), 0x1f);
    GUEST(WRMSR);
    check_trap(EXIT_TPR_BELOW_THRESHOLD, 0);
    guest_set(c, VMCS_TPR_THRESHOLD, 1);
    resume();
    set_msr(X2APIC_MSR(APIC_TPR), 1ull << 32);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
}
END_TEST

/* Without APIC-register virtualization they are the processor's own, which is not in x2APIC mode. */
START_TEST(other_msrs)
{
    launch_with_msrs(_i ? PROC2_APIC_REGISTERS : 0);
    set_page(APIC_LDR, 0x1234);
    set_msr(X2APIC_MSR(APIC_LDR), 0);
    GUEST(RDMSR);
    ck_assert_uint_eq(c->s.event_valid, !_i);
    if (!_i)
        return;
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x1234);
    set_msr(0x8ff, 0); /* no register, and no fault */
    GUEST(RDMSR);
    check_no_exit();
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
}
END_TEST

START_TEST(msr_bitmaps_come_first)
{
    launch_with_msrs(0);
    mem_write(b.machine->mem, GUEST_BITMAPS + 0x2000 + X2APIC_MSR(APIC_TPR) / 8, 1,
              1u << X2APIC_MSR(APIC_TPR) % 8);
    set_msr(X2APIC_MSR(APIC_TPR), 0);
    GUEST(RDMSR);
    check_exit(EXIT_RDMSR, 0);
}
END_TEST

/* ---- virtual interrupts (29.1.3 to 29.2) ---- */

#define STATUS(rvi, svi) ((rvi) | (u64)(svi) << 8)
#define STI              "\xfb"
#define NOP              "\x90"

static void with_delivery(u32 more)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
    with_page(PROC2_VIRTUAL_INTERRUPTS | more);
}

static void request(unsigned vector)
{
    u32 at = APIC_IRR + (vector >> 5 << 4);
    set_page(at, page(at) | 1u << (vector & 31));
}

static bool page_has(u32 base, unsigned vector)
{
    return page(base + (vector >> 5 << 4)) >> (vector & 31) & 1;
}

/* The guest runs with IF set, in the middle of nothing. */
static void launch_with_interrupt(u64 status)
{
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set(c, VMCS_GUEST_INTERRUPT_STATUS, status);
    guest_launch(&b);
    c->s.gpr[REG_RBX] = ACCESS + APIC_EOI;
}

START_TEST(entry_evaluates_and_delivers)
{
    with_delivery(0);
    request(0x61);
    request(0x35);
    launch_with_interrupt(STATUS(0x61, 0));
    ck_assert_uint_eq(c->s.virtual_interrupt, 1);
    u64 taken = c->s.count.interrupts;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x61));
    ck_assert_uint_eq(c->s.count.interrupts, taken + 1);
    ck_assert(page_has(APIC_ISR, 0x61) && !page_has(APIC_IRR, 0x61));
    ck_assert_uint_eq(page(APIC_PPR), 0x60);
    GUEST(STI);
    GUEST(NOP);
    GUEST(NOP); /* 35H is of a lower class */
    GUEST(VMCALL);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPT_STATUS), STATUS(0x35, 0x61));
    ck_assert_uint_eq(c->s.virtual_interrupt, 0);
}
END_TEST

/* PPR virtualization: the higher of the task's class and that in service. */
START_TEST(entry_virtualises_ppr)
{
    static const struct {
        u64 tpr, svi, ppr;
    } row[] = {{0x35, 0x41, 0x40}, {0x45, 0x41, 0x45}, {0x56, 0x41, 0x56}, {0x07, 0, 0x07}};
    with_delivery(0);
    set_page(APIC_TPR, row[_i].tpr);
    launch_with_interrupt(STATUS(0, row[_i].svi));
    ck_assert_uint_eq(page(APIC_PPR), row[_i].ppr);
    ck_assert_uint_eq(c->s.virtual_interrupt, 0);
}
END_TEST

START_TEST(what_blocks_delivery)
{
    with_delivery(0);
    request(0x61);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, _i == 1 ? BLOCKING_STI : _i == 2 ? BLOCKING_MOV_SS : 0);
    if (_i == 3)
        set_page(APIC_TPR, 0x60);
    if (_i == 4)
        guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_INTERRUPT_WINDOW);
    if (_i == 0) {
        guest_set(c, VMCS_GUEST_INTERRUPT_STATUS, 0x61);
        guest_launch(&b);
        GUEST(NOP);
        GUEST(STI);
    } else {
        launch_with_interrupt(STATUS(0x61, 0));
    }
    if (_i == 4) {
        bare_atoms(&b, 1);
        check_exit(EXIT_INTERRUPT_WINDOW, 0);
        return;
    }
    u64 rip = c->s.rip;
    GUEST(NOP);
    ck_assert_uint_eq(c->s.rip, rip + 1);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip == bare_handler(0x61), _i != 3);
}
END_TEST

START_TEST(it_wakes_from_hlt)
{
    with_delivery(0);
    request(0x61);
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    launch_with_interrupt(STATUS(0x61, 0));
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x61));
    ck_assert_uint_eq(c->s.activity, ACTIVITY_ACTIVE);
}
END_TEST

/* A lower TPR uncovers one; an EOI the next below. */
START_TEST(the_guest_moves_priorities)
{
    with_delivery(0);
    set_page(APIC_TPR, 0x70);
    request(0x61);
    request(0x35);
    launch_with_interrupt(STATUS(0x61, 0));
    GUEST(NOP);
    c->s.gpr[REG_RAX] = 3;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(page(APIC_PPR), 0x30);
    ck_assert_uint_eq(c->s.virtual_interrupt, 1);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x61));
    GUEST(STORE); /* EOI: 35H is not above the task's class */
    check_no_exit();
    ck_assert(!page_has(APIC_ISR, 0x61));
    ck_assert_uint_eq(page(APIC_EOI), 0);
    ck_assert_uint_eq(page(APIC_PPR), 0x30);
    GUEST(STI);
    GUEST(NOP);
    c->s.gpr[REG_RAX] = 0x2f;
    at(APIC_TPR);
    GUEST(STORE);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x35));
    ck_assert_uint_eq(c->s.rvi, 0);
    ck_assert_uint_eq(c->s.svi, 0x35);
}
END_TEST

/* 29.1.4: the next in service, and the exit of its bitmap. */
START_TEST(eoi_may_exit)
{
    with_delivery(0);
    set_page(APIC_ISR + 0x30, 1u << 1); /* 61H */
    set_page(APIC_ISR + 0x10, 1u << 21); /* 35H */
    guest_set(c, VMCS_EOI_EXIT_BITMAP1, 1ull << (0x61 - 64));
    launch_with_interrupt(STATUS(0, 0x61));
    ck_assert_uint_eq(page(APIC_PPR), 0x60);
    GUEST(STORE);
    check_trap(EXIT_VIRTUALIZED_EOI, 0x61);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPT_STATUS), STATUS(0, 0x35));
    ck_assert_uint_eq(page(APIC_PPR), 0x30);
    resume();
    GUEST(STORE);
    check_no_exit();
    ck_assert_uint_eq(c->s.svi, 0);
}
END_TEST

START_TEST(self_ipis)
{
    static const u32 others[] = {0x4000 | 0x61, 0x40000 | 0x0f, 0x40000 | 0x8061, 0x40000 | 0x161,
                                 0x40000 | 0x1061, 0x40000 | 0x2061, 0x40000 | 0x100061, 0x80000 | 0x61};
    with_delivery(0);
    launch_with_interrupt(0);
    at(APIC_ICR_LOW);
    c->s.gpr[REG_RAX] = 0x40000 | APIC_ICR_ASSERT | 0x61;
    GUEST(STORE);
    ck_assert_uint_eq(c->s.rvi, 0x61);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x61));
    c->s.gpr[REG_RAX] = others[_i];
    GUEST(STORE);
    check_trap(EXIT_APIC_WRITE, APIC_ICR_LOW);
}
END_TEST

/* Not beyond the class in service; and RVI is the higher of the two. */
START_TEST(self_ipi_msr)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
    guest_set(c, VMCS_GUEST_INTERRUPT_STATUS, STATUS(0x35, 0x61));
    launch_with_msrs(PROC2_VIRTUAL_INTERRUPTS);
    set_msr(X2APIC_MSR(APIC_SELF_IPI), 0x34);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.rvi, 0x35);
    ck_assert(page_has(APIC_IRR, 0x34));
    set_msr(X2APIC_MSR(APIC_SELF_IPI), 0x71);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.rvi, 0x71);
    ck_assert_uint_eq(c->s.virtual_interrupt, 1);
    set_msr(X2APIC_MSR(APIC_EOI), 0);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.svi, 0);
    set_msr(X2APIC_MSR(APIC_SELF_IPI), 15);
    GUEST(WRMSR);
    check_trap(EXIT_APIC_WRITE, APIC_SELF_IPI);
    resume();
    set_msr(X2APIC_MSR(_i ? APIC_SELF_IPI : APIC_EOI), _i ? 0x100 : 1);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
}
END_TEST

/* 29.2.2: behind NMIs, before external interrupts. */
START_TEST(priority_of_delivery)
{
    with_delivery(0);
    request(0x61);
    launch_with_interrupt(STATUS(0x61, 0));
    c->s.apic_reg[APIC_SVR >> 4] |= APIC_SVR_ENABLE;
    apic_raise(c, 0x90);
    c->s.nmi_pending = 1;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
    c->s.rflags |= FLAG_IF;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x61));
    bare_atoms(&b, 1);
    check_exit(EXIT_EXTERNAL_INTERRUPT, 0);
}
END_TEST

/* A VM exit in the course of it records an external interrupt, which is in service already. */
START_TEST(delivery_that_exits)
{
    with_delivery(0);
    request(0x61);
    guest_set_bits(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_PF);
    launch_with_interrupt(STATUS(0x61, 0));
    c->s.gpr[REG_RSP] = BARE_UNMAPPED + 0x800;
    bare_atoms(&b, 2);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), INTR_INFO(0x61, EVENT_EXTERNAL));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPT_STATUS), STATUS(0, 0x61));
}
END_TEST

static void hear(const struct rs_event *e, void *arg)
{
    *(struct rs_event *)arg = *e;
}

START_TEST(it_is_told)
{
    struct rs_event e = {.cycle = 0};
    rs_watch(c->m->world, RS_PROBE_vapic, true, hear, &e);
    with_delivery(0);
    request(0x61);
    launch_with_interrupt(STATUS(0x61, 0));
    bare_atoms(&b, 1);
    ck_assert_str_eq(rs_word(RS_VAPIC, e.field[0]), "delivery");
    ck_assert_uint_eq(e.field[2], 0x61);
    GUEST(STORE);
    ck_assert_str_eq(rs_word(RS_VAPIC, e.field[0]), "EOI");
    ck_assert_uint_eq(e.field[2], 0x61);
}
END_TEST

/* ---- posted interrupts (29.6 "Posted-Interrupt Processing") ---- */

enum { POSTED = 0xa8040, NOTIFICATION = 0xf2 };

static void launch_with_posted(u64 flags)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_POSTED_INTERRUPTS);
    guest_set_bits(c, VMCS_EXIT_CONTROLS, VMEXIT_ACK_INTERRUPT);
    guest_set(c, VMCS_POSTED_VECTOR, NOTIFICATION);
    guest_set(c, VMCS_POSTED_DESCRIPTOR, POSTED);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, flags);
    with_delivery(0);
    guest_launch(&b);
    c->s.apic_reg[APIC_SVR >> 4] |= APIC_SVR_ENABLE;
    c->s.gpr[REG_RBX] = ACCESS + APIC_EOI;
}

static void post(unsigned vector)
{
    u64 at = POSTED + vector / 8;
    mem_write(b.machine->mem, at, 1, mem_read(b.machine->mem, at, 1) | 1u << vector % 8);
    mem_write(b.machine->mem, POSTED + POSTED_NOTIFICATION, 1, 0xf0 | POSTED_ON);
}

/* Nothing is left in the descriptor, nor in the processor's own APIC. */
static void check_processed(void)
{
    for (u64 at = POSTED; at < POSTED + 32; at += 8)
        ck_assert_uint_eq(bare_u64(&b, at), 0);
    ck_assert_uint_eq(mem_read(b.machine->mem, POSTED + POSTED_NOTIFICATION, 1), 0xf0);
    for (u32 at = 0; at < 0x80; at += 16) {
        ck_assert_uint_eq(c->s.apic_reg[(APIC_ISR + at) >> 4], 0);
        ck_assert_uint_eq(c->s.apic_reg[(APIC_IRR + at) >> 4], 0);
    }
}

START_TEST(posted_interrupts_are_delivered)
{
    launch_with_posted(FLAG_IF);
    GUEST(NOP);
    post(0x35);
    post(0x61);
    post(0x64);
    apic_raise(c, NOTIFICATION);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x64));
    check_processed();
    ck_assert(page_has(APIC_IRR, 0x61) && page_has(APIC_IRR, 0x35));
    ck_assert_uint_eq(c->s.rvi, 0x61);
    GUEST(STORE); /* EOI */
    c->s.rflags |= FLAG_IF;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x61));
    ck_assert_uint_eq(c->s.count.vm_exits, 0);
}
END_TEST

/* RVI keeps what is higher; with IF clear the guest goes on, though the notification has been taken. */
START_TEST(posted_behind_a_higher_one)
{
    guest_set(c, VMCS_GUEST_INTERRUPT_STATUS, 0x71);
    launch_with_posted(0);
    post(0x61);
    apic_raise(c, NOTIFICATION);
    u64 rip = c->s.rip;
    GUEST(NOP);
    ck_assert_uint_eq(c->s.rip, rip + 1);
    check_processed();
    ck_assert_uint_eq(c->s.rvi, 0x71);
    ck_assert_uint_eq(c->s.virtual_interrupt, 1);
    apic_raise(c, NOTIFICATION); /* none posted */
    GUEST(NOP);
    ck_assert_uint_eq(c->s.rvi, 0x71);
    check_processed();
}
END_TEST

START_TEST(other_vectors_exit)
{
    launch_with_posted(0);
    post(0x61);
    apic_raise(c, NOTIFICATION);
    apic_raise(c, 0x45); /* of lower priority: taken when the notification has been dismissed */
    bare_atoms(&b, 1);
    check_exit(EXIT_EXTERNAL_INTERRUPT, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO), INTR_INFO(0x45, EVENT_EXTERNAL));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPT_STATUS), 0x61);
    ck_assert_uint_eq(mem_read(b.machine->mem, POSTED + POSTED_NOTIFICATION, 1), 0xf0);
}
END_TEST

/* A core in HLT goes back to it, unless a virtual interrupt is delivered. */
START_TEST(posted_in_hlt)
{
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    guest_set(c, VMCS_PREEMPTION_TIMER, 1000);
    launch_with_posted(_i ? FLAG_IF : 0);
    post(0x61);
    apic_raise(c, NOTIFICATION);
    bare_atoms(&b, 1);
    check_processed();
    ck_assert_uint_eq(c->s.activity, _i ? ACTIVITY_ACTIVE : ACTIVITY_HLT);
    ck_assert_uint_eq(c->s.rip == bare_handler(0x61), _i);
    ck_assert_uint_eq(c->s.rvi, _i ? 0 : 0x61);
}
END_TEST

/* E7: the descriptor's line, and the two of VIRR and PPR. */
START_TEST(cycles_of_posting)
{
    launch_with_posted(0);
    GUEST(NOP);
    post(0x61);
    apic_raise(c, NOTIFICATION);
    u64 before = c->s.count.stall_vmx, misses = c->s.count.l1d_misses;
    GUEST(NOP);
    ck_assert_uint_eq(c->s.count.l1d_misses - misses, 2);
    ck_assert_uint_eq(c->s.count.stall_vmx - before, 2 * (c->m->p.l2_latency + c->m->p.mem_latency));
}
END_TEST

/* ---- one and the same run, however it is run ---- */

/* Task priority, self-IPI, its delivery, EOI, over and over; and what blocks like to run between them. */
#define LOOP \
    "\x89\x85\x80\0\0\0" /* 1: mov %eax,0x80(%rbp) */ \
    "\x8b\x8d\x80\0\0\0" /* mov 0x80(%rbp),%ecx */ \
    "\xff\xc2\xff\xc2\x89\x54\x24\xf8" /* inc %edx, twice; mov %edx,-8(%rsp) */ \
    "\x44\x0f\x20\xc6" /* mov %cr8,%rsi */ \
    "\xc7\x85\0\x03\0\0\x61\0\x04\0" /* movl $0x40061,0x300(%rbp) */ \
    "\xff\xc2\xff\xc2\xeb\xd8" /* inc %edx, twice; jmp 1b */
#define HANDLER "\xc7\x85\xb0\0\0\0\0\0\0\0\x48\xcf" /* movl $0,0xb0(%rbp); iretq */

enum way { AT_ONCE, ATOM_BY_ATOM, WATCHED, DROPPED, WAYS };

static void ignore(const struct rs_event *e, void *arg)
{
    (void)e;
    (void)arg;
}

static u64 hash_of_run(enum way way)
{
    tear_down();
    set_up();
    with_delivery(PROC2_APIC_REGISTERS);
    launch_with_interrupt(0);
    bare_put(&b, GUEST_CODE, LOOP, sizeof LOOP - 1);
    bare_put(&b, bare_handler(0x61), HANDLER, sizeof HANDLER - 1);
    c->s.gpr[REG_RBP] = ACCESS;
    if (way == WATCHED)
        rs_watch(c->m->world, RS_PROBE_insn, true, ignore, NULL);
    for (unsigned left = 3000, n; left; left -= n) {
        n = way == ATOM_BY_ATOM || way == DROPPED ? 1 : left;
        if (way == DROPPED)
            rs_drop_derived(b.world);
        ck_assert_int_eq(cpu_run(c, n, UINT64_MAX), RUN_GOES_ON);
    }
    ck_assert_uint_ge(c->s.count.interrupts, 200);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    return rs_hash(b.world, RS_HASH_ALL);
}

START_TEST(every_way_is_the_same)
{
    u64 hash = hash_of_run(AT_ONCE);
    for (enum way way = ATOM_BY_ATOM; way < WAYS; way++)
        ck_assert_msg(hash_of_run(way) == hash, "way %d", (int)way);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx apic");
    TCase *t = tcase_create("tpr shadow");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, cr8_is_the_shadow);
    tcase_add_test(t, cr8_has_four_bits);
    tcase_add_test(t, cr8_exiting_comes_first);
    tcase_add_test(t, below_the_threshold);
    tcase_add_test(t, the_trap_comes_first);
    tcase_add_test(t, cycles_of_cr8);
    tcase_add_test(t, a_page_that_is_nowhere);
    suite_add_tcase(s, t);
    t = tcase_create("apic-access page");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, accesses_exit_without_the_shadow);
    tcase_add_test(t, the_task_priority_is_virtualised);
    tcase_add_loop_test(t, other_accesses_exit, 0, 6);
    tcase_add_test(t, a_write_below_the_threshold);
    tcase_add_loop_test(t, entry_below_the_threshold, 0, 2);
    tcase_add_test(t, events_exit);
    tcase_add_test(t, the_page_is_found_by_the_tlb);
    tcase_add_test(t, a_guest_table_in_the_page);
    tcase_add_test(t, registers_are_read_from_the_page);
    tcase_add_test(t, bytes_of_registers);
    tcase_add_test(t, one_write_an_operation);
    suite_add_tcase(s, t);
    t = tcase_create("x2apic msrs");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_task_priority_msr);
    tcase_add_loop_test(t, other_msrs, 0, 2);
    tcase_add_test(t, msr_bitmaps_come_first);
    suite_add_tcase(s, t);
    t = tcase_create("virtual interrupts");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, entry_evaluates_and_delivers);
    tcase_add_loop_test(t, entry_virtualises_ppr, 0, 4);
    tcase_add_loop_test(t, what_blocks_delivery, 0, 5);
    tcase_add_test(t, it_wakes_from_hlt);
    tcase_add_test(t, the_guest_moves_priorities);
    tcase_add_test(t, eoi_may_exit);
    tcase_add_loop_test(t, self_ipis, 0, 8);
    tcase_add_loop_test(t, self_ipi_msr, 0, 2);
    tcase_add_test(t, priority_of_delivery);
    tcase_add_test(t, delivery_that_exits);
    tcase_add_test(t, it_is_told);
    suite_add_tcase(s, t);
    t = tcase_create("posted interrupts");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, posted_interrupts_are_delivered);
    tcase_add_test(t, posted_behind_a_higher_one);
    tcase_add_test(t, other_vectors_exit);
    tcase_add_loop_test(t, posted_in_hlt, 0, 2);
    tcase_add_test(t, cycles_of_posting);
    tcase_add_test(t, every_way_is_the_same);
    suite_add_tcase(s, t);
    return suite_run(s);
}
