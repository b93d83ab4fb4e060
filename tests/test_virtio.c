/* test_virtio.c - virtio over PCI and its queues, with the block device (VIRTIO 1.1, 2 and 4.1;
 * docs/machine.md, "Virtio"). */
#include <check.h>

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "dev/board.h"
#include "dev/virtqueue.h"
#include "lib/suite.h"
#include "lib/virtio_disk.h"

#define VECTOR 0x41

/* ---- the transport ---- */

static unsigned find_structure(unsigned type)
{
    unsigned at = vd_config(PCI_CAPABILITIES, 1);
    while (at && !(vd_config(at, 1) == PCI_CAP_VENDOR && vd_config(at + VIRTIO_CAP_TYPE, 1) == type))
        at = vd_config(at + 1, 1);
    return at;
}

START_TEST(capabilities_lead_to_the_structures)
{
    static const struct {
        unsigned type, bytes;
        u32 offset, least;
    } want[] = {{VIRTIO_CAP_COMMON, 16, 0, VIRTIO_COMMON_BYTES},
                {VIRTIO_CAP_ISR, 16, 0x1000, 1},
                {VIRTIO_CAP_CONFIG, 16, 0x2000, VIRTIO_BLK_CONFIG_BYTES},
                {VIRTIO_CAP_NOTIFY, 20, 0x3000, 4}};
    ck_assert_uint_eq(vd_config(PCI_VENDOR, 4), 0x10421af4);
    ck_assert_uint_ge(vd_config(PCI_REVISION, 1), 1);
    for (unsigned i = 0; i < 4; i++) {
        unsigned at = find_structure(want[i].type);
        ck_assert_uint_ne(at, 0);
        ck_assert_uint_eq(vd_config(at + 2, 1), want[i].bytes);
        ck_assert_uint_eq(vd_config(at + VIRTIO_CAP_BAR, 1), 0);
        ck_assert_uint_eq(vd_config(at + VIRTIO_CAP_OFFSET, 4), want[i].offset);
        ck_assert_uint_ge(vd_config(at + VIRTIO_CAP_LENGTH, 4), want[i].least);
        vd_set_config(at + VIRTIO_CAP_OFFSET, 4, 0xffffffff);
        ck_assert_uint_eq(vd_config(at + VIRTIO_CAP_OFFSET, 4), want[i].offset);
    }
    ck_assert_uint_eq(vd_config(find_structure(VIRTIO_CAP_NOTIFY) + VIRTIO_CAP_MULTIPLIER, 4), 4);
}
END_TEST

START_TEST(reset_values_are_the_standards)
{
    ck_assert_uint_eq(vd_status(), 0);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_NUM_QUEUES, 2), 1);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_MSIX_CONFIG, 2), VIRTIO_NO_VECTOR);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_SIZE, 2), 128);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_MSIX_VECTOR, 2), VIRTIO_NO_VECTOR);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_ENABLE, 2), 0);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_DESC, 8), 0);
    ck_assert_uint_eq(driver_isr(&vd.driver), 0);
    driver_set(&vd.driver, VIRTIO_QUEUE_SELECT, 2, 1); /* there is none */
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_SIZE, 2), 0);
    driver_set(&vd.driver, VIRTIO_QUEUE_ENABLE, 2, 1);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_ENABLE, 2), 0);
    ck_assert_uint_eq(driver_config(&vd.driver, VIRTIO_BLK_CAPACITY, 8), SECTORS);
    ck_assert_uint_eq(driver_config(&vd.driver, VIRTIO_BLK_CAPACITY, 4), SECTORS);
    ck_assert_uint_eq(driver_config(&vd.driver, VIRTIO_BLK_BLK_SIZE, 4), 512);
    ck_assert_uint_eq(driver_config(&vd.driver, VIRTIO_BLK_SEG_MAX, 4), 126);
    ck_assert_uint_eq(driver_config(&vd.driver, VIRTIO_BLK_CONFIG_BYTES - 2, 4), 0); /* not all there */
}
END_TEST

