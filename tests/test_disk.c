/* test_disk.c - disks: what is in the file, in the world, and in the cache (docs/machine.md, "Disks"). */
#define _XOPEN_SOURCE 700
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/disk.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "lib/temporary.h"
#include "mmu/mem.h"

#define FIRMWARE (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define SECTORS  37 /* the last page is not whole */

static char path[256], other[256], names[2][300];
static struct bare b;
static struct machine *m;
static struct disk *d;
static struct rs_error err;

/* ---- files ---- */

static void fill(u8 bytes[SECTOR_BYTES], unsigned what)
{
    memset(bytes, (int)what, SECTOR_BYTES);
    bytes[0] = (u8)(what >> 8);
}

static void write_file(const char *name, unsigned sectors)
{
    FILE *f = fopen(name, "wb");
    for (unsigned i = 0; i < sectors; i++) {
        u8 bytes[SECTOR_BYTES];
        fill(bytes, i % 5 ? i : 0);
        ck_assert_uint_eq(fwrite(bytes, 1, sizeof bytes, f), sizeof bytes);
    }
    fclose(f);
}

static void ck_file(const char *name, unsigned sector, unsigned what)
{
    u8 bytes[SECTOR_BYTES], want[SECTOR_BYTES];
    FILE *f = fopen(name, "rb");
    ck_assert(fseek(f, (long)sector * (long)SECTOR_BYTES, SEEK_SET) == 0);
    ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, f), sizeof bytes);
    fclose(f);
    fill(want, what);
    ck_assert_mem_eq(bytes, want, SECTOR_BYTES);
}

static void open_with(bool readonly)
{
    const struct rs_device device = {.kind = "virtio-blk", .file = path, .readonly = readonly};
    bare_open_devices(&b, FIRMWARE, 1, &device, 1);
    m = b.machine;
    d = m->disk[0];
}

static void set_up(void)
{
    ck_assert(temporary_file(path) && temporary_file(other));
    snprintf(names[0], sizeof names[0], "%s.part", path);
    snprintf(names[1], sizeof names[1], "%s.link", path);
    write_file(path, SECTORS);
    open_with(false);
}

static void tear_down(void)
{
    bare_close(&b);
    remove(path);
    remove(other);
    remove(names[0]);
    remove(names[1]);
}

static void put(u64 sector, unsigned what)
{
    u8 bytes[SECTOR_BYTES];
    fill(bytes, what);
    ck_assert(disk_write(d, sector, bytes));
}

static void ck_sector(u64 sector, unsigned what)
{
    u8 bytes[SECTOR_BYTES], want[SECTOR_BYTES];
    fill(want, what);
    ck_assert(disk_read(d, sector, bytes));
    ck_assert_mem_eq(bytes, want, SECTOR_BYTES);
}

static struct rs_disk info(void)
{
    struct rs_disk it;
    ck_assert(rs_disk(m, 0, &it));
    return it;
}

/* ---- reading ---- */

START_TEST(a_disk_is_its_file)
{
    u8 bytes[SECTOR_BYTES];
    ck_assert_uint_eq(info().sectors, SECTORS);
    ck_assert(!info().changed && !info().cached && !info().readonly);
    for (unsigned i = 0; i < SECTORS; i++)
        ck_sector(i, i % 5 ? i : 0);
    ck_assert(!disk_read(d, SECTORS, bytes) && !disk_write(d, SECTORS, bytes));
    ck_assert(!disk_read(d, UINT64_MAX, bytes) && !disk_write(d, UINT64_MAX / SECTOR_BYTES + 1, bytes));
    ck_assert_int_eq(rs_disk_read(m, 0, (SECTORS - 1) * SECTOR_BYTES, bytes, SECTOR_BYTES), RS_OK);
    ck_assert_uint_eq(bytes[5], SECTORS - 1);
    ck_assert_int_eq(rs_disk_read(m, 0, (SECTORS - 1) * SECTOR_BYTES + 1, bytes, SECTOR_BYTES), RS_FAILED);
    ck_assert_int_eq(rs_disk_read(m, 1, 0, bytes, 1), RS_FAILED);
}
END_TEST

static void ck_refused(const char *file, const char *why)
{
    struct disk *none = disk_open(file, NULL, false, &err);
    ck_assert_ptr_null(none);
    ck_assert_msg(strstr(err.text, file) && strstr(err.text, why), "%s", err.text);
}

