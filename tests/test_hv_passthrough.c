/* test_hv_passthrough.c - devices of the machine that VMs have for themselves: what their drivers print bare
 * and passed through, who may have which, and what is left when a VM ends. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/hv_run.h"
#include "lib/suite.h"
#include "lib/temporary.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define IOMMU        (HV_FIRMWARE | RS_FW_VTD)
#define DISK_BYTES   65536

static char disk[256];
static struct rs_device devices[] = {
    {.kind = "edu", .slot = 1},
    {.kind = "e1000", .slot = 4},
    {.kind = "e1000", .slot = 6},
    {.kind = "virtio-blk", .slot = 7, .file = disk},
};

static void make_disk(void)
{
    ck_assert(temporary_file(disk));
    FILE *f = fopen(disk, "wb");
    ck_assert(f != NULL);
    for (unsigned i = 0; i < DISK_BYTES; i++)
        fputc((int)(i / 512 * 7 + i) & 0xff, f);
    ck_assert_int_eq(fclose(f), 0);
}

/* Both NICs are linked. */
static void open_machine(uint64_t firmware, uint32_t cores)
{
    struct rs_link link;
    open_world_devices(64, firmware, cores, devices, COUNT(devices));
    rs_link_init(&link);
    ck_assert_msg(rs_link(machine, 0, machine, 1, &link, &err) == RS_OK, "%s", err.text);
}

static void setup(void)
{
    make_disk();
    open_machine(IOMMU, 1);
}

static void teardown(void)
{
    close_world();
    unlink(disk);
}

/* ---- drivers ---- */

static const char *const mmus[] = {"nested",           "shadow",         "nested faults=hypervisor",
                                   "nested page=2m",   "shadow page=2m", "nested posted=yes",
                                   "shadow posted=yes"};
#define MMUS COUNT(mmus)

static const struct {
    const char *image, *devices, *args;
} drivers[] = {
    {"edu", "edu=passthrough", "10 1000"},
    {"edu", "edu=passthrough", "20000 4096"},
    {"registers", "edu=passthrough", ""},
    {"e1000", "nic=passthrough nic_slot=4,6", "40 1000"},
    {"e1000", "nic=passthrough nic_slot=4,6", "17 1514 200"},
    {"virtio", "disk=passthrough", "100"},
    {"virtio", "disk=passthrough disk_slot=7", "8"},
};

START_TEST(drivers_see_what_the_machine_has)
{
    const char *image = drivers[_i / MMUS].image, *args = drivers[_i / MMUS].args;
    char path[64], cmdline[64], string[128], bare[HV_TEXT_BYTES], virtual[HV_TEXT_BYTES];
    snprintf(path, sizeof path, "guests/%s.elf", image);
    snprintf(cmdline, sizeof cmdline, "%s %s", image, args);
    boot(path, cmdline);
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    snprintf(bare, sizeof bare, "%s", console_from(0, 0));
    for (uint32_t cores = 1; cores <= 2; cores++) {
        close_world();
        open_machine(IOMMU, cores);
        snprintf(string, sizeof string, "v image=%s %s mmu=%s -- %s", image, drivers[_i / MMUS].devices,
                 mmus[_i % MMUS], args);
        add_vm(image, string);
        boot_hv();
        ck_assert_msg(run_to_end() == STATUS_SUCCESS, "%s", console_from(0, 0));
        vm_lines("v", virtual);
        must_be_same(bare, virtual);
    }
}
END_TEST

/* Registers are reached without exits; an interrupt is one, and its end another; posted it is none. */
START_TEST(exits_are_interrupts_alone)
{
    char string[128];
    uint64_t exits[2];
    for (unsigned i = 0; i < 2; i++) {
        close_world();
        open_machine(IOMMU, 1);
        snprintf(string, sizeof string, "v image=e1000 nic=passthrough nic_slot=4,6 posted=%s -- %u 1000",
                 _i ? "yes" : "no", i ? 800 : 400);
        add_vm("e1000", string);
        boot("hv/hv.elf", "hv --stay");
        run_until(60000000);
        must_say("v stopped by debug-exit, status 1");
        const char *stats = command("stats v");
        ck_assert_msg(!strstr(stats, "fault=4 "), "registers exit: %s", stats);
        ck_assert_msg(!_i || !strstr(stats, "exit=1 "), "interrupts exit: %s", stats);
        exits[i] = stat_of("v", " exits=");
    }
    uint64_t more = exits[1] - exits[0], waits = 400 / 8;
    ck_assert_msg(_i ? more <= 2 * waits : more > 2 * waits, "%llu exits for 400 frames",
                  (unsigned long long)more);
}
END_TEST

/* Interrupts that virtual CPUs send each other, and their timers', by the same way. */
static const struct {
    const char *image, *bare, *vm;
    uint32_t vcpus, cores;
} others[] = {
    {"ping", "ping 30", "v image=ping vcpus=2 posted=yes -- 30", 2, 1},
    {"ping", "ping 30", "v image=ping vcpus=2 posted=yes -- 30", 2, 2},
    {"ping", "ping 30", "v image=ping vcpus=2 mmu=shadow posted=yes -- 30", 2, 2},
    {"sipi", "sipi", "v image=sipi vcpus=3 posted=yes", 3, 2},
    {"sipi", "sipi page", "v image=sipi vcpus=2 posted=yes -- page", 2, 1},
    {"ticker", "ticker", "v image=ticker posted=yes", 1, 1},
};