START_TEST(fields_have_their_widths)
{
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 4, VIRTIO_ACKNOWLEDGE);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 2, VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(vd_status(), 0);
    driver_set(&vd.driver, VIRTIO_QUEUE_SIZE, 4, 8);
    driver_set(&vd.driver, VIRTIO_QUEUE_SIZE + 1, 1, 0);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_SIZE, 2), 128);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_SIZE, 4), 0);
    driver_set(&vd.driver, VIRTIO_QUEUE_DESC + 4, 4, 0x12);
    driver_set(&vd.driver, VIRTIO_QUEUE_DESC, 4, 0x34567890);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_DESC, 8), UINT64_C(0x1234567890));
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_DESC + 4, 4), 0x12);
    driver_set(&vd.driver, VIRTIO_QUEUE_DESC, 2, 0);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_DESC, 4), 0x34567890);
    for (unsigned size = 0; size <= 256; size++) { /* powers of 2 up to the most */
        driver_set(&vd.driver, VIRTIO_QUEUE_SIZE, 2, 128);
        driver_set(&vd.driver, VIRTIO_QUEUE_SIZE, 2, size);
        bool good = size && !(size & (size - 1)) && size <= 128;
        ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_SIZE, 2), good ? size : 128);
    }
}
END_TEST

START_TEST(vectors_that_there_are_not_read_as_none)
{
    driver_set(&vd.driver, VIRTIO_MSIX_CONFIG, 2, 1);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_MSIX_CONFIG, 2), 1);
    driver_set(&vd.driver, VIRTIO_MSIX_CONFIG, 2, 2);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_MSIX_CONFIG, 2), VIRTIO_NO_VECTOR);
    driver_set(&vd.driver, VIRTIO_QUEUE_MSIX_VECTOR, 2, 0);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_MSIX_VECTOR, 2), 0);
    driver_set(&vd.driver, VIRTIO_QUEUE_MSIX_VECTOR, 2, 9);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_MSIX_VECTOR, 2), VIRTIO_NO_VECTOR);
}
END_TEST

START_TEST(features_are_agreed_on)
{
    const u64 want = VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC) | VIRTIO_FEATURE(VIRTIO_F_RING_EVENT_IDX) |
                     VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) |
                     VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
                     VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE);
    ck_assert_uint_eq(driver_offered(&vd.driver), want);
    driver_set(&vd.driver, VIRTIO_DEVICE_FEATURE_SELECT, 4, 2);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_DEVICE_FEATURE, 4), 0);
    driver_negotiate(&vd.driver, want);
    ck_assert(vd_status() & VIRTIO_FEATURES_OK);
    ck_assert_uint_eq(vd.state->features, want);
    driver_set(&vd.driver, VIRTIO_DRIVER_FEATURE, 4, 0); /* they stand now */
    ck_assert_uint_eq(vd.state->features, want);
    driver_negotiate(&vd.driver, VIRTIO_FEATURE(5)); /* not offered: read-only */
    ck_assert_uint_eq(vd_status(), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    driver_set(&vd.driver, VIRTIO_DRIVER_FEATURE_SELECT, 4, 0); /* another try */
    driver_set(&vd.driver, VIRTIO_DRIVER_FEATURE, 4, 0);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, VIRTIO_FEATURES_OK);
    ck_assert(vd_status() & VIRTIO_FEATURES_OK);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, 0);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, VIRTIO_FEATURES_OK); /* without VERSION_1 */
    ck_assert_uint_eq(vd_status(), 0);
}
END_TEST

START_TEST(a_driver_sets_bits_and_clears_all)
{
    driver_negotiate(&vd.driver, 0);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(vd_status(), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, 0x70); /* not the driver's */
    ck_assert_uint_eq(vd_status(), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, VIRTIO_FAILED);
    ck_assert(vd_status() & VIRTIO_FAILED);
    vd_start(0, 16);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    vd_request(0);
    vd_ck_used(0, 513);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, 0);
    ck_assert_uint_eq(vd_status(), 0);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_ENABLE, 2), 0);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_SIZE, 2), 128);
    ck_assert_uint_eq(driver_isr(&vd.driver), 0);
    ck_assert_uint_eq(vd.state->queue[0].next_avail, 0);
}
END_TEST

