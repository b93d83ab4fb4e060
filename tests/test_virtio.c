/* test_virtio.c - virtio over PCI and its queues, with the block device (VIRTIO 1.1, 2, 4.1 and 5.2;
 * docs/machine.md, "Virtio"). */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "dev/board.h"
#include "dev/disk.h"
#include "dev/virtqueue.h"
#include "lib/bare.h"
#include "lib/chance.h"
#include "lib/suite.h"
#include "lib/temporary.h"
#include "lib/virtio_driver.h"
#include "mmu/mem.h"

#define FIRMWARE (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define SLOT     5
#define SECTORS  64
#define MEM      170 /* mem_latency */
#define BUSY     10  /* mem_busy */
#define DISK     10000
#define VECTOR   0x41

#define QUEUE  UINT64_C(0x600000)
#define HEADER UINT64_C(0x610000)
#define STATUS UINT64_C(0x611000)
#define TABLE  UINT64_C(0x612000)
#define DATA   UINT64_C(0x620000)

#define NEXT     VIRTQ_DESC_F_NEXT
#define WRITE    VIRTQ_DESC_F_WRITE
#define INDIRECT VIRTQ_DESC_F_INDIRECT

static struct bare b;
static struct machine *m;
static struct driver v;
static struct driver_queue q;
static struct virtio *state;

static void open_disk(bool readonly)
{
    char path[256];
    FILE *f = temporary_file(path) ? fopen(path, "wb") : NULL;
    ck_assert_ptr_nonnull(f);
    for (unsigned i = 0; i < SECTORS * SECTOR_BYTES; i++)
        fputc((int)(i / SECTOR_BYTES), f);
    fclose(f);
    const struct rs_device device = {.kind = "virtio-blk", .slot = SLOT, .file = path, .readonly = readonly};
    bare_open_devices(&b, FIRMWARE, 1, &device, 1);
    remove(path);
    m = b.machine;
    driver_open(&v, &b, SLOT);
    state = &m->b.virtio_blk[0].virtio;
}

static void set_up(void)
{
    open_disk(false);
}

static void tear_down(void)
{
    bare_close(&b);
}

static u64 status(void)
{
    return driver_get(&v, VIRTIO_DEVICE_STATUS, 1);
}

static bool broken(void)
{
    return status() & VIRTIO_NEEDS_RESET;
}

/* A driver with these features has a queue of `size`. */
static void start(u64 features, unsigned size)
{
    driver_negotiate(&v, features);
    driver_queue(&q, &v, 0, size, QUEUE);
    driver_ok(&v);
}

static void header(u32 type, u64 sector)
{
    driver_set_memory(&v, HEADER, 8, type);
    driver_set_memory(&v, HEADER + 8, 8, sector);
    driver_set_memory(&v, STATUS, 1, 0xff);
}

/* A request in descriptors 0 to 2. */
static void chain(u32 type, u64 sector, u32 bytes)
{
    header(type, sector);
    driver_descriptor(&q, 0, HEADER, VIRTIO_BLK_HEADER_BYTES, NEXT, bytes ? 1 : 2);
    driver_descriptor(&q, 1, DATA, bytes, NEXT | (type == VIRTIO_BLK_T_OUT ? 0 : WRITE), 2);
    driver_descriptor(&q, 2, STATUS, 1, WRITE, 0);
}

static u64 blk_status(void)
{
    return driver_memory(&v, STATUS, 1);
}

static void ck_used(u32 head, u32 length)
{
    u32 h, n;
    ck_assert(driver_used(&q, &h, &n));
    ck_assert_uint_eq(h, head);
    ck_assert_uint_eq(n, length);
}

static void ck_none_used(void)
{
    u32 h, n;
    ck_assert(!driver_used(&q, &h, &n));
}

/* Offers a chain and lets the device run. */
static void request(unsigned head)
{
    driver_offer(&q, head);
    driver_notify(&q);
    driver_run(&v, 1000);
}

/* ---- the transport ---- */

static u32 config(unsigned at, unsigned n)
{
    return pci_config_read(m, PCI_ADDRESS(0u, SLOT, 0u, at), n);
}

static void set_config(unsigned at, unsigned n, u32 value)
{
    pci_config_write(m, PCI_ADDRESS(0u, SLOT, 0u, at), n, value);
}

