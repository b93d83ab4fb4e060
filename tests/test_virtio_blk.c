/* test_virtio_blk.c - the virtio block device, its time, and drivers that mean harm (VIRTIO 1.1, 5.2;
 * docs/machine.md, "Virtio"). */
#include <check.h>

#include "cpu/cpu.h"
#include "dev/virtqueue.h"
#include "lib/chance.h"
#include "lib/suite.h"
#include "lib/virtio_disk.h"
#include "mmu/mem.h"

#define MEM  170 /* mem_latency */
#define BUSY 10  /* mem_busy */
#define DISK 10000

/* ---- the block device ---- */

START_TEST(what_is_written_is_read_back)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH), 16);
    for (unsigned i = 0; i < 1024; i++)
        driver_set_memory(&vd.driver, DATA + i, 1, i * 3);
    vd_chain(VIRTIO_BLK_T_OUT, 60, 1024);
    vd_request(0);
    vd_ck_used(0, 1);
    ck_assert_uint_eq(vd_blk_status(), VIRTIO_BLK_S_OK);
    for (unsigned i = 0; i < 1024; i++)
        driver_set_memory(&vd.driver, DATA + i, 1, 0);
    vd_chain(VIRTIO_BLK_T_IN, 60, 1024);
    vd_request(0);
    vd_ck_used(0, 1025);
    for (unsigned i = 0; i < 1024; i++)
        ck_assert_uint_eq(driver_memory(&vd.driver, DATA + i, 1), i * 3 & 0xff);
}
END_TEST

static bool cached(void)
{
    struct rs_disk disk;
    ck_assert(rs_disk(vd.m, 0, &disk));
    return disk.cached;
}

static void write_one(unsigned what)
{
    driver_set_memory(&vd.driver, DATA, 8, what);
    vd_chain(VIRTIO_BLK_T_OUT, 1, 512);
    vd_request(0);
    ck_assert_uint_eq(vd_blk_status(), VIRTIO_BLK_S_OK);
}

START_TEST(a_flush_empties_the_cache)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE), 16);
    write_one(1);
    ck_assert(cached());
    vd_chain(VIRTIO_BLK_T_FLUSH, 0, 0);
    vd_request(0);
    ck_assert(vd_blk_status() == VIRTIO_BLK_S_OK && !cached());
    write_one(2);
    driver_set_config(&vd.driver, VIRTIO_BLK_WRITEBACK, 1, 0);
    ck_assert(!cached());
    ck_assert_uint_eq(driver_config(&vd.driver, VIRTIO_BLK_WRITEBACK, 1), 0);
    write_one(3);
    ck_assert(!cached());
    vd_start(0, 16); /* who cannot flush need not */
    driver_set_config(&vd.driver, VIRTIO_BLK_WRITEBACK, 1, 0);
    ck_assert_uint_eq(driver_config(&vd.driver, VIRTIO_BLK_WRITEBACK, 1), 1);
    write_one(4);
    ck_assert(!cached());
}
END_TEST

static void ck_error(u32 type, u64 sector, u32 bytes, u64 want, u32 used)
{
    vd_chain(type, sector, bytes);
    vd_request(0);
    vd_ck_used(0, used);
    ck_assert_uint_eq(vd_blk_status(), want);
    ck_assert(!vd_broken());
}

START_TEST(a_request_that_cannot_be_met_says_so)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH), 16);
    ck_error(VIRTIO_BLK_T_IN, SECTORS, 512, VIRTIO_BLK_S_IOERR, 0);
    ck_error(VIRTIO_BLK_T_IN, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR, 0);
    ck_error(VIRTIO_BLK_T_IN, UINT64_MAX, 512, VIRTIO_BLK_S_IOERR, 0);
    ck_error(VIRTIO_BLK_T_IN, 0, 511, VIRTIO_BLK_S_IOERR, 0);
    ck_error(VIRTIO_BLK_T_OUT, SECTORS, 512, VIRTIO_BLK_S_IOERR, 1);
    ck_error(VIRTIO_BLK_T_OUT, 0, 513, VIRTIO_BLK_S_IOERR, 1);
    ck_error(VIRTIO_BLK_T_IN, SECTORS, 0, VIRTIO_BLK_S_OK, 1); /* nothing of what there is */
    ck_error(77, 0, 0, VIRTIO_BLK_S_UNSUPP, 1);
    ck_error(77, 0, 512, VIRTIO_BLK_S_UNSUPP, 0);
    ck_assert(!cached());
}
END_TEST

