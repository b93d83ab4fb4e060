/* test_hv_uplink.c - the machine's E1000s as uplinks of the virtual switch: what the wires see and what the
 * VMs hear, while links are cut and mended. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "lib/hv_run.h"
#include "lib/suite.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

#define STRANGER "00:01:02:03:04:05"
#define LOG      1024
#define HEADER   14

static const struct rs_device nics[] = {{.kind = "e1000", .slot = 3}, {.kind = "e1000", .slot = 5}};
static const uint8_t stranger[6] = {0, 1, 2, 3, 4, 5}, everybody[6] = {255, 255, 255, 255, 255, 255},
                     mac_a[6] = {0x52, 0x49, 0x4e, 0, 0, 1};

/* What the wires have seen. */
static struct {
    unsigned nic, n;
    uint8_t bytes[64];
} sent[LOG];
static unsigned sents, lost;

static void on_frame(const struct rs_event *e, void *arg)
{
    (void)arg;
    if (strcmp(rs_word(RS_FRAME, e->field[0]), "dropped") == 0)
        lost++;
    if (strcmp(rs_word(RS_FRAME, e->field[0]), "sent") != 0)
        return;
    ck_assert_uint_lt(sents, LOG);
    sent[sents].nic = (unsigned)e->field[1];
    sent[sents].n = (unsigned)e->field[2];
    memcpy(sent[sents++].bytes, e->frame, e->field[2] < 64 ? e->field[2] : 64);
}

static void open_nics(uint32_t cores)
{
    open_world_devices(64, HV_FIRMWARE, cores, nics, COUNT(nics));
    sents = lost = 0;
    rs_watch(world, RS_PROBE_frame, false, on_frame, NULL);
}

static void setup(void)
{
    open_nics(1);
}

static void wait_for(const char *text)
{
    for (int i = 0; i < 400 && !strstr(console_from(0, 0), text); i++)
        run_until(rs_now(machine) + 100000);
    must_say(text);
}

/* Two stations, listening; the announcements of their start are not in the log. */
static void start(const char *options, const char *a, const char *b)
{
    char cmdline[96];
    snprintf(cmdline, sizeof cmdline, "hv --stay %s", options);
    add_vm("station", a);
    add_vm("station", b);
    boot("hv/hv.elf", cmdline);
    wait_for("[a] 52:49:4e:00:00:01 listens");
    wait_for("[b] 52:49:4e:00:00:02 listens");
    sents = 0;
}

#define A "a image=station nic=e1000 ram=4M"
#define B "b image=station nic=e1000 ram=4M"

static void tell(const char *vm, const char *text)
{
    char line[128];
    snprintf(line, sizeof line, "vm input %s %s\\n", vm, text);
    reply_has(line, "ok");
}

/* What a VM says that it has heard. */
static void heard(const char *vm, const char *text)
{
    char line[128];
    size_t from;
    rs_console(machine, 0, &from);
    tell(vm, "heard");
    for (int i = 0; i < 100 && !strstr(console_from(0, from), "that is all"); i++)
        run_until(rs_now(machine) + 100000);
    snprintf(line, sizeof line, "[%s] %s", vm, text);
    ck_assert_msg(strstr(console_from(0, from), line) != NULL, "'%s' not in: %s", line,
                  console_from(0, from));
}

/* A frame from outside; vlan 0: no tag. */
static void arrive(size_t nic, const uint8_t *to, uint32_t number, unsigned vlan)
{
    uint8_t frame[64] = {0}, *at = frame + 12;
    memcpy(frame, to, 6);
    memcpy(frame + 6, stranger, 6);
    if (vlan) {
        const uint8_t tag[] = {0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan};
        memcpy(at, tag, sizeof tag);
        at += sizeof tag;
    }
    const uint8_t rest[] = {0x88, 0xb5, 0, 0, (uint8_t)(number >> 8), (uint8_t)number};
    memcpy(at, rest, sizeof rest);
    ck_assert_msg(rs_input_frame(machine, nic, frame, sizeof frame, &err) == RS_OK, "%s", err.text);
}

static void set_link(size_t nic, bool cut, uint64_t bandwidth)
{
    struct rs_link link;
    rs_link_init(&link);
    link.cut = cut;
    if (bandwidth)
        link.bandwidth = bandwidth;
    ck_assert(rs_link(machine, nic, NULL, 0, &link, &err) == RS_OK);
}

static bool is_announcement(unsigned i)
{
    return sent[i].bytes[12] == 0x80 && sent[i].bytes[13] == 0x35;
}

static unsigned number_of(unsigned i)
{
    return (unsigned)(sent[i].bytes[HEADER + 2] << 8 | sent[i].bytes[HEADER + 3]);
}

static uint64_t count_of(const char *port, const char *key)
{
    return net_stat(command("net stats"), port, key);
}