START_TEST(a_reset_ends_what_is_under_way)
{
    vd_start(0, 16);
    vd_chain(VIRTIO_BLK_T_IN, 1, 1024);
    driver_offer(&vd.queue, 0);
    driver_notify(&vd.queue);
    for (unsigned i = 0; i < 6; i++) /* ring, three descriptors, header, a sector */
        devices_atom(vd.m);
    ck_assert_uint_eq(driver_memory(&vd.driver, DATA, 1), 1);
    driver_set(&vd.driver, VIRTIO_DEVICE_STATUS, 1, 0);
    ck_assert_uint_eq(device_due(vd.m, SLOT), UINT64_MAX);
    vd_ck_none_used();
    vd_start(0, 16);
    vd_chain(VIRTIO_BLK_T_IN, 3, 512);
    vd_request(0);
    vd_ck_used(0, 513);
    ck_assert_uint_eq(driver_memory(&vd.driver, DATA, 1), 3);
}
END_TEST

START_TEST(nothing_happens_before_the_driver_is_ready)
{
    driver_negotiate(&vd.driver, 0);
    driver_queue(&vd.queue, &vd.driver, 0, 16, QUEUE);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    vd_request(0);
    vd_ck_none_used();
    driver_ok(&vd.driver);
    driver_notify(&vd.queue);
    driver_run(&vd.driver, 100);
    vd_ck_used(0, 513);
    driver_set(&vd.driver, VIRTIO_QUEUE_DESC, 8, 0); /* an enabled queue stands */
    driver_set(&vd.driver, VIRTIO_QUEUE_ENABLE, 2, 0);
    driver_set(&vd.driver, VIRTIO_QUEUE_SIZE, 2, 8);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_DESC, 8), QUEUE);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_ENABLE, 2), 1);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_QUEUE_SIZE, 2), 16);
}
END_TEST

