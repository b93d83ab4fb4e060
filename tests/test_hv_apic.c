/* test_hv_apic.c - interrupts in VMs: timers in time, HLT that waits, what the local APIC's page refuses. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/elf_image.h"
#include "lib/hv_run.h"
#include "lib/suite.h"

static void setup(void)
{
    open_world(64, HV_FIRMWARE, 1);
}

/* ---- alarms ---- */

/* Exits of a cause so far, by its number; 0 if `stats` has none. */
static uint64_t exits_of(const char *vm, unsigned reason)
{
    char line[64], key[32];
    uint64_t count = 0;
    snprintf(line, sizeof line, "stats %s", vm);
    snprintf(key, sizeof key, "exit=%u count=", reason);
    const char *at = strstr(command(line), key);
    if (at)
        sscanf(at + strlen(key), "%lu", &count);
    return count;
}

#define EXIT_HLT_REASON        12
#define EXIT_PREEMPTION_REASON 52

/* 4 kinds of 10 alarms, 50000 cycles ahead: none is later than a handler or two take, of which one prints a
 * line. */
START_TEST(alarms_come_in_time)
{
    add_vm("alarm", "v image=alarm -- 10 50000 15000");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    must_say("[v] busy, by deadline: 10 alarms, 0 early, 0 late\n");
    must_say("[v] busy, by count: 10 alarms, 0 early, 0 late\n");
    must_say("[v] asleep, by deadline: 10 alarms, 0 early, 0 late\n");
    must_say("[v] asleep, by count: 10 alarms, 0 early, 0 late\n");
    must_say("[v] periodic: as many as wanted\n");
    must_say("[v] 1 NMI, 1 calls, 0 of them inside it\n");
    must_say("[v] 1 calls, 0 of them before the step was over\n");
}
END_TEST

/* A crystal that is slower than the core: 5 GHz.  By counts alarms are four times as far. */
START_TEST(the_timer_counts_as_cpuid_says)
{
    struct rs_config config;
    rs_config_init(&config);
    config.params = rs_params_new();
    ck_assert(rs_params_set(config.params, "hz", 5000000000u, &err) == RS_OK);
    rs_world_free(world);
    world = rs_world_new();
    machine = rs_machine_new(world, &config, &err);
    rs_params_free(config.params);
    rs_set_max_cycles(world, HV_LIMIT_CYCLES);
    add_vm("alarm", "v image=alarm -- 5 50000 10000");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    must_say("[v] busy, by deadline: 5 alarms, 0 early, 0 late\n");
    must_say("[v] busy, by count: 5 alarms, 0 early, 5 late\n");
}
END_TEST

/* The one that spins is given the time in which the other sleeps. */
START_TEST(who_sleeps_leaves_the_processor_alone)
{
    add_vm("alarm", "sleeper image=alarm -- 30 1000000 100000000");
    add_vm("alu", "busy image=alu -- 1000000000");
    boot_hv();
    while (!strstr(console_from(0, 0), "busy, by count"))
        run_until(rs_cycles(machine, 0) + 1000000);
    uint64_t before = stat_of("sleeper", "guest_cycles="), busy = stat_of("busy", "guest_cycles=");
    run_until(rs_cycles(machine, 0) + 20000000);
    ck_assert_uint_gt(exits_of("sleeper", EXIT_HLT_REASON), 5);
    ck_assert_uint_lt(stat_of("sleeper", "guest_cycles=") - before, 1000000);
    ck_assert_uint_gt(stat_of("busy", "guest_cycles=") - busy, 18000000);
}
END_TEST

/* With nobody else the hypervisor sleeps as well, to the cycle of the next alarm. */
START_TEST(idle_until_the_next_alarm)
{
    add_vm("alarm", "v image=alarm -- 10 700000 10000");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    must_say("[v] asleep, by deadline: 10 alarms, 0 early, 0 late\n");
}
END_TEST

