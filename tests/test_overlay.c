/* test_overlay.c - overlays of disks: what is in which file, and files that are damaged or forged
 * (docs/machine.md, "Overlays"). */
#define _XOPEN_SOURCE 700
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "dev/disk.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "lib/temporary.h"
#include "mmu/bytes.h"

#define FIRMWARE  (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define SECTORS   37 /* the last page is not whole */
#define RECORD    4104
#define HEADER    64
#define FILE_MOST (HEADER + 4 * RECORD)

static char base[256], over[256], part[300], other[256];
static struct rs_error err;
static u8 file[FILE_MOST], kept[FILE_MOST];

/* ---- files ---- */

static void write_whole(const char *path, const u8 *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static size_t read_whole(const char *path, u8 *bytes, size_t most)
{
    FILE *f = fopen(path, "rb");
    ck_assert(f);
    size_t n = fread(bytes, 1, most, f);
    fclose(f);
    return n;
}

static void write_base(unsigned sectors, u8 first)
{
    u8 bytes[SECTOR_BYTES * SECTORS] = {first};
    for (unsigned i = 1; i < sectors; i++)
        memset(bytes + (size_t)i * SECTOR_BYTES, (int)i, SECTOR_BYTES);
    write_whole(base, bytes, (size_t)sectors * SECTOR_BYTES);
}

static void set_up(void)
{
    ck_assert(temporary_file(base) && temporary_file(over) && temporary_file(other));
    snprintf(part, sizeof part, "%s.part", over);
    remove(over);
    write_base(SECTORS, 0);
}

static void tear_down(void)
{
    remove(base);
    remove(over);
    remove(part);
    remove(other);
}

static struct bare b;
static struct disk *d;

static void start_machine(bool readonly)
{
    const struct rs_device device = {
        .kind = "virtio-blk", .file = base, .overlay = over, .readonly = readonly};
    bare_open_devices(&b, FIRMWARE, 1, &device, 1);
    d = b.machine->disk[0];
}

static void ck_sector(unsigned sector, unsigned byte)
{
    u8 bytes[SECTOR_BYTES];
    ck_assert(disk_read(d, sector, bytes));
    ck_assert_uint_eq(bytes[77], byte);
}

static void put(unsigned sector, unsigned byte)
{
    u8 bytes[SECTOR_BYTES];
    memset(bytes, (int)byte, sizeof bytes);
    ck_assert(disk_write(d, sector, bytes));
}

static void commit(void)
{
    ck_assert_msg(rs_disk_commit(b.machine, 0, &err) == RS_OK, "%s", err.text);
}

/* An overlay with pages 0 and 4; how long it is. */
static size_t make_overlay(void)
{
    start_machine(false);
    put(3, 0xa3);
    put(SECTORS - 1, 0);
    commit();
    bare_close(&b);
    return read_whole(over, file, sizeof file);
}

/* ---- what is where ---- */

START_TEST(a_commit_writes_the_overlay_alone)
{
    u8 before[SECTOR_BYTES * SECTORS], after[SECTOR_BYTES * SECTORS];
    struct rs_disk info;
    struct stat st;
    read_whole(base, before, sizeof before);
    start_machine(false);
    ck_sector(3, 3);
    put(3, 0xa3);
    put(SECTORS - 1, 0);
    ck_assert(rs_disk(b.machine, 0, &info) && info.overlay && info.changed && strcmp(info.path, over) == 0);
    ck_assert(stat(over, &st) != 0);
    commit();
    ck_assert(rs_disk(b.machine, 0, &info) && !info.changed);
    ck_assert(stat(over, &st) == 0 && st.st_size == HEADER + 2 * RECORD);
    put(20, 0xb4);
    commit(); /* and again */
    bare_close(&b);
    ck_assert(stat(over, &st) == 0 && st.st_size == HEADER + 3 * RECORD);
    start_machine(true);
    ck_sector(2, 2);
    ck_sector(3, 0xa3);
    ck_sector(20, 0xb4);
    ck_sector(SECTORS - 1, 0);
    ck_assert(!disk_write(d, 3, before));
    bare_close(&b);
    read_whole(base, after, sizeof after);
    ck_assert_mem_eq(before, after, sizeof before);
}
END_TEST

START_TEST(what_is_as_in_the_base_again_is_not_kept)
{
    struct stat st;
    make_overlay();
    start_machine(false);
    put(3, 3);
    commit();
    ck_assert(stat(over, &st) == 0 && st.st_size == HEADER + RECORD);
    bare_close(&b);
}
END_TEST

START_TEST(an_empty_file_becomes_an_overlay)
{
    write_whole(over, file, 0);
    ck_assert_uint_gt(make_overlay(), HEADER);
}
END_TEST

START_TEST(nothing_of_somebody_else_is_overwritten)
{
    start_machine(false);
    put(1, 0x11);
    write_whole(over, file, 1);
    ck_assert_int_eq(rs_disk_commit(b.machine, 0, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "changed by somebody else"), "%s", err.text);
    bare_close(&b);
    remove(over);
    make_overlay();
    start_machine(false);
    put(1, 0x11);
    remove(over);
    ck_assert_int_eq(rs_disk_commit(b.machine, 0, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "no longer there"), "%s", err.text);
    bare_close(&b);
}
END_TEST

/* ---- files that are no overlay of this base ---- */

static void ck_refused(const char *why, bool readonly)
{
    err.text[0] = '\0';
    ck_assert_ptr_null(disk_open(base, over, readonly, &err));
    ck_assert_msg(strstr(err.text, over) && strstr(err.text, why), "%s: %s", why, err.text);
}

START_TEST(no_part_of_one_is_taken)
{
    size_t n = make_overlay();
    for (size_t i = 1; i < n; i += i < HEADER + 16 ? 1 : 997) {
        write_whole(over, file, i);
        ck_refused(i < HEADER ? "it ends in its header" : "ends before its last page", false);
    }
    file[n] = 0;
    write_whole(over, file, n + 1);
    ck_refused("goes on behind", false);
}
END_TEST

START_TEST(no_bit_may_be_another)
{
    size_t n = make_overlay();
    for (size_t i = 0; i < n; i += i < HEADER + 8 ? 1 : 61)
        for (unsigned bit = 0; bit < 8; bit += i < HEADER ? 1 : 5) {
            file[i] ^= (u8)(1u << bit);
            write_whole(over, file, n);
            ck_refused(i < 8 ? "is no overlay" : i < 12 ? "is not known here" : "damaged", false);
            file[i] ^= (u8)(1u << bit);
        }
    write_whole(over, file, n);
    struct disk *good = disk_open(base, over, false, &err);
    ck_assert_ptr_nonnull(good);
    disk_free(good);
}
END_TEST

/* With the sums right, as somebody would who means it. */
static void forge(unsigned at, unsigned bytes, u64 value, size_t n, const char *why)
{
    memcpy(file, kept, sizeof file);
    store_le(file + at, bytes, value);
    store_le(file + 40, 8, XXH3_64bits(file + HEADER, n - HEADER));
    store_le(file + 56, 8, XXH3_64bits(file, 56));
    write_whole(over, file, n);
    ck_refused(why, false);
}

START_TEST(what_is_forged_is_refused)
{
    size_t n = make_overlay();
    memcpy(kept, file, sizeof kept);
    forge(12, 4, 8192, n, "4096 bytes");
    forge(16, 8, 0, n, "its base has 0 bytes");
    forge(32, 8, UINT64_MAX, n, "more pages than its base");
    forge(32, 8, 6, n, "more pages than its base");
    forge(32, 8, 5, n, "ends before its last page");
    forge(32, 8, 1, n, "goes on behind");
    forge(48, 8, 1, n, "must be zero");
    forge(HEADER, 8, 5, n, "outside the disk");
    forge(HEADER, 8, UINT64_MAX, n, "outside the disk");
    forge(HEADER + RECORD, 8, 0, n, "out of order");
    forge(HEADER + RECORD + 8 + 5 * 512, 1, 1, n, "behind the disk's end");
}
END_TEST

START_TEST(another_base_is_refused)
{
    make_overlay();
    write_base(SECTORS - 1, 0);
    ck_refused("its base has 18944 bytes, and this one 18432", false);
    write_base(SECTORS, 1);
    ck_refused("its base holds something else", false);
}
END_TEST

START_TEST(only_files_are_overlays)
{
    ck_refused("cannot be read", true);
    ck_assert_int_eq(symlink("/nowhere/at/all", over), 0);
    ck_refused("cannot be read", false);
    remove(over);
    ck_assert_int_eq(mkfifo(over, 0600), 0);
    ck_refused("not a regular file", false);
}
END_TEST

/* ---- files of several disks ---- */

START_TEST(a_file_is_written_by_one_disk)
{
    const struct rs_device a = {.kind = "virtio-blk", .file = base, .overlay = over},
                           raw = {.kind = "virtio-blk", .file = base},
                           itself = {.kind = "virtio-blk", .file = base, .overlay = base};
    bare_refused((struct rs_device[]){a, a}, 2, "is the same file as");
    bare_refused((struct rs_device[]){a, raw}, 2, "is the same file as");
    bare_refused((struct rs_device[]){raw, a}, 2, "is the same file as");
    bare_refused(&itself, 1, "is the same file as");
    remove(other);
    ck_assert_int_eq(symlink(over, other), 0); /* to what is not there yet */
    struct rs_device link = a;
    link.overlay = other;
    bare_refused((struct rs_device[]){a, link}, 2, "is the same file as");
}
END_TEST

START_TEST(disks_may_share_a_base)
{
    const struct rs_device two[] = {{.kind = "virtio-blk", .file = base, .overlay = over},
                                    {.kind = "virtio-blk", .file = base, .overlay = other}};
    bare_open_devices(&b, FIRMWARE, 1, two, 2);
    bare_close(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("overlay");
    TCase *t = tcase_create("overlay");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_commit_writes_the_overlay_alone);
    tcase_add_test(t, what_is_as_in_the_base_again_is_not_kept);
    tcase_add_test(t, an_empty_file_becomes_an_overlay);
    tcase_add_test(t, nothing_of_somebody_else_is_overwritten);
    tcase_add_test(t, no_part_of_one_is_taken);
    tcase_add_test(t, no_bit_may_be_another);
    tcase_add_test(t, what_is_forged_is_refused);
    tcase_add_test(t, another_base_is_refused);
    tcase_add_test(t, only_files_are_overlays);
    tcase_add_test(t, a_file_is_written_by_one_disk);
    tcase_add_test(t, disks_may_share_a_base);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
