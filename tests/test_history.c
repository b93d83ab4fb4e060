/* test_history.c - moving through time: each way to a position gives the same state. */
#include <check.h>
#include <string.h>

#include "lib/past.h"
#include "lib/suite.h"

/* ---- every unit, forwards and backwards ---- */

#define STEPS 60

START_TEST(back_is_the_reverse_of_step)
{
    enum rs_unit unit = (enum rs_unit)_i;
    struct rs_position at[STEPS + 1];
    uint64_t was[STEPS + 1];
    int n = unit == RS_WALK ? 4 : STEPS;
    if (unit == RS_EXIT)
        return; /* no hypervisor here */
    past_step(3, RS_INSN);
    past_step(1, unit); /* so that the first position is a boundary */
    for (int i = 0; i <= n; i++) {
        at[i] = rs_position(past_machine);
        was[i] = past_hash();
        ck_assert_int_eq(past_step(1, unit), RS_DONE);
    }
    for (int i = n; i >= 0; i--) {
        past_back(1, unit);
        past_assert_at(at[i]);
        ck_assert_uint_eq(past_hash(), was[i]);
        ck_assert(rs_in_past(past_world));
    }
    past_step((uint64_t)n, unit);
    past_assert_at(at[n]);
    ck_assert_uint_eq(past_hash(), was[n]);
    past_back((uint64_t)n, unit);
    past_assert_at(at[0]);
    ck_assert_uint_eq(past_hash(), was[0]);
}
END_TEST

START_TEST(every_position_is_reached_by_seek)
{
    struct rs_position at[STEPS];
    uint64_t was[STEPS];
    for (int i = 0; i < STEPS; i++) {
        past_step(7, RS_MICRO);
        at[i] = rs_position(past_machine);
        was[i] = past_hash();
    }
    for (int i = 0; i < STEPS; i++) {
        int k = i * 37 % STEPS; /* forwards and backwards */
        past_seek(at[k]);
        past_assert_at(at[k]);
        ck_assert_uint_eq(past_hash(), was[k]);
    }
}
END_TEST

START_TEST(steps_run_on_over_ends_of_atoms)
{
    uint64_t one, many;
    for (int i = 0; i < 500; i++)
        past_step(1, RS_MICRO);
    one = past_hash();
    struct rs_position at = rs_position(past_machine);
    past_seek((struct rs_position){0, 0});
    past_step(500, RS_MICRO);
    many = past_hash();
    past_assert_at(at);
    ck_assert_uint_eq(one, many);
}
END_TEST

START_TEST(back_at_the_start_stays_there)
{
    static const uint64_t far[] = {100, UINT64_C(1) << 33, UINT64_C(1) << 62, UINT64_MAX};
    uint64_t start = past_hash();
    past_step(5, RS_INSN);
    past_back(far[_i / RS_UNITS], (enum rs_unit)(_i % RS_UNITS));
    past_assert_at((struct rs_position){0, 0});
    ck_assert_uint_eq(past_hash(), start);
}
END_TEST

START_TEST(undo_returns_to_where_each_move_began)
{
    past_step(100, RS_MICRO);
    uint64_t first = past_hash();
    past_step(11, RS_INSN);
    past_step(1, RS_MICRO);
    uint64_t second = past_hash();
    past_back(30, RS_MICRO);
    rs_begin_undo(past_world);
    past_go();
    ck_assert_uint_eq(past_hash(), second);
    for (int i = 0; i < 2; i++) {
        rs_begin_undo(past_world);
        past_go();
    }
    ck_assert_uint_eq(past_hash(), first);
}
END_TEST

START_TEST(cancelled_back_returns)
{
    past_step(900, RS_INSN);
    uint64_t was = past_hash();
    rs_begin_back(past_world, 5, RS_WALK);
    rs_continue(past_world, 10);
    rs_cancel(past_world);
    ck_assert_uint_eq(past_hash(), was);
}
END_TEST

/* ---- runs ---- */

START_TEST(run_ends_with_the_machine)
{
    rs_begin_run(past_world, UINT64_MAX);
    ck_assert_int_eq(past_go(), RS_HALTED);
    ck_assert_int_eq(rs_halt_status(past_machine), 7);
    ck_assert_str_eq(rs_halt_text(past_machine), "debug-exit with status 7");
    uint64_t halted = past_hash();
    past_back(200, RS_INSN);
    ck_assert(rs_halt_text(past_machine) == NULL);
    rs_begin_run(past_world, UINT64_MAX);
    ck_assert_int_eq(past_go(), RS_HALTED);
    ck_assert_uint_eq(past_hash(), halted);
}
END_TEST

