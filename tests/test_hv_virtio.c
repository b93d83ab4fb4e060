/* test_hv_virtio.c - the virtio devices that the hypervisor gives a VM: the transport, split rings, the NIC,
 * and drivers that write anything anywhere. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../hv/page.h"
#include "lib/chance.h"
#include "lib/hv_bus.h"
#include "lib/suite.h"

#define ROUNDS  1000000
#define SIZE    8u
#define RX_RING 0x2000u
#define TX_RING 0x4000u
#define TABLES  0x6000u /* indirect ones */
#define BUFFERS 0x10000u

#define BY_FLAGS 0 /* no features */

static const uint64_t event = FEATURE_BIT(VIRTIO_F_RING_EVENT_IDX),
                      indirect = FEATURE_BIT(VIRTIO_F_RING_INDIRECT_DESC);
static struct vswitch net;
static unsigned sent;
static uint8_t frame[FRAME_MOST];
static unsigned frame_bytes;

/* ---- what surrounds it ---- */

struct vswitch *net_switch(void)
{
    return &net;
}

static const uint8_t own[MAC_BYTES] = {0x52, 0x49, 0x4e, 0, 0, 1};

struct vswitch_port *net_port(struct vm *vm, bool (*take)(void *of, const uint8_t *frame, unsigned bytes),
                              void *of)
{
    (void)vm;
    return vswitch_add(&net, "vm", own, take, of);
}

static bool take(void *of, const uint8_t *bytes, unsigned length)
{
    (void)of;
    memcpy(frame, bytes, length);
    frame_bytes = length;
    sent++;
    return true;
}

static struct virtio_device *device;

static void set_up(void)
{
    chance_seed(1);
    bus_reset();
    memset(&net, 0, sizeof net);
    vswitch_add(&net, "up", NULL, take, NULL);
    device = &bus_vm.virtio_net.device;
    ck_assert(virtio_net_plug(&bus_vm.virtio_net, &bus_vm));
    sent = 0;
}

/* ---- a driver ---- */

static uint64_t get(uint64_t at, unsigned n)
{
    return bus_read(0, at, n) & (n < 8 ? (UINT64_C(1) << 8 * n) - 1 : UINT64_MAX);
}

static void put(uint64_t at, unsigned n, uint64_t value)
{
    bus_write(0, at, n, value);
}

static void status(unsigned bits)
{
    put(VIRTIO_DEVICE_STATUS, 1, get(VIRTIO_DEVICE_STATUS, 1) | bits);
}

static void choose(uint64_t features)
{
    for (unsigned i = 0; i < 2; i++) {
        put(VIRTIO_DRIVER_FEATURE_SELECT, 4, i);
        put(VIRTIO_DRIVER_FEATURE, 4, features >> 32 * i & 0xffffffff);
    }
}

static uint32_t driver_of(uint32_t ring)
{
    return ring + 0x800;
}

static uint32_t device_of(uint32_t ring)
{
    return ring + 0x1000;
}

static void queue_on(unsigned queue, uint32_t ring)
{
    memset(bus_ram + driver_of(ring), 0, VIRTQ_AVAIL_BYTES(SIZE));
    memset(bus_ram + device_of(ring), 0, VIRTQ_USED_BYTES(SIZE));
    put(VIRTIO_QUEUE_SELECT, 2, queue);
    put(VIRTIO_QUEUE_SIZE, 2, SIZE);
    put(VIRTIO_QUEUE_MSIX_VECTOR, 2, queue);
    put(VIRTIO_QUEUE_DESC, 8, ring);
    put(VIRTIO_QUEUE_DRIVER, 8, driver_of(ring));
    put(VIRTIO_QUEUE_DEVICE, 8, device_of(ring));
    put(VIRTIO_QUEUE_ENABLE, 2, 1);
}