START_TEST(configuration_space_reaches_the_structures)
{
    unsigned at = find_structure(VIRTIO_CAP_ACCESS);
    vd_set_config(at + VIRTIO_CAP_OFFSET, 4, VIRTIO_NUM_QUEUES);
    vd_set_config(at + VIRTIO_CAP_LENGTH, 4, 2);
    ck_assert_uint_eq(vd_config(at + VIRTIO_CAP_DATA, 2), 1);
    vd_set_config(at + VIRTIO_CAP_OFFSET, 4, VIRTIO_DEVICE_STATUS);
    vd_set_config(at + VIRTIO_CAP_LENGTH, 4, 1);
    vd_set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(vd_status(), VIRTIO_ACKNOWLEDGE);
    vd_set_config(at + VIRTIO_CAP_BAR, 1, 1); /* not theirs */
    vd_set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
    vd_set_config(at + VIRTIO_CAP_BAR, 1, 0);
    vd_set_config(at + VIRTIO_CAP_OFFSET, 4, 0x80000014);
    vd_set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
    vd_set_config(at + VIRTIO_CAP_LENGTH, 4, 3);
    vd_set_config(at + VIRTIO_CAP_OFFSET, 4, 0);
    vd_set_config(at + VIRTIO_CAP_DATA, 4, 1);
    ck_assert_uint_eq(vd_status(), VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(driver_get(&vd.driver, VIRTIO_DEVICE_FEATURE_SELECT, 4), 0);
}
END_TEST

/* ---- rings ---- */

START_TEST(a_request_is_read_and_returned)
{
    vd_start(0, 16);
    for (unsigned i = 0; i < 40; i++) { /* the rings wrap */
        vd_chain(VIRTIO_BLK_T_IN, i, 1024);
        vd_request(0);
        vd_ck_used(0, 1025);
        ck_assert_uint_eq(vd_blk_status(), VIRTIO_BLK_S_OK);
        ck_assert_uint_eq(driver_memory(&vd.driver, DATA + 511, 1), i);
        ck_assert_uint_eq(driver_memory(&vd.driver, DATA + 1023, 1), i + 1);
        ck_assert_uint_eq(driver_memory(&vd.driver, DATA + 1024, 1), 0);
    }
    vd_ck_none_used();
}
END_TEST

START_TEST(indices_go_round_at_2_to_the_16)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_EVENT_IDX), 1);
    vd.state->queue[0].next_avail = vd.state->queue[0].next_used = vd.state->queue[0].told = 0xfffe;
    vd.queue.next = vd.queue.seen = 0xfffe;
    driver_set_memory(&vd.driver, vd.queue.avail + VIRTQ_AVAIL_IDX, 2, 0xfffe);
    driver_set_memory(&vd.driver, vd.queue.used + VIRTQ_USED_IDX, 2, 0xfffe);
    driver_negotiate(&vd.driver, 0); /* a queue of one is too small for a chain: by a table */
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 4);
    vd.state->queue[0].next_avail = vd.state->queue[0].next_used = vd.queue.next = vd.queue.seen = 0xfffe;
    driver_set_memory(&vd.driver, vd.queue.avail + VIRTQ_AVAIL_IDX, 2, 0xfffe);
    driver_set_memory(&vd.driver, vd.queue.used + VIRTQ_USED_IDX, 2, 0xfffe);
    for (unsigned i = 0; i < 6; i++) {
        vd_chain(VIRTIO_BLK_T_IN, i, 512);
        vd_request(0);
        vd_ck_used(0, 513);
    }
    ck_assert_uint_eq(vd.state->queue[0].next_avail, 4);
    ck_assert_uint_eq(driver_memory(&vd.driver, vd.queue.used + VIRTQ_USED_IDX, 2), 4);
}
END_TEST

START_TEST(several_chains_go_in_their_order)
{
    vd_start(0, 16);
    vd_header(VIRTIO_BLK_T_IN, 7);
    for (unsigned i = 0; i < 4; i++) {
        driver_descriptor(&vd.queue, 3 * i, HEADER, 16, NEXT, 3 * i + 1);
        driver_descriptor(&vd.queue, 3 * i + 1, DATA + 0x1000 * i, 512, NEXT | WRITE, 3 * i + 2);
        driver_descriptor(&vd.queue, 3 * i + 2, STATUS + i, 1, WRITE, 0);
    }
    driver_offer(&vd.queue, 9);
    driver_offer(&vd.queue, 0);
    driver_offer(&vd.queue, 6);
    vd_request(3);
    vd_ck_used(9, 513);
    vd_ck_used(0, 513);
    vd_ck_used(6, 513);
    vd_ck_used(3, 513);
}
END_TEST

START_TEST(a_chain_may_be_cut_anywhere)
{
    vd_start(0, 16);
    vd_header(VIRTIO_BLK_T_IN, 5);
    driver_descriptor(&vd.queue, 0, HEADER, 3, NEXT, 5);
    driver_descriptor(&vd.queue, 5, HEADER + 3, 0, NEXT, 6); /* nothing */
    driver_descriptor(&vd.queue, 6, HEADER + 3, 13, NEXT, 1);
    driver_descriptor(&vd.queue, 1, DATA, 100, NEXT | WRITE, 2);
    driver_descriptor(&vd.queue, 2, DATA + 100, 900, NEXT | WRITE, 3);
    driver_descriptor(&vd.queue, 3, DATA + 1000, 25, WRITE, 0); /* 24 of data, and the status */
    vd_request(0);
    vd_ck_used(0, 1025);
    for (unsigned i = 0; i < 1024; i++)
        ck_assert_uint_eq(driver_memory(&vd.driver, DATA + i, 1), 5 + i / 512);
    ck_assert_uint_eq(driver_memory(&vd.driver, DATA + 1024, 1), VIRTIO_BLK_S_OK);
}
END_TEST