static unsigned find_structure(unsigned type)
{
    unsigned at = config(PCI_CAPABILITIES, 1);
    while (at && !(config(at, 1) == PCI_CAP_VENDOR && config(at + VIRTIO_CAP_TYPE, 1) == type))
        at = config(at + 1, 1);
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
    ck_assert_uint_eq(config(PCI_VENDOR, 4), 0x10421af4);
    ck_assert_uint_ge(config(PCI_REVISION, 1), 1);
    for (unsigned i = 0; i < 4; i++) {
        unsigned at = find_structure(want[i].type);
        ck_assert_uint_ne(at, 0);
        ck_assert_uint_eq(config(at + 2, 1), want[i].bytes);
        ck_assert_uint_eq(config(at + VIRTIO_CAP_BAR, 1), 0);
        ck_assert_uint_eq(config(at + VIRTIO_CAP_OFFSET, 4), want[i].offset);
        ck_assert_uint_ge(config(at + VIRTIO_CAP_LENGTH, 4), want[i].least);
        set_config(at + VIRTIO_CAP_OFFSET, 4, 0xffffffff);
        ck_assert_uint_eq(config(at + VIRTIO_CAP_OFFSET, 4), want[i].offset);
    }
    ck_assert_uint_eq(config(find_structure(VIRTIO_CAP_NOTIFY) + VIRTIO_CAP_MULTIPLIER, 4), 4);
}
END_TEST

START_TEST(reset_values_are_the_standards)
{
    ck_assert_uint_eq(status(), 0);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_NUM_QUEUES, 2), 1);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_MSIX_CONFIG, 2), VIRTIO_NO_VECTOR);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_SIZE, 2), 128);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_MSIX_VECTOR, 2), VIRTIO_NO_VECTOR);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_ENABLE, 2), 0);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_DESC, 8), 0);
    ck_assert_uint_eq(driver_isr(&v), 0);
    driver_set(&v, VIRTIO_QUEUE_SELECT, 2, 1); /* there is none */
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_SIZE, 2), 0);
    driver_set(&v, VIRTIO_QUEUE_ENABLE, 2, 1);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_ENABLE, 2), 0);
    ck_assert_uint_eq(driver_config(&v, VIRTIO_BLK_CAPACITY, 8), SECTORS);
    ck_assert_uint_eq(driver_config(&v, VIRTIO_BLK_CAPACITY, 4), SECTORS);
    ck_assert_uint_eq(driver_config(&v, VIRTIO_BLK_BLK_SIZE, 4), 512);
    ck_assert_uint_eq(driver_config(&v, VIRTIO_BLK_SEG_MAX, 4), 126);
    ck_assert_uint_eq(driver_config(&v, VIRTIO_BLK_CONFIG_BYTES - 2, 4), 0); /* not all there */
}
END_TEST

START_TEST(fields_have_their_widths)
{
    driver_set(&v, VIRTIO_DEVICE_STATUS, 4, VIRTIO_ACKNOWLEDGE);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 2, VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(status(), 0);
    driver_set(&v, VIRTIO_QUEUE_SIZE, 4, 8);
    driver_set(&v, VIRTIO_QUEUE_SIZE + 1, 1, 0);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_SIZE, 2), 128);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_SIZE, 4), 0);
    driver_set(&v, VIRTIO_QUEUE_DESC + 4, 4, 0x12);
    driver_set(&v, VIRTIO_QUEUE_DESC, 4, 0x34567890);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_DESC, 8), UINT64_C(0x1234567890));
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_DESC + 4, 4), 0x12);
    driver_set(&v, VIRTIO_QUEUE_DESC, 2, 0);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_DESC, 4), 0x34567890);
    for (unsigned size = 0; size <= 256; size++) { /* powers of 2 up to the most */
        driver_set(&v, VIRTIO_QUEUE_SIZE, 2, 128);
        driver_set(&v, VIRTIO_QUEUE_SIZE, 2, size);
        bool good = size && !(size & (size - 1)) && size <= 128;
        ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_SIZE, 2), good ? size : 128);
    }
}
END_TEST

START_TEST(vectors_that_there_are_not_read_as_none)
{
    driver_set(&v, VIRTIO_MSIX_CONFIG, 2, 1);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_MSIX_CONFIG, 2), 1);
    driver_set(&v, VIRTIO_MSIX_CONFIG, 2, 2);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_MSIX_CONFIG, 2), VIRTIO_NO_VECTOR);
    driver_set(&v, VIRTIO_QUEUE_MSIX_VECTOR, 2, 0);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_MSIX_VECTOR, 2), 0);
    driver_set(&v, VIRTIO_QUEUE_MSIX_VECTOR, 2, 9);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_MSIX_VECTOR, 2), VIRTIO_NO_VECTOR);
}
END_TEST

