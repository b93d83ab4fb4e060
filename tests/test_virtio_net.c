/* test_virtio_net.c - the virtio network device (VIRTIO 1.1, 5.1; docs/machine.md, "Virtio" and "The
 * network"): two of them, linked. */
#include <check.h>
#include <string.h>

#include "cpu/cpu.h"
#include "dev/link.h"
#include "dev/virtqueue.h"
#include "lib/bare.h"
#include "lib/chance.h"
#include "lib/suite.h"
#include "lib/virtio_driver.h"

#define SLOT   4
#define QUEUES UINT64_C(0x600000) /* 4 pages for each of a NIC's two queues */
#define DATA   UINT64_C(0x700000)
#define NEXT   VIRTQ_DESC_F_NEXT
#define WRITE  VIRTQ_DESC_F_WRITE

static const u8 macs[2][MAC_BYTES] = {{0x52, 0x54, 0, 1, 2, 3}, {0x52, 0x54, 0, 0x12, 0x34, 0x57}};

static struct bare b;
static struct machine *m;
static struct driver nic[2];
static struct driver_queue queue[2][2];

static void set_up(void)
{
    struct rs_device device[2] = {{.kind = "virtio-net", .slot = SLOT},
                                  {.kind = "virtio-net", .slot = SLOT + 1}};
    struct rs_link link;
    struct rs_error err;
    memcpy(device[0].mac, macs[0], MAC_BYTES);
    bare_open_devices(&b, RS_FW_XD, 1, device, 2);
    m = b.machine;
    rs_link_init(&link);
    ck_assert_msg(rs_link(m, 0, m, 1, &link, &err) == RS_OK, "%s", err.text);
    driver_open(&nic[0], &b, SLOT);
    driver_open(&nic[1], &b, SLOT + 1);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void start(unsigned i, u64 features)
{
    driver_negotiate(&nic[i], features);
    for (unsigned k = 0; k < 2; k++)
        driver_queue(&queue[i][k], &nic[i], k, 8, QUEUES + 0x4000 * (2 * i + k));
    driver_ok(&nic[i]);
}

/* All atoms of all devices. */
static void run(void)
{
    for (unsigned most = 20000; devices_next_due(m) != UINT64_MAX; most--) {
        ck_assert_uint_gt(most, 0);
        devices_atom(m);
    }
}

/* A frame of n bytes with its header, at DATA. */
static void make_frame(unsigned n, unsigned what)
{
    for (unsigned i = 0; i < VIRTIO_NET_HDR_BYTES; i++)
        driver_set_memory(&nic[0], DATA + i, 1, 0);
    for (unsigned i = 0; i < n; i++)
        driver_set_memory(&nic[0], DATA + VIRTIO_NET_HDR_BYTES + i, 1, i < 6 ? macs[1][i] : i * 5 + what);
}

static void send_in(unsigned n, unsigned first)
{
    struct driver_queue *q = &queue[0][VIRTIO_NET_TRANSMIT];
    driver_descriptor(q, 0, DATA, first, NEXT, 1);
    driver_descriptor(q, 1, DATA + first, VIRTIO_NET_HDR_BYTES + n - first, 0, 0);
    driver_offer(q, 0);
    driver_notify(q);
}

/* A buffer of so many bytes for NIC 1, in two pieces. */
static u64 buffer(unsigned i)
{
    return DATA + 0x10000 + 0x1000 * i;
}

static void give_buffer(unsigned i, u32 bytes)
{
    struct driver_queue *q = &queue[1][VIRTIO_NET_RECEIVE];
    driver_descriptor(q, 2 * i, buffer(i), 5, NEXT | WRITE, 2 * i + 1);
    driver_descriptor(q, 2 * i + 1, buffer(i) + 5, bytes - 5, WRITE, 0);
    driver_offer(q, 2 * i);
    driver_notify(q);
}

static void ck_received(unsigned i, unsigned n, unsigned what)
{
    u32 head, length;
    ck_assert(driver_used(&queue[1][VIRTIO_NET_RECEIVE], &head, &length));
    ck_assert_uint_eq(head, 2 * i);
    ck_assert_uint_eq(length, n + VIRTIO_NET_HDR_BYTES);
    for (unsigned k = 0; k < VIRTIO_NET_HDR_BYTES; k++)
        ck_assert_uint_eq(driver_memory(&nic[1], buffer(i) + k, 1), k == VIRTIO_NET_HDR_BUFFERS);
    for (unsigned k = 6; k < n; k++)
        ck_assert_uint_eq(driver_memory(&nic[1], buffer(i) + VIRTIO_NET_HDR_BYTES + k, 1),
                          (k * 5 + what) & 0xff);
}

static void ck_none(const struct driver_queue *queue_of)
{
    u32 head, length;
    struct driver_queue q = *queue_of;
    ck_assert(!driver_used(&q, &head, &length));
}

static void ck_sent(void)
{
    u32 head, length;
    ck_assert(driver_used(&queue[0][VIRTIO_NET_TRANSMIT], &head, &length));
    ck_assert_uint_eq(length, 0);
}

START_TEST(it_says_who_it_is)
{
    ck_assert_uint_eq(pci_config(nic[0].device, PCI_VENDOR, 4), 0x10411af4);
    ck_assert_uint_eq(driver_get(&nic[0], VIRTIO_NUM_QUEUES, 2), 2);
    ck_assert(driver_offered(&nic[0]) & VIRTIO_FEATURE(VIRTIO_NET_F_MAC));
    ck_assert(!(driver_offered(&nic[0]) & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)));
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < MAC_BYTES; k++)
            ck_assert_uint_eq(driver_config(&nic[i], VIRTIO_NET_MAC + k, 1), macs[i][k]);
    ck_assert_uint_eq(driver_config(&nic[0], VIRTIO_NET_STATUS, 2), VIRTIO_NET_LINK_UP);
}
END_TEST