/* The VMX-preemption timer is that of the quantum alone for who has no alarms. */
START_TEST(only_alarms_shorten_a_quantum)
{
    add_vm("alu", "v image=alu -- 1000000000");
    boot_hv();
    run_until(40000000);
    uint64_t exits = exits_of("v", EXIT_PREEMPTION_REASON);
    ck_assert_msg(exits > 30 && exits < 45, "%lu exits", (unsigned long)exits);
}
END_TEST

/* One exit an alarm, and none for one that has just come. */
START_TEST(an_alarm_is_one_exit)
{
    add_vm("alarm", "v image=alarm -- 200 50000");
    boot_hv();
    run_until(14000000);
    uint64_t exits = exits_of("v", EXIT_PREEMPTION_REASON);
    ck_assert_msg(exits > 200 && exits < 300, "%lu exits", (unsigned long)exits);
}
END_TEST

/* Interrupted deliveries are done again: with lazy=yes stacks and tables fault while events are delivered. */
START_TEST(alarms_on_memory_that_is_not_there_yet)
{
    add_vm("alarm", "v image=alarm lazy=yes -- 10 50000 20000");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    must_say("[v] busy, by deadline: 10 alarms, 0 early, 0 late\n");
    must_say("[v] 1 NMI, 1 calls, 0 of them inside it\n");
}
END_TEST

/* A pause lets time pass: the alarm has come when it is over. */
START_TEST(a_paused_vm_takes_its_alarm_later)
{
    add_vm("alarm", "v image=alarm -- 1 3000000 100000000");
    boot_hv();
    run_until(2000000);
    reply_has("vm pause v", "ok");
    run_until(rs_cycles(machine, 0) + 5000000);
    reply_has("vm resume v", "ok");
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    must_say("[v] busy, by deadline: 1 alarms, 0 early, 0 late\n");
}
END_TEST

/* Its APIC and its timer are as after power-on. */
START_TEST(started_again_it_has_a_new_apic)
{
    add_vm("alarm", "v image=alarm -- 2 20000 10000");
    boot("hv/hv.elf", "hv --stay");
    for (int i = 0; i < 3; i++) {
        run_until(rs_cycles(machine, 0) + 8000000);
        reply_has("vm list", "state=stopped image=alarm ram=8192K page=4K weight=1 status=1");
        reply_has("vm start v", "ok");
    }
}
END_TEST

/* ---- what is refused, and what ends a VM ---- */