START_TEST(a_disk_says_who_it_is)
{
    vd_start(0, 16);
    ck_error(VIRTIO_BLK_T_GET_ID, 0, 20, VIRTIO_BLK_S_OK, 21);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq((char)driver_memory(&vd.driver, DATA + i, 1), i < 10 ? "ringside-1"[i] : 0);
    ck_error(VIRTIO_BLK_T_GET_ID, 0, 3, VIRTIO_BLK_S_OK, 4);
}
END_TEST

START_TEST(a_disk_that_is_only_read_refuses)
{
    bare_close(&vd.bare);
    vd_open(true);
    ck_assert(driver_offered(&vd.driver) & VIRTIO_FEATURE(VIRTIO_BLK_F_RO));
    vd_start(VIRTIO_FEATURE(VIRTIO_BLK_F_RO), 16);
    ck_error(VIRTIO_BLK_T_OUT, 0, 512, VIRTIO_BLK_S_IOERR, 1);
    ck_error(VIRTIO_BLK_T_IN, 0, 512, VIRTIO_BLK_S_OK, 513);
}
END_TEST

/* ---- time, by hand (docs/machine.md, "Time by hand") ---- */

static u64 atom_cycles(void)
{
    u64 begins = device_due(vd.m, SLOT);
    devices_atom(vd.m);
    return vd.m->devices.cycle - begins;
}

START_TEST(a_request_takes_its_time)
{
    vd_start(0, 16);
    vd.bare.core->s.cycle += 10000; /* the bus is free */
    vd_chain(VIRTIO_BLK_T_IN, 1, 1024);
    driver_offer(&vd.queue, 0);
    driver_notify(&vd.queue);
    u64 begins = vd.bare.core->s.cycle;
    ck_assert_uint_eq(device_due(vd.m, SLOT), begins);
    ck_assert_uint_eq(atom_cycles(), MEM + BUSY + MEM); /* index, flags, entry */
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(atom_cycles(), MEM); /* descriptors */
    ck_assert_uint_eq(atom_cycles(), MEM);     /* header */
    ck_assert_uint_eq(device_due(vd.m, SLOT), begins + 6 * MEM + BUSY + DISK);
    ck_assert_uint_eq(atom_cycles(), 8 * BUSY); /* a sector is 8 lines */
    ck_assert_uint_eq(atom_cycles(), 8 * BUSY);
    ck_assert_uint_eq(atom_cycles(), BUSY);              /* status */
    ck_assert_uint_eq(atom_cycles(), BUSY + BUSY + MEM); /* used entry, index; flags of the driver */
    ck_assert_uint_eq(atom_cycles(), MEM + BUSY);        /* nothing: notifications again */
    ck_assert_uint_eq(atom_cycles(), MEM);               /* still nothing */
    ck_assert_uint_eq(device_due(vd.m, SLOT), UINT64_MAX);
    ck_assert_uint_eq(vd.m->devices.cycle - begins, 9 * MEM + 21 * BUSY + DISK);
}
END_TEST

/* ---- hostile rings ---- */

#define ROUNDS 200000
#define REGION UINT64_C(0x100000) /* what descriptors may name, from QUEUE on */

/* Twelve descriptors from `at` on, in their order but for some. */
static void random_table(u64 at)
{
    unsigned readable = 1 + (unsigned)chance_below(4);
    for (unsigned i = 0; i < 12; i++) {
        unsigned flags = (i < readable ? 0 : WRITE) | (chance_once_in(5) ? 0 : NEXT);
        u64 length = chance_once_in(2)    ? 512
                     : chance_once_in(20) ? min(chance(), REGION)
                                          : chance_below(1100);
        unsigned next = chance_once_in(20) ? (unsigned)chance_below(65536) : i + 1;
        if (chance_once_in(20))
            flags = (unsigned)chance();
        driver_descriptor_at(&vd.driver, at, i, QUEUE + 0x8000 + chance_below(REGION), (u32)length, flags,
                             next);
    }
    driver_descriptor_at(&vd.driver, at, 0, HEADER, 16, NEXT, 1);
}

/* Something like a driver's queue. */
static void random_queue(void)
{
    driver_negotiate(&vd.driver, chance() & driver_offered(&vd.driver));
    driver_queue(&vd.queue, &vd.driver, 0, chance_once_in(4) ? 1u << chance_below(8) : 16, QUEUE);
    random_table(QUEUE);
    random_table(TABLE);
    vd_header(chance_once_in(3) ? (u32)chance_below(10) : (u32)chance_below(2),
              chance_below(chance_once_in(5) ? UINT64_MAX : SECTORS));
    if (chance_once_in(2))
        driver_descriptor(&vd.queue, 0, TABLE, 16 * (u32)chance_below(12), INDIRECT, 0);
    driver_ok(&vd.driver);
}

