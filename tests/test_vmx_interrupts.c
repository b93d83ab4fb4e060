/* test_vmx_interrupts.c - virtual interrupts and posted ones (SDM vol. 3, 29 "APIC Virtualization and Virtual
 * Interrupts"). */
#include "arch/apic.h"
#include "cpu/vapic.h"
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/suite.h"
#include "lib/virtual_apic.h"
#include "mmu/mem.h"

#include <check.h>

/* ---- virtual interrupts (29.1.3 to 29.2) ---- */

#define STATUS(rvi, svi) ((rvi) | (u64)(svi) << 8)
#define STI              "\xfb"
#define NOP              "\x90"

static void with_delivery(u32 more)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
    va_with_page(&b, PROC2_VIRTUAL_INTERRUPTS | more);
}

static void request(unsigned vector)
{
    u32 at = APIC_IRR + (vector >> 5 << 4);
    va_set_page(&b, at, va_page(&b, at) | 1u << (vector & 31));
}

static bool page_has(u32 base, unsigned vector)
{
    return va_page(&b, base + (vector >> 5 << 4)) >> (vector & 31) & 1;
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
    ck_assert_uint_eq(va_page(&b, APIC_PPR), 0x60);
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
    va_set_page(&b, APIC_TPR, row[_i].tpr);
    launch_with_interrupt(STATUS(0, row[_i].svi));
    ck_assert_uint_eq(va_page(&b, APIC_PPR), row[_i].ppr);
    ck_assert_uint_eq(c->s.virtual_interrupt, 0);
}
END_TEST

START_TEST(what_blocks_delivery)
{
    with_delivery(0);
    request(0x61);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, _i == 1 ? BLOCKING_STI : _i == 2 ? BLOCKING_MOV_SS : 0);
    if (_i == 3)
        va_set_page(&b, APIC_TPR, 0x60);
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
        va_check_exit(&b, EXIT_INTERRUPT_WINDOW, 0);
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
    va_set_page(&b, APIC_TPR, 0x70);
    request(0x61);
    request(0x35);
    launch_with_interrupt(STATUS(0x61, 0));
    GUEST(NOP);
    c->s.gpr[REG_RAX] = 3;
    GUEST(MOV_RAX_CR8);
    ck_assert_uint_eq(va_page(&b, APIC_PPR), 0x30);
    ck_assert_uint_eq(c->s.virtual_interrupt, 1);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x61));
    GUEST(STORE); /* EOI: 35H is not above the task's class */
    va_check_no_exit(&b);
    ck_assert(!page_has(APIC_ISR, 0x61));
    ck_assert_uint_eq(va_page(&b, APIC_EOI), 0);
    ck_assert_uint_eq(va_page(&b, APIC_PPR), 0x30);
    GUEST(STI);
    GUEST(NOP);
    c->s.gpr[REG_RAX] = 0x2f;
    va_at(&b, APIC_TPR);
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
    va_set_page(&b, APIC_ISR + 0x30, 1u << 1);  /* 61H */
    va_set_page(&b, APIC_ISR + 0x10, 1u << 21); /* 35H */
    guest_set(c, VMCS_EOI_EXIT_BITMAP1, 1ull << (0x61 - 64));
    launch_with_interrupt(STATUS(0, 0x61));
    ck_assert_uint_eq(va_page(&b, APIC_PPR), 0x60);
    GUEST(STORE);
    va_check_trap(&b, EXIT_VIRTUALIZED_EOI, 0x61);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPT_STATUS), STATUS(0, 0x35));
    ck_assert_uint_eq(va_page(&b, APIC_PPR), 0x30);
    va_resume(&b);
    GUEST(STORE);
    va_check_no_exit(&b);
    ck_assert_uint_eq(c->s.svi, 0);
}
END_TEST

START_TEST(self_ipis)
{
    static const u32 others[] = {0x4000 | 0x61,    0x40000 | 0x0f,   0x40000 | 0x8061,   0x40000 | 0x161,
                                 0x40000 | 0x1061, 0x40000 | 0x2061, 0x40000 | 0x100061, 0x80000 | 0x61};
    with_delivery(0);
    launch_with_interrupt(0);
    va_at(&b, APIC_ICR_LOW);
    c->s.gpr[REG_RAX] = 0x40000 | APIC_ICR_ASSERT | 0x61;
    GUEST(STORE);
    ck_assert_uint_eq(c->s.rvi, 0x61);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x61));
    c->s.gpr[REG_RAX] = others[_i];
    GUEST(STORE);
    va_check_trap(&b, EXIT_APIC_WRITE, APIC_ICR_LOW);
}
END_TEST