START_TEST(all_interrupts_are_posted)
{
    char path[64], bare[HV_TEXT_BYTES], virtual[HV_TEXT_BYTES];
    close_world();
    open_machine(HV_FIRMWARE, others[_i].vcpus);
    snprintf(path, sizeof path, "guests/%s.elf", others[_i].image);
    boot(path, others[_i].bare);
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    snprintf(bare, sizeof bare, "%s", console_from(0, 0));
    close_world();
    open_machine(HV_FIRMWARE, others[_i].cores);
    add_vm(others[_i].image, others[_i].vm);
    boot_hv();
    ck_assert_msg(run_to_end() == STATUS_SUCCESS, "%s", console_from(0, 0));
    vm_lines("v", virtual);
    must_be_same(bare, virtual);
}
END_TEST

/* ---- who may have what ---- */

static const struct {
    const char *string, *why;
    bool without;
} refusals[] = {
    {"v image=edu edu=passthrough",
     "this machine offers no IOMMU (there is no ACPI table DMAR): turn it on, as VT-d, in the firmware "
     "settings; or "
     "let its devices reach all memory, by unsafe=yes",
     true},
    {"v image=edu edu=passthrough lazy=yes",
     "a device that is passed through finds no memory that is not there yet: lazy=yes cannot be", false},
    {"v image=edu nic=passthrough nic_slot=7", "there is no E1000 in slot 7 of the machine", false},
    {"v image=edu nic=passthrough nic_slot=4,9", "there is no E1000 in slot 9 of the machine", false},
    {"v image=edu disk=passthrough disk_slot=0",
     "disk_slot=0: possible is a slot of the machine's bus, 1 to 31, or several: 4,5", false},
    {"v image=edu nic=passthrough nic_slot=4,",
     "nic_slot=4,: possible is a slot of the machine's bus, 1 to 31, or several: 4,5", false},
};

START_TEST(refused)
{
    char text[512];
    close_world();
    open_machine(refusals[_i].without ? HV_FIRMWARE : IOMMU, 1);
    add_vm("edu", refusals[_i].string);
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    snprintf(text, sizeof text, "v crashed: it cannot start: %s", refusals[_i].why);
    must_say(text);
}
END_TEST

/* What one has the other cannot have, until the first has ended; and then it is as it was. */
START_TEST(one_owner)
{
    static const char *const ends[] = {"vm stop a", "vm stop b"};
    add_vm("echo", "a image=echo edu=passthrough nic=passthrough");
    add_vm("edu", "b image=edu edu=passthrough start=no -- 10 1000");
    add_vm("echo", "c image=echo nic=passthrough start=no");
    add_vm("echo", "d image=echo nic=passthrough start=no");
    boot("hv/hv.elf", "hv --stay");
    run_until(5000000);
    reply_has("vm start b", "error: the machine has no edu device that nobody has");
    reply_has("vm start c", "ok"); /* the second NIC */
    reply_has("vm start d", "error: the machine has no E1000 that nobody has");
    for (unsigned i = 0; i < 3; i++) {
        reply_has(ends[0], "ok");
        reply_has("vm start b", "ok");
        run_until(rs_now(machine) + 3000000);
        ck_assert_msg(
            strstr(command("vm list"), "name=b state=stopped image=edu ram=8192K page=4K weight=1 status=1 "),
            "%s", command("vm list"));
        reply_has("vm start a", "ok");
    }
    reply_has("vm stop c", "ok");
    reply_has("vm start d", "ok");
}
END_TEST

static uint64_t free_memory(void)
{
    const char *stats = command("stats"), *at = strstr(stats, "host free=");
    ck_assert_msg(at != NULL, "%s", stats);
    return strtoull(at + 10, NULL, 10);
}

/* No table, page or vector is lost, however often. */
START_TEST(nothing_is_lost)
{
    uint64_t before = 0;
    add_vm("edu", _i ? "v image=edu ram=3M edu=passthrough disk=passthrough start=no mmu=shadow -- 10 1000"
                     : "v image=edu ram=3M edu=passthrough disk=passthrough start=no -- 10 1000");
    boot("hv/hv.elf", "hv --stay");
    run_until(1000000);
    for (unsigned i = 0; i < 16; i++) {
        reply_has("vm start v", "ok");
        run_until(rs_now(machine) + 3000000);
        must_say("v stopped by debug-exit, status 1");
        if (i == 1)
            before = free_memory();
    }
    ck_assert_uint_eq(free_memory(), before);
    ck_assert_msg(!strstr(console_from(0, 0), "no vector"), "%s", console_from(0, 0));
}
END_TEST

/* A driver that writes anything anywhere: what the NIC then does to memory is its VM's affair. */
START_TEST(hostile_driver)
{
    char alone[HV_TEXT_BYTES], beside[HV_TEXT_BYTES];
    for (unsigned i = 0; i < 2; i++) {
        close_world();
        open_machine(IOMMU, 1 + (uint32_t)_i);
        add_vm("chase", "v image=chase -- 256 400000");
        if (i)
            add_vm("net", _i ? "x image=net nic=passthrough mmu=shadow -- hostile 2000"
                             : "x image=net nic=passthrough posted=yes -- hostile 2000");
        boot("hv/hv.elf", "hv --stay");
        run_until(60000000);
        must_say("v stopped by debug-exit, status 1");
        vm_lines("v", i ? beside : alone);
    }
    must_be_same(alone, beside);
    reply_has("vm list", "name=x state=");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_passthrough");
    TCase *t = tcase_create("drivers");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, drivers_see_what_the_machine_has, 0, COUNT(drivers) * MMUS);
    tcase_add_loop_test(t, exits_are_interrupts_alone, 0, 2);
    tcase_add_loop_test(t, all_interrupts_are_posted, 0, COUNT(others));
    suite_add_tcase(s, t);
    t = tcase_create("owners");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, refused, 0, COUNT(refusals));
    tcase_add_test(t, one_owner);
    tcase_add_loop_test(t, nothing_is_lost, 0, 2);
    tcase_add_loop_test(t, hostile_driver, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