START_TEST(what_is_no_disk_is_refused)
{
    ck_refused("/nowhere/disk.img", "cannot be read");
    ck_refused("/dev/null", "not a regular file");
    ck_refused("/", "not a regular file");
    ck_refused(other, "0 bytes are no disk");
    ck_assert_int_eq(truncate(other, 1000), 0);
    ck_refused(other, "1000 bytes are no disk");
    ck_assert_int_eq(truncate(other, (off_t)DISK_BYTES_MAX + 512), 0);
    ck_refused(other, "up to 4 GiB");
}
END_TEST

/* ---- devices and their files ---- */

START_TEST(each_device_has_the_file_that_it_needs)
{
    const struct rs_device edu = {.kind = "edu", .file = path}, none = {.kind = "virtio-blk"};
    struct rs_device two[2] = {{.kind = "virtio-blk", .file = path},
                               {.kind = "virtio-blk", .file = names[1]}};
    ck_assert_int_eq(symlink(path, names[1]), 0);
    bare_refused(&edu, 1, "only disks have");
    bare_refused(&none, 1, "file = ");
    bare_refused(two, 2, "is the same file as");
    two[0].readonly = true;
    bare_refused(two, 2, "is the same file as");
    two[1].readonly = true;
    two[1].slot = 99;
    bare_refused(two, 2, "slots are 1 to 31"); /* and not the file */
}
END_TEST

START_TEST(a_disk_in_no_file)
{
    struct rs_device device = {.kind = "virtio-blk", .bytes = 3 * SECTOR_BYTES};
    u8 bytes[SECTOR_BYTES], zeros[SECTOR_BYTES] = {0};
    bare_close(&b);
    bare_open_devices(&b, FIRMWARE, 1, &device, 1);
    m = b.machine;
    d = m->disk[0];
    ck_assert_uint_eq(info().sectors, 3);
    ck_assert_ptr_null(info().path);
    ck_assert(!info().changed && !info().cached);
    ck_assert_int_eq(rs_disk_commit(m, 0, &err), RS_FAILED);
    ck_assert_str_eq(err.text, "disk 1 of A is in no file, so there is nothing to write it to");
    ck_assert(disk_read(d, 2, bytes) && !disk_read(d, 3, bytes));
    ck_assert_mem_eq(bytes, zeros, sizeof bytes);
    put(1, 7);
    ck_assert(info().changed && info().cached);
    rs_power_cut(m, 0);
    ck_assert(disk_read(d, 1, bytes));
    ck_assert_mem_eq(bytes, zeros, sizeof bytes);
    device.bytes = 1000;
    bare_refused(&device, 1, "1000 bytes are no disk");
    device.bytes = UINT64_C(1) << 33;
    bare_refused(&device, 1, "are no disk");
    device = (struct rs_device){.kind = "virtio-blk", .bytes = 512, .file = path};
    bare_refused(&device, 1, "is in no file");
    device = (struct rs_device){.kind = "edu", .bytes = 512};
    bare_refused(&device, 1, "only disks have");
}
END_TEST

/* ---- commit ---- */

START_TEST(the_file_stands_until_a_commit)
{
    struct stat st;
    ck_assert_int_eq(chmod(path, 0640), 0);
    put(3, 0x1ff);
    put(SECTORS - 1, 0x2ee);
    ck_assert(info().changed && info().cached);
    ck_file(path, 3, 3);
    u64 before = rs_hash(b.world, RS_HASH_ALL);
    ck_assert_msg(rs_disk_commit(m, 0, &err) == RS_OK, "%s", err.text);
    ck_assert_uint_eq(rs_hash(b.world, RS_HASH_ALL), before);
    ck_file(path, 3, 0x1ff);
    ck_file(path, 4, 4);
    ck_file(path, SECTORS - 1, 0x2ee);
    ck_assert(!info().changed);
    ck_assert(stat(path, &st) == 0 && st.st_size == SECTORS * 512 && (st.st_mode & 0777) == 0640);
    ck_assert(access(names[0], F_OK) != 0);
    put(3, 3);
    ck_assert_int_eq(rs_disk_commit(m, 0, &err), RS_OK); /* and again */
    ck_file(path, 3, 3);
}
END_TEST