START_TEST(a_frame_arrives)
{
    static const unsigned lengths[] = {14, 60, 500, 512, 1024, 1518};
    start(0, 0);
    start(1, 0);
    for (unsigned i = 0; i < 6; i++) {
        make_frame(lengths[i], i);
        give_buffer(i % 4, 2000);
        send_in(lengths[i], 12 + i);
        run();
        ck_sent();
        ck_received(i % 4, lengths[i], i);
        ck_assert_uint_eq(driver_isr(&nic[0]), VIRTIO_ISR_QUEUE);
        ck_assert_uint_eq(driver_isr(&nic[1]), VIRTIO_ISR_QUEUE);
    }
}
END_TEST

START_TEST(a_frame_goes_back_when_it_is_through)
{
    start(0, 0);
    make_frame(1000, 0);
    send_in(1000, 12);
    u64 wire = 0;
    while (device_due(m, SLOT) != UINT64_MAX) {
        devices_atom(m);
        if (!wire && port_free(nic[0].device) > m->devices.cycle) {
            wire = port_free(nic[0].device);
            ck_assert_uint_eq(wire - m->devices.cycle, 8 * (1000 + 4 + 20) - 1); /* that atom took one */
            ck_assert_uint_eq(device_due(m, SLOT), wire);
            ck_none(&queue[0][VIRTIO_NET_TRANSMIT]);
        }
    }
    ck_assert_uint_ne(wire, 0);
    ck_sent();
}
END_TEST

START_TEST(what_is_no_frame_is_not_sent)
{
    static const unsigned lengths[] = {0, 13, 1519, 60000};
    start(0, 0);
    start(1, 0);
    give_buffer(0, 2000);
    for (unsigned i = 0; i < 4; i++) {
        send_in(lengths[i], 5);
        run();
        ck_sent();
    }
    ck_none(&queue[1][VIRTIO_NET_RECEIVE]);
    make_frame(14, 3);
    send_in(14, 12);
    run();
    ck_received(0, 14, 3);
}
END_TEST

START_TEST(frames_wait_for_buffers_up_to_eight)
{
    start(0, 0);
    start(1, 0);
    for (unsigned i = 0; i < 10; i++) {
        make_frame(100, i);
        send_in(100, 12);
        run();
        ck_sent();
    }
    ck_none(&queue[1][VIRTIO_NET_RECEIVE]);
    for (unsigned i = 0; i < 10; i++) {
        give_buffer(i % 4, 200);
        run();
        if (i < 8)
            ck_received(i % 4, 100, i);
    }
    ck_none(&queue[1][VIRTIO_NET_RECEIVE]);
    make_frame(70, 1); /* into a buffer that waits */
    send_in(70, 12);
    run();
    ck_received(0, 70, 1);
}
END_TEST

START_TEST(a_frame_that_does_not_fit_is_dropped)
{
    start(0, 0);
    start(1, 0);
    give_buffer(0, VIRTIO_NET_HDR_BYTES + 99);
    make_frame(100, 1);
    send_in(100, 12);
    run();
    ck_none(&queue[1][VIRTIO_NET_RECEIVE]);
    make_frame(99, 2);
    send_in(99, 12);
    run();
    ck_received(0, 99, 2);
}
END_TEST