START_TEST(features_are_agreed_on)
{
    const u64 want = VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC) | VIRTIO_FEATURE(VIRTIO_F_RING_EVENT_IDX) |
                     VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) |
                     VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
                     VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE);
    ck_assert_uint_eq(driver_offered(&v), want);
    driver_set(&v, VIRTIO_DEVICE_FEATURE_SELECT, 4, 2);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_DEVICE_FEATURE, 4), 0);
    driver_negotiate(&v, want);
    ck_assert(status() & VIRTIO_FEATURES_OK);
    ck_assert_uint_eq(state->features, want);
    driver_set(&v, VIRTIO_DRIVER_FEATURE, 4, 0); /* they stand now */
    ck_assert_uint_eq(state->features, want);
    driver_negotiate(&v, VIRTIO_FEATURE(5)); /* not offered: read-only */
    ck_assert_uint_eq(status(), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    driver_set(&v, VIRTIO_DRIVER_FEATURE_SELECT, 4, 0); /* another try */
    driver_set(&v, VIRTIO_DRIVER_FEATURE, 4, 0);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, VIRTIO_FEATURES_OK);
    ck_assert(status() & VIRTIO_FEATURES_OK);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, 0);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, VIRTIO_FEATURES_OK); /* without VERSION_1 */
    ck_assert_uint_eq(status(), 0);
}
END_TEST

START_TEST(a_driver_sets_bits_and_clears_all)
{
    driver_negotiate(&v, 0);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(status(), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, 0x70); /* not the driver's */
    ck_assert_uint_eq(status(), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, VIRTIO_FAILED);
    ck_assert(status() & VIRTIO_FAILED);
    start(0, 16);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    request(0);
    ck_used(0, 513);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, 0);
    ck_assert_uint_eq(status(), 0);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_ENABLE, 2), 0);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_SIZE, 2), 128);
    ck_assert_uint_eq(driver_isr(&v), 0);
    ck_assert_uint_eq(state->queue[0].next_avail, 0);
}
END_TEST

START_TEST(a_reset_ends_what_is_under_way)
{
    start(0, 16);
    chain(VIRTIO_BLK_T_IN, 1, 1024);
    driver_offer(&q, 0);
    driver_notify(&q);
    for (unsigned i = 0; i < 6; i++) /* ring, three descriptors, header, a sector */
        devices_atom(m);
    ck_assert_uint_eq(driver_memory(&v, DATA, 1), 1);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, 0);
    ck_assert_uint_eq(device_due(m, SLOT), UINT64_MAX);
    ck_none_used();
    start(0, 16);
    chain(VIRTIO_BLK_T_IN, 3, 512);
    request(0);
    ck_used(0, 513);
    ck_assert_uint_eq(driver_memory(&v, DATA, 1), 3);
}
END_TEST

START_TEST(nothing_happens_before_the_driver_is_ready)
{
    driver_negotiate(&v, 0);
    driver_queue(&q, &v, 0, 16, QUEUE);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    request(0);
    ck_none_used();
    driver_ok(&v);
    driver_notify(&q);
    driver_run(&v, 100);
    ck_used(0, 513);
    driver_set(&v, VIRTIO_QUEUE_DESC, 8, 0); /* an enabled queue stands */
    driver_set(&v, VIRTIO_QUEUE_ENABLE, 2, 0);
    driver_set(&v, VIRTIO_QUEUE_SIZE, 2, 8);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_DESC, 8), QUEUE);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_ENABLE, 2), 1);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_QUEUE_SIZE, 2), 16);
}
END_TEST

