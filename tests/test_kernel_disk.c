/* test_kernel_disk.c - the guest kernel's file system on disks that somebody has forged: an error for who
 * uses them, and no harm to the kernel. */
#define _XOPEN_SOURCE 700
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../guests/kernel/fs_format.h"
#include "dev/disk.h"
#include "lib/chance.h"
#include "lib/hv_run.h"
#include "lib/suite.h"
#include "lib/temporary.h"

#define BLOCKS   256u
#define SECTORS  (BLOCKS * (BLOCK_BYTES / SECTOR_BYTES))
#define PATIENCE 300000000u /* cycles */

static char path[256];
static u8 made[BLOCKS * BLOCK_BYTES], image[BLOCKS * BLOCK_BYTES];
static struct superblock super;

/* ---- the machine ---- */

static const char *run(const char *commands)
{
    char line[512];
    snprintf(line, sizeof line, "kernel %s", commands);
    rs_power_cycle(machine);
    boot("guests/kernel.elf", line);
    run_until(rs_now(machine) + PATIENCE);
    const char *text = console_from(0, 0);
    ck_assert_msg(rs_halt_text(machine) && strncmp(rs_halt_text(machine), "debug-exit", 10) == 0, "%s\n%s",
                  rs_halt_text(machine) ? rs_halt_text(machine) : "it goes on", text);
    return text;
}

static void ck_says(const char *text, const char *want)
{
    ck_assert_msg(strstr(text, want) != NULL, "'%s' not in:\n%s", want, text);
}

static void put_image(const u8 *bytes)
{
    for (u64 i = 0; i < SECTORS; i++)
        ck_assert(disk_write(machine->disk[0], i, bytes + i * SECTOR_BYTES));
}

static void set_up(void)
{
    ck_assert(temporary_file(path) && truncate(path, sizeof made) == 0);
    const struct rs_device device = {.kind = "virtio-blk", .file = path};
    open_world_devices(16, HV_FIRMWARE, 1, &device, 1);
    rs_set_max_cycles(world, 0);
    ck_says(run("mkfs, mkdir /disk/d, fill /disk/d/a 60000 1, fill /disk/b 100 2, fsck"),
            "fsck: whole: 2 files, 2 directories, 19 blocks");
    ck_assert_int_eq(rs_disk_read(machine, 0, 0, made, sizeof made), RS_OK);
    memcpy(image, made, sizeof image);
    memcpy(&super, made, sizeof super);
}

static void tear_down(void)
{
    close_world();
    remove(path);
}

/* ---- what is where ---- */

static struct inode *inode(u32 number)
{
    return (struct inode *)(image + super.inodes * BLOCK_BYTES) + number;
}

static struct entry *entry(u32 directory, u32 n)
{
    return (struct entry *)(image + inode(directory)->direct[0] * BLOCK_BYTES) + n;
}

static u32 *table(u32 block)
{
    return (u32 *)(image + block * BLOCK_BYTES);
}

enum { DIRECTORY = 2, LONG_FILE = 3, FILE_B = 4 };

START_TEST(the_format_is_as_it_is_written_down)
{
    ck_assert(memcmp(image, "RGDISK01", 8) == 0);
    ck_assert_uint_eq(super.blocks, BLOCKS);
    ck_assert_uint_eq(super.bitmap, 65);
    ck_assert_uint_eq(super.inodes, 66);
    ck_assert_uint_eq(super.data, 68);
    ck_assert_uint_eq(inode(ROOT_INODE)->kind, INODE_DIRECTORY);
    ck_assert_uint_eq(inode(LONG_FILE)->size, 60000);
    ck_assert_uint_ne(inode(LONG_FILE)->indirect, 0);
    ck_assert_str_eq(entry(ROOT_INODE, 0)->name, "d");
    ck_assert_uint_eq(entry(ROOT_INODE, 1)->inode, FILE_B);
}
END_TEST

/* ---- forgeries, one by one ---- */

/* fsck tells of it; what uses it fails, and the kernel goes on. */
static void ck_forged(const char *fsck, const char *use, const char *fails)
{
    char commands[256];
    put_image(image);
    snprintf(commands, sizeof commands, "fsck, %s, fill /disk/new 5000 1, ls /disk, echo alive", use);
    const char *text = run(commands);
    ck_says(text, fsck);
    ck_says(text, fails);
    ck_says(text, "alive");
    memcpy(image, made, sizeof image);
}

START_TEST(superblocks_are_as_they_would_be_made)
{
    static const struct superblock zero;
    struct superblock *s = (struct superblock *)image;
    const char *none = "fsck: there is no file system", *told = "no file system is on it";
    s->blocks = BLOCKS + 1;
    ck_forged(none, "df", told);
    *s = fs_layout(BLOCKS * 2); /* of a larger disk */
    ck_forged(none, "df", told);
    s->inodes = 1;
    s->sum = fs_sum(0, s, sizeof *s - sizeof s->sum);
    ck_forged(none, "df", told);
    s->sum ^= 1;
    ck_forged(none, "df", told);
    *s = zero;
    ck_forged(none, "df", "df: there is no file system");
    *s = fs_layout(BLOCKS / 2); /* of a part of it */
    ck_forged("fsck: ", "df", "alive");
}
END_TEST

