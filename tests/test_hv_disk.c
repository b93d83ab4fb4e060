/* test_hv_disk.c - disks of VMs over the machine's (disk=virtio): what the driver prints and writes bare and
 * in a VM, parts of a disk, filters, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../hv/aes.h"
#include "lib/hv_run.h"
#include "lib/suite.h"
#include "lib/temporary.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define DISK_BYTES   65536
#define SECTOR       512
#define KEY          "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static char files[2][256];
static struct rs_device devices[] = {
    {.kind = "virtio-blk", .slot = 3, .file = files[0]},
    {.kind = "virtio-blk", .slot = 5, .file = files[1]},
};

static void make_disk(char file[256], unsigned step)
{
    ck_assert(temporary_file(file));
    FILE *f = fopen(file, "wb");
    ck_assert(f != NULL);
    for (unsigned i = 0; i < DISK_BYTES; i++)
        fputc((int)(i / SECTOR * step + i) & 0xff, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void open_machine(uint32_t cores)
{
    open_world_devices(64, HV_FIRMWARE, cores, devices, COUNT(devices));
}

static void setup(void)
{
    make_disk(files[0], 7);
    make_disk(files[1], 11);
    open_machine(1);
}

static void teardown(void)
{
    close_world();
    unlink(files[0]);
    unlink(files[1]);
}

static void read_disk(unsigned i, uint8_t bytes[DISK_BYTES])
{
    ck_assert_int_eq(rs_disk_read(machine, i, 0, bytes, DISK_BYTES), RS_OK);
}

/* ---- the same as bare ---- */

static const struct {
    const char *string;
    uint32_t cores;
    bool encrypted;
} ways[] = {
    {"mmu=nested", 1, false},
    {"mmu=shadow", 1, false},
    {"mmu=nested lazy=yes page=2m disk_filter=profile", 1, false},
    {"mmu=nested vcpus=2", 2, false},
    {"mmu=shadow lazy=yes disk_filter=encrypt disk_key=" KEY, 2, true},
    {"mmu=nested disk_filter=profile,encrypt disk_key=" KEY, 1, true},
};

/* The sectors that the guest has written, as it would see them. */
static void decrypt(uint8_t bytes[DISK_BYTES], unsigned first, unsigned sectors)
{
    uint8_t key[XTS_KEY_BYTES];
    struct xts x;
    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    xts_set_key(&x, key);
    for (unsigned i = first; i < first + sectors; i++)
        xts_decrypt(&x, i, bytes + i * SECTOR, SECTOR);
}

START_TEST(the_driver_sees_what_the_machine_has)
{
    static uint8_t bare_disk[DISK_BYTES], disk[DISK_BYTES];
    char bare[HV_TEXT_BYTES], virtual[HV_TEXT_BYTES], string[256];
    struct rs_disk before, after;
    boot("guests/virtio.elf", "virtio 100");
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    snprintf(bare, sizeof bare, "%s", console_from(0, 0));
    read_disk(0, bare_disk);
    ck_assert(rs_disk(machine, 0, &before));
    close_world();
    open_machine(ways[_i].cores);
    snprintf(string, sizeof string, "v image=virtio disk=virtio %s -- 100", ways[_i].string);
    add_vm("virtio", string);
    boot_hv();
    ck_assert_msg(run_to_end() == STATUS_SUCCESS, "%s", console_from(0, 0));
    vm_lines("v", virtual);
    must_be_same(bare, virtual);
    read_disk(0, disk);
    if (ways[_i].encrypted) {
        ck_assert_mem_ne(disk + 100 * SECTOR, bare_disk + 100 * SECTOR, SECTOR);
        decrypt(disk, 100, 8);
    }
    ck_assert_mem_eq(disk, bare_disk, DISK_BYTES);
    ck_assert(rs_disk(machine, 0, &after));
    ck_assert_uint_eq(after.cached, before.cached); /* flushed as often */
}
END_TEST

/* ---- one disk, several VMs ---- */

