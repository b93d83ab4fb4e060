/* test_hv_devices.c - devices of VMs: what their drivers print bare and in a VM, and what the accesses cost. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hv_run.h"
#include "lib/suite.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static const struct rs_device edu = {"edu", 1};

static void setup(void)
{
    open_world(64, HV_FIRMWARE, 1);
}

static const char *const mmus[] = {"nested", "shadow", "nested faults=hypervisor", "nested lazy=yes page=2m",
                                   "shadow lazy=yes page=2m"};
#define MMUS COUNT(mmus)

static const struct {
    const char *image, *args;
} drivers[] = {{"edu", "10 1000"}, {"edu", "20000 4096"}, {"registers", ""}};

START_TEST(drivers_see_what_the_machine_has)
{
    const char *image = drivers[_i / MMUS].image, *args = drivers[_i / MMUS].args;
    char path[64], cmdline[64], string[128], bare[HV_TEXT_BYTES], virtual[HV_TEXT_BYTES];
    close_world();
    open_world_devices(64, 0, 1, &edu, 1);
    snprintf(path, sizeof path, "guests/%s.elf", image);
    snprintf(cmdline, sizeof cmdline, "%s %s", image, args);
    boot(path, cmdline);
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    snprintf(bare, sizeof bare, "%s", console_from(0, 0));
    close_world();
    setup();
    snprintf(string, sizeof string, "v image=%s edu=yes mmu=%s -- %s", image, mmus[_i % MMUS], args);
    add_vm(image, string);
    boot_hv();
    ck_assert_msg(run_to_end() == STATUS_SUCCESS, "%s", console_from(0, 0));
    vm_lines("v", virtual);
    must_be_same(bare, virtual);
}
END_TEST

/* Each access exits once, and is counted under its own name besides. */
START_TEST(accesses_are_counted)
{
    static const char *const reason[] = {"exit=48 ", "exit=0 "};
    char string[64];
    snprintf(string, sizeof string, "v image=edu edu=yes mmu=%s", mmus[_i]);
    add_vm("edu", string);
    boot("hv/hv.elf", "hv --stay");
    run_until(20000000);
    must_say("v stopped by debug-exit, status 1");
    const char *stats = command("stats v"), *mmio = strstr(stats, "fault=4 "), *exits = strstr(stats, reason[_i]);
    ck_assert_msg(mmio && exits && strstr(mmio, "reason=mmio"), "%s", stats);
    uint64_t n = strtoull(strstr(mmio, "count=") + 6, NULL, 10), all = strtoull(strstr(exits, "count=") + 6, NULL, 10);
    ck_assert_msg(n >= 20 && n < 40, "%s", stats);
    ck_assert_msg(_i ? all > n : all == n, "%s", stats); /* page faults have other causes too */
}
END_TEST

/* Without devices there is no bus: its ports read as ones. */
START_TEST(no_bus_without_devices)
{
    add_vm("edu", "v image=edu");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say("[v] there is no edu device");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_devices");
    TCase *t = tcase_create("devices");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, close_world);
    tcase_add_loop_test(t, drivers_see_what_the_machine_has, 0, COUNT(drivers) * MMUS);
    tcase_add_loop_test(t, accesses_are_counted, 0, 2);
    tcase_add_test(t, no_bus_without_devices);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