/* The last atom halts the machine in its middle; from there one gets to its end by every unit. */
START_TEST(the_last_atom_can_be_stepped_to_its_end)
{
    static const enum rs_unit unit[] = {RS_CYCLE, RS_MICRO, RS_INSN};
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    struct rs_position end_of_run = rs_position(past_machine);
    uint64_t halted = past_hash();
    past_back(1, RS_MICRO);
    ck_assert_uint_gt(rs_position(past_machine).micro, 0);
    for (int i = 0; i < 9 && rs_position(past_machine).micro; i++)
        past_step(1, unit[_i]);
    past_assert_at(end_of_run);
    ck_assert_uint_eq(past_hash(), halted);
    ck_assert_int_eq(past_step(1, unit[_i]), RS_HALTED);
}
END_TEST

START_TEST(steps_of_no_length_stay)
{
    past_step(5, RS_INSN);
    ck_assert_int_eq(past_step(0, (enum rs_unit)_i), RS_DONE);
    past_assert_at((struct rs_position){5, 0});
}
END_TEST

START_TEST(cycle_limit_binds_every_way_forward)
{
    rs_set_max_cycles(past_world, 2000);
    ck_assert_int_eq(past_step(100000, (enum rs_unit)_i), RS_LIMIT);
    uint64_t stopped = rs_cycles(past_machine, 0);
    ck_assert_uint_lt(stopped, 3000);
    rs_begin_seek(past_world, (struct rs_position){100000, 0});
    ck_assert_int_eq(past_go(), RS_LIMIT);
    ck_assert_uint_lt(rs_cycles(past_machine, 0), 3000);
}
END_TEST

START_TEST(cycle_limit_stops_the_run)
{
    rs_set_max_cycles(past_world, 500);
    rs_begin_run(past_world, UINT64_MAX);
    ck_assert_int_eq(past_go(), RS_LIMIT);
    ck_assert_uint_ge(rs_cycles(past_machine, 0), 500);
}
END_TEST

/* ---- watchers ---- */

static int seen_new, seen_always;

static void count(const struct rs_event *event, void *arg)
{
    (void)event;
    ++*(int *)arg;
}

START_TEST(handlers_fire_once_for_each_new_event)
{
    seen_new = seen_always = 0;
    rs_watch(past_world, RS_PROBE_insn, false, count, &seen_new);
    rs_watch(past_world, RS_PROBE_insn, true, count, &seen_always);
    past_step(300, RS_INSN);
    ck_assert_int_eq(seen_new, 300);
    past_back(200, RS_INSN);
    past_step(150, RS_INSN);
    ck_assert_int_eq(seen_new, 300);
    ck_assert_int_gt(seen_always, 300);
    past_step(60, RS_INSN);
    ck_assert_int_eq(seen_new, 310);
}
END_TEST

static void stop_at(const struct rs_event *event, void *arg)
{
    if (event->field[2] == *(uint64_t *)arg)
        rs_stop_here(past_world);
}

START_TEST(a_handler_stops_the_run_at_its_micro)
{
    uint64_t third = 3;
    int id = rs_watch(past_world, RS_PROBE_walk_ref, false, stop_at, &third);
    rs_begin_run(past_world, UINT64_MAX);
    ck_assert_int_eq(past_go(), RS_STOPPED);
    const struct rs_walk *walk = rs_last_walk(past_machine, 0);
    ck_assert(walk && walk->valid && !walk->ended);
    ck_assert_uint_eq(walk->ref_count, 3);
    rs_unwatch(past_world, id);
    struct rs_position at = rs_position(past_machine);
    uint64_t was = past_hash();
    past_step(1, RS_MICRO);
    past_back(1, RS_MICRO);
    past_assert_at(at);
    ck_assert_uint_eq(past_hash(), was);
}
END_TEST

static void count_and_stop(const struct rs_event *event, void *arg)
{
    count(event, arg);
    rs_stop_here(past_world);
}

/* How often a handler hears of the reference, run by run, in slices that end no run. */
static int heard(rs_watcher *handler)
{
    int n = 0;
    rs_watch(past_world, RS_PROBE_walk_ref, false, handler, &n);
    do
        rs_begin_run(past_world, UINT64_MAX);
    while (rs_continue(past_world, 1000000) == RS_STOPPED);
    return n;
}

START_TEST(who_stops_at_each_event_misses_none)
{
    int unstopped = heard(count);
    past_end();
    past_boot();
    ck_assert_int_gt(unstopped, 4);
    ck_assert_int_eq(heard(count_and_stop), unstopped);
}
END_TEST