START_TEST(nobody_hears_who_is_off)
{
    start(0, 0);
    make_frame(100, 1);
    send_in(100, 12);
    run();
    start(1, 0);
    give_buffer(0, 200);
    run();
    ck_none(&queue[1][VIRTIO_NET_RECEIVE]);
    send_in(100, 12);
    run();
    ck_received(0, 100, 1);
    driver_set(&nic[1], VIRTIO_DEVICE_STATUS, 1, 0);
    send_in(100, 12);
    run();
    ck_assert_uint_eq(m->b.virtio_net[1].frames, 0);
}
END_TEST

START_TEST(a_cut_link_is_heard_of)
{
    struct rs_link link;
    struct rs_error err;
    start(0, VIRTIO_FEATURE(VIRTIO_NET_F_STATUS));
    start(1, 0);
    rs_link_init(&link);
    link.cut = 1;
    ck_assert_int_eq(rs_link(m, 0, m, 1, &link, &err), RS_OK);
    ck_assert_uint_eq(driver_config(&nic[0], VIRTIO_NET_STATUS, 2), 0);
    ck_assert_uint_eq(driver_get(&nic[0], VIRTIO_CONFIG_GENERATION, 1), 1);
    ck_assert_uint_eq(driver_isr(&nic[0]), VIRTIO_ISR_CONFIG);
    ck_assert_uint_eq(driver_isr(&nic[1]), 0); /* which has not asked for that */
}
END_TEST

#define ROUNDS 20000

START_TEST(a_hostile_driver_harms_nobody)
{
    chance_seed(_i + 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct driver_queue *q = &queue[chance_below(2)][chance_below(2)];
        if (i % 32 == 0 || driver_get(&nic[0], VIRTIO_DEVICE_STATUS, 1) & VIRTIO_NEEDS_RESET)
            start(0, chance() & driver_offered(&nic[0]));
        if (i % 32 == 0 || driver_get(&nic[1], VIRTIO_DEVICE_STATUS, 1) & VIRTIO_NEEDS_RESET)
            start(1, chance() & driver_offered(&nic[1]));
        unsigned at = (unsigned)chance_below(8);
        driver_descriptor(q, at, DATA + chance_below(0x10000),
                          (u32)chance_below(chance_once_in(9) ? 70000 : 1600),
                          (unsigned)chance() & (chance_once_in(20) ? 7
                                                : q->number        ? NEXT
                                                                   : NEXT | WRITE),
                          (unsigned)chance_below(chance_once_in(20) ? 65536 : 8));
        driver_offer(q, (unsigned)chance_below(8));
        driver_notify(q);
        for (unsigned k = 0; k < 40 && devices_next_due(m) != UINT64_MAX; k++)
            devices_atom(m);
        ck_assert_uint_le(m->b.virtio_net[0].frames, VIRTIO_NET_FRAMES);
    }
    run();
}
END_TEST

/* What a snapshot file may claim of a NIC. */
static void forge(struct virtio_net *s)
{
    u64 *own[] = {&s->first, &s->frames, &s->received, &s->gathered, &s->length[0], &s->length[3]};
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
        if (chance_once_in(2))
            *own[i] = chance_once_in(2) ? chance_below(2000) : chance();
}

START_TEST(a_forged_state_harms_nobody)
{
    chance_seed(_i + 1);
    for (unsigned i = 0; i < 1000; i++) {
        start(0, 0);
        start(1, 0);
        make_frame(600, i);
        give_buffer(0, 2000);
        send_in(600, 12);
        for (u64 k = chance_below(16); k && devices_next_due(m) != UINT64_MAX; k--)
            devices_atom(m);
        forge(&m->b.virtio_net[0]);
        forge(&m->b.virtio_net[1]);
        for (unsigned k = 0; k < 60 && devices_next_due(m) != UINT64_MAX; k++)
            devices_atom(m);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("virtio_net");
    TCase *t = tcase_create("virtio_net");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, it_says_who_it_is);
    tcase_add_test(t, a_frame_arrives);
    tcase_add_test(t, a_frame_goes_back_when_it_is_through);
    tcase_add_test(t, what_is_no_frame_is_not_sent);
    tcase_add_test(t, frames_wait_for_buffers_up_to_eight);
    tcase_add_test(t, a_frame_that_does_not_fit_is_dropped);
    tcase_add_test(t, nobody_hears_who_is_off);
    tcase_add_test(t, a_cut_link_is_heard_of);
    tcase_add_loop_test(t, a_hostile_driver_harms_nobody, 0, 2);
    tcase_add_loop_test(t, a_forged_state_harms_nobody, 0, 2);
    tcase_set_timeout(t, 120);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
