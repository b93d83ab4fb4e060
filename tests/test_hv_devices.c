/* test_hv_devices.c - devices of VMs: what their drivers print bare and in a VM, and what the accesses cost.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hv_run.h"
#include "lib/suite.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static const struct rs_device edu = {.kind = "edu", .slot = 1};

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
    const char *stats = command("stats v"), *mmio = strstr(stats, "fault=4 "),
               *exits = strstr(stats, reason[_i]);
    ck_assert_msg(mmio && exits && strstr(mmio, "reason=mmio"), "%s", stats);
    uint64_t n = strtoull(strstr(mmio, "count=") + 6, NULL, 10),
             all = strtoull(strstr(exits, "count=") + 6, NULL, 10);
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

/* ---- the network ---- */

static const struct {
    const char *sender, *receiver;
    uint64_t ram;
    uint32_t cores;
} pairs[] = {
    {"nested", "nested", 64, 1},
    {"shadow", "nested lazy=yes", 64, 1},
    {"nested lazy=yes page=2m", "shadow", 64, 2},
    {"shadow vcpus=2", "shadow lazy=yes page=2m", 64, 2},
};

static const char *nics[] = {"e1000", "virtio"};

static void start_pair(const char *sender, const char *receiver, unsigned frames, unsigned bytes,
                       unsigned batch)
{
    static char a[128], b[128];
    snprintf(a, sizeof a, "a image=net nic=%s mmu=%s -- send 2 %u %u %u", nics[0], sender, frames, bytes,
             batch);
    snprintf(b, sizeof b, "b image=net nic=%s mmu=%s -- receive %u %u", nics[1], receiver, frames, batch);
    add_vm("net", a);
    add_vm("net", b);
}

/* NICs of the sender and the receiver: four pairs. */
static void choose_nics(unsigned pair)
{
    static const char *const kinds[] = {"e1000", "virtio"};
    nics[0] = kinds[pair & 1];
    nics[1] = kinds[pair >> 1 & 1];
}

/* Every byte of every frame, in order, by each pager, on one core and on two. */
START_TEST(frames_arrive)
{
    choose_nics((unsigned)_i / COUNT(pairs));
    _i %= COUNT(pairs);
    close_world();
    open_world(pairs[_i].ram, HV_FIRMWARE, pairs[_i].cores);
    start_pair(pairs[_i].sender, pairs[_i].receiver, 64, _i % 2 ? 1514 : 60, 8);
    boot_hv();
    ck_assert_msg(run_to_end() == STATUS_SUCCESS, "%s", console_from(0, 0));
    must_say(_i % 2 ? "[a] 64 frames of 1514 bytes sent, 8 answers, 0 damaged"
                    : "[a] 64 frames of 60 bytes sent, 8 answers, 0 damaged");
    must_say("[b] 64 frames received, 0 damaged");
}
END_TEST

/* The management line: what is there, what went where, and VLANs that change while frames are on their way.
 */
START_TEST(ports_and_vlans)
{
    choose_nics(2);
    start_pair("nested", "nested", 800, 1000, 8);
    add_vm("hello", "c image=hello");
    boot("hv/hv.elf", "hv --stay");
    run_until(8000000);
    reply_has("net list", "port=a kind=vm mac=52:49:4e:00:00:01 vlan=1 mode=access link=up\n"
                          "port=b kind=vm mac=52:49:4e:00:00:02 vlan=1 mode=access link=up\nok");
    uint64_t sent = 0;
    while (sent <= 16 && rs_now(machine) < 60000000) { /* b has been loaded, and a has found it */
        run_until(rs_now(machine) + 500000);
        sent = net_stat(command("net stats"), "b", "out");
    }
    ck_assert_uint_gt(sent, 16);
    ck_assert_uint_lt(sent, 800);
    reply_has("vm set a vlan 7", "ok");
    reply_has("net list", "port=a kind=vm mac=52:49:4e:00:00:01 vlan=7 mode=access");
    run_until(rs_now(machine) + 5000000);
    sent = net_stat(command("net stats"), "b", "out");
    run_until(rs_now(machine) + 5000000);
    const char *stats = command("net stats");
    ck_assert_uint_eq(net_stat(stats, "b", "out"), sent); /* it waits for an answer that cannot come */
    ck_assert_uint_gt(net_stat(stats, "a", "nowhere") + net_stat(stats, "b", "nowhere"), 0);
    reply_has("vm set b vlan trunk", "ok");
    reply_has("net list", "port=b kind=vm mac=52:49:4e:00:00:02 vlan=1 mode=trunk");
    reply_has("vm set b vlan 0", "error: vm set NAME KEY VALUE: vlan: possible is 1 to 4094, or trunk");
    reply_has("vm set b vlan 4095", "error: ");
    reply_has("vm set b nic none", "error: ");
    reply_has("net", "error: net what? possible are net list, stats and bond");
    reply_has("net up", "error: net up? possible are net list, stats and bond");
    reply_has("net list a", "error: net list: \"a\" is too much");
}
END_TEST

/* Registers, rings and descriptors at random: whatever the guest does to itself, the other VM gets its
 * frames. */
START_TEST(hostile_drivers)
{
    char string[64];
    choose_nics(0);
    snprintf(string, sizeof string, "x image=net nic=%s mmu=%s -- hostile 2000", _i / 2 ? "virtio" : "e1000",
             _i % 2 ? "shadow" : "nested");
    start_pair("nested", "nested", 64, 1000, 8);
    add_vm("net", string);
    boot("hv/hv.elf", "hv --stay");
    run_until(150000000);
    must_say("[a] 64 frames of 1000 bytes sent, 8 answers, 0 damaged");
    must_say("a stopped by debug-exit, status 1");
    must_say("b stopped by debug-exit, status 1");
    reply_has("vm list", "name=x state=");
}
END_TEST

/* A NIC that is emulated costs an exit for each of its registers that the driver touches, and those of the
 * interrupt; what is written to its rings is none.  Here, for a frame and its answer: TDT and RDT on both
 * sides, ICR, EOI and HLT on one. */
static uint64_t exits_of_64(unsigned batch)
{
    uint64_t exits[2];
    for (unsigned i = 0; i < 2; i++) {
        close_world();
        setup();
        start_pair("nested", "nested", 64 << i, 1000, batch);
        boot("hv/hv.elf", "hv --stay");
        run_until(20000000);
        must_say("a stopped by debug-exit, status 1");
        must_say("b stopped by debug-exit, status 1");
        exits[i] = stat_of("a", " exits=") + stat_of("b", " exits=");
    }
    return exits[1] - exits[0];
}

START_TEST(exits_of_a_frame)
{
    choose_nics(0);
    uint64_t exits = exits_of_64(1);
    ck_assert_uint_ge(exits, 64 * 6);
    ck_assert_uint_le(exits, 64 * 9);
}
END_TEST

/* A virtio NIC is told once of a batch, and tells once: here eight frames and their answer cost less than one
 * exit a frame, on both sides together. */
START_TEST(exits_of_a_batch)
{
    choose_nics(3);
    uint64_t exits = exits_of_64(8);
    ck_assert_uint_ge(exits, 8 * 3);
    ck_assert_uint_lt(exits, 64);
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
    t = tcase_create("network");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, close_world);
    tcase_add_loop_test(t, frames_arrive, 0, COUNT(pairs) * 4);
    tcase_add_test(t, ports_and_vlans);
    tcase_add_loop_test(t, hostile_drivers, 0, 4);
    tcase_add_test(t, exits_of_a_frame);
    tcase_add_test(t, exits_of_a_batch);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