/* Vectors 0 and 1 are the queues', 2 the configuration's. */
static void drive(uint64_t features)
{
    put(VIRTIO_DEVICE_STATUS, 1, 0);
    status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    choose(features | FEATURE_BIT(VIRTIO_F_VERSION_1));
    status(VIRTIO_FEATURES_OK);
    ck_assert(get(VIRTIO_DEVICE_STATUS, 1) & VIRTIO_FEATURES_OK);
    put(VIRTIO_MSIX_CONFIG, 2, 2);
    queue_on(VIRTIO_NET_RECEIVE, RX_RING);
    queue_on(VIRTIO_NET_TRANSMIT, TX_RING);
    status(VIRTIO_DRIVER_OK);
    bus_messages_on(3);
}

static void descriptor(uint32_t table, unsigned i, uint64_t gpa, uint32_t bytes, unsigned flags,
                       unsigned next)
{
    const uint64_t words[] = {gpa, bytes | (uint64_t)flags << 32 | (uint64_t)next << 48};
    memcpy(bus_ram + table + 16 * i, words, sizeof words);
}

static uint16_t word_at(uint32_t at)
{
    uint16_t word;
    memcpy(&word, bus_ram + at, 2);
    return word;
}

static void set_word(uint32_t at, unsigned word)
{
    const uint16_t value = (uint16_t)word;
    memcpy(bus_ram + at, &value, 2);
}

static void offer(uint32_t ring, unsigned head)
{
    uint16_t index = word_at(driver_of(ring) + VIRTQ_AVAIL_IDX);
    set_word(driver_of(ring) + VIRTQ_AVAIL_RING(index % SIZE), head);
    set_word(driver_of(ring) + VIRTQ_AVAIL_IDX, index + 1u);
}

static uint16_t used(uint32_t ring)
{
    return word_at(device_of(ring) + VIRTQ_USED_IDX);
}

static uint32_t used_bytes(uint32_t ring, unsigned i)
{
    uint32_t bytes;
    memcpy(&bytes, bus_ram + device_of(ring) + VIRTQ_USED_RING(i % SIZE) + 4, 4);
    return bytes;
}

static void kick(unsigned queue)
{
    put(0x3000 + 4 * queue, 2, queue);
}

/* A frame to the outside, as a header and two pieces. */
static void offer_frame(unsigned i, uint32_t bytes)
{
    uint32_t at = BUFFERS + 0x1000 * i;
    memset(bus_ram + at, 0, 12);
    memcpy(bus_ram + at + 12, "\0\1\2\3\4\5\x52\x49\x4e\0\0\1\x88\xb5", 14);
    for (uint32_t k = 26; k < 12 + bytes; k++)
        bus_ram[at + k] = (uint8_t)(k * 3 + i);
    descriptor(TX_RING, 2 * i, at, 20, VIRTQ_DESC_F_NEXT, 2 * i + 1);
    descriptor(TX_RING, 2 * i + 1, at + 20, bytes - 8, 0, 0);
    offer(TX_RING, 2 * i);
}

static bool needs_reset(void)
{
    return get(VIRTIO_DEVICE_STATUS, 1) & VIRTIO_NEEDS_RESET;
}

/* ---- the transport ---- */

START_TEST(as_its_capabilities_say)
{
    unsigned seen = 0;
    ck_assert_uint_eq(bus_config(PCI_VENDOR, 4), 0x10411af4);
    for (unsigned at = bus_config(PCI_CAPABILITIES, 1); at; at = bus_config(at + 1, 1)) {
        if (bus_config(at, 1) != PCI_CAP_VENDOR)
            continue;
        seen |= 1u << bus_config(at + VIRTIO_CAP_TYPE, 1);
        if (bus_config(at + VIRTIO_CAP_TYPE, 1) == VIRTIO_CAP_CONFIG) {
            ck_assert_uint_eq(bus_config(at + VIRTIO_CAP_OFFSET, 4), 0x2000);
            ck_assert_uint_eq(bus_config(at + VIRTIO_CAP_LENGTH, 4), VIRTIO_NET_CONFIG_BYTES);
        }
    }
    ck_assert_uint_eq(seen, 0x3e);
    for (unsigned i = 0; i < MAC_BYTES; i++)
        ck_assert_uint_eq(get(0x2000 + i, 1), own[i]);
    ck_assert_uint_eq(get(0x2000 + VIRTIO_NET_STATUS, 2), VIRTIO_NET_LINK_UP);
    ck_assert_uint_eq(get(0x2008, 1), 0);
    ck_assert_uint_eq(get(0x2006, 4), 0); /* beyond its end */
}
END_TEST

