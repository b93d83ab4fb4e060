/* test_apic.c - the local APIC (SDM vol. 3, 10 "Advanced Programmable Interrupt Controller (APIC)"). */
#include "arch/apic.h"
#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/suite.h"

#include <check.h>
#include <stdlib.h>

static struct bare b;
static struct core *c;

static void set_up(void)
{
    bare_open(&b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK);
    c = b.core;
    apic_write(c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
}

static void tear_down(void)
{
    bare_close(&b);
}

static bool in_request(unsigned vector)
{
    return apic_read(c, APIC_IRR + (vector >> 5 << 4)) >> (vector & 31) & 1;
}

static bool in_service(unsigned vector)
{
    return apic_read(c, APIC_ISR + (vector >> 5 << 4)) >> (vector & 31) & 1;
}

/* Moves the clock and runs what has become due, as the run loop does. */
static void advance(u64 cycles)
{
    c->s.cycle += cycles;
    if (apic_next_due(c) <= c->s.cycle)
        apic_run_due(c);
}

/* ---- after reset (10.4.7.1) ---- */

START_TEST(reset_values)
{
    apic_reset(c);
    ck_assert_uint_eq(apic_read(c, APIC_ID), 0);
    ck_assert_uint_eq(apic_read(c, APIC_VERSION), 0x50014);
    ck_assert_uint_eq(apic_read(c, APIC_DFR), 0xffffffff);
    ck_assert_uint_eq(apic_read(c, APIC_SVR), 0xff);
    for (u32 lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 16)
        ck_assert_uint_eq(apic_read(c, lvt), APIC_LVT_MASKED);
    ck_assert_uint_eq(c->s.apic_base, APIC_PHYS_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP);
    ck_assert_uint_eq(apic_next_due(c), UINT64_MAX);
}
END_TEST

START_TEST(software_disable)
{
    apic_write(c, APIC_LVT_TIMER, 0x40);
    ck_assert_uint_eq(apic_read(c, APIC_LVT_TIMER), 0x40);
    apic_write(c, APIC_SVR, 0xff);
    ck_assert_uint_eq(apic_read(c, APIC_LVT_TIMER), 0x40 | APIC_LVT_MASKED);
    apic_write(c, APIC_LVT_TIMER, 0x41);
    ck_assert_uint_eq(apic_read(c, APIC_LVT_TIMER), 0x41 | APIC_LVT_MASKED);
    apic_raise(c, 0x50);
    ck_assert_int_eq(apic_pending_vector(c), -1);
}
END_TEST

/* ---- acceptance (10.8) ---- */

START_TEST(highest_first)
{
    apic_raise(c, 0x31);
    apic_raise(c, 0xe0);
    apic_raise(c, 0x42);
    ck_assert_int_eq(apic_acknowledge(c), 0xe0);
    ck_assert(in_service(0xe0) && !in_request(0xe0));
    ck_assert_int_eq(apic_pending_vector(c), -1);
    apic_write(c, APIC_EOI, 0);
    ck_assert(!in_service(0xe0));
    ck_assert_int_eq(apic_acknowledge(c), 0x42);
    apic_write(c, APIC_EOI, 0);
    ck_assert_int_eq(apic_acknowledge(c), 0x31);
}
END_TEST

START_TEST(nested)
{
    apic_raise(c, 0x42);
    apic_acknowledge(c);
    apic_raise(c, 0x4f); /* the same class waits */
    ck_assert_int_eq(apic_pending_vector(c), -1);
    ck_assert_uint_eq(apic_read(c, APIC_PPR), 0x40);
    apic_raise(c, 0x50);
    ck_assert_int_eq(apic_acknowledge(c), 0x50);
    apic_write(c, APIC_EOI, 0);
    ck_assert(in_service(0x42) && !in_service(0x50));
    apic_write(c, APIC_EOI, 0);
    ck_assert_int_eq(apic_acknowledge(c), 0x4f);
}
END_TEST

START_TEST(task_priority)
{
    apic_raise(c, 0x42);
    apic_write(c, APIC_TPR, 0x40);
    ck_assert_int_eq(apic_pending_vector(c), -1);
    ck_assert_uint_eq(sys_read_cr(c, 8), 4);
    sys_write_cr(c, 8, 3);
    ck_assert_uint_eq(apic_read(c, APIC_TPR), 0x30);
    ck_assert_int_eq(apic_pending_vector(c), 0x42);
}
END_TEST

START_TEST(spurious)
{
    apic_write(c, APIC_SVR, APIC_SVR_ENABLE | 0x3f);
    ck_assert_int_eq(apic_acknowledge(c), 0x3f);
    ck_assert(!in_service(0x3f));
}
END_TEST

static void error_interrupts(bool raised)
{
    apic_write(c, APIC_ICR_LOW, APIC_ICR_TO_SELF | 3);
    ck_assert_int_eq(apic_pending_vector(c), raised ? 0x60 : -1);
    if (!raised)
        return;
    apic_acknowledge(c);
    apic_write(c, APIC_EOI, 0);
}

START_TEST(an_error_interrupts_once_until_esr_is_written)
{
    error_interrupts(false);
    apic_write(c, APIC_LVT_ERROR, 0x60);
    error_interrupts(true); /* the masked one has not spent it */
    error_interrupts(false);
    apic_read(c, 0x40); /* nor does another kind of error count */
    error_interrupts(false);
    apic_write(c, APIC_ESR, 0);
    error_interrupts(true);
    error_interrupts(false);
    ck_assert_uint_eq(apic_read(c, APIC_ESR), APIC_ESR_REGISTER | APIC_ESR_SEND_VECTOR);
    apic_init(c);
    apic_write(c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    apic_write(c, APIC_LVT_ERROR, 0x60);
    error_interrupts(true);
}
END_TEST

START_TEST(errors_show_after_a_write)
{
    apic_write(c, APIC_LVT_ERROR, 0x60);
    apic_raise(c, 15);
    ck_assert_uint_eq(apic_read(c, APIC_ESR), 0);
    apic_write(c, APIC_ESR, 0);
    ck_assert_uint_eq(apic_read(c, APIC_ESR), APIC_ESR_RECEIVE_VECTOR);
    ck_assert_int_eq(apic_pending_vector(c), 0x60);
    apic_write(c, APIC_ESR, 0);
    ck_assert_uint_eq(apic_read(c, APIC_ESR), 0);
    apic_read(c, 0x40); /* reserved */
    apic_write(c, APIC_ICR_LOW, 3);
    apic_write(c, APIC_ESR, 0);
    ck_assert_uint_eq(apic_read(c, APIC_ESR), APIC_ESR_REGISTER | APIC_ESR_SEND_VECTOR);
}
END_TEST

/* ---- timer (10.5.4) ---- */

START_TEST(one_shot)
{
    apic_write(c, APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(c, APIC_LVT_TIMER, 0x40);
    apic_write(c, APIC_TIMER_INITIAL, 1000);
    ck_assert_uint_eq(apic_next_due(c), c->s.cycle + 1000);
    advance(400);
    ck_assert_uint_eq(apic_read(c, APIC_TIMER_CURRENT), 600);
    advance(599);
    ck_assert(!in_request(0x40));
    advance(1);
    ck_assert(in_request(0x40));
    ck_assert_uint_eq(apic_read(c, APIC_TIMER_CURRENT), 0);
    ck_assert_uint_eq(apic_next_due(c), UINT64_MAX);
}
END_TEST

static const struct {
    u64 code, divisor;
} divide[] = {
    {0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1},
};

START_TEST(divide_configuration)
{
    apic_write(c, APIC_TIMER_DIVIDE, divide[_i].code);
    apic_write(c, APIC_LVT_TIMER, 0x40);
    apic_write(c, APIC_TIMER_INITIAL, 10);
    ck_assert_uint_eq(apic_next_due(c), c->s.cycle + 10 * divide[_i].divisor);
}
END_TEST

START_TEST(periodic)
{
    u64 start = c->s.cycle;

    apic_write(c, APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(c, APIC_LVT_TIMER, 0x40 | APIC_TIMER_PERIODIC);
    apic_write(c, APIC_TIMER_INITIAL, 100);
    advance(100);
    ck_assert_int_eq(apic_acknowledge(c), 0x40);
    ck_assert_uint_eq(apic_next_due(c), start + 200);
    advance(350); /* late: one interrupt, and no drift */
    ck_assert(in_request(0x40));
    ck_assert_uint_eq(apic_next_due(c), start + 500);
    ck_assert_uint_eq(apic_read(c, APIC_TIMER_CURRENT), 50);
}
END_TEST

START_TEST(masked_timer_raises_nothing)
{
    apic_write(c, APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(c, APIC_TIMER_INITIAL, 100);
    ck_assert_uint_eq(apic_next_due(c), UINT64_MAX);
    advance(200);
    apic_write(c, APIC_LVT_TIMER, 0x40); /* too late */
    ck_assert_uint_eq(apic_next_due(c), UINT64_MAX);
    ck_assert(!in_request(0x40));
}
END_TEST

START_TEST(tsc_deadline)
{
    u64 value;

    ck_assert(sys_write_msr(c, MSR_TSC_DEADLINE, tsc_now(c) + 500)); /* ignored: not in that mode */
    ck_assert(sys_read_msr(c, MSR_TSC_DEADLINE, &value));
    ck_assert_uint_eq(value, 0);
    apic_write(c, APIC_LVT_TIMER, 0x40 | APIC_TIMER_TSC_DEADLINE);
    apic_write(c, APIC_TIMER_INITIAL, 5); /* ignored in turn */
    ck_assert_uint_eq(apic_read(c, APIC_TIMER_INITIAL), 0);
    ck_assert(sys_write_msr(c, MSR_TSC_DEADLINE, tsc_now(c) + 500));
    ck_assert_uint_eq(apic_next_due(c), c->s.cycle + 500);
    ck_assert(sys_write_msr(c, MSR_TSC, tsc_now(c) + 100)); /* the TSC moves, the deadline comes nearer */
    ck_assert_uint_eq(apic_next_due(c), c->s.cycle + 400);
    advance(400);
    ck_assert(in_request(0x40));
    ck_assert(sys_read_msr(c, MSR_TSC_DEADLINE, &value));
    ck_assert_uint_eq(value, 0);
    ck_assert(sys_write_msr(c, MSR_TSC_DEADLINE, 1)); /* past: at once */
    ck_assert_uint_le(apic_next_due(c), c->s.cycle);
    ck_assert(sys_write_msr(c, MSR_TSC_DEADLINE, 0));
    ck_assert_uint_eq(apic_next_due(c), UINT64_MAX);
}
END_TEST

/* HLT sleeps until the timer, and the handler runs. */
START_TEST(timer_ends_hlt)
{
    c->s.rflags |= FLAG_IF;
    apic_write(c, APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(c, APIC_LVT_TIMER, 0x40);
    apic_write(c, APIC_TIMER_INITIAL, 100000);
    u64 due = apic_next_due(c);
    BARE_INSN(&b, "\xf4");
    bare_atoms(&b, 3);
    ck_assert_uint_eq(c->s.rip, BARE_HANDLER + 16 * 0x40);
    ck_assert_uint_ge(c->s.cycle, due);
    ck_assert_uint_gt(c->s.count.cycles_halted, 90000);
}
END_TEST

/* ---- IPIs to itself (10.6) ---- */

START_TEST(self_ipi)
{
    apic_write(c, APIC_ICR_LOW, APIC_ICR_TO_SELF | APIC_ICR_ASSERT | 0x44);
    ck_assert(in_request(0x44));
    apic_write(c, APIC_ICR_HIGH, 0);
    apic_write(c, APIC_ICR_LOW, APIC_ICR_ASSERT | 0x45);
    ck_assert(in_request(0x45));
    apic_write(c, APIC_ICR_HIGH, 7 << 24); /* no such core */
    apic_write(c, APIC_ICR_LOW, APIC_ICR_ASSERT | 0x46);
    ck_assert(!in_request(0x46));
    apic_write(c, APIC_ICR_LOW, APIC_ICR_TO_OTHERS | APIC_ICR_ASSERT | 0x47);
    ck_assert(!in_request(0x47));
    apic_write(c, APIC_ICR_HIGH, 0xffu << 24);
    apic_write(c, APIC_ICR_LOW, APIC_ICR_ASSERT | APIC_ICR_NMI);
    ck_assert_uint_eq(c->s.nmi_pending, 1);
}
END_TEST

START_TEST(logical_destination)
{
    apic_write(c, APIC_LDR, 0x04000000);
    apic_write(c, APIC_ICR_HIGH, 0x06000000);
    apic_write(c, APIC_ICR_LOW, APIC_ICR_LOGICAL | APIC_ICR_ASSERT | 0x44);
    ck_assert(in_request(0x44));
    apic_write(c, APIC_ICR_HIGH, 0x03000000);
    apic_write(c, APIC_ICR_LOW, APIC_ICR_LOGICAL | APIC_ICR_ASSERT | 0x45);
    ck_assert(!in_request(0x45));
}
END_TEST

/* ---- x2APIC (10.12) ---- */

static bool write_msr(u32 offset, u64 value)
{
    return sys_write_msr(c, X2APIC_MSR(offset), value);
}

static bool can_read_msr(u32 offset)
{
    u64 value;

    return sys_read_msr(c, X2APIC_MSR(offset), &value);
}

START_TEST(x2apic_needs_its_mode)
{
    ck_assert(!can_read_msr(APIC_TPR));
    ck_assert(!write_msr(APIC_TPR, 0));
}
END_TEST

/* The page moves at once, also over RAM whose translation is in the TLB. */
START_TEST(the_page_moves)
{
    u64 at = 0x280000, flags = APIC_BASE_ENABLE | APIC_BASE_BSP;
    bare_set_u64(&b, at + APIC_VERSION, 0x1234);
    BARE_INSN(&b, "\x8b\x03"); /* MOV EAX, [RBX] */
    c->s.gpr[REG_RBX] = at + APIC_VERSION;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x1234);
    ck_assert(sys_write_msr(c, MSR_APIC_BASE, at | flags));
    c->s.rip -= 2;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x50014);
    ck_assert(sys_write_msr(c, MSR_APIC_BASE, APIC_PHYS_BASE | flags));
    c->s.rip -= 2;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 0x1234);
}
END_TEST

START_TEST(x2apic_transitions)
{
    u64 base = c->s.apic_base;

    ck_assert(!sys_write_msr(c, MSR_APIC_BASE, (base & ~(u64)APIC_BASE_ENABLE) | APIC_BASE_X2APIC));
    ck_assert(sys_write_msr(c, MSR_APIC_BASE, base | APIC_BASE_X2APIC));
    ck_assert(!sys_write_msr(c, MSR_APIC_BASE, base)); /* back to xAPIC only by way of disabled */
    ck_assert(sys_write_msr(c, MSR_APIC_BASE, base & ~(u64)APIC_BASE_ENABLE));
    ck_assert(!sys_write_msr(c, MSR_APIC_BASE, base | APIC_BASE_X2APIC));
    ck_assert(sys_write_msr(c, MSR_APIC_BASE, base));
    ck_assert(!sys_write_msr(c, MSR_APIC_BASE, base | 1)); /* reserved */
    ck_assert(!sys_write_msr(c, MSR_APIC_BASE, base | (u64)1 << PHYS_BITS));
}
END_TEST

START_TEST(x2apic_registers)
{
    u64 value;

    ck_assert(sys_write_msr(c, MSR_APIC_BASE, c->s.apic_base | APIC_BASE_X2APIC));
    ck_assert(sys_read_msr(c, X2APIC_MSR(APIC_LDR), &value));
    ck_assert_uint_eq(value, 1);
    ck_assert(write_msr(APIC_SELF_IPI, 0x44));
    ck_assert(in_request(0x44));
    ck_assert(write_msr(APIC_ICR_LOW, APIC_ICR_ASSERT | 0x45)); /* destination 0 in bits 63:32 */
    ck_assert(in_request(0x45));
    ck_assert(!write_msr(APIC_ICR_LOW, 1 << 12));
    ck_assert(!write_msr(APIC_TPR, 0x100));
    ck_assert(!write_msr(APIC_EOI, 1));
    ck_assert(!write_msr(APIC_ESR, 1));
    ck_assert(!write_msr(APIC_ID, 0));
    ck_assert(!write_msr(APIC_VERSION, 0));
    ck_assert(!can_read_msr(APIC_EOI));
    ck_assert(!can_read_msr(APIC_SELF_IPI));
    ck_assert(!can_read_msr(APIC_DFR));
    ck_assert(!can_read_msr(APIC_ICR_HIGH));
    ck_assert(!can_read_msr(0xff0));
    ck_assert(write_msr(APIC_EOI, 0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("apic");
    TCase *t = tcase_create("local APIC");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, reset_values);
    tcase_add_test(t, software_disable);
    tcase_add_test(t, highest_first);
    tcase_add_test(t, nested);
    tcase_add_test(t, task_priority);
    tcase_add_test(t, spurious);
    tcase_add_test(t, an_error_interrupts_once_until_esr_is_written);
    tcase_add_test(t, errors_show_after_a_write);
    tcase_add_test(t, one_shot);
    tcase_add_loop_test(t, divide_configuration, 0, (int)(sizeof divide / sizeof *divide));
    tcase_add_test(t, periodic);
    tcase_add_test(t, masked_timer_raises_nothing);
    tcase_add_test(t, tsc_deadline);
    tcase_add_test(t, timer_ends_hlt);
    tcase_add_test(t, self_ipi);
    tcase_add_test(t, logical_destination);
    tcase_add_test(t, x2apic_needs_its_mode);
    tcase_add_test(t, the_page_moves);
    tcase_add_test(t, x2apic_transitions);
    tcase_add_test(t, x2apic_registers);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