/* From 0x100000, without an IDT: an exception is a triple fault. */
static const struct refused {
    const char *name;
    const uint8_t *code;
    size_t bytes;
    const char *says;
} refusals[] = {
#define CODE(...)                    (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
/* MOV ECX, msr; XOR EDX, EDX; MOV EAX, value; WRMSR */
#define WRMSR(low, high, a, b, c, d) 0xb9, low, high, 0, 0, 0x31, 0xd2, 0xb8, a, b, c, d, 0x0f, 0x30
#define END                          0x31, 0xc0, 0xe7, 0xf4
    {"IA32_APIC_BASE as it is", CODE(WRMSR(0x1b, 0, 0, 0x09, 0xe0, 0xfe), END),
     "v stopped by debug-exit, status 1"},
    {"IA32_APIC_BASE to x2APIC mode", CODE(WRMSR(0x1b, 0, 0, 0x0d, 0xe0, 0xfe), END),
     "v stopped by debug-exit, status 1"},
    {"IA32_APIC_BASE elsewhere", CODE(WRMSR(0x1b, 0, 0, 0x09, 0xe0, 0xfd), END), "v crashed: triple fault"},
    {"IA32_APIC_BASE, EXTD alone", CODE(WRMSR(0x1b, 0, 0, 0x05, 0xe0, 0xfe), END), "v crashed: triple fault"},
    {"an x2APIC MSR in xAPIC mode", CODE(WRMSR(0x08, 0x08, 0, 0, 0, 0), END), "v crashed: triple fault"},
    {"an x2APIC MSR beyond the last", CODE(WRMSR(0x40, 0x08, 0, 0, 0, 0), END), "v crashed: triple fault"},
    /* TEST EAX, [0xfee00390]: the current count, which the processor does not virtualise */
    {"the current count is read", CODE(0xb8, 1, 0, 0, 0, 0x67, 0x85, 0x04, 0x25, 0x90, 0x03, 0xe0, 0xfe, END),
     "v stopped by debug-exit, status 1"},
    /* MOV RAX, [0xfee000a0] and MOV [0xfee00030], RAX: wide, and to a register that cannot be written */
    {"wide and read-only accesses",
     CODE(0x67, 0x48, 0x8b, 0x04, 0x25, 0xa0, 0x00, 0xe0, 0xfe, 0x67, 0x48, 0x89, 0x04, 0x25, 0x30, 0x00,
          0xe0, 0xfe, END),
     "v stopped by debug-exit, status 1"},
    /* ADD DWORD [0xfee000f0], 0x100: SVR's enable bit in one */
    {"a read-modify-write", CODE(0x67, 0x81, 0x04, 0x25, 0xf0, 0x00, 0xe0, 0xfe, 0, 1, 0, 0, END),
     "v stopped by debug-exit, status 1"},
    /* MOV EAX, 0xfee00300; JMP RAX */
    {"code in the page", CODE(0xb8, 0, 0x03, 0xe0, 0xfe, 0xff, 0xe0),
     "its APIC's page holds code, a stack or tables (0xfee00300)"},
    /* MOV EAX, 0xfee00000; MOV CR3, RAX */
    {"tables in the page", CODE(0xb8, 0, 0, 0xe0, 0xfe, 0x0f, 0x22, 0xd8),
     "its APIC's page holds code, a stack or tables (0xfee00"},
    {"the page in x2APIC mode",
     CODE(WRMSR(0x1b, 0, 0, 0x0d, 0xe0, 0xfe), 0x67, 0x8b, 0x04, 0x25, 0x30, 0x00, 0xe0, 0xfe),
     "where its APIC has no page in this mode"},
    {"the page of an APIC that is off",
     CODE(WRMSR(0x1b, 0, 0, 0x01, 0xe0, 0xfe), 0x67, 0x89, 0x04, 0x25, 0x20, 0x00, 0xe0, 0xfe),
     "where its APIC has no page in this mode"},
#undef END
#undef WRMSR
#undef CODE
};

START_TEST(the_local_apic_refuses)
{
    const struct refused *r = &refusals[_i];
    const struct elf_segment segment = {0x100000, r->code, r->bytes};
    char path[256];
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
    add_file(path, "v image=refused ram=4M");
    add_vm("hello", "good image=hello");
    boot_hv();
    unlink(path);
    run_to_end();
    must_say(r->says);
    must_say("good stopped by debug-exit, status 1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hv_apic");
    TCase *alarms = tcase_create("alarms"), *refused = tcase_create("refused");
    tcase_add_checked_fixture(alarms, setup, close_world);
    tcase_set_timeout(alarms, 120);
    tcase_add_test(alarms, alarms_come_in_time);
    tcase_add_test(alarms, the_timer_counts_as_cpuid_says);
    tcase_add_test(alarms, who_sleeps_leaves_the_processor_alone);
    tcase_add_test(alarms, idle_until_the_next_alarm);
    tcase_add_test(alarms, only_alarms_shorten_a_quantum);
    tcase_add_test(alarms, an_alarm_is_one_exit);
    tcase_add_test(alarms, alarms_on_memory_that_is_not_there_yet);
    tcase_add_test(alarms, a_paused_vm_takes_its_alarm_later);
    tcase_add_test(alarms, started_again_it_has_a_new_apic);
    suite_add_tcase(suite, alarms);
    tcase_add_checked_fixture(refused, setup, close_world);
    tcase_add_loop_test(refused, the_local_apic_refuses, 0, sizeof refusals / sizeof *refusals);
    suite_add_tcase(suite, refused);
    return suite_run(suite);
}