START_TEST(the_configuration_by_its_capability)
{
    unsigned at = bus_config(PCI_CAPABILITIES, 1);
    while (bus_config(at, 1) != PCI_CAP_VENDOR || bus_config(at + VIRTIO_CAP_TYPE, 1) != VIRTIO_CAP_ACCESS)
        at = bus_config(at + 1, 1);
    bus_set_config(at + VIRTIO_CAP_OFFSET, 4, VIRTIO_DEVICE_STATUS);
    bus_set_config(at + VIRTIO_CAP_LENGTH, 4, 1);
    bus_set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(get(VIRTIO_DEVICE_STATUS, 1), VIRTIO_ACKNOWLEDGE);
    ck_assert_uint_eq(bus_config(at + VIRTIO_CAP_DATA, 1), VIRTIO_ACKNOWLEDGE);
    bus_set_config(at + VIRTIO_CAP_LENGTH, 4, 3);
    bus_set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
    bus_set_config(at + VIRTIO_CAP_LENGTH, 4, 1);
    bus_set_config(at + VIRTIO_CAP_BAR, 1, 1);
    bus_set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
    bus_set_config(at + VIRTIO_CAP_BAR, 1, 0);
    bus_set_config(at + VIRTIO_CAP_OFFSET, 4, 0xfffffff0);
    bus_set_config(at + VIRTIO_CAP_DATA, 1, VIRTIO_DRIVER);
    ck_assert_uint_eq(get(VIRTIO_DEVICE_STATUS, 1), VIRTIO_ACKNOWLEDGE);
}
END_TEST

START_TEST(status_and_features)
{
    ck_assert_uint_eq(get(VIRTIO_DEVICE_STATUS, 1), 0);
    ck_assert_uint_eq(get(VIRTIO_NUM_QUEUES, 2), 2);
    put(VIRTIO_DEVICE_FEATURE_SELECT, 4, 1);
    ck_assert_uint_eq(get(VIRTIO_DEVICE_FEATURE, 4), 3);
    put(VIRTIO_DEVICE_FEATURE_SELECT, 4, 2);
    ck_assert_uint_eq(get(VIRTIO_DEVICE_FEATURE, 4), 0);
    choose(0); /* the interface before 1.0 */
    status(VIRTIO_FEATURES_OK);
    ck_assert_uint_eq(get(VIRTIO_DEVICE_STATUS, 1), 0);
    choose(FEATURE_BIT(VIRTIO_F_VERSION_1) | 1); /* not offered */
    status(VIRTIO_FEATURES_OK);
    ck_assert_uint_eq(get(VIRTIO_DEVICE_STATUS, 1), 0);
    choose(FEATURE_BIT(VIRTIO_F_VERSION_1) | event);
    status(VIRTIO_FEATURES_OK | VIRTIO_NEEDS_RESET); /* that is not the driver's */
    ck_assert_uint_eq(get(VIRTIO_DEVICE_STATUS, 1), VIRTIO_FEATURES_OK);
    choose(FEATURE_BIT(VIRTIO_F_VERSION_1)); /* too late */
    put(VIRTIO_DRIVER_FEATURE_SELECT, 4, 0);
    ck_assert_uint_eq(get(VIRTIO_DRIVER_FEATURE, 4), event);
    put(VIRTIO_DEVICE_STATUS, 4, 0); /* of another width: nothing */
    ck_assert_uint_eq(get(VIRTIO_DEVICE_STATUS, 1), VIRTIO_FEATURES_OK);
    put(VIRTIO_DEVICE_STATUS, 1, 0);
    ck_assert_uint_eq(get(VIRTIO_DEVICE_STATUS, 1) | get(VIRTIO_DRIVER_FEATURE, 4), 0);
}
END_TEST