START_TEST(configuration_space_reaches_the_structures)
{
    unsigned at = find_structure(VIRTIO_CAP_ACCESS);
    set_config(at + VIRTIO_CAP_OFFSET, 4, VIRTIO_NUM_QUEUES);
    set_config(at + VIRTIO_CAP_LENGTH, 4, 2);
    ck_assert_uint_eq(config(at + VIRTIO_CAP_DATA, 2), 1);
    set_config(at + VIRTIO_CAP_OFFSET, 4, VIRTIO_DEVICE_STATUS);
    set_config(at + VIRTIO_CAP_LENGTH, 4, 1);
    set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(status(), VIRTIO_ACKNOWLEDGE);
    set_config(at + VIRTIO_CAP_BAR, 1, 1); /* not theirs */
    set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
    set_config(at + VIRTIO_CAP_BAR, 1, 0);
    set_config(at + VIRTIO_CAP_OFFSET, 4, 0x80000014);
    set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
    set_config(at + VIRTIO_CAP_LENGTH, 4, 3);
    set_config(at + VIRTIO_CAP_OFFSET, 4, 0);
    set_config(at + VIRTIO_CAP_DATA, 4, 1);
    ck_assert_uint_eq(status(), VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(driver_get(&v, VIRTIO_DEVICE_FEATURE_SELECT, 4), 0);
}
END_TEST

/* ---- rings ---- */

START_TEST(a_request_is_read_and_returned)
{
    start(0, 16);
    for (unsigned i = 0; i < 40; i++) { /* the rings wrap */
        chain(VIRTIO_BLK_T_IN, i, 1024);
        request(0);
        ck_used(0, 1025);
        ck_assert_uint_eq(blk_status(), VIRTIO_BLK_S_OK);
        ck_assert_uint_eq(driver_memory(&v, DATA + 511, 1), i);
        ck_assert_uint_eq(driver_memory(&v, DATA + 1023, 1), i + 1);
        ck_assert_uint_eq(driver_memory(&v, DATA + 1024, 1), 0);
    }
    ck_none_used();
}
END_TEST

START_TEST(indices_go_round_at_2_to_the_16)
{
    start(VIRTIO_FEATURE(VIRTIO_F_RING_EVENT_IDX), 1);
    state->queue[0].next_avail = state->queue[0].next_used = state->queue[0].told = 0xfffe;
    q.next = q.seen = 0xfffe;
    driver_set_memory(&v, q.avail + VIRTQ_AVAIL_IDX, 2, 0xfffe);
    driver_set_memory(&v, q.used + VIRTQ_USED_IDX, 2, 0xfffe);
    driver_negotiate(&v, 0); /* a queue of one is too small for a chain: by a table */
    start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 4);
    state->queue[0].next_avail = state->queue[0].next_used = q.next = q.seen = 0xfffe;
    driver_set_memory(&v, q.avail + VIRTQ_AVAIL_IDX, 2, 0xfffe);
    driver_set_memory(&v, q.used + VIRTQ_USED_IDX, 2, 0xfffe);
    for (unsigned i = 0; i < 6; i++) {
        chain(VIRTIO_BLK_T_IN, i, 512);
        request(0);
        ck_used(0, 513);
    }
    ck_assert_uint_eq(state->queue[0].next_avail, 4);
    ck_assert_uint_eq(driver_memory(&v, q.used + VIRTQ_USED_IDX, 2), 4);
}
END_TEST

START_TEST(several_chains_go_in_their_order)
{
    start(0, 16);
    header(VIRTIO_BLK_T_IN, 7);
    for (unsigned i = 0; i < 4; i++) {
        driver_descriptor(&q, 3 * i, HEADER, 16, NEXT, 3 * i + 1);
        driver_descriptor(&q, 3 * i + 1, DATA + 0x1000 * i, 512, NEXT | WRITE, 3 * i + 2);
        driver_descriptor(&q, 3 * i + 2, STATUS + i, 1, WRITE, 0);
    }
    driver_offer(&q, 9);
    driver_offer(&q, 0);
    driver_offer(&q, 6);
    request(3);
    ck_used(9, 513);
    ck_used(0, 513);
    ck_used(6, 513);
    ck_used(3, 513);
}
END_TEST

START_TEST(a_chain_may_be_cut_anywhere)
{
    start(0, 16);
    header(VIRTIO_BLK_T_IN, 5);
    driver_descriptor(&q, 0, HEADER, 3, NEXT, 5);
    driver_descriptor(&q, 5, HEADER + 3, 0, NEXT, 6); /* nothing */
    driver_descriptor(&q, 6, HEADER + 3, 13, NEXT, 1);
    driver_descriptor(&q, 1, DATA, 100, NEXT | WRITE, 2);
    driver_descriptor(&q, 2, DATA + 100, 900, NEXT | WRITE, 3);
    driver_descriptor(&q, 3, DATA + 1000, 25, WRITE, 0); /* 24 of data, and the status */
    request(0);
    ck_used(0, 1025);
    for (unsigned i = 0; i < 1024; i++)
        ck_assert_uint_eq(driver_memory(&v, DATA + i, 1), 5 + i / 512);
    ck_assert_uint_eq(driver_memory(&v, DATA + 1024, 1), VIRTIO_BLK_S_OK);
}
END_TEST