START_TEST(parts_of_a_disk)
{
    static uint8_t disk[DISK_BYTES];
    uint64_t requests = 0;
    add_vm("virtio", "a image=virtio disk=virtio disk_slot=5 disk_sectors=64 -- 8");
    add_vm("virtio",
           "b image=virtio disk=virtio disk_slot=5 disk_first=64 disk_sectors=40 disk_filter=profile -- 8");
    add_vm("virtio", "c image=virtio disk=virtio -- 8"); /* the other disk */
    boot("hv/hv.elf", "hv --stay");
    run_until(60000000);
    must_say("[a] a disk of 64 sectors, from sector 8 on");
    must_say("[b] a disk of 40 sectors, from sector 8 on");
    must_say("[c] a disk of 128 sectors, from sector 8 on");
    must_say("[a] both: 0 wrong;");
    must_say("[b] both: 0 wrong;");
    must_say("[c] both: 0 wrong;");
    read_disk(1, disk);
    ck_assert_mem_eq(disk + 8 * SECTOR, disk + 72 * SECTOR, 8 * SECTOR); /* both have written the same */
    ck_assert_uint_eq(disk[7 * SECTOR], (uint8_t)(7 * 11));
    ck_assert_uint_eq(disk[71 * SECTOR], (uint8_t)(71 * 11));
    for (const char *at = command("disk profile b"); (at = strstr(at, "s=")); at += 2)
        requests += strtoull(at + 2, NULL, 10) > 0;
    ck_assert_uint_gt(requests, 6);
    reply_has("disk profile b", "\nsize=2 reads=32 writes=28\n");
    reply_has("disk list", "disk slot=3 owner=-\ndisk slot=5 owner=-\nok");
    reply_has("disk profile a", "error: a has no disk=virtio with disk_filter=profile");
    reply_has("disk profile", "error: the name of a VM is missing");
    reply_has("disk", "error: disk what? possible are disk list and disk profile NAME");
    reply_has("disk list a", "error: disk list: \"a\" is too much");
    ck_assert_uint_gt(stat_of("a", "device=virtio-blk notifications="), 0);
}
END_TEST

/* A VM is stopped while its disk works, and started again: the disk is its own again, and does. */
START_TEST(stopped_in_the_midst)
{
    uint64_t cycle = 2000000;
    add_vm("virtio", "v image=virtio disk=virtio -- 8");
    boot("hv/hv.elf", "hv --stay");
    while (cycle < 20000000 && !strstr(console_from(0, 0), "[v] plain"))
        run_until(cycle += 20000);
    reply_has("disk list", "disk slot=3 owner=the hypervisor\ndisk slot=5 owner=-\n"
                           "vm=v slot=3 first=0 sectors=128 filter=none reads=");
    for (unsigned i = 0; i < 5; i++) {
        reply_has("vm stop v", "ok");
        reply_has("disk list", "disk slot=3 owner=-");
        reply_has("vm start v", "ok");
        run_until(rs_now(machine) + 1500000 + i * 7000);
    }
    run_until(rs_now(machine) + 20000000);
    must_say("[v] both: 0 wrong; behind the end 1, an unknown request 2; interrupts");
    must_say("v stopped by debug-exit, status 1");
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *string, *why;
} refused[] = {
    {"disk=virtio disk_slot=4", "there is no virtio disk in slot 4 of the machine"},
    {"disk=virtio disk_slot=5 disk_first=128", "the disk in slot 5 has 128 sectors: disk_first=128"},
    {"disk=virtio disk_first=100 disk_sectors=29", "the disk in slot 3 has 128 sectors: disk_first=100"},
    {"disk=virtio disk_filter=encrypt", "disk_filter=encrypt: disk_key is missing"},
    {"disk=virtio disk_key=" KEY, "disk_key: nothing is encrypted without disk_filter=encrypt"},
    {"disk=virtio disk_filter=encrypt disk_key=12", "possible is 64 hexadecimal digits"},
    {"disk=virtio disk_filter=zip", "disk_filter=zip: possible is none, profile, encrypt"},
    {"disk_first=8", "disk_first, disk_sectors, disk_filter and disk_key are for disk=virtio"},
    {"disk=ide", "disk=ide: possible is none, virtio or passthrough"},
    {"disk=virtio disk_sectors=0", "possible is a number of sectors, 1 or more"},
};

START_TEST(refusals)
{
    char string[256];
    snprintf(string, sizeof string, "v image=virtio %s", refused[_i].string);
    add_vm("virtio", string);
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say("v crashed: it cannot start: ");
    must_say(refused[_i].why);
}
END_TEST

/* The same sectors for two; two disks for three. */
START_TEST(conflicts)
{
    add_vm("echo", "a image=echo disk=virtio disk_slot=3 disk_sectors=50");
    add_vm("echo", "b image=echo disk=virtio disk_slot=3 disk_first=49");
    add_vm("echo", "c image=echo disk=virtio disk_first=49");
    add_vm("echo", "d image=echo disk=virtio");
    boot("hv/hv.elf", "hv --stay");
    run_until(20000000);
    must_say("b crashed: it cannot start: sectors 49 to 127 of the disk in slot 3: a has some of them");
    must_say("d crashed: it cannot start: the machine has no virtio disk that nobody has");
    reply_has("disk list", "vm=a slot=3 first=0 sectors=50 filter=none reads=0 writes=0 flushes=0 errors=0\n"
                           "vm=c slot=5 first=49 sectors=79 ");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_disk");
    TCase *t = tcase_create("disks");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, the_driver_sees_what_the_machine_has, 0, COUNT(ways));
    tcase_add_test(t, parts_of_a_disk);
    tcase_add_test(t, stopped_in_the_midst);
    tcase_add_loop_test(t, refusals, 0, COUNT(refused));
    tcase_add_test(t, conflicts);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