START_TEST(queues_of_its_driver)
{
    put(VIRTIO_QUEUE_SELECT, 2, 1);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_SIZE, 2), VIRTQUEUE_SIZE_MAX);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_MSIX_VECTOR, 2), VIRTIO_NO_VECTOR);
    put(VIRTIO_QUEUE_SIZE, 2, 2 * VIRTQUEUE_SIZE_MAX);
    put(VIRTIO_QUEUE_SIZE, 2, 12);
    put(VIRTIO_QUEUE_SIZE, 2, 0);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_SIZE, 2), VIRTQUEUE_SIZE_MAX);
    put(VIRTIO_QUEUE_MSIX_VECTOR, 2, 3); /* there are three */
    ck_assert_uint_eq(get(VIRTIO_QUEUE_MSIX_VECTOR, 2), VIRTIO_NO_VECTOR);
    put(VIRTIO_QUEUE_DESC, 4, 0x89abcdef);
    put(VIRTIO_QUEUE_DESC + 4, 4, 0x01234567);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_DESC, 8), 0x0123456789abcdef);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_DESC + 4, 4), 0x01234567);
    queue_on(1, TX_RING);
    put(VIRTIO_QUEUE_DESC, 8, 0);
    put(VIRTIO_QUEUE_SIZE, 2, 4);
    put(VIRTIO_QUEUE_ENABLE, 2, 0);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_DESC, 8), TX_RING);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_SIZE, 2), SIZE);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_ENABLE, 2), 1);
    put(VIRTIO_QUEUE_SELECT, 2, 2);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_SIZE, 2), 0);
    ck_assert_uint_eq(get(VIRTIO_QUEUE_MSIX_VECTOR, 2), VIRTIO_NO_VECTOR);
}
END_TEST

/* ---- frames ---- */

START_TEST(a_batch_is_sent)
{
    drive(event);
    set_word(driver_of(TX_RING) + VIRTQ_USED_EVENT(SIZE), 3); /* the fourth */
    for (unsigned i = 0; i < 4; i++)
        offer_frame(i, 100 + i);
    ck_assert_uint_eq(sent, 0);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, 4);
    ck_assert_uint_eq(frame_bytes, 103);
    ck_assert_int_eq(memcmp(frame, bus_ram + BUFFERS + 0x3000 + 12, 103), 0);
    ck_assert_uint_eq(used(TX_RING), 4);
    ck_assert_uint_eq(used_bytes(TX_RING, 3), 0);
    ck_assert_uint_eq(word_at(device_of(TX_RING) + VIRTQ_AVAIL_EVENT(SIZE)), 4);
    ck_assert_uint_eq(bus_sent[1], 1);
    offer_frame(0, 60);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(bus_sent[1], 1); /* it has passed 3 already */
    ck_assert_uint_eq(device->notifications, 2);
    ck_assert_uint_eq(device->chains, 5);
}
END_TEST

START_TEST(interrupts_by_flags)
{
    drive(BY_FLAGS);
    offer_frame(0, 60);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(bus_sent[1], 1);
    ck_assert_uint_eq(word_at(device_of(TX_RING)), 0); /* notifications are wanted again */
    set_word(driver_of(TX_RING), VIRTQ_AVAIL_NO_INTERRUPT);
    offer_frame(1, 60);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(bus_sent[1], 1);
    ck_assert_uint_eq(used(TX_RING), 2);
    kick(VIRTIO_NET_RECEIVE); /* is of no use, and does nothing */
    ck_assert_uint_eq(sent, 2);
}
END_TEST

/* What has no vector, or no messages at all, is in the ISR status. */
START_TEST(without_messages)
{
    drive(BY_FLAGS);
    bus_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY); /* may not reach memory */
    offer_frame(0, 60);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, 0);
    bus_messages_off();
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(bus_sent[1], 0);
    ck_assert_uint_eq(get(0x1000, 1), VIRTIO_ISR_QUEUE);
    ck_assert_uint_eq(get(0x1000, 1), 0);
}
END_TEST

static void offer_buffer(unsigned i, uint32_t bytes)
{
    descriptor(RX_RING, i, BUFFERS + 0x1000 * i, bytes, VIRTQ_DESC_F_WRITE, 0);
    offer(RX_RING, i);
}