static void indirect_chain(void)
{
    vd_header(VIRTIO_BLK_T_IN, 9);
    driver_descriptor(&vd.queue, 2, TABLE, 48, INDIRECT, 0);
    driver_descriptor_at(&vd.driver, TABLE, 0, HEADER, 16, NEXT, 2);
    driver_descriptor_at(&vd.driver, TABLE, 2, DATA, 512, NEXT | WRITE, 1);
    driver_descriptor_at(&vd.driver, TABLE, 1, STATUS, 1, WRITE, 0);
}

START_TEST(a_table_may_hold_the_chain)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 4);
    indirect_chain();
    vd_request(2);
    vd_ck_used(2, 513);
    ck_assert_uint_eq(driver_memory(&vd.driver, DATA, 1), 9);
    driver_descriptor(&vd.queue, 0, HEADER, 16, NEXT, 2); /* a first descriptor, then the table */
    driver_descriptor_at(&vd.driver, TABLE, 0, DATA, 512, NEXT | WRITE, 1);
    driver_set_memory(&vd.driver, DATA, 1, 0);
    vd_request(0);
    vd_ck_used(0, 513);
    ck_assert_uint_eq(driver_memory(&vd.driver, DATA, 1), 9);
}
END_TEST

/* A table of n descriptors: a header, n - 2 pieces of a sector, a status. */
static void long_chain(unsigned n)
{
    unsigned pieces = n - 2;
    vd_header(VIRTIO_BLK_T_IN, 9);
    driver_descriptor(&vd.queue, 0, TABLE, 16 * n, INDIRECT, 0);
    driver_descriptor_at(&vd.driver, TABLE, 0, HEADER, 16, NEXT, 1);
    for (unsigned i = 1; i <= pieces; i++)
        driver_descriptor_at(&vd.driver, TABLE, i, DATA + i, i == pieces ? 513 - pieces : 1, NEXT | WRITE,
                             i + 1);
    driver_descriptor_at(&vd.driver, TABLE, n - 1, STATUS, 1, WRITE, 0);
}

START_TEST(a_chain_is_no_longer_than_its_queue)
{
    for (unsigned size = 4; size <= 128; size *= 2) {
        vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), size);
        long_chain(size);
        vd_request(0);
        vd_ck_used(0, 513);
        long_chain(size + 1);
        vd_request(0);
        ck_assert(vd_broken());
    }
}
END_TEST

/* Each leads to a broken device, which stays so. */
static void ck_breaks(unsigned head)
{
    vd_request(head);
    ck_assert(vd_broken());
    vd_ck_none_used();
    ck_assert_uint_eq(driver_isr(&vd.driver), VIRTIO_ISR_CONFIG);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    vd_request(0);
    vd_ck_none_used();
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 16);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    vd_request(0);
    vd_ck_used(0, 513);
    vd.queue.next = vd.queue.seen = 0;
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 16);
}

START_TEST(what_no_driver_may_do_breaks_the_device)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 16);
    ck_breaks(16); /* no such descriptor */
    driver_descriptor(&vd.queue, 0, HEADER, 16, NEXT, 16);
    ck_breaks(0);
    driver_descriptor(&vd.queue, 0, HEADER, 16, NEXT, 0); /* a loop */
    ck_breaks(0);
    driver_descriptor(&vd.queue, 0, DATA, 16, NEXT | WRITE, 1); /* what it reads behind what it writes */
    driver_descriptor(&vd.queue, 1, HEADER, 16, 0, 0);
    ck_breaks(0);
    driver_descriptor(&vd.queue, 0, HEADER, 16, 0, 0); /* no room for a status */
    ck_breaks(0);
    driver_descriptor(&vd.queue, 0, HEADER, 15, NEXT, 1); /* half a header */
    driver_descriptor(&vd.queue, 1, STATUS, 1, WRITE, 0);
    ck_breaks(0);
    driver_descriptor(&vd.queue, 0, HEADER, 0xffffffff, NEXT, 1); /* more than 2^32 bytes */
    driver_descriptor(&vd.queue, 1, STATUS, 2, WRITE, 0);
    ck_breaks(0);
    vd.queue.next += 20; /* more chains than the queue has */
    ck_breaks(0);
}
END_TEST

