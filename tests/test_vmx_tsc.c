/* test_vmx_tsc.c - offset and multiplier of the time-stamp counter (SDM vol. 3, 24.6.5, 25.3). */
#include "cpu/cpu.h"
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"

#include <check.h>

static struct bare b;
static struct core *c;

#define NOP    "\x90"
#define RDTSC  "\x0f\x31"
#define RDTSCP "\x0f\x01\xf9"
#define RDMSR  "\x0f\x32"
#define WRMSR  "\x0f\x30"
#define ONE    (1ull << VMX_TSC_FRACTION)

static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY | PROC_MSR_BITMAPS);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void launch(bool scaling, bool offsetting, u64 multiplier, u64 offset)
{
    guest_set_bits(c, VMCS_PROC2_CONTROLS, PROC2_RDTSCP | (scaling ? PROC2_TSC_SCALING : 0));
    guest_set_bits(c, VMCS_PROC_CONTROLS, offsetting ? PROC_TSC_OFFSETTING : 0);
    guest_set(c, VMCS_TSC_MULTIPLIER, multiplier);
    guest_set(c, VMCS_TSC_OFFSET, offset);
    guest_launch(&b);
}

static void set_tsc(u64 value)
{
    c->s.tsc_adjust += value - tsc_now(c);
}

/* Products of 128 bits, of which bits 111:48 count; worked out by hand. */
static const struct {
    u64 tsc, multiplier, offset, want;
} product[] = {
    {1000000, ONE, 0, 1000000},
    {1000001, ONE / 2, 0, 500000},
    {1000000, 3 * ONE / 2, 7, 1500007},
    {1000000, ONE, (u64)-1, 999999},
    {UINT64_MAX, ONE, 0, UINT64_MAX},
    {UINT64_MAX, ONE, 2, 1},
    {UINT64_MAX, 2 * ONE, 0, UINT64_MAX - 1},
    {1ull << 63, ONE / 4, 1, (1ull << 61) + 1},
    {0x123456789abcdef0, 1ull << 63, 0, 0x2b3c4d5e6f780000},
    {UINT64_MAX, 1, 0, 0xffff},
};
#define PRODUCTS ((int)(sizeof product / sizeof *product))

START_TEST(scaled_then_offset)
{
    launch(true, true, product[_i].multiplier, product[_i].offset);
    set_tsc(product[_i].tsc);
    ck_assert_uint_eq(vmx_tsc(c), product[_i].want);
}
END_TEST

static u64 edx_eax(void)
{
    return c->s.gpr[REG_RDX] << 32 | c->s.gpr[REG_RAX];
}

/* Each way to read it gives the same. */
START_TEST(every_read_is_scaled)
{
    launch(true, true, 5 * ONE / 4, 1ull << 40);
    set_tsc(1ull << 32);
    c->s.gpr[REG_RCX] = MSR_TSC;
    u64 before = tsc_now(c);
    if (_i == 0)
        GUEST_RUN(&b, RDTSC);
    else if (_i == 1)
        GUEST_RUN(&b, RDTSCP);
    else
        GUEST_RUN(&b, RDMSR);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_ge(edx_eax(), before * 5 / 4 + (1ull << 40));
    ck_assert_uint_le(edx_eax(), tsc_now(c) * 5 / 4 + (1ull << 40));
}
END_TEST

/* Without TSC offsetting the multiplier does nothing, and without scaling the offset still counts. */
START_TEST(scaling_goes_with_offsetting)
{
    bool scaling = _i & 1, offsetting = _i & 2;
    launch(scaling, offsetting, 2 * ONE, 1000);
    GUEST_RUN(&b, NOP);
    u64 tsc = tsc_now(c);
    GUEST_RUN(&b, RDTSC);
    ck_assert_uint_eq(edx_eax(), offsetting ? tsc * (scaling ? 2 : 1) + 1000 : tsc);
}
END_TEST

/* WRMSR sets the counter itself. */
START_TEST(writes_are_not_scaled)
{
    launch(true, true, 2 * ONE, 1000);
    c->s.gpr[REG_RCX] = MSR_TSC;
    c->s.gpr[REG_RAX] = 0x10000000;
    c->s.gpr[REG_RDX] = 0;
    GUEST_RUN(&b, WRMSR);
    ck_assert_uint_ge(tsc_now(c), 0x10000000);
    ck_assert_uint_lt(tsc_now(c), 0x10000000 + 1000);
}
END_TEST

/* 27.4: a list of MSRs has the counter as it is. */
START_TEST(lists_are_not_scaled)
{
    bare_set_u64(&b, GUEST_MSRS, MSR_TSC);
    guest_set(c, VMCS_EXIT_MSR_STORE_ADDRESS, GUEST_MSRS);
    guest_set(c, VMCS_EXIT_MSR_STORE_COUNT, 1);
    launch(true, true, 2 * ONE, 1ull << 50);
    u64 before = tsc_now(c);
    GUEST_RUN(&b, VMCALL);
    ck_assert_uint_ge(bare_u64(&b, GUEST_MSRS + 8), before);
    ck_assert_uint_le(bare_u64(&b, GUEST_MSRS + 8), tsc_now(c));
}
END_TEST

/* The preemption timer counts by the real counter (25.5.1). */
START_TEST(the_preemption_timer_is_not_scaled)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    guest_set(c, VMCS_PREEMPTION_TIMER, 100);
    launch(_i, _i, 8 * ONE, 12345);
    u64 expires = ((tsc_now(c) >> VMX_TIMER_SHIFT) + 100) << VMX_TIMER_SHIFT;
    ck_assert_uint_eq(vmx_next_due(c) - c->s.cycle, expires - tsc_now(c));
    ck_assert_uint_eq(vmx_timer_value(c), 100);
}
END_TEST

/* The host reads its own. */
START_TEST(the_host_reads_the_counter)
{
    launch(true, true, 8 * ONE, 1ull << 50);
    GUEST_RUN(&b, VMCALL);
    GUEST_RUN(&b, NOP);
    u64 tsc = tsc_now(c);
    GUEST_RUN(&b, RDTSC);
    ck_assert_uint_eq(edx_eax(), tsc);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx tsc");
    TCase *t = tcase_create("tsc");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, scaled_then_offset, 0, PRODUCTS);
    tcase_add_loop_test(t, every_read_is_scaled, 0, 3);
    tcase_add_loop_test(t, scaling_goes_with_offsetting, 0, 4);
    tcase_add_test(t, writes_are_not_scaled);
    tcase_add_test(t, lists_are_not_scaled);
    tcase_add_loop_test(t, the_preemption_timer_is_not_scaled, 0, 2);
    tcase_add_test(t, the_host_reads_the_counter);
    suite_add_tcase(s, t);
    return suite_run(s);
}