START_TEST(blocks_are_the_datas)
{
    const char *outside = "has a block outside the data", *use = "cat /disk/b, rm /disk/b";
    const char *fails = "rm: '/disk/b' cannot be removed";
    static const u32 wrong[] = {1, 65, 66, 67, BLOCKS, BLOCKS + 1, 0x7fffffff, 0xffffffff};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        inode(FILE_B)->direct[0] = wrong[i];
        ck_forged(outside, use, fails);
    }
    inode(LONG_FILE)->indirect = BLOCKS;
    ck_forged(outside, "rm /disk/d/a", "rm: '/disk/d/a' cannot be removed");
    table(inode(LONG_FILE)->indirect)[1] = 66;
    ck_forged(outside, "tree", "tree: not all could be read");
    inode(ROOT_INODE)->direct[0] = 0xfffffff0;
    ck_forged(outside, "ls /disk/d", "ls: '/disk/d' cannot be read");
}
END_TEST

START_TEST(blocks_belong_to_one)
{
    inode(FILE_B)->direct[0] = inode(LONG_FILE)->direct[0];
    ck_forged("is used twice", "rm /disk/b, rm /disk/d/a", "rm: '/disk/d/a' cannot be removed");
    table(inode(LONG_FILE)->indirect)[2] = inode(LONG_FILE)->indirect; /* a table that has itself */
    ck_forged("is used twice", "rm /disk/d/a", "rm: '/disk/d/a' cannot be removed");
    inode(LONG_FILE)->indirect_twice = inode(LONG_FILE)->indirect;
    ck_forged("is used twice", "rm /disk/d/a", "rm: '/disk/d/a' cannot be removed");
    memset(image + super.bitmap * BLOCK_BYTES, 0, BLOCK_BYTES); /* nothing is in use: it is given out again */
    ck_forged("is in use, and marked free", "rm /disk/b", "rm: '/disk/b' cannot be removed");
    memset(image + super.bitmap * BLOCK_BYTES, 0xff, BLOCK_BYTES);
    ck_forged("is nobody's, and marked in use", "df", "fill: '/disk/new' cannot be written whole");
}
END_TEST

START_TEST(inodes_are_sane)
{
    inode(FILE_B)->kind = 7;
    ck_forged("is neither a file nor a directory", "cat /disk/b", "cat: there is no '/disk/b'");
    inode(FILE_B)->kind = INODE_FREE;
    ck_forged("an inode that is free", "rm /disk/b", "rm: '/disk/b' cannot be removed");
    inode(FILE_B)->size = UINT64_MAX;
    ck_forged("is larger than a file can be", "cat /disk/b", "cat: there is no '/disk/b'");
    inode(DIRECTORY)->size = (DIRECTORY_MAX + 1) * BLOCK_BYTES;
    ck_forged("has no directory's size", "ls /disk/d", "ls: '/disk/d' cannot be read");
    inode(DIRECTORY)->size = 100;
    ck_forged("has no directory's size", "ls /disk/d", "ls: '/disk/d' cannot be read");
    inode(DIRECTORY)->size = DIRECTORY_MAX * BLOCK_BYTES; /* mostly holes */
    ck_forged("has a hole", "mkdir /disk/d/e", "mkdir: '/disk/d/e' cannot be made");
    inode(ROOT_INODE)->kind = INODE_FILE;
    ck_forged("is the root, and no directory", "tree", "tree: not all could be read");
}
END_TEST

START_TEST(names_are_a_tree)
{
    entry(DIRECTORY, 0)->inode = ROOT_INODE;
    ck_forged("inode 1 has two names", "tree, mv /disk/d /disk/d/a/x, rm /disk/d/a",
              "tree: not all could be read");
    entry(DIRECTORY, 0)->inode = DIRECTORY;
    ck_forged("inode 2 has two names", "tree, mv /disk/d /disk/d/a/x, rm /disk/d/a",
              "tree: not all could be read");
    entry(ROOT_INODE, 1)->inode = 64;
    ck_forged("an inode that is free", "cat /disk/b", "cat: there is no '/disk/b'");
    entry(ROOT_INODE, 1)->inode = 0xffffffff;
    ck_forged("an inode that is free", "ls /disk", "ls: '/disk' cannot be read");
    memset(entry(ROOT_INODE, 1)->name, 'x', FS_NAME_MAX + 1);
    ck_forged("has a name that is none", "ls /disk", "xxxx");
    strcpy(entry(ROOT_INODE, 1)->name, "d");
    ck_forged("has a name twice", "ls /disk", "d 100");
    entry(ROOT_INODE, 1)->inode = 0;
    ck_forged("inode 4 has no name", "cat /disk/b", "cat: there is no '/disk/b'");
}
END_TEST

