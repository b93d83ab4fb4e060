/* test_link.c - network ports and the links between them (docs/machine.md, N1 to N5). */
#include "cpu/cpu.h"
#include "dev/link.h"
#include "lib/bare.h"
#include "lib/suite.h"

#include <check.h>
#include <string.h>

#define LONG   1000 /* bytes of a frame, and its cycles at 1 Gbit and 1 GHz: */
#define CYCLES (8 * (LONG + 4 + 20))
#define US     UINT64_C(1000000)

static struct bare b;
static struct machine *m;
static struct pci_device nic[3];
static u8 frame[FRAME_MOST + 1];

/* What the ports have got. */
static struct got {
    unsigned frames, n, changes;
    u64 cycle;
    bool up;
    u8 bytes[FRAME_MOST];
} got[3];
static enum frame_end answer;

static enum frame_end receive(struct pci_device *d, const u8 *bytes, unsigned n)
{
    struct got *g = &got[d - nic];
    g->frames++;
    g->n = n;
    g->cycle = device_now(m);
    memcpy(g->bytes, bytes, n);
    return answer;
}

static void link_changed(struct pci_device *d, bool up)
{
    got[d - nic].changes++;
    got[d - nic].up = up;
}

static const struct pci_model fake = {.name = "fake"};
static const struct port_model port_model = {receive, link_changed};