/* Not beyond the class in service; and RVI is the higher of the two. */
START_TEST(self_ipi_msr)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
    guest_set(c, VMCS_GUEST_INTERRUPT_STATUS, STATUS(0x35, 0x61));
    va_launch_with_msrs(&b, PROC2_VIRTUAL_INTERRUPTS);
    va_set_msr(&b, X2APIC_MSR(APIC_SELF_IPI), 0x34);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.rvi, 0x35);
    ck_assert(page_has(APIC_IRR, 0x34));
    va_set_msr(&b, X2APIC_MSR(APIC_SELF_IPI), 0x71);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.rvi, 0x71);
    ck_assert_uint_eq(c->s.virtual_interrupt, 1);
    va_set_msr(&b, X2APIC_MSR(APIC_EOI), 0);
    GUEST(WRMSR);
    ck_assert_uint_eq(c->s.svi, 0);
    va_set_msr(&b, X2APIC_MSR(APIC_SELF_IPI), 15);
    GUEST(WRMSR);
    va_check_trap(&b, EXIT_APIC_WRITE, APIC_SELF_IPI);
    va_resume(&b);
    va_set_msr(&b, X2APIC_MSR(_i ? APIC_SELF_IPI : APIC_EOI), _i ? 0x100 : 1);
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
    va_check_exit(&b, EXIT_EXTERNAL_INTERRUPT, 0);
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

/* What is posted comes to what VIRR holds, in the same 32 vectors too. */
START_TEST(posted_beside_another)
{
    request(0x62);
    guest_set(c, VMCS_GUEST_INTERRUPT_STATUS, 0x62);
    launch_with_posted(0);
    post(0x61);
    apic_raise(c, NOTIFICATION);
    GUEST(NOP);
    ck_assert(page_has(APIC_IRR, 0x61) && page_has(APIC_IRR, 0x62));
    ck_assert_uint_eq(c->s.rvi, 0x62);
}
END_TEST

START_TEST(other_vectors_exit)
{
    launch_with_posted(0);
    post(0x61);
    apic_raise(c, NOTIFICATION);
    apic_raise(c, 0x45); /* of lower priority: taken when the notification has been dismissed */
    bare_atoms(&b, 1);
    va_check_exit(&b, EXIT_EXTERNAL_INTERRUPT, 0);
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
    "\x89\x85\x80\0\0\0"                             /* 1: mov %eax,0x80(%rbp) */ \
    "\x8b\x8d\x80\0\0\0"                             /* mov 0x80(%rbp),%ecx */ \
    "\xff\xc2\xff\xc2\x89\x54\x24\xf8"               /* inc %edx, twice; mov %edx,-8(%rsp) */ \
    "\x44\x0f\x20\xc6"                               /* mov %cr8,%rsi */ \
    "\xc7\x85\0\x03\0\0\x61\0\x04\0"                 /* movl $0x40061,0x300(%rbp) */ \
    "\xff\xc2\xff\xc2\xeb\xd8"                       /* inc %edx, twice; jmp 1b */
#define HANDLER "\xc7\x85\xb0\0\0\0\0\0\0\0\x48\xcf" /* movl $0,0xb0(%rbp); iretq */

enum way { AT_ONCE, ATOM_BY_ATOM, WATCHED, DROPPED, WAYS };

static void ignore(const struct rs_event *e, void *arg)
{
    (void)e;
    (void)arg;
}

static u64 hash_of_run(enum way way)
{
    guest_tear_down();
    va_set_up();
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
    Suite *s = suite_create("vmx virtual interrupts");
    TCase *t = tcase_create("virtual interrupts");
    tcase_add_checked_fixture(t, va_set_up, guest_tear_down);
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
    tcase_add_checked_fixture(t, va_set_up, guest_tear_down);
    tcase_add_test(t, posted_interrupts_are_delivered);
    tcase_add_test(t, posted_behind_a_higher_one);
    tcase_add_test(t, posted_beside_another);
    tcase_add_test(t, other_vectors_exit);
    tcase_add_loop_test(t, posted_in_hlt, 0, 2);
    tcase_add_test(t, cycles_of_posting);
    tcase_add_test(t, every_way_is_the_same);
    suite_add_tcase(s, t);
    return suite_run(s);
}