static void random_act(void)
{
    switch (chance_below(8)) {
    case 0: driver_set(&vd.driver, (unsigned)chance_below(0x40), 1u << chance_below(4), chance()); break;
    case 1: driver_set_memory(&vd.driver, QUEUE + 0x1000 + chance_below(0x2000), 1, chance()); break;
    case 2: vd_header((u32)chance_below(2), chance_below(SECTORS)); break;
    case 3:
        driver_set_config(&vd.driver, (unsigned)chance_below(0x30), 1u << chance_below(4), chance());
        break;
    case 4: vd_set_config((unsigned)chance_below(0xfc), 1, (u32)chance()); break;
    case 5: driver_notify(&vd.queue); break;
    default:
        driver_offer(&vd.queue, (unsigned)chance_below(chance_once_in(8) ? 200 : 2));
        driver_notify(&vd.queue);
    }
}

/* However many descriptors a chain names: an atom moves no more than a sector, a ring entry or a header. */
static void run_some(void)
{
    for (unsigned i = 0; i < 60 && device_due(vd.m, SLOT) != UINT64_MAX; i++) {
        ck_assert_uint_eq(device_due(vd.m, DEVICE_IOAPIC), UINT64_MAX);
        devices_atom(vd.m);
    }
}

START_TEST(a_hostile_driver_harms_nobody)
{
    chance_seed(_i + 1);
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        if (i % 16 == 0 || vd_broken())
            random_queue();
        vd_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | (chance_once_in(50) ? 0 : PCI_COMMAND_MASTER));
        vd_set_config(PCI_BAR(0), 4, (u32)vd.driver.bar);
        random_act();
        run_some();
    }
    for (u64 at = 0; at < vd.m->ram_bytes; at += PAGE_BYTES) /* beyond what descriptors named */
        if (at >= BARE_STACK && (at < QUEUE || at >= QUEUE + 2 * REGION + PAGE_BYTES) && at != BARE_RSP0)
            for (unsigned i = 0; i < PAGE_BYTES; i += 512)
                if (at < BARE_STACK || at > BARE_IST1)
                    ck_assert_uint_eq(driver_memory(&vd.driver, at + i, 8), 0);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, 0);
    vd_start(0, 16);
    vd_chain(VIRTIO_BLK_T_IN, 0, 512);
    vd_request(0);
    vd_ck_used(0, 513);
}
END_TEST

/* What a snapshot file may claim of a device: each word of its state is small, huge, or as it was. */
static void forge(void *words, size_t bytes)
{
    u64 *word = words;
    for (size_t i = 0; i < bytes / 8; i++)
        if (chance_once_in(3))
            word[i] = chance_once_in(2) ? chance_below(200) : chance();
}

START_TEST(a_forged_state_harms_nobody)
{
    chance_seed(_i + 1);
    for (unsigned i = 0; i < 4000; i++) {
        vd_start(0, 16);
        vd_chain((u32)chance_below(2), 1, 512);
        driver_offer(&vd.queue, 0);
        driver_notify(&vd.queue);
        for (u64 k = chance_below(7); k; k--)
            devices_atom(vd.m);
        forge(&vd.m->b.virtio_blk[0], sizeof vd.m->b.virtio_blk[0]);
        vd.state->status = VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;
        vd.state->queue[0].phase = chance_below(QUEUE_PHASES + 1);
        vd.state->queue[0].due = 0;
        for (unsigned k = 0; k < 30 && device_due(vd.m, SLOT) != UINT64_MAX; k++)
            devices_atom(vd.m);
    }
}
END_TEST

static void add_block(Suite *suite)
{
    TCase *t = tcase_create("block");
    tcase_add_checked_fixture(t, vd_set_up, vd_tear_down);
    tcase_add_test(t, what_is_written_is_read_back);
    tcase_add_test(t, a_flush_empties_the_cache);
    tcase_add_test(t, a_request_that_cannot_be_met_says_so);
    tcase_add_test(t, a_disk_says_who_it_is);
    tcase_add_test(t, a_disk_that_is_only_read_refuses);
    tcase_add_test(t, a_request_takes_its_time);
    suite_add_tcase(suite, t);
}

int main(void)
{
    Suite *suite = suite_create("virtio_blk");
    TCase *hostile = tcase_create("hostile");
    add_block(suite);
    tcase_add_checked_fixture(hostile, vd_set_up, vd_tear_down);
    tcase_add_loop_test(hostile, a_hostile_driver_harms_nobody, 0, 4);
    tcase_add_loop_test(hostile, a_forged_state_harms_nobody, 0, 2);
    tcase_set_timeout(hostile, 300);
    suite_add_tcase(suite, hostile);
    return suite_run(suite);
}