/* ---- in and out ---- */

START_TEST(out_by_one_in_by_both)
{
    close_world();
    open_nics(1 + (uint32_t)_i);
    start("uplinks=3,5", A, B);
    reply_has("net list",
              "port=uplink1 kind=uplink mac=52:54:00:12:34:56 vlan=1 mode=trunk link=up active=yes\n"
              "port=uplink2 kind=uplink mac=52:54:00:12:34:57 vlan=1 mode=trunk link=up\n"
              "port=a kind=vm mac=52:49:4e:00:00:01 vlan=1 mode=access link=up uplink=uplink1\n");
    tell("a", "send " STRANGER " 5");
    wait_for("[a] sent 5");
    tell("a", "send 52:49:4e:00:00:02 7");
    wait_for("[a] sent 7");
    ck_assert_uint_eq(sents, 5); /* the others did not leave the machine */
    for (unsigned i = 0; i < sents; i++) {
        ck_assert_uint_eq(sent[i].nic, 0);
        ck_assert_uint_eq(sent[i].n, 60);
        ck_assert_uint_eq(number_of(i), i + 1);
        ck_assert_mem_eq(sent[i].bytes, stranger, 6);
        ck_assert_mem_eq(sent[i].bytes + 6, mac_a, 6);
    }
    heard("b", "heard 7 from 52:49:4e:00:00:01, 1 to 7, 0 not in order");
    arrive(0, mac_a, 1, 0);
    arrive(1, mac_a, 2, 0);
    run_until(rs_now(machine) + 500000);
    arrive(0, everybody, 3, 0);
    arrive(1, everybody, 3, 0);
    arrive(0, stranger, 9, 0);
    run_until(rs_now(machine) + 500000);
    heard("a", "heard 3 from " STRANGER ", 1 to 3, 0 not in order");
    heard("b", "heard 1 from " STRANGER ", 3 to 3");
    ck_assert_uint_eq(count_of("uplink2", "standby"), 1);
    ck_assert_uint_eq(count_of("uplink1", "nowhere"), 1);
    ck_assert_uint_eq(sents, 5); /* nothing has gone on to the other wire */
}
END_TEST

START_TEST(tags)
{
    start("uplinks=3", A " vlan=10", B " vlan=20");
    tell("a", "send all 1");
    wait_for("[a] sent 1");
    tell("b", "send 52:49:4e:00:00:01 1");
    wait_for("[b] sent 1");
    ck_assert_uint_eq(sents, 2);
    ck_assert_uint_eq(sent[0].n, 64);
    ck_assert_mem_eq(sent[0].bytes + 12, "\x81\0\0\x0a\x88\xb5", 6);
    ck_assert_mem_eq(sent[1].bytes + 12, "\x81\0\0\x14\x88\xb5", 6);
    arrive(0, everybody, 1, 10);
    arrive(0, everybody, 2, 20);
    arrive(0, everybody, 3, 30);
    arrive(0, everybody, 4, 0);
    run_until(rs_now(machine) + 500000);
    heard("a", "heard 1 from " STRANGER ", 1 to 1");
    heard("b", "heard 1 from " STRANGER ", 2 to 2");
    reply_has("vm set a vlan 20", "ok");
    ck_assert_uint_eq(sents, 3); /* where it is now, told in its new VLAN */
    ck_assert_mem_eq(sent[2].bytes + 12, "\x81\0\0\x14\x80\x35", 6);
    ck_assert_mem_eq(sent[2].bytes + 6, mac_a, 6);
    reply_has("vm set a vlan 20", "ok");
    ck_assert_uint_eq(sents, 3);
}
END_TEST

/* More than the NIC's ring holds, at the rate of the wire, all of it or counted. */
START_TEST(a_burst_comes_in)
{
    start("uplinks=3", A, B);
    for (unsigned i = 1; i <= 100; i++)
        arrive(0, mac_a, i, 0);
    run_until(rs_now(machine) + 2000000);
    uint64_t in = count_of("uplink1", "in"), no_room = count_of("a", "no_room");
    ck_assert_uint_eq(in + count_of("uplink1", "missed"), 100);
    ck_assert_uint_eq(count_of("a", "out") + no_room, in);
    char text[64];
    snprintf(text, sizeof text, "heard %u from " STRANGER, (unsigned)(in - no_room));
    heard("a", text);
}
END_TEST

/* The wire is slower than the VM: what finds the ring full is dropped and counted. */
START_TEST(a_ring_that_is_full)
{
    start("uplinks=3", A, B);
    set_link(0, false, 1000000);
    tell("a", "send " STRANGER " 60 0");
    wait_for("[a] sent 60");
    run_until(rs_now(machine) + 60000000);
    uint64_t out = count_of("uplink1", "out") - count_of("uplink1", "announced"),
             no_room = count_of("uplink1", "no_room");
    ck_assert_uint_eq(out + no_room, 60);
    ck_assert_uint_ge(out, 31);
    ck_assert_uint_gt(no_room, 0);
    ck_assert_uint_eq(sents, out);
}
END_TEST