static void set_up(void)
{
    bare_open(&b, RS_FW_XD);
    m = b.machine;
    memset(got, 0, sizeof got);
    answer = FRAME_OK;
    for (unsigned i = 0; i < 3; i++) {
        nic[i] = (struct pci_device){.m = m, .model = &fake, .slot = i + 1};
        ck_assert(port_attach(&nic[i], &port_model));
    }
    for (unsigned i = 0; i < sizeof frame; i++)
        frame[i] = (u8)(i * 7 + 1);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void join(unsigned a, unsigned z, struct rs_link link)
{
    struct rs_error err;
    ck_assert_msg(rs_link(m, a, z < 3 ? m : NULL, z, &link, &err) == RS_OK, "%s", err.text);
}

static struct rs_link usual(void)
{
    struct rs_link link;
    rs_link_init(&link);
    return link;
}

/* All that is on its way arrives. */
static void settle(void)
{
    while (devices_next_due(m) != UINT64_MAX)
        devices_atom(m);
}

START_TEST(a_frame_arrives_behind_its_bits_and_the_way)
{
    join(0, 1, usual());
    u64 now = device_now(m);
    ck_assert_uint_eq(port_send(&nic[0], frame, LONG), now + CYCLES);
    ck_assert_uint_eq(devices_next_due(m), now + CYCLES + 1000); /* 1 us */
    settle();
    ck_assert_uint_eq(got[1].frames, 1);
    ck_assert_uint_eq(got[1].n, LONG);
    ck_assert_uint_eq(got[1].cycle, now + CYCLES + 1000);
    ck_assert_mem_eq(got[1].bytes, frame, LONG);
    ck_assert_uint_eq(got[0].frames + got[2].frames, 0);
}
END_TEST

START_TEST(frames_follow_one_another_both_ways_at_once)
{
    join(0, 1, usual());
    u64 now = device_now(m);
    port_send(&nic[0], frame, LONG);
    ck_assert_uint_eq(port_send(&nic[0], frame, 14), now + CYCLES + 8 * (64 + 20)); /* padded */
    ck_assert_uint_eq(port_send(&nic[1], frame, LONG), now + CYCLES);
    settle();
    ck_assert_uint_eq(got[1].frames, 2);
    ck_assert_uint_eq(got[1].n, 14);
    ck_assert_uint_eq(got[1].cycle, now + CYCLES + 8 * (64 + 20) + 1000);
    ck_assert_uint_eq(got[0].cycle, now + CYCLES + 1000);
}
END_TEST

START_TEST(bandwidth_and_latency_are_in_world_time)
{
    struct rs_link link = {.bandwidth = 3000000, .latency = 2500001};
    m->p.hz = 2000000000;
    join(2, 0, link);
    u64 now = device_now(m), bits = 8 * (LONG + 24);
    u64 serial = (bits * 2000000000 + 2999999) / 3000000;
    ck_assert_uint_eq(port_send(&nic[2], frame, LONG), now + serial);
    ck_assert_uint_eq(devices_next_due(m), now + serial + 5001); /* a part of a cycle is one */
    link.latency = 0;
    settle();
    join(2, 0, link);
    u64 end = port_send(&nic[2], frame, LONG);
    ck_assert_uint_eq(devices_next_due(m), end + 1);
}
END_TEST

START_TEST(a_port_without_a_link_sends_to_the_outside)
{
    ck_assert(port_link_up(&nic[0]));
    ck_assert_uint_eq(port_send(&nic[0], frame, LONG), device_now(m) + CYCLES);
    ck_assert_uint_eq(devices_next_due(m), UINT64_MAX);
    join(0, 1, usual());
    join(2, 1, usual()); /* takes it from 0 */
    port_send(&nic[0], frame, LONG);
    ck_assert_uint_eq(devices_next_due(m), UINT64_MAX);
    port_send(&nic[1], frame, LONG);
    settle();
    ck_assert_uint_eq(got[2].frames, 1);
    join(2, 3, usual());
    port_send(&nic[1], frame, LONG);
    ck_assert_uint_eq(devices_next_due(m), UINT64_MAX);
}
END_TEST

START_TEST(frames_come_from_outside_at_the_rate_of_the_wire)
{
    struct rs_error err;
    u64 now = device_now(m);
    ck_assert_int_eq(rs_input_frame(m, 1, frame, LONG, &err), RS_OK);
    ck_assert_int_eq(rs_input_frame(m, 1, frame, LONG - 1, &err), RS_OK);
    settle();
    ck_assert_uint_eq(got[1].frames, 2);
    ck_assert_uint_eq(got[1].n, LONG - 1);
    ck_assert_uint_eq(got[1].cycle, now + 2 * CYCLES - 8);
    ck_assert_int_eq(rs_input_frame(m, 3, frame, LONG, &err), RS_FAILED);
    ck_assert_int_eq(rs_input_frame(m, 1, frame, 13, &err), RS_FAILED);
    ck_assert_int_eq(rs_input_frame(m, 1, frame, 1519, &err), RS_FAILED);
    for (unsigned i = 0; i < FLIGHT; i++)
        ck_assert_int_eq(rs_input_frame(m, 2, frame, 60, &err), RS_OK);
    ck_assert_int_eq(rs_input_frame(m, 2, frame, 60, &err), RS_FAILED);
}
END_TEST

START_TEST(a_cut_is_known_at_both_ends_and_takes_what_is_under_way)
{
    struct rs_link link = usual();
    join(0, 1, link);
    ck_assert_uint_eq(got[0].changes, 0);
    port_send(&nic[0], frame, LONG);
    link.cut = 1;
    join(0, 1, link);
    ck_assert(got[0].changes == 1 && got[1].changes == 1 && !got[0].up && !got[1].up);
    ck_assert(!port_link_up(&nic[0]) && !port_link_up(&nic[1]));
    port_send(&nic[0], frame, LONG);
    settle();
    ck_assert_uint_eq(got[1].frames, 0);
    link.cut = 0;
    join(0, 1, link);
    ck_assert(got[0].changes == 2 && got[0].up);
    port_send(&nic[0], frame, LONG);
    settle();
    ck_assert_uint_eq(got[1].frames, 1);
}
END_TEST

/* Which of 64 frames get through, a bit each. */
static u64 pattern(struct rs_link link)
{
    u64 through = 0;
    join(0, 1, link);
    for (unsigned i = 0; i < 64; i++) {
        unsigned before = got[1].frames;
        port_send(&nic[0], frame, 60);
        settle();
        through |= (u64)(got[1].frames - before) << i;
    }
    return through;
}

START_TEST(what_is_lost_is_the_seed_s)
{
    struct rs_link link = usual();
    ck_assert_uint_eq(pattern(link), UINT64_MAX);
    link.loss = 500000;
    u64 first = pattern(link);
    ck_assert(first != 0 && first != UINT64_MAX);
    ck_assert_uint_eq(pattern(link), first);
    link.seed = 2;
    ck_assert_uint_ne(pattern(link), first);
    link.loss = 1000000;
    ck_assert_uint_eq(pattern(link), 0);
}
END_TEST

START_TEST(a_wire_holds_only_so_many)
{
    join(0, 1, usual());
    for (unsigned i = 0; i < FLIGHT + 5; i++)
        port_send(&nic[0], frame, 60);
    settle();
    ck_assert_uint_eq(got[1].frames, FLIGHT);
}
END_TEST

START_TEST(what_is_no_frame_is_not_sent)
{
    u64 now = device_now(m);
    ck_assert_uint_eq(port_send(&nic[0], frame, 13), now);
    ck_assert_uint_eq(port_send(&nic[0], frame, FRAME_MOST + 1), now);
    ck_assert_uint_eq(port_free(&nic[0]), 0);
}
END_TEST

START_TEST(links_have_bounds)
{
    struct rs_link link = usual();
    struct rs_error err;
    ck_assert_int_eq(rs_link(m, 0, m, 0, &link, &err), RS_FAILED);
    ck_assert_int_eq(rs_link(m, 0, m, 3, &link, &err), RS_FAILED);
    link.loss = 1000001;
    ck_assert_int_eq(rs_link(m, 0, m, 1, &link, &err), RS_FAILED);
    link = usual();
    link.bandwidth = 9999;
    ck_assert_int_eq(rs_link(m, 0, m, 1, &link, &err), RS_FAILED);
}
END_TEST

/* ---- events ---- */

static struct told {
    u64 field[4];
    u8 first, last;
} told[8];
static unsigned tellings;

static void on_frame(const struct rs_event *e, void *arg)
{
    (void)arg;
    ck_assert_uint_lt(tellings, 8);
    struct told *t = &told[tellings++];
    memcpy(t->field, e->field, sizeof t->field);
    t->first = e->frame[0];
    t->last = e->frame[e->field[2] - 1];
}

static void check_told(unsigned i, enum frame_event event, unsigned port, enum frame_end end)
{
    ck_assert_uint_eq(told[i].field[0], event);
    ck_assert_uint_eq(told[i].field[1], port);
    ck_assert_uint_eq(told[i].field[2], LONG);
    ck_assert_uint_eq(told[i].field[3], end);
    ck_assert_uint_eq(told[i].first, frame[0]);
    ck_assert_uint_eq(told[i].last, frame[LONG - 1]);
}

START_TEST(events_say_what_becomes_of_a_frame)
{
    tellings = 0;
    rs_watch(b.world, RS_PROBE_frame, false, on_frame, NULL);
    join(0, 1, usual());
    port_send(&nic[0], frame, LONG);
    answer = FRAME_NO_ROOM;
    port_send(&nic[1], frame, LONG);
    settle();
    ck_assert_uint_eq(tellings, 4);
    check_told(0, FRAME_SENT, 0, FRAME_OK);
    check_told(1, FRAME_SENT, 1, FRAME_OK);
    check_told(2, FRAME_DROPPED, 1, FRAME_NO_ROOM);
    check_told(3, FRAME_DROPPED, 0, FRAME_NO_ROOM);
    ck_assert_str_eq(rs_word(RS_FATE, FRAME_NO_ROOM), "receiver has no room");
    ck_assert_str_eq(rs_word(RS_FRAME, FRAME_DROPPED), "dropped");
}
END_TEST

START_TEST(a_power_cycle_leaves_the_cables)
{
    struct rs_link link = usual();
    size_t peer;
    link.latency = 77000;
    join(0, 1, link);
    port_send(&nic[0], frame, LONG);
    rs_power_cycle(m);
    ck_assert_uint_eq(devices_next_due(m), UINT64_MAX);
    ck_assert_int_eq(rs_link_of(m, 1, &link, &peer), RS_OK);
    ck_assert_uint_eq(peer, 0);
    ck_assert_uint_eq(link.latency, 77000);
    ck_assert_int_eq(rs_link_of(m, 2, &link, &peer), RS_OK);
    ck_assert_uint_eq(peer, RS_OUTSIDE);
    ck_assert_int_eq(rs_link_of(m, 3, &link, &peer), RS_FAILED);
}
END_TEST

/* Whatever a forged state has on the wire. */
START_TEST(a_forged_flight_hurts_nobody)
{
    struct link_flight *f = &m->b.flight;
    u64 z = 1;
    for (unsigned i = 0; i < FLIGHT; i++) {
        z = z * UINT64_C(6364136223846793005) + 1442695040888963407;
        f->due[i] = 1 + (z >> 60);
        f->what[i] = z >> (i & 31);
    }
    m->b.port[0].peer = UINT64_MAX;
    port_send(&nic[0], frame, LONG);
    device_schedule(m, DEVICE_LINK, 1);
    settle();
    for (unsigned i = 0; i < FLIGHT; i++)
        ck_assert_uint_eq(f->due[i], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *t = tcase_create("link");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_frame_arrives_behind_its_bits_and_the_way);
    tcase_add_test(t, frames_follow_one_another_both_ways_at_once);
    tcase_add_test(t, bandwidth_and_latency_are_in_world_time);
    tcase_add_test(t, a_port_without_a_link_sends_to_the_outside);
    tcase_add_test(t, frames_come_from_outside_at_the_rate_of_the_wire);
    tcase_add_test(t, a_cut_is_known_at_both_ends_and_takes_what_is_under_way);
    tcase_add_test(t, what_is_lost_is_the_seed_s);
    tcase_add_test(t, a_wire_holds_only_so_many);
    tcase_add_test(t, what_is_no_frame_is_not_sent);
    tcase_add_test(t, links_have_bounds);
    tcase_add_test(t, events_say_what_becomes_of_a_frame);
    tcase_add_test(t, a_power_cycle_leaves_the_cables);
    tcase_add_test(t, a_forged_flight_hurts_nobody);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