static bool receive(unsigned bytes)
{
    uint8_t it[FRAME_MOST] = {0};
    memcpy(it, own, MAC_BYTES);
    it[bytes - 1] = 0x77;
    return virtio_net_receive(&bus_vm.virtio_net, it, bytes);
}

START_TEST(frames_come)
{
    ck_assert(!receive(60)); /* nobody drives it */
    drive(event);
    ck_assert(!receive(60)); /* no buffer */
    for (unsigned i = 0; i < 4; i++)
        offer_buffer(i, 100);
    ck_assert(!receive(89)); /* one byte too much */
    virtio_net_hold();
    ck_assert(receive(88));
    ck_assert(receive(60));
    ck_assert_uint_eq(bus_sent[0], 0);
    virtio_net_release();
    ck_assert_uint_eq(bus_sent[0], 1);
    ck_assert_uint_eq(used(RX_RING), 2);
    ck_assert_uint_eq(used_bytes(RX_RING, 0), 100);
    ck_assert_uint_eq(used_bytes(RX_RING, 1), 72);
    ck_assert_uint_eq(bus_ram[BUFFERS + VIRTIO_NET_HDR_BUFFERS], 1);
    ck_assert_uint_eq(bus_ram[BUFFERS + 99], 0x77);
    set_word(driver_of(RX_RING) + VIRTQ_USED_EVENT(SIZE), 2);
    ck_assert(receive(60));
    ck_assert_uint_eq(bus_sent[0], 2);
    ck_assert(receive(60));
    ck_assert_uint_eq(bus_sent[0], 2);
    ck_assert(!receive(60));
    bus_alive = false;
    offer_buffer(0, 100);
    ck_assert(!receive(60));
}
END_TEST

START_TEST(pieces_in_a_table_of_their_own)
{
    drive(event | indirect);
    memcpy(bus_ram + BUFFERS + 12, "\0\1\2\3\4\5\x52\x49\x4e\0\0\1\x88\xb5", 14);
    for (unsigned i = 0; i < SIZE; i++) /* as many as the queue has */
        descriptor(TABLES, i, BUFFERS + 10 * i, 10, i + 1 < SIZE ? VIRTQ_DESC_F_NEXT : 0, i + 1);
    descriptor(TX_RING, 0, TABLES, 16 * SIZE, VIRTQ_DESC_F_INDIRECT, 0);
    offer(TX_RING, 0);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(frame_bytes, 10 * SIZE - 12);
    ck_assert_int_eq(memcmp(frame, bus_ram + BUFFERS + 12, frame_bytes), 0);
    descriptor(TABLES, SIZE - 1, BUFFERS, 10, VIRTQ_DESC_F_NEXT, SIZE); /* and one more */
    descriptor(TABLES, SIZE, BUFFERS, 10, 0, 0);
    descriptor(TX_RING, 1, TABLES, 16 * (SIZE + 1), VIRTQ_DESC_F_INDIRECT, 0);
    offer(TX_RING, 1);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, 1);
    ck_assert(needs_reset());
}
END_TEST

/* A frame that is too long for the network is taken, and goes nowhere. */
START_TEST(what_is_no_frame)
{
    drive(event);
    offer_frame(0, FRAME_MOST + 1);
    offer_frame(1, 60);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(used(TX_RING), 2);
    ck_assert_uint_eq(bus_vm.virtio_net.port->counts.malformed, 1);
    ck_assert(!needs_reset());
}
END_TEST

/* ---- what cannot be followed ---- */

static void beyond_ram(void)
{
    descriptor(TX_RING, 0, BUS_RAM_BYTES - 8, 100, 0, 0);
    offer(TX_RING, 0);
}

static void address_that_wraps(void)
{
    descriptor(TX_RING, 0, UINT64_MAX - 8, 100, 0, 0);
    offer(TX_RING, 0);
}

static void loop(void)
{
    descriptor(TX_RING, 0, BUFFERS, 10, VIRTQ_DESC_F_NEXT, 1);
    descriptor(TX_RING, 1, BUFFERS, 10, VIRTQ_DESC_F_NEXT, 0);
    offer(TX_RING, 0);
}