static void indirect_chain(void)
{
    header(VIRTIO_BLK_T_IN, 9);
    driver_descriptor(&q, 2, TABLE, 48, INDIRECT, 0);
    driver_descriptor_at(&v, TABLE, 0, HEADER, 16, NEXT, 2);
    driver_descriptor_at(&v, TABLE, 2, DATA, 512, NEXT | WRITE, 1);
    driver_descriptor_at(&v, TABLE, 1, STATUS, 1, WRITE, 0);
}

START_TEST(a_table_may_hold_the_chain)
{
    start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 4);
    indirect_chain();
    request(2);
    ck_used(2, 513);
    ck_assert_uint_eq(driver_memory(&v, DATA, 1), 9);
    driver_descriptor(&q, 0, HEADER, 16, NEXT, 2); /* a first descriptor, then the table */
    driver_descriptor_at(&v, TABLE, 0, DATA, 512, NEXT | WRITE, 1);
    driver_set_memory(&v, DATA, 1, 0);
    request(0);
    ck_used(0, 513);
    ck_assert_uint_eq(driver_memory(&v, DATA, 1), 9);
}
END_TEST

/* Each leads to a broken device, which stays so. */
static void ck_breaks(unsigned head)
{
    request(head);
    ck_assert(broken());
    ck_none_used();
    ck_assert_uint_eq(driver_isr(&v), VIRTIO_ISR_CONFIG);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    request(0);
    ck_none_used();
    start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 16);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    request(0);
    ck_used(0, 513);
    q.next = q.seen = 0;
    start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 16);
}

START_TEST(what_no_driver_may_do_breaks_the_device)
{
    start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 16);
    ck_breaks(16); /* no such descriptor */
    driver_descriptor(&q, 0, HEADER, 16, NEXT, 16);
    ck_breaks(0);
    driver_descriptor(&q, 0, HEADER, 16, NEXT, 0); /* a loop */
    ck_breaks(0);
    driver_descriptor(&q, 0, DATA, 16, NEXT | WRITE, 1); /* what it reads behind what it writes */
    driver_descriptor(&q, 1, HEADER, 16, 0, 0);
    ck_breaks(0);
    driver_descriptor(&q, 0, HEADER, 16, 0, 0); /* no room for a status */
    ck_breaks(0);
    driver_descriptor(&q, 0, HEADER, 15, NEXT, 1); /* half a header */
    driver_descriptor(&q, 1, STATUS, 1, WRITE, 0);
    ck_breaks(0);
    driver_descriptor(&q, 0, HEADER, 0xffffffff, NEXT, 1); /* more than 2^32 bytes */
    driver_descriptor(&q, 1, STATUS, 2, WRITE, 0);
    ck_breaks(0);
    q.next += 20; /* more chains than the queue has */
    ck_breaks(0);
}
END_TEST

START_TEST(tables_have_their_rules)
{
    start(VIRTIO_FEATURE(VIRTIO_F_RING_INDIRECT_DESC), 16);
    indirect_chain();
    driver_descriptor(&q, 2, TABLE, 40, INDIRECT, 0); /* not whole descriptors */
    ck_breaks(2);
    driver_descriptor(&q, 2, TABLE, 0, INDIRECT, 0);
    ck_breaks(2);
    indirect_chain();
    driver_descriptor(&q, 2, TABLE, 48, INDIRECT | NEXT, 3);
    ck_breaks(2);
    indirect_chain();
    driver_descriptor_at(&v, TABLE, 0, TABLE, 48, INDIRECT, 2); /* a table in a table */
    ck_breaks(2);
    indirect_chain();
    driver_descriptor_at(&v, TABLE, 0, HEADER, 16, NEXT, 3); /* behind its end */
    ck_breaks(2);
    start(0, 16); /* not agreed on */
    indirect_chain();
    request(2);
    ck_assert(broken());
}
END_TEST

START_TEST(memory_that_is_refused_breaks_the_device)
{
    start(0, 16);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY); /* no bus master */
    request(0);
    ck_assert(broken());
    ck_assert_uint_eq(driver_memory(&v, DATA, 1), 0);
}
END_TEST

/* ---- notifications, both ways ---- */