START_TEST(a_commit_goes_through_a_link)
{
    struct stat st;
    bare_close(&b);
    ck_assert_int_eq(symlink(path, names[1]), 0);
    const struct rs_device device = {.kind = "virtio-blk", .file = names[1]};
    bare_open_devices(&b, FIRMWARE, 1, &device, 1);
    m = b.machine;
    d = m->disk[0];
    put(1, 0x111);
    ck_assert_msg(rs_disk_commit(m, 0, &err) == RS_OK, "%s", err.text);
    ck_assert(lstat(names[1], &st) == 0 && S_ISLNK(st.st_mode));
    ck_file(path, 1, 0x111);
}
END_TEST

START_TEST(nothing_of_somebody_else_is_overwritten)
{
    put(1, 0x111);
    write_file(names[0], 1); /* FILE.part is there */
    ck_assert_int_eq(rs_disk_commit(m, 0, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, names[0]), "%s", err.text);
    ck_file(names[0], 0, 0);
    ck_assert_int_eq(remove(names[0]), 0);
    ck_assert_int_eq(truncate(path, 4096), 0);
    ck_assert_int_eq(rs_disk_commit(m, 0, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "changed by somebody else"), "%s", err.text);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(rs_disk_commit(m, 0, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "no longer there"), "%s", err.text);
    ck_assert(info().changed);
    ck_assert_int_eq(rs_disk_commit(m, 1, &err), RS_FAILED);
}
END_TEST

START_TEST(a_disk_that_is_only_read_stays)
{
    u8 bytes[SECTOR_BYTES] = {1};
    bare_close(&b);
    open_with(true);
    ck_assert(info().readonly);
    ck_assert(!disk_write(d, 0, bytes));
    ck_assert_int_eq(rs_disk_commit(m, 0, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "read-only"), "%s", err.text);
    ck_sector(0, 0);
}
END_TEST

/* ---- power ---- */

START_TEST(a_power_cycle_keeps_what_was_written)
{
    put(2, 0x222);
    rs_power_cycle(m);
    ck_sector(2, 0x222);
    ck_assert(info().changed && !info().cached);
}
END_TEST

START_TEST(a_power_cut_loses_what_was_not_flushed)
{
    put(2, 0x222);
    disk_flush(d);
    put(2, 0x333);
    put(9, 0x333);
    rs_power_cut(m, 0);
    ck_sector(2, 0x222);
    ck_sector(9, 9);
    ck_assert(!info().cached);
}
END_TEST

/* Which sectors keep what was written behind the flush. */
static u64 kept_after(u64 seed)
{
    u8 bytes[SECTOR_BYTES];
    u64 kept = 0;
    for (unsigned i = 0; i < SECTORS; i++)
        put(i, 0x100 + i);
    disk_flush(d);
    for (unsigned i = 0; i < SECTORS; i++)
        put(i, 0x300 + i);
    rs_power_cut(m, seed);
    for (unsigned i = 0; i < SECTORS; i++) {
        ck_assert(disk_read(d, i, bytes) && bytes[511] == (u8)i && (bytes[0] == 1 || bytes[0] == 3));
        kept |= (u64)(bytes[0] == 3) << i;
    }
    return kept;
}

START_TEST(a_seed_chooses_what_is_lost)
{
    u64 first = kept_after(1), second = kept_after(2);
    ck_assert_uint_eq(kept_after(1), first);
    ck_assert_uint_ne(first, second);
    ck_assert(first && second && first != (UINT64_C(1) << SECTORS) - 1);
    ck_assert_uint_eq(kept_after(0), 0);
}
END_TEST

/* ---- state ---- */

START_TEST(the_hash_covers_contents_and_cache)
{
    u64 all = rs_hash(b.world, RS_HASH_ALL), arch = rs_hash(b.world, RS_HASH_ARCH);
    put(20, 0x444);
    u64 written = rs_hash(b.world, RS_HASH_ALL), seen = rs_hash(b.world, RS_HASH_ARCH);
    ck_assert(written != all && seen != arch);
    disk_flush(d);
    ck_assert_uint_ne(rs_hash(b.world, RS_HASH_ALL), written);
    ck_assert_uint_eq(rs_hash(b.world, RS_HASH_ARCH), seen);
    put(20, 0);
    disk_flush(d);
    ck_assert_uint_eq(rs_hash(b.world, RS_HASH_ALL), all);
}
END_TEST