START_TEST(tables_have_their_rules)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 16);
    indirect_chain();
    driver_descriptor(&vd.queue, 2, TABLE, 40, INDIRECT, 0); /* not whole descriptors */
    ck_breaks(2);
    driver_descriptor(&vd.queue, 2, TABLE, 0, INDIRECT, 0);
    ck_breaks(2);
    indirect_chain();
    driver_descriptor(&vd.queue, 2, TABLE, 48, INDIRECT | NEXT, 3);
    ck_breaks(2);
    indirect_chain();
    driver_descriptor_at(&vd.driver, TABLE, 0, TABLE, 48, INDIRECT, 2); /* a table in a table */
    ck_breaks(2);
    indirect_chain();
    driver_descriptor_at(&vd.driver, TABLE, 0, HEADER, 16, NEXT, 3); /* behind its end */
    ck_breaks(2);
    vd_start(0, 16); /* not agreed on */
    indirect_chain();
    vd_request(2);
    ck_assert(vd_broken());
}
END_TEST

START_TEST(memory_that_is_refused_breaks_the_device)
{
    vd_start(0, 16);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    vd_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY); /* no bus master */
    vd_request(0);
    ck_assert(vd_broken());
    ck_assert_uint_eq(driver_memory(&vd.driver, DATA, 1), 0);
}
END_TEST

/* ---- notifications, both ways ---- */

START_TEST(flags_say_who_wants_to_hear)
{
    vd_start(0, 16);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    driver_offer(&vd.queue, 0);
    driver_notify(&vd.queue);
    devices_atom(vd.m); /* it has something to do */
    ck_assert_uint_eq(driver_memory(&vd.driver, vd.queue.used + VIRTQ_USED_FLAGS, 2), VIRTQ_USED_NO_NOTIFY);
    driver_run(&vd.driver, 100);
    ck_assert_uint_eq(driver_memory(&vd.driver, vd.queue.used + VIRTQ_USED_FLAGS, 2), 0);
    ck_assert_uint_eq(driver_isr(&vd.driver), VIRTIO_ISR_QUEUE);
    driver_set_memory(&vd.driver, vd.queue.avail + VIRTQ_AVAIL_FLAGS, 2, VIRTQ_AVAIL_NO_INTERRUPT);
    vd_request(0);
    ck_assert_uint_eq(driver_isr(&vd.driver), 0);
}
END_TEST

START_TEST(event_indices_say_when)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_EVENT_IDX), 16);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    driver_set_memory(&vd.driver, vd.queue.avail + VIRTQ_USED_EVENT(16), 2, 2); /* at the third */
    driver_set_memory(&vd.driver, vd.queue.avail + VIRTQ_AVAIL_FLAGS, 2,
                      VIRTQ_AVAIL_NO_INTERRUPT); /* means nothing */
    vd_request(0);
    ck_assert_uint_eq(driver_memory(&vd.driver, vd.queue.used + VIRTQ_AVAIL_EVENT(16), 2), 1);
    ck_assert_uint_eq(driver_isr(&vd.driver), 0);
    driver_offer(&vd.queue, 0);
    vd_request(0);
    ck_assert_uint_eq(driver_memory(&vd.driver, vd.queue.used + VIRTQ_AVAIL_EVENT(16), 2), 3);
    ck_assert_uint_eq(driver_isr(&vd.driver), VIRTIO_ISR_QUEUE);
    vd_request(0);
    ck_assert_uint_eq(driver_isr(&vd.driver), 0);
    ck_assert_uint_eq(driver_memory(&vd.driver, vd.queue.used + VIRTQ_USED_FLAGS, 2), 0);
}
END_TEST