START_TEST(flags_say_who_wants_to_hear)
{
    start(0, 16);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    driver_offer(&q, 0);
    driver_notify(&q);
    devices_atom(m); /* it has something to do */
    ck_assert_uint_eq(driver_memory(&v, q.used + VIRTQ_USED_FLAGS, 2), VIRTQ_USED_NO_NOTIFY);
    driver_run(&v, 100);
    ck_assert_uint_eq(driver_memory(&v, q.used + VIRTQ_USED_FLAGS, 2), 0);
    ck_assert_uint_eq(driver_isr(&v), VIRTIO_ISR_QUEUE);
    driver_set_memory(&v, q.avail + VIRTQ_AVAIL_FLAGS, 2, VIRTQ_AVAIL_NO_INTERRUPT);
    request(0);
    ck_assert_uint_eq(driver_isr(&v), 0);
}
END_TEST

START_TEST(event_indices_say_when)
{
    start(VIRTIO_FEATURE(VIRTIO_F_RING_EVENT_IDX), 16);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    driver_set_memory(&v, q.avail + VIRTQ_USED_EVENT(16), 2, 2);                     /* at the third */
    driver_set_memory(&v, q.avail + VIRTQ_AVAIL_FLAGS, 2, VIRTQ_AVAIL_NO_INTERRUPT); /* means nothing */
    request(0);
    ck_assert_uint_eq(driver_memory(&v, q.used + VIRTQ_AVAIL_EVENT(16), 2), 1);
    ck_assert_uint_eq(driver_isr(&v), 0);
    driver_offer(&q, 0);
    request(0);
    ck_assert_uint_eq(driver_memory(&v, q.used + VIRTQ_AVAIL_EVENT(16), 2), 3);
    ck_assert_uint_eq(driver_isr(&v), VIRTIO_ISR_QUEUE);
    request(0);
    ck_assert_uint_eq(driver_isr(&v), 0);
    ck_assert_uint_eq(driver_memory(&v, q.used + VIRTQ_USED_FLAGS, 2), 0);
}
END_TEST

START_TEST(what_comes_while_it_falls_asleep_is_seen)
{
    start(VIRTIO_FEATURE(VIRTIO_F_RING_EVENT_IDX), 16);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    driver_offer(&q, 0);
    driver_notify(&q);
    while (driver_memory(&v, q.used + VIRTQ_AVAIL_EVENT(16), 2) != 1)
        devices_atom(m);
    driver_offer(&q, 0); /* without a notification */
    driver_run(&v, 100);
    ck_used(0, 513);
    ck_used(0, 513);
}
END_TEST

START_TEST(msix_takes_the_place_of_the_line)
{
    driver_negotiate(&v, 0);
    driver_queue(&q, &v, 0, 16, QUEUE);
    driver_set(&v, VIRTIO_QUEUE_MSIX_VECTOR, 2, 1);
    driver_ok(&v);
    set_config(v.device->msix_at + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
    u64 table = pci_config(v.device, PCI_BAR(1), 4);
    board_mmio_write(b.core, table + 16, 8, MSI_ADDRESS);
    board_mmio_write(b.core, table + 24, 8, VECTOR);
    apic_write(b.core, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    chain(VIRTIO_BLK_T_IN, 1, 512);
    request(0);
    ck_assert_uint_eq(driver_isr(&v), 0);
    ck_assert_uint_ne(b.core->s.ipi_due[VECTOR], 0);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
}
END_TEST

/* ---- the block device ---- */

START_TEST(what_is_written_is_read_back)
{
    start(VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH), 16);
    for (unsigned i = 0; i < 1024; i++)
        driver_set_memory(&v, DATA + i, 1, i * 3);
    chain(VIRTIO_BLK_T_OUT, 60, 1024);
    request(0);
    ck_used(0, 1);
    ck_assert_uint_eq(blk_status(), VIRTIO_BLK_S_OK);
    for (unsigned i = 0; i < 1024; i++)
        driver_set_memory(&v, DATA + i, 1, 0);
    chain(VIRTIO_BLK_T_IN, 60, 1024);
    request(0);
    ck_used(0, 1025);
    for (unsigned i = 0; i < 1024; i++)
        ck_assert_uint_eq(driver_memory(&v, DATA + i, 1), i * 3 & 0xff);
}
END_TEST

static bool cached(void)
{
    struct rs_disk disk;
    ck_assert(rs_disk(m, 0, &disk));
    return disk.cached;
}

static void write_one(unsigned what)
{
    driver_set_memory(&v, DATA, 8, what);
    chain(VIRTIO_BLK_T_OUT, 1, 512);
    request(0);
    ck_assert_uint_eq(blk_status(), VIRTIO_BLK_S_OK);
}

START_TEST(a_flush_empties_the_cache)
{
    start(VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE), 16);
    write_one(1);
    ck_assert(cached());
    chain(VIRTIO_BLK_T_FLUSH, 0, 0);
    request(0);
    ck_assert(blk_status() == VIRTIO_BLK_S_OK && !cached());
    write_one(2);
    driver_set_config(&v, VIRTIO_BLK_WRITEBACK, 1, 0);
    ck_assert(!cached());
    ck_assert_uint_eq(driver_config(&v, VIRTIO_BLK_WRITEBACK, 1), 0);
    write_one(3);
    ck_assert(!cached());
    start(0, 16); /* who cannot flush need not */
    driver_set_config(&v, VIRTIO_BLK_WRITEBACK, 1, 0);
    ck_assert_uint_eq(driver_config(&v, VIRTIO_BLK_WRITEBACK, 1), 1);
    write_one(4);
    ck_assert(!cached());
}
END_TEST