static void next_beyond(void)
{
    descriptor(TX_RING, 0, BUFFERS, 10, VIRTQ_DESC_F_NEXT, SIZE);
    offer(TX_RING, 0);
}

static void head_beyond(void)
{
    offer(TX_RING, SIZE);
}

static void index_too_far(void) /* else all could be followed */
{
    offer_frame(0, 60);
    set_word(driver_of(TX_RING) + VIRTQ_AVAIL_IDX, SIZE + 1);
}

static void written_before_read(void)
{
    descriptor(TX_RING, 0, BUFFERS, 100, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 1);
    descriptor(TX_RING, 1, BUFFERS, 100, 0, 0);
    offer(TX_RING, 0);
}

static void no_header(void)
{
    descriptor(TX_RING, 0, BUFFERS, 11, 0, 0);
    offer(TX_RING, 0);
}

static void too_many_bytes(void)
{
    for (unsigned i = 0; i < 3; i++)
        descriptor(TX_RING, i, BUFFERS, 0x80000000, i < 2 ? VIRTQ_DESC_F_NEXT : 0, i + 1);
    offer(TX_RING, 0);
}

static void table_in_a_table(void)
{
    descriptor(TX_RING, 0, TABLES, 32, VIRTQ_DESC_F_INDIRECT, 0);
    descriptor(TABLES, 0, TABLES, 32, VIRTQ_DESC_F_INDIRECT, 0);
    offer(TX_RING, 0);
}

static void odd_table(void)
{
    descriptor(TX_RING, 0, TABLES, 17, VIRTQ_DESC_F_INDIRECT, 0);
    offer(TX_RING, 0);
}

static void empty_table(void)
{
    descriptor(TX_RING, 0, TABLES, 0, VIRTQ_DESC_F_INDIRECT, 0);
    offer(TX_RING, 0);
}

static void table_with_a_next(void)
{
    descriptor(TX_RING, 0, TABLES, 16, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, 1);
    descriptor(TABLES, 0, BUFFERS, 100, 0, 0);
    offer(TX_RING, 0);
}

static void table_beyond_ram(void)
{
    descriptor(TX_RING, 0, BUS_RAM_BYTES, 16, VIRTQ_DESC_F_INDIRECT, 0);
    offer(TX_RING, 0);
}

static void move_ring(uint64_t at, uint64_t value)
{
    status(VIRTIO_FAILED);
    device->queue[VIRTIO_NET_TRANSMIT].enabled = false;
    put(VIRTIO_QUEUE_SELECT, 2, VIRTIO_NET_TRANSMIT);
    put(at, 8, value);
    put(VIRTIO_QUEUE_ENABLE, 2, 1);
    offer_frame(0, 60);
}

static void odd_ring(void)
{
    move_ring(VIRTIO_QUEUE_DRIVER, driver_of(TX_RING) + 1);
}

static void ring_beyond_ram(void)
{
    move_ring(VIRTIO_QUEUE_DRIVER, BUS_RAM_BYTES - 2);
}

static void used_beyond_ram(void)
{
    move_ring(VIRTIO_QUEUE_DEVICE, UINT64_C(1) << 63);
}

static void descriptors_beyond_ram(void)
{
    move_ring(VIRTIO_QUEUE_DESC, BUS_RAM_BYTES - 4);
}

static const struct {
    void (*spoil)(void);
    uint64_t features;
} spoilt[] = {
    {beyond_ram, 0},
    {address_that_wraps, 0},
    {loop, 0},
    {next_beyond, 0},
    {head_beyond, 0},
    {index_too_far, 0},
    {written_before_read, 0},
    {no_header, 0},
    {too_many_bytes, 0},
    {table_in_a_table, FEATURE_BIT(VIRTIO_F_RING_INDIRECT_DESC)},
    {odd_table, FEATURE_BIT(VIRTIO_F_RING_INDIRECT_DESC)},
    {empty_table, FEATURE_BIT(VIRTIO_F_RING_INDIRECT_DESC)},
    {table_with_a_next, FEATURE_BIT(VIRTIO_F_RING_INDIRECT_DESC)},
    {table_beyond_ram, FEATURE_BIT(VIRTIO_F_RING_INDIRECT_DESC)},
    {table_with_a_next, 0}, /* not agreed on */
    {odd_ring, 0},
    {ring_beyond_ram, 0},
    {used_beyond_ram, 0},
    {descriptors_beyond_ram, 0},
};

