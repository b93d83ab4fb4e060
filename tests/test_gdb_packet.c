/* test_gdb_packet.c - gdb's protocol: packets in and out, hexadecimal, points. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gdb/packet.h"
#include "gdb/points.h"
#include "lib/suite.h"

/* ------------------------------------------------------------------ packets */

static struct packet_in in;

/* The last event of these bytes. */
static enum packet_event take(const char *bytes, size_t n)
{
    enum packet_event event = PACKET_NOTHING;
    for (size_t i = 0; i < n; i++)
        event = packet_take(&in, (uint8_t)bytes[i]);
    return event;
}

#define TAKE(text) take((text), sizeof(text) - 1)

START_TEST(a_packet_comes_whole)
{
    ck_assert_int_eq(TAKE("$g#6"), PACKET_NOTHING);
    ck_assert_int_eq(TAKE("7"), PACKET_WHOLE);
    ck_assert_str_eq(in.text, "g");
    ck_assert_int_eq(TAKE("$#00"), PACKET_WHOLE);
    ck_assert_uint_eq(in.n, 0);
    ck_assert_int_eq(TAKE("noise\xff\x00$g#67"), PACKET_WHOLE);
}
END_TEST

START_TEST(sums_are_checked)
{
    ck_assert_int_eq(TAKE("$g#68"), PACKET_DAMAGED);
    ck_assert_int_eq(TAKE("$g#6x"), PACKET_DAMAGED);
    ck_assert_int_eq(TAKE("$lost$g#67"), PACKET_WHOLE);
    ck_assert_str_eq(in.text, "g");
}
END_TEST

START_TEST(single_bytes_count_between_packets_only)
{
    ck_assert_int_eq(TAKE("+"), PACKET_ACK);
    ck_assert_int_eq(TAKE("-"), PACKET_NAK);
    ck_assert_int_eq(TAKE("\3"), PACKET_INTERRUPT);
    ck_assert_int_eq(TAKE("$\3#03"), PACKET_WHOLE);
    ck_assert_uint_eq(in.n, 1);
}
END_TEST

START_TEST(what_is_put_is_taken)
{
    char text[256];
    struct bytes out = {NULL, 0, 0};
    for (int i = 0; i < 256; i++)
        text[i] = (char)i;
    packet_put(&out, text, sizeof text);
    ck_assert_int_eq(take(out.at, out.n), PACKET_WHOLE);
    ck_assert_uint_eq(in.n, sizeof text);
    ck_assert(memcmp(in.text, text, sizeof text) == 0);
    bytes_free(&out);
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
    struct bytes out = {NULL, 0, 0};
    char *text = calloc(1, PACKET_MAX + 1);
    packet_put(&out, text, PACKET_MAX);
    ck_assert_int_eq(take(out.at, out.n), PACKET_WHOLE);
    out.n = 0;
    packet_put(&out, text, PACKET_MAX + 1);
    ck_assert_int_eq(take(out.at, out.n), PACKET_DAMAGED);
    ck_assert_int_eq(TAKE("$g#67"), PACKET_WHOLE);
    bytes_free(&out);
    free(text);
}
END_TEST

START_TEST(interrupts_are_found_behind_packets)
{
    static const struct {
        const char *bytes;
        size_t at;
    } rows[] = {{"\3", 0},     {"+\3", 1},       {"$g#67\3", 5}, {"$g#67$X1,1:\3#00+\3", 16},
                {"$g#6\3", 5}, {"$g#67$p\3", 8}, {"$g\3", 3},    {"$#00", 4},
                {"", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_uint_eq(packet_find_interrupt(rows[i].bytes, strlen(rows[i].bytes)), rows[i].at);
}
END_TEST

START_TEST(hexadecimal)
{
    const char *at = "1fG", *none = "x", *sixteen = "ffffffffffffffff", *more = "0ffffffffffffffff";
    uint64_t value;
    uint8_t bytes[2];
    size_t n;
    ck_assert(hex_number(&at, &value) && value == 0x1f && *at == 'G');
    ck_assert(!hex_number(&none, &value));
    ck_assert(hex_number(&sixteen, &value) && value == UINT64_MAX);
    ck_assert(!hex_number(&more, &value));
    ck_assert(hex_bytes("00Ff", bytes, 2, &n) && n == 2 && bytes[1] == 0xff);
    ck_assert(!hex_bytes("00ff00", bytes, 2, &n));
    ck_assert(!hex_bytes("0", bytes, 2, &n));
}
END_TEST

/* ------------------------------------------------------------------ points */

START_TEST(points_cover_what_they_say)
{
    static struct points p;
    ck_assert(points_at(&p, 0x1000) == NULL);
    ck_assert(points_set(&p, (struct point){POINT_SOFT, 0x1000, 1}));
    ck_assert(points_set(&p, (struct point){POINT_SOFT, 0x1000, 1}));
    ck_assert(points_set(&p, (struct point){POINT_WRITE, 0x2000, 8}));
    ck_assert_uint_eq(p.n, 2);
    ck_assert(points_at(&p, 0x1000) && !points_at(&p, 0x2000) && !points_at(&p, 0x1001));
    ck_assert(points_touched(&p, 0x2007, 1, true) && !points_touched(&p, 0x2008, 1, true));
    ck_assert(points_touched(&p, 0x1ff9, 8, true) && !points_touched(&p, 0x1ff8, 8, true));
    ck_assert(!points_touched(&p, 0x2000, 1, false));
    points_clear(&p, (struct point){POINT_SOFT, 0x1000, 1});
    ck_assert(!points_at(&p, 0x1000) && p.n == 1);
    ck_assert(points_set(&p, (struct point){POINT_ACCESS, UINT64_MAX, 1}));
    ck_assert(points_touched(&p, UINT64_MAX - 3, 4, false));
    while (p.n < POINTS_MAX)
        ck_assert(points_set(&p, (struct point){POINT_HARD, p.n, 1}));
    ck_assert(!points_set(&p, (struct point){POINT_HARD, POINTS_MAX, 1}));
}
END_TEST

int main(void)
{
    TCase *packets = tcase_create("packets");
    Suite *s = suite_create("gdb_packet");
    suite_add_tcase(s, packets);
    tcase_add_test(packets, a_packet_comes_whole);
    tcase_add_test(packets, sums_are_checked);
    tcase_add_test(packets, single_bytes_count_between_packets_only);
    tcase_add_test(packets, what_is_put_is_taken);
    tcase_add_test(packets, what_is_too_long_is_refused);
    tcase_add_test(packets, interrupts_are_found_behind_packets);
    tcase_add_test(packets, hexadecimal);
    tcase_add_test(packets, points_cover_what_they_say);
    return suite_run(s);
}
