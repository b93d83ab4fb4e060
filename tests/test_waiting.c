/* test_waiting.c - a machine that nothing but an input would wake waits for it, in no time. */
#include "ringside.h"
#include "lib/subject.h"
#include "lib/suite.h"
#include "lib/temporary.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct subject asleep[] = {
    {"guests/asleep.elf", "asleep console", NULL, 1, SIZES_USUAL, NULL},
    {"guests/asleep.elf", "asleep console pic", NULL, 1, SIZES_USUAL, NULL},
    {"guests/asleep.elf", "asleep keys", NULL, 1, SIZES_USUAL, NULL},
    {"guests/asleep.elf", "asleep keys pic", NULL, 3, SIZES_USUAL, NULL},
    {"guests/asleep.elf", "asleep both", NULL, 2, SIZES_USUAL, NULL},
};
#define WAYS ((int)(sizeof asleep / sizeof *asleep))

static const struct subject deaf = {"guests/asleep.elf", "asleep nothing", NULL, 1, SIZES_USUAL, NULL};

static struct run r;
static struct rs_error err;

static enum rs_why run_on(void)
{
    enum rs_why why;
    rs_begin_run(r.world, UINT64_MAX);
    while ((why = rs_continue(r.world, 1000)) == RS_SLICE)
        ;
    return why;
}

static bool printed(const char *text)
{
    size_t n;
    const char *all = (const char *)rs_console(r.machine, 0, &n);
    size_t length = strlen(text);
    return n >= length && memcmp(all + n - length, text, length) == 0;
}

static unsigned awaited(int way)
{
    return strstr(asleep[way].cmdline, "both")   ? RS_AWAITS_CONSOLE | RS_AWAITS_KEYS
           : strstr(asleep[way].cmdline, "keys") ? RS_AWAITS_KEYS
                                                 : RS_AWAITS_CONSOLE;
}

/* One that the guest hears: "a" or "b", or what ends it. */
static void give(int way, bool last)
{
    bool keys = awaited(way) & RS_AWAITS_KEYS;
    enum rs_status done = keys ? rs_input_key(r.machine, last ? "esc" : "a", &err)
                               : rs_input_console(r.machine, 0, last ? "q" : "a", 1, &err);
    ck_assert_msg(done == RS_OK, "%s", err.text);
}

static void boot(int way)
{
    run_make(&r, &asleep[way]);
    run_boot(&r, &asleep[way]);
}

static void check_waits(int way)
{
    ck_assert_uint_eq(rs_awaits(r.machine), awaited(way));
    ck_assert_ptr_nonnull(strstr(rs_halt_text(r.machine), "waits for input: HLT"));
    ck_assert_uint_eq(rs_halt_core(r.machine), 0);
}

START_TEST(it_goes_on_behind_an_input)
{
    boot(_i);
    ck_assert_int_eq(run_on(), RS_HALTED);
    ck_assert(printed("asleep\n"));
    check_waits(_i);
    for (int i = 0; i < 3; i++) {
        uint64_t hash = rs_hash(r.world, RS_HASH_ALL), now = rs_now(r.machine);
        ck_assert_int_eq(run_on(), RS_HALTED);
        ck_assert_uint_eq(rs_hash(r.world, RS_HASH_ALL), hash);
        ck_assert_uint_eq(rs_now(r.machine), now);
        give(_i, false);
        ck_assert_uint_eq(rs_awaits(r.machine), 0);
        ck_assert_ptr_null(rs_halt_text(r.machine));
        ck_assert_int_eq(run_on(), RS_HALTED);
        ck_assert(printed(awaited(_i) & RS_AWAITS_KEYS ? "key 9e\n" : "byte 61\n"));
        ck_assert_uint_gt(rs_now(r.machine), now);
        check_waits(_i);
    }
    give(_i, true);
    ck_assert_int_eq(run_on(), RS_HALTED);
    ck_assert_uint_eq(rs_awaits(r.machine), 0);
    ck_assert_int_eq(rs_halt_status(r.machine), 1);
    rs_world_free(r.world);
}
END_TEST