/* Software sees that it may not write. */
START_TEST(the_hash_covers_a_read_only_disk)
{
    u64 all = rs_hash(b.world, RS_HASH_ALL), arch = rs_hash(b.world, RS_HASH_ARCH);
    bare_close(&b);
    open_with(true);
    ck_assert_uint_ne(rs_hash(b.world, RS_HASH_ALL), all);
    ck_assert_uint_ne(rs_hash(b.world, RS_HASH_ARCH), arch);
}
END_TEST

static void ck_comes_back(rs_snapshot *s, u64 hash)
{
    ck_assert_ptr_nonnull(s);
    ck_assert_msg(rs_snapshot_restore(b.world, s, &err) == RS_OK, "%s", err.text);
    ck_assert_uint_eq(rs_hash(b.world, RS_HASH_ALL), hash);
    ck_sector(7, 0x777);
    ck_sector(8, 0x888);
    rs_power_cut(m, 0);
    ck_sector(7, 0x777);
    ck_sector(8, 8);
    rs_snapshot_free(s);
}

START_TEST(snapshots_have_the_disks)
{
    put(7, 0x777);
    disk_flush(d);
    put(8, 0x888);
    u64 hash = rs_hash(b.world, RS_HASH_ALL);
    rs_snapshot *s = rs_snapshot_take(b.world);
    ck_assert_msg(rs_snapshot_save(s, other, &err) == RS_OK, "%s", err.text);
    put(7, 0);
    put(8, 0);
    disk_flush(d);
    ck_comes_back(s, hash);
    put(7, 1);
    ck_comes_back(rs_snapshot_load(b.world, other, &err), hash);
    ck_file(path, 7, 7);
}
END_TEST

START_TEST(a_flushed_disk_is_in_a_file_once)
{
    disk_flush(d);
    put(7, 0x777);
    put(8, 0x888);
    disk_flush(d);
    u64 hash = rs_hash(b.world, RS_HASH_ALL);
    rs_snapshot *s = rs_snapshot_take(b.world);
    ck_assert_int_eq(rs_snapshot_save(s, other, &err), RS_OK);
    rs_snapshot_free(s);
    put(7, 0);
    s = rs_snapshot_load(b.world, other, &err);
    ck_assert(s && rs_snapshot_restore(b.world, s, &err) == RS_OK);
    ck_assert_uint_eq(rs_hash(b.world, RS_HASH_ALL), hash);
    rs_snapshot_free(s);
}
END_TEST

START_TEST(a_snapshot_fits_its_disk)
{
    rs_snapshot *s = rs_snapshot_take(b.world);
    ck_assert_int_eq(rs_snapshot_save(s, other, &err), RS_OK);
    rs_snapshot_free(s);
    bare_close(&b);
    write_file(path, SECTORS + 1);
    open_with(false);
    ck_assert_ptr_null(rs_snapshot_load(b.world, other, &err));
    ck_assert_msg(strstr(err.text, "other devices"), "%s", err.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk");
    TCase *t = tcase_create("disk");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_disk_is_its_file);
    tcase_add_test(t, what_is_no_disk_is_refused);
    tcase_add_test(t, each_device_has_the_file_that_it_needs);
    tcase_add_test(t, a_disk_in_no_file);
    tcase_add_test(t, the_file_stands_until_a_commit);
    tcase_add_test(t, a_commit_goes_through_a_link);
    tcase_add_test(t, nothing_of_somebody_else_is_overwritten);
    tcase_add_test(t, a_disk_that_is_only_read_stays);
    tcase_add_test(t, a_power_cycle_keeps_what_was_written);
    tcase_add_test(t, a_power_cut_loses_what_was_not_flushed);
    tcase_add_test(t, a_seed_chooses_what_is_lost);
    tcase_add_test(t, the_hash_covers_contents_and_cache);
    tcase_add_test(t, the_hash_covers_a_read_only_disk);
    tcase_add_test(t, snapshots_have_the_disks);
    tcase_add_test(t, a_flushed_disk_is_in_a_file_once);
    tcase_add_test(t, a_snapshot_fits_its_disk);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