/* The device says so, does no more, and after a reset all is well. */
START_TEST(needs_a_reset)
{
    drive(spoilt[_i].features);
    spoilt[_i].spoil();
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_msg(needs_reset(), "%d", _i);
    ck_assert_uint_eq(bus_sent[2], 1);
    ck_assert_uint_eq(get(0x1000, 1), VIRTIO_ISR_CONFIG);
    unsigned before = sent;
    offer_frame(1, 60);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, before);
    ck_assert(!receive(60));
    memset(bus_ram, 0, BUS_RAM_BYTES);
    drive(spoilt[_i].features);
    ck_assert(!needs_reset());
    offer_frame(0, 60);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, before + 1);
}
END_TEST

/* ---- anything ---- */

static void spoil_descriptor(uint32_t table)
{
    uint64_t gpa = chance_once_in(8) ? chance() : chance_below(BUS_RAM_BYTES);
    uint32_t bytes = chance_once_in(8) ? (uint32_t)chance() : (uint32_t)chance_below(2000);
    descriptor(table, (unsigned)chance_below(SIZE), gpa, bytes, (unsigned)chance_below(8),
               (unsigned)chance_below(SIZE + 1));
}

static void spoil_ring(uint32_t ring)
{
    if (chance_once_in(4))
        spoil_descriptor(ring);
    else if (chance_once_in(16))
        set_word(driver_of(ring) + VIRTQ_AVAIL_IDX, (unsigned)chance());
    else
        offer(ring, (unsigned)chance_below(SIZE + 1));
}

static void any_access(void)
{
    static const uint8_t widths[] = {1, 2, 3, 4, 7, 8};
    uint64_t at = chance_below(4) * 0x1000 + chance_below(chance_once_in(4) ? 0xff8 : 0x40);
    unsigned n = widths[chance_below(6)];
    if (chance_once_in(3))
        bus_read(0, at, n);
    else
        bus_write(0, at, n, chance_once_in(2) ? chance() : chance_below(16));
}

START_TEST(hostile)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 32 == 0)
            drive((chance_once_in(2) ? event : 0) | (chance_once_in(2) ? indirect : 0));
        spoil_ring(chance_once_in(2) ? TX_RING : RX_RING);
        spoil_descriptor(TABLES);
        if (chance_once_in(8))
            any_access();
        if (chance_once_in(2))
            receive(14 + (unsigned)chance_below(FRAME_MOST - 13));
        if (chance_once_in(4))
            offer_frame((unsigned)chance_below(SIZE / 2), 60);
        kick(VIRTIO_NET_TRANSMIT);
        if (chance_once_in(16))
            virtio_net_turn(&bus_vm.virtio_net);
    }
    ck_assert_uint_gt(sent, 1000);
    set_up();
    drive(0);
    offer_frame(0, 60);
    kick(VIRTIO_NET_TRANSMIT);
    ck_assert_uint_eq(sent, 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_virtio");
    TCase *t = tcase_create("virtio");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, as_its_capabilities_say);
    tcase_add_test(t, the_configuration_by_its_capability);
    tcase_add_test(t, status_and_features);
    tcase_add_test(t, queues_of_its_driver);
    tcase_add_test(t, a_batch_is_sent);
    tcase_add_test(t, interrupts_by_flags);
    tcase_add_test(t, without_messages);
    tcase_add_test(t, frames_come);
    tcase_add_test(t, pieces_in_a_table_of_their_own);
    tcase_add_test(t, what_is_no_frame);
    tcase_add_loop_test(t, needs_a_reset, 0, (int)(sizeof spoilt / sizeof spoilt[0]));
    tcase_add_test(t, hostile);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