START_TEST(what_comes_while_it_falls_asleep_is_seen)
{
    vd_start(VIRTIO_FEATURE(VIRTIO_F_RING_EVENT_IDX), 16);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    driver_offer(&vd.queue, 0);
    driver_notify(&vd.queue);
    while (driver_memory(&vd.driver, vd.queue.used + VIRTQ_AVAIL_EVENT(16), 2) != 1)
        devices_atom(vd.m);
    driver_offer(&vd.queue, 0); /* without a notification */
    driver_run(&vd.driver, 100);
    vd_ck_used(0, 513);
    vd_ck_used(0, 513);
}
END_TEST

START_TEST(msix_takes_the_place_of_the_line)
{
    driver_negotiate(&vd.driver, 0);
    driver_queue(&vd.queue, &vd.driver, 0, 16, QUEUE);
    driver_set(&vd.driver, VIRTIO_QUEUE_MSIX_VECTOR, 2, 1);
    driver_ok(&vd.driver);
    vd_set_config(vd.driver.device->msix_at + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
    u64 table = pci_config(vd.driver.device, PCI_BAR(1), 4);
    board_mmio_write(vd.bare.core, table + 16, 8, MSI_ADDRESS);
    board_mmio_write(vd.bare.core, table + 24, 8, VECTOR);
    apic_write(vd.bare.core, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    vd_chain(VIRTIO_BLK_T_IN, 1, 512);
    vd_request(0);
    ck_assert_uint_eq(driver_isr(&vd.driver), 0);
    ck_assert_uint_ne(vd.bare.core->s.ipi_due[VECTOR], 0);
    ck_assert_uint_eq(vd.m->b.pci[SLOT].intx, 0);
}
END_TEST

static void add_transport(Suite *suite)
{
    TCase *t = tcase_create("transport");
    tcase_add_checked_fixture(t, vd_set_up, vd_tear_down);
    tcase_add_test(t, capabilities_lead_to_the_structures);
    tcase_add_test(t, reset_values_are_the_standards);
    tcase_add_test(t, fields_have_their_widths);
    tcase_add_test(t, vectors_that_there_are_not_read_as_none);
    tcase_add_test(t, features_are_agreed_on);
    tcase_add_test(t, a_driver_sets_bits_and_clears_all);
    tcase_add_test(t, a_reset_ends_what_is_under_way);
    tcase_add_test(t, nothing_happens_before_the_driver_is_ready);
    tcase_add_test(t, configuration_space_reaches_the_structures);
    suite_add_tcase(suite, t);
}

static void add_rings(Suite *suite)
{
    TCase *t = tcase_create("rings");
    tcase_add_checked_fixture(t, vd_set_up, vd_tear_down);
    tcase_add_test(t, a_request_is_read_and_returned);
    tcase_add_test(t, indices_go_round_at_2_to_the_16);
    tcase_add_test(t, several_chains_go_in_their_order);
    tcase_add_test(t, a_chain_may_be_cut_anywhere);
    tcase_add_test(t, a_table_may_hold_the_chain);
    tcase_add_test(t, a_chain_is_no_longer_than_its_queue);
    tcase_add_test(t, what_no_driver_may_do_breaks_the_device);
    tcase_add_test(t, tables_have_their_rules);
    tcase_add_test(t, memory_that_is_refused_breaks_the_device);
    tcase_add_test(t, flags_say_who_wants_to_hear);
    tcase_add_test(t, event_indices_say_when);
    tcase_add_test(t, what_comes_while_it_falls_asleep_is_seen);
    tcase_add_test(t, msix_takes_the_place_of_the_line);
    suite_add_tcase(suite, t);
}

int main(void)
{
    Suite *suite = suite_create("virtio");
    add_transport(suite);
    add_rings(suite);
    return suite_run(suite);
}