START_TEST(no_step_leads_on)
{
    boot(_i);
    run_on();
    struct rs_position at = rs_position(r.machine);
    for (int unit = 0; unit < RS_UNITS; unit++) {
        enum rs_why why;
        rs_begin_step(r.world, 1, (enum rs_unit)unit);
        while ((why = rs_continue(r.world, 1000)) == RS_SLICE)
            ;
        ck_assert_int_eq(why, RS_HALTED);
        ck_assert_uint_eq(rs_position(r.machine).atom, at.atom);
        rs_begin_back(r.world, 1, (enum rs_unit)unit);
        run_finish(&r, 1000);
        rs_begin_seek(r.world, at);
        run_finish(&r, 1000);
        check_waits(_i);
    }
    rs_world_free(r.world);
}
END_TEST

/* An input that nobody hears wakes nobody, and one that comes later does. */
START_TEST(what_nobody_hears_wakes_nobody)
{
    boot(_i);
    run_on();
    struct rs_position at = rs_position(r.machine);
    ck_assert_int_eq(rs_input_console(r.machine, 1, "x", 1, &err), RS_OK);
    ck_assert_int_eq(rs_input_poke(r.machine, 0x3000000, "x", 1, &err), RS_OK);
    ck_assert_int_eq(run_on(), RS_HALTED);
    ck_assert_uint_eq(rs_position(r.machine).atom, at.atom);
    check_waits(_i);
    give(_i, true);
    run_on();
    ck_assert_int_eq(rs_halt_status(r.machine), 1);
    rs_world_free(r.world);
}
END_TEST

START_TEST(the_log_wakes_it_again)
{
    char path[256];
    ck_assert(temporary_file(path));
    run_make(&r, &asleep[_i]);
    ck_assert_msg(rs_record(r.world, path, &err) == RS_OK, "%s", err.text);
    run_boot(&r, &asleep[_i]);
    run_on();
    give(_i, false);
    run_on();
    ck_assert_int_eq(rs_input_poke(r.machine, 0x3000000, "x", 1, &err), RS_OK);
    run_on();
    rs_snapshot *waits = rs_snapshot_take(r.world);
    uint64_t waiting = rs_hash(r.world, RS_HASH_ALL);
    give(_i, true);
    run_on();
    struct rs_position end = rs_position(r.machine);
    uint64_t hash = rs_hash(r.world, RS_HASH_ALL);
    ck_assert_int_eq(rs_halt_status(r.machine), 1);
    rs_begin_back(r.world, 20, RS_MICRO);
    run_finish(&r, 1000);
    rs_begin_seek(r.world, end);
    run_finish(&r, 1000);
    ck_assert_uint_eq(rs_hash(r.world, RS_HASH_ALL), hash);
    ck_assert_msg(rs_snapshot_restore(r.world, waits, &err) == RS_OK, "%s", err.text);
    check_waits(_i);
    ck_assert_uint_eq(rs_hash(r.world, RS_HASH_ALL), waiting);
    rs_snapshot_free(waits);
    rs_world_free(r.world);
    run_make(&r, &asleep[_i]);
    ck_assert_msg(rs_replay(r.world, path, &err) == RS_OK, "%s", err.text);
    run_boot(&r, &asleep[_i]);
    ck_assert_int_eq(run_on(), RS_HALTED);
    ck_assert_uint_eq(rs_hash(r.world, RS_HASH_ALL), hash);
    ck_assert_int_eq(rs_halt_status(r.machine), 1);
    rs_world_free(r.world);
    unlink(path);
}
END_TEST

START_TEST(one_that_hears_nothing_is_halted_for_ever)
{
    run_make(&r, &deaf);
    run_boot(&r, &deaf);
    ck_assert_int_eq(run_on(), RS_HALTED);
    ck_assert_uint_eq(rs_awaits(r.machine), 0);
    ck_assert_ptr_nonnull(strstr(rs_halt_text(r.machine), "halted for ever: HLT just before rip"));
    rs_world_free(r.world);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("waiting");
    TCase *t = tcase_create("waiting");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, it_goes_on_behind_an_input, 0, WAYS);
    tcase_add_loop_test(t, no_step_leads_on, 0, WAYS);
    tcase_add_loop_test(t, what_nobody_hears_wakes_nobody, 0, WAYS);
    tcase_add_loop_test(t, the_log_wakes_it_again, 0, WAYS);
    tcase_add_test(t, one_that_hears_nothing_is_halted_for_ever);
    suite_add_tcase(s, t);
    return suite_run(s);
}