/* ---- journals ---- */

/* One that looks committed: `home` is where it puts block 200's bytes. */
static void forge_journal(u32 count, u32 home, u64 wrong)
{
    struct descriptor *d = (struct descriptor *)(image + JOURNAL_START * BLOCK_BYTES);
    u8 *block = image + (JOURNAL_START + 1) * BLOCK_BYTES;
    *d = (struct descriptor){.magic = DESCRIPTOR_MAGIC, .sequence = 9, .count = count, .home = {home}};
    memset(block, 0x55, BLOCK_BYTES);
    u64 sum = fs_sum(1, d, BLOCK_BYTES);
    sum = fs_sum(sum, block, BLOCK_BYTES);
    *(struct commit_record *)(block + BLOCK_BYTES) = (struct commit_record){COMMIT_MAGIC, 9, sum ^ wrong};
}

START_TEST(journals_write_where_they_may)
{
    u8 byte;
    forge_journal(1, 200, 0);
    ck_forged("fsck: whole", "df", "1 blocks are put in their places from the journal");
    ck_assert(rs_disk_read(machine, 0, 200 * BLOCK_BYTES, &byte, 1) == RS_OK && byte == 0x55);
    static const u32 wrong[] = {0, 1, 64, BLOCKS, 0xffffffff};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        forge_journal(1, wrong[i], 0);
        ck_forged("fsck: whole", "df", "kernel: /disk: ready\nkernel: ready");
    }
    forge_journal(JOURNAL_MOST + 1, 200, 0);
    ck_forged("fsck: whole", "df", "kernel: /disk: ready\nkernel: ready");
    forge_journal(0xffffffff, 200, 0);
    ck_forged("fsck: whole", "df", "kernel: /disk: ready\nkernel: ready");
    forge_journal(1, 200, 1);
    ck_forged("fsck: whole", "df", "kernel: /disk: ready\nkernel: ready");
}
END_TEST

/* ---- at random ---- */

static u32 some_block(void)
{
    const u32 likely[] = {super.inodes,
                          super.inodes,
                          super.inodes,
                          super.bitmap,
                          0,
                          inode(ROOT_INODE)->direct[0],
                          inode(DIRECTORY)->direct[0],
                          inode(LONG_FILE)->indirect};
    return likely[chance_below(sizeof likely / sizeof *likely)];
}

static u32 some_number(void)
{
    const u32 likely[] = {0,
                          1,
                          2,
                          3,
                          4,
                          5,
                          12,
                          super.data,
                          super.data + 1,
                          BLOCKS - 1,
                          BLOCKS,
                          0x80000000u,
                          0xffffffffu,
                          (u32)chance(),
                          (u32)chance_below(BLOCKS),
                          (u32)chance_below(BLOCKS)};
    return likely[chance_below(sizeof likely / sizeof *likely)];
}

/* A file of holes may be large, and reading it long: sizes stay small. */
static void mutate(void)
{
    u32 block = some_block(), word = (u32)chance_below(chance_once_in(4) ? POINTERS : 5 * INODE_BYTES / 4);
    u32 in_inode = word % (INODE_BYTES / 4), *it = table(block % BLOCKS) + word;
    if (block == super.inodes && in_inode == 2)
        *it = (u32)chance_below(100000);
    else if (block != super.inodes || in_inode != 3)
        *it = some_number();
}

START_TEST(nothing_at_random_hurts_the_kernel)
{
    const char *more = getenv("KERNEL_DISK_MUTATIONS");
    unsigned n = more ? (unsigned)atoi(more) : 60;
    chance_seed(7);
    for (unsigned i = 0; i < n; i++) {
        for (u64 k = 1 + chance_below(6); k; k--)
            mutate();
        put_image(image);
        const char *text =
            run("fsck, tree, fill /disk/n 40000 3, fill /disk/d/a 9000 4 add, mv /disk/b /disk/d/b, "
                "mkdir /disk/d/e, sync, rm /disk/d/a, rm /disk/d/b, fsck, df, echo alive");
        ck_says(text, "\nalive\n");
        memcpy(image, made, sizeof image);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel_disk");
    TCase *t = tcase_create("kernel_disk");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 600);
    tcase_add_test(t, the_format_is_as_it_is_written_down);
    tcase_add_test(t, superblocks_are_as_they_would_be_made);
    tcase_add_test(t, blocks_are_the_datas);
    tcase_add_test(t, blocks_belong_to_one);
    tcase_add_test(t, inodes_are_sane);
    tcase_add_test(t, names_are_a_tree);
    tcase_add_test(t, journals_write_where_they_may);
    tcase_add_test(t, nothing_at_random_hurts_the_kernel);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