/* ---- inputs ---- */

START_TEST(inputs_are_part_of_the_past)
{
    size_t n;
    past_step(50, RS_INSN);
    past_type("a");
    past_step(60, RS_MICRO);
    past_type("bc");
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    uint64_t was = past_hash();
    ck_assert_int_eq(memcmp(rs_console(past_machine, 0, &n), "abc", 3), 0);
    ck_assert_uint_eq(n, 3);
    past_seek((struct rs_position){20, 0});
    rs_console(past_machine, 0, &n);
    ck_assert_uint_eq(n, 0);
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    ck_assert_uint_eq(past_hash(), was);
    ck_assert(!rs_log_was_cut(past_world));
}
END_TEST

START_TEST(an_input_in_the_past_cuts_the_future)
{
    size_t n;
    past_step(50, RS_INSN);
    past_type("a");
    past_step(200, RS_INSN);
    past_seek((struct rs_position){20, 0});
    past_type("x");
    ck_assert(rs_log_was_cut(past_world));
    ck_assert(!rs_in_past(past_world));
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    ck_assert_int_eq(memcmp(rs_console(past_machine, 0, &n), "x", 1), 0);
    ck_assert_uint_eq(n, 1);
}
END_TEST

/* What lay ahead is gone, so undo does not go there. */
START_TEST(undo_forgets_the_cut_future)
{
    past_step(10, RS_INSN);
    past_step(190, RS_INSN);
    past_seek((struct rs_position){20, 0});
    past_type("x");
    rs_begin_undo(past_world);
    past_go();
    past_assert_at((struct rs_position){10, 0});
}
END_TEST

START_TEST(a_poke_inside_an_atom_waits_for_its_end)
{
    uint8_t byte = 0x5a, read = 0;
    struct rs_error err;
    past_step(1, RS_MICRO);
    ck_assert_uint_gt(rs_position(past_machine).micro, 0);
    ck_assert_int_eq(rs_input_poke(past_machine, 0x300000, &byte, 1, &err), RS_OK);
    rs_read(past_machine, 0x300000, &read, 1);
    ck_assert_uint_eq(read, 0);
    past_step(1, RS_INSN);
    rs_read(past_machine, 0x300000, &read, 1);
    ck_assert_uint_eq(read, 0x5a);
    ck_assert_int_eq(rs_input_poke(past_machine, 4 << 20, &byte, 1, &err), RS_FAILED);
}
END_TEST

START_TEST(a_full_line_is_said)
{
    static char text[5000];
    struct rs_error err = {""};
    memset(text, 'x', sizeof text);
    ck_assert_int_eq(rs_input_console(past_machine, 0, text, sizeof text, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "do not fit") != NULL, "%s", err.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *moves = tcase_create("moves");
    tcase_add_checked_fixture(moves, past_boot, past_end);
    tcase_set_timeout(moves, 60);
    tcase_add_loop_test(moves, back_is_the_reverse_of_step, 0, RS_UNITS);
    tcase_add_test(moves, every_position_is_reached_by_seek);
    tcase_add_test(moves, steps_run_on_over_ends_of_atoms);
    tcase_add_loop_test(moves, back_at_the_start_stays_there, 0, 4 * RS_UNITS);
    tcase_add_test(moves, undo_returns_to_where_each_move_began);
    tcase_add_test(moves, cancelled_back_returns);
    tcase_add_test(moves, run_ends_with_the_machine);
    tcase_add_loop_test(moves, the_last_atom_can_be_stepped_to_its_end, 0, 3);
    tcase_add_loop_test(moves, steps_of_no_length_stay, 0, RS_UNITS);
    tcase_add_loop_test(moves, cycle_limit_binds_every_way_forward, 0, RS_UNITS);
    tcase_add_test(moves, cycle_limit_stops_the_run);
    tcase_add_test(moves, handlers_fire_once_for_each_new_event);
    tcase_add_test(moves, a_handler_stops_the_run_at_its_micro);
    tcase_add_test(moves, who_stops_at_each_event_misses_none);
    tcase_add_test(moves, inputs_are_part_of_the_past);
    tcase_add_test(moves, an_input_in_the_past_cuts_the_future);
    tcase_add_test(moves, undo_forgets_the_cut_future);
    tcase_add_test(moves, a_poke_inside_an_atom_waits_for_its_end);
    tcase_add_test(moves, a_full_line_is_said);
    suite_add_tcase(suite, moves);
    return suite_run(suite);
}