static void ck_error(u32 type, u64 sector, u32 bytes, u64 want, u32 used)
{
    chain(type, sector, bytes);
    request(0);
    ck_used(0, used);
    ck_assert_uint_eq(blk_status(), want);
    ck_assert(!broken());
}

START_TEST(a_request_that_cannot_be_met_says_so)
{
    start(VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH), 16);
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
    start(0, 16);
    ck_error(VIRTIO_BLK_T_GET_ID, 0, 20, VIRTIO_BLK_S_OK, 21);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq((char)driver_memory(&v, DATA + i, 1), i < 10 ? "ringside-1"[i] : 0);
    ck_error(VIRTIO_BLK_T_GET_ID, 0, 3, VIRTIO_BLK_S_OK, 4);
}
END_TEST

START_TEST(a_disk_that_is_only_read_refuses)
{
    bare_close(&b);
    open_disk(true);
    ck_assert(driver_offered(&v) & VIRTIO_FEATURE(VIRTIO_BLK_F_RO));
    start(VIRTIO_FEATURE(VIRTIO_BLK_F_RO), 16);
    ck_error(VIRTIO_BLK_T_OUT, 0, 512, VIRTIO_BLK_S_IOERR, 1);
    ck_error(VIRTIO_BLK_T_IN, 0, 512, VIRTIO_BLK_S_OK, 513);
}
END_TEST

/* ---- time, by hand (docs/machine.md, "Time by hand") ---- */

static u64 atom_cycles(void)
{
    u64 begins = device_due(m, SLOT);
    devices_atom(m);
    return m->devices.cycle - begins;
}

START_TEST(a_request_takes_its_time)
{
    start(0, 16);
    b.core->s.cycle += 10000; /* the bus is free */
    chain(VIRTIO_BLK_T_IN, 1, 1024);
    driver_offer(&q, 0);
    driver_notify(&q);
    u64 begins = b.core->s.cycle;
    ck_assert_uint_eq(device_due(m, SLOT), begins);
    ck_assert_uint_eq(atom_cycles(), MEM + BUSY + MEM); /* index, flags, entry */
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(atom_cycles(), MEM); /* descriptors */
    ck_assert_uint_eq(atom_cycles(), MEM);     /* header */
    ck_assert_uint_eq(device_due(m, SLOT), begins + 6 * MEM + BUSY + DISK);
    ck_assert_uint_eq(atom_cycles(), 8 * BUSY); /* a sector is 8 lines */
    ck_assert_uint_eq(atom_cycles(), 8 * BUSY);
    ck_assert_uint_eq(atom_cycles(), BUSY);              /* status */
    ck_assert_uint_eq(atom_cycles(), BUSY + BUSY + MEM); /* used entry, index; flags of the driver */
    ck_assert_uint_eq(atom_cycles(), MEM + BUSY);        /* nothing: notifications again */
    ck_assert_uint_eq(atom_cycles(), MEM);               /* still nothing */
    ck_assert_uint_eq(device_due(m, SLOT), UINT64_MAX);
    ck_assert_uint_eq(m->devices.cycle - begins, 9 * MEM + 21 * BUSY + DISK);
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
        driver_descriptor_at(&v, at, i, QUEUE + 0x8000 + chance_below(REGION), (u32)length, flags, next);
    }
    driver_descriptor_at(&v, at, 0, HEADER, 16, NEXT, 1);
}