/* ---- the bond ---- */

/* A flow of frames 6.5 us apart, while one link is cut somewhere: each frame leaves once, in order, and the
 * VMs are announced before the first of them that leaves by the other.  Cut on the way are what the wire had.
 */
static void flow_survives(const char *vm, uint64_t after)
{
    char text[64];
    snprintf(text, sizeof text, "send " STRANGER " 60 6500");
    tell(vm, text);
    run_until(rs_now(machine) + after);
    set_link(0, true, 0);
    snprintf(text, sizeof text, "[%s] sent 60", vm);
    wait_for(text);
    run_until(rs_now(machine) + 200000);
    unsigned next = 1, announced = 0;
    for (unsigned i = 0; i < sents; i++) {
        if (is_announcement(i)) {
            ck_assert_uint_eq(sent[i].nic, 1);
            announced++;
            continue;
        }
        ck_assert_uint_eq(sent[i].nic, announced > 0);
        ck_assert_uint_eq(number_of(i), next);
        next++;
    }
    ck_assert_uint_eq(announced, 2);
    ck_assert_uint_eq(next, 61);
    ck_assert_uint_eq(lost, 0);
    must_say("hv: uplink1 has lost its link");
}

START_TEST(a_flow_survives_its_link)
{
    close_world();
    open_nics(1 + (uint32_t)_i % 2);
    start("uplinks=3,5", A, B);
    flow_survives(_i % 3 ? "a" : "b", (uint64_t)_i * 17003);
    reply_has("net list",
              "port=uplink1 kind=uplink mac=52:54:00:12:34:56 vlan=1 mode=trunk link=down\n"
              "port=uplink2 kind=uplink mac=52:54:00:12:34:57 vlan=1 mode=trunk link=up active=yes\n");
    arrive(1, everybody, 5, 0); /* by the one that stood by */
    arrive(1, mac_a, 6, 0);
    run_until(rs_now(machine) + 500000);
    heard("a", "heard 2 from " STRANGER ", 5 to 6");
    heard("b", "heard 1 from " STRANGER ", 5 to 5");
    sents = 0;
    set_link(0, false, 0); /* nothing old comes out of it, and it stands by */
    tell("a", "send " STRANGER " 3");
    wait_for("[a] sent 3");
    must_say("hv: uplink1 has found its link");
    ck_assert_uint_eq(sents, 3);
    ck_assert_uint_eq(sent[0].nic + sent[1].nic + sent[2].nic, 3);
}
END_TEST

/* The last waits for the NIC's next interrupt, which is that of the link. */
START_TEST(what_has_come_is_not_lost)
{
    start("uplinks=3,5", A, B);
    arrive(0, mac_a, 1, 0);
    run_until(rs_now(machine) + 100000);
    arrive(0, mac_a, 2, 0);
    run_until(rs_now(machine) + 14000);
    arrive(0, mac_a, 3, 0);
    run_until(rs_now(machine) + 3000);
    ck_assert_uint_eq(lost, 0);
    set_link(0, true, 0);
    run_until(rs_now(machine) + 200000);
    must_say("hv: uplink1 has lost its link");
    heard("a", "heard 3 from " STRANGER ", 1 to 3");
}
END_TEST

/* The NIC had them when its link went: they go by the other. */
START_TEST(what_waited_for_the_wire_is_not_lost)
{
    start("uplinks=3,5", A, B);
    set_link(0, false, 1000000); /* a frame takes 672 us */
    tell("a", "send " STRANGER " 20 0");
    wait_for("[a] sent 20");
    unsigned all = sents;
    ck_assert_uint_lt(all, 20);
    set_link(0, true, 0);
    run_until(rs_now(machine) + 500000);
    ck_assert_uint_eq(count_of("uplink1", "diverted"), 20 - all);
    unsigned next = 1;
    for (unsigned i = 0; i < sents; i++)
        if (!is_announcement(i))
            ck_assert_uint_eq(number_of(i), next++);
    ck_assert_uint_eq(next, 21);
    all = sents;
    set_link(0, false, 0);
    run_until(rs_now(machine) + 500000);
    ck_assert_uint_eq(sents, all);
    set_link(1, true, 0); /* its ring works as before */
    tell("a", "send " STRANGER " 40");
    wait_for("[a] sent 40");
    ck_assert_uint_eq(sents, all + 2 + 40);
    ck_assert_uint_eq(sent[sents - 1].nic, 0);
}
END_TEST

START_TEST(no_link_at_the_start)
{
    set_link(0, true, 0);
    start("uplinks=3,5", A, B);
    reply_has("net list", "vlan=1 mode=trunk link=up active=yes\nport=a");
    set_link(1, true, 0);
    tell("a", "send " STRANGER " 2");
    wait_for("[a] sent 2");
    ck_assert_uint_eq(sents, 0);
    ck_assert_uint_eq(count_of("a", "nowhere"), 2);
    set_link(0, false, 0);
    run_until(rs_now(machine) + 200000);
    ck_assert_uint_eq(sents, 2);
    ck_assert(is_announcement(0) && is_announcement(1));
    ck_assert_uint_eq(sent[0].nic + sent[1].nic, 0);
    reply_has("net list", "link=up uplink=uplink1\n");
}
END_TEST

START_TEST(spread)
{
    start("uplinks=3,5 bond=spread", A, B);
    reply_has("net list", "port=a kind=vm mac=52:49:4e:00:00:01 vlan=1 mode=access link=up uplink=uplink2\n"
                          "port=b kind=vm mac=52:49:4e:00:00:02 vlan=1 mode=access link=up uplink=uplink1\n");
    tell("a", "send " STRANGER " 3");
    tell("b", "send " STRANGER " 3");
    wait_for("[a] sent 3");
    wait_for("[b] sent 3");
    ck_assert_uint_eq(sents, 6);
    for (unsigned i = 0; i < sents; i++)
        ck_assert_uint_eq(sent[i].nic, sent[i].bytes[11] == 1);
    set_link(1, true, 0);
    run_until(rs_now(machine) + 200000);
    ck_assert_uint_eq(sents, 7);
    ck_assert(is_announcement(6) && sent[6].nic == 0 && sent[6].bytes[11] == 1);
    set_link(1, false, 0);
    run_until(rs_now(machine) + 200000);
    ck_assert_uint_eq(sents, 8); /* and back */
    ck_assert(is_announcement(7) && sent[7].nic == 1 && sent[7].bytes[11] == 1);
    reply_has("net bond failover", "ok");
    ck_assert_uint_eq(sents, 9);
    reply_has("net bond", "error: net bond: possible is failover or spread");
    reply_has("net bond both", "error: net bond: possible is failover or spread");
}
END_TEST

/* ---- the command line ---- */

static const struct {
    const char *options, *says;
} refused[] = {
    {"uplinks=4", "hv: uplinks=: there is no E1000 in slot 4 of the machine"},
    {"uplinks=3,3", "hv: uplinks=: the E1000 in slot 3 is uplink1's already"},
    {"uplinks=",
     "hv: uplinks=: possible is a slot of the machine, 1 to 31, or two with a comma between them"},
    {"uplinks=0", "hv: uplinks=0: possible is a slot"},
    {"uplinks=32", "hv: uplinks=32: possible is a slot"},
    {"uplinks=3,", "hv: uplinks=3,: possible is a slot"},
    {"uplinks=,3", "hv: uplinks=,3: possible is a slot"},
    {"uplinks=3,5,3", "hv: uplinks=3,5,3: possible is a slot"},
    {"uplinks=3;5", "hv: uplinks=3;5: possible is a slot"},
    {"uplinks=3 bond=both", "hv: bond=both: possible is failover or spread"},
};

START_TEST(what_cannot_be_is_refused)
{
    char cmdline[64];
    snprintf(cmdline, sizeof cmdline, "hv %s", refused[_i].options);
    add_vm("hello", "v image=hello");
    boot("hv/hv.elf", cmdline);
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say(refused[_i].says);
}
END_TEST

/* All VMs in HLT: it sleeps until a frame comes. */
START_TEST(sleeps_until_a_frame_comes)
{
    start("uplinks=3", A, B);
    uint64_t before = rs_now(machine);
    run_until(before + 20000000);
    ck_assert_ptr_null(rs_halt_text(machine));
    arrive(0, mac_a, 1, 0);
    run_until(rs_now(machine) + 100000);
    heard("a", "heard 1 from");
    tell("a", "quit");
    wait_for("a stopped by debug-exit, status 1");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_uplink");
    TCase *t = tcase_create("uplinks");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, close_world);
    tcase_add_loop_test(t, out_by_one_in_by_both, 0, 2);
    tcase_add_test(t, tags);
    tcase_add_test(t, a_burst_comes_in);
    tcase_add_test(t, a_ring_that_is_full);
    tcase_add_loop_test(t, a_flow_survives_its_link, 0, 24);
    tcase_add_test(t, what_has_come_is_not_lost);
    tcase_add_test(t, what_waited_for_the_wire_is_not_lost);
    tcase_add_test(t, no_link_at_the_start);
    tcase_add_test(t, spread);
    tcase_add_loop_test(t, what_cannot_be_is_refused, 0, COUNT(refused));
    tcase_add_test(t, sleeps_until_a_frame_comes);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