/* Something like a driver's queue. */
static void random_queue(void)
{
    driver_negotiate(&v, chance() & driver_offered(&v));
    driver_queue(&q, &v, 0, chance_once_in(4) ? 1u << chance_below(8) : 16, QUEUE);
    random_table(QUEUE);
    random_table(TABLE);
    header(chance_once_in(3) ? (u32)chance_below(10) : (u32)chance_below(2),
           chance_below(chance_once_in(5) ? UINT64_MAX : SECTORS));
    if (chance_once_in(2))
        driver_descriptor(&q, 0, TABLE, 16 * (u32)chance_below(12), INDIRECT, 0);
    driver_ok(&v);
}

static void random_act(void)
{
    switch (chance_below(8)) {
    case 0: driver_set(&v, (unsigned)chance_below(0x40), 1u << chance_below(4), chance()); break;
    case 1: driver_set_memory(&v, QUEUE + 0x1000 + chance_below(0x2000), 1, chance()); break;
    case 2: header((u32)chance_below(2), chance_below(SECTORS)); break;
    case 3: driver_set_config(&v, (unsigned)chance_below(0x30), 1u << chance_below(4), chance()); break;
    case 4: set_config((unsigned)chance_below(0xfc), 1, (u32)chance()); break;
    case 5: driver_notify(&q); break;
    default: driver_offer(&q, (unsigned)chance_below(chance_once_in(8) ? 200 : 2)); driver_notify(&q);
    }
}

/* However many descriptors a chain names: an atom moves no more than a sector, a ring entry or a header. */
static void run_some(void)
{
    for (unsigned i = 0; i < 60 && device_due(m, SLOT) != UINT64_MAX; i++) {
        ck_assert_uint_eq(device_due(m, DEVICE_IOAPIC), UINT64_MAX);
        devices_atom(m);
    }
}

START_TEST(a_hostile_driver_harms_nobody)
{
    chance_seed(_i + 1);
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        if (i % 16 == 0 || broken())
            random_queue();
        set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | (chance_once_in(50) ? 0 : PCI_COMMAND_MASTER));
        set_config(PCI_BAR(0), 4, (u32)v.bar);
        random_act();
        run_some();
    }
    for (u64 at = 0; at < m->ram_bytes; at += PAGE_BYTES) /* beyond what descriptors named */
        if (at >= BARE_STACK && (at < QUEUE || at >= QUEUE + 2 * REGION + PAGE_BYTES) && at != BARE_RSP0)
            for (unsigned i = 0; i < PAGE_BYTES; i += 512)
                if (at < BARE_STACK || at > BARE_IST1)
                    ck_assert_uint_eq(driver_memory(&v, at + i, 8), 0);
    driver_set(&v, VIRTIO_DEVICE_STATUS, 1, 0);
    start(0, 16);
    chain(VIRTIO_BLK_T_IN, 0, 512);
    request(0);
    ck_used(0, 513);
}
END_TEST

static void add_transport(Suite *suite)
{
    TCase *t = tcase_create("transport");
    tcase_add_checked_fixture(t, set_up, tear_down);
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
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_request_is_read_and_returned);
    tcase_add_test(t, indices_go_round_at_2_to_the_16);
    tcase_add_test(t, several_chains_go_in_their_order);
    tcase_add_test(t, a_chain_may_be_cut_anywhere);
    tcase_add_test(t, a_table_may_hold_the_chain);
    tcase_add_test(t, what_no_driver_may_do_breaks_the_device);
    tcase_add_test(t, tables_have_their_rules);
    tcase_add_test(t, memory_that_is_refused_breaks_the_device);
    tcase_add_test(t, flags_say_who_wants_to_hear);
    tcase_add_test(t, event_indices_say_when);
    tcase_add_test(t, what_comes_while_it_falls_asleep_is_seen);
    tcase_add_test(t, msix_takes_the_place_of_the_line);
    suite_add_tcase(suite, t);
}

static void add_block(Suite *suite)
{
    TCase *t = tcase_create("block");
    tcase_add_checked_fixture(t, set_up, tear_down);
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
    Suite *suite = suite_create("virtio");
    TCase *hostile = tcase_create("hostile");
    add_transport(suite);
    add_rings(suite);
    add_block(suite);
    tcase_add_checked_fixture(hostile, set_up, tear_down);
    tcase_add_loop_test(hostile, a_hostile_driver_harms_nobody, 0, 4);
    tcase_set_timeout(hostile, 300);
    suite_add_tcase(suite, hostile);
    return suite_run(suite);
}
