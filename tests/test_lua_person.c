/* test_lua_person.c - a person moves the world between a script's movements: the script notices nothing. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/script.h"
#include "lib/suite.h"

#define ATOMS_A_SLICE 37
#define STOPS         20 /* a step that is stopped is made again as a whole */

static void wait_for_world(void)
{
    while (rs_continue(scenario_world(scenario), 50000) == RS_SLICE)
        continue;
}

/* What a person may do, in turn. */
static void meddle(unsigned way)
{
    rs_world *w = scenario_world(scenario);
    switch (way % 6) {
    case 0: rs_begin_run(w, UINT64_MAX); break;
    case 1: rs_begin_back(w, 3, RS_MICRO); break;
    case 2: rs_begin_step(w, 1000, RS_MICRO); break;
    case 3: rs_begin_undo(w); break;
    case 4: rs_begin_step(w, 700, RS_INSN); break;
    case 5: rs_begin_step(w, 3, RS_WALK); break;
    }
    wait_for_world();
}

/* Runs a script to its end.  ways: how many things the person does at each stop, from the first on; 0: none.
 * stop_every: slices after which she interrupts a movement, 0: never. */
static void run(const char *text, unsigned first, unsigned ways, unsigned stop_every)
{
    const struct scenario_options options = {.interactive = true, .seed = 1};
    struct rs_error err;
    script_write(text);
    scenario = scenario_load(script_path, &options, &err);
    unlink(script_path);
    ck_assert_msg(scenario != NULL, "%s", err.text);
    unsigned slices = 0, stops = 0;
    while (scenario_state(scenario) != SCENARIO_FINISHED) {
        if (scenario_advance(scenario, ATOMS_A_SLICE) == SCENARIO_FAILED)
            break;
        if (stop_every && ++slices % stop_every == 0 && stops++ < STOPS)
            scenario_interrupt(scenario);
        if (scenario_state(scenario) != SCENARIO_PAUSED)
            continue;
        for (unsigned i = 0; i < ways; i++)
            meddle(first + i);
        scenario_continue(scenario);
    }
    ck_assert_msg(!scenario_error(scenario), "%s", scenario_error(scenario));
}

/* All that has been said, to be freed. */
static char *narration(void)
{
    struct scenario_line line;
    char *all = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&all, &n);
    for (size_t i = 0; scenario_line(scenario, i, &line); i++)
        fprintf(file, "%d %s\n", line.kind, line.text);
    fclose(file);
    return all;
}

static void undisturbed(const char *text)
{
    run(text, 0, 0, 0);
    char *want = narration();
    script_tear_down();
    for (unsigned i = 0; i < 12; i++) {
        run(text, i, 1 + i % 3, i % 4 ? 5 * (i % 4) + 2 : 0);
        char *got = narration();
        ck_assert_str_eq(got, want);
        free(got);
        script_tear_down();
    }
    free(want);
}

#define LESSON \
    SCRIPT_BARE "local function tell(...) say(('%s '):rep(select('#', ...)), ...) end local n, walks = 0, " \
                "0 "
#define COUNTS "tell(h.position, h.cycles, n, walks, h:hash()) "

START_TEST(handlers)
{
    undisturbed(LESSON "h:on('insn', function() n = n + 1 end) h:run(1000) " COUNTS
                       "pause('1') h:on('walk.end', function(e) walks = walks + 1 tell(e.atom, e.micro) end) "
                       "h:run(500) " COUNTS "pause('2') h:step(1) " COUNTS
                       "pause('3') tell(h:run_until('insn').atom) h:step(50, 'micro') " COUNTS
                       "pause('4') h:step(1, 'walk') " COUNTS "h:back(20) " COUNTS
                       "pause('5') h:expect('64-bit') " COUNTS "pause('6') h:step(1, 'cycle') " COUNTS
                       "pause('7') h:run() " COUNTS "check(walks > 0, 'some')");
}
END_TEST

START_TEST(handlers_are_called)
{
    run(SCRIPT_BARE
        "local n = 0 h:run(1000) pause('here') h:on('insn', function() n = n + 1 end) h:run(1000) "
        "say('seen: %d', n) check(n > 0, 'some')",
        0, 1, 0);
    ck_assert_uint_eq(scenario_checks(scenario, true), 1);
}
END_TEST

START_TEST(undo)
{
    undisturbed(
        LESSON
        "h:run(5000) pause('1') tell(h:undo()) " COUNTS
        "h:run(5000) pause('2') h:run(2000) h:step(10) h:step(7, 'micro') pause('3') tell(h:undo()) " COUNTS
        "pause('4') tell(h:undo()) " COUNTS "tell(h:undo()) " COUNTS "pause('5') tell(h:undo()) " COUNTS
        "tell(h:undo()) h:run(3000) h:back(5) pause('6') "
        "tell(h:undo()) " COUNTS "h:expect('64-bit') pause('7') tell(h:undo()) " COUNTS);
}
END_TEST

START_TEST(inputs)
{
    undisturbed(LESSON "h:on('input', function(e) n = n + 1 tell(e.atom, e.kind) end) "
                       "h:run(3000) pause('1') h:write(0x200000, 'abc') " COUNTS
                       "h:run(2000) pause('2') h:write(0x200000, 'abd') h:back(10) pause('3') "
                       "tell(h:run_until('insn').atom) "
                       "h:write(0x200000, 'abe') " COUNTS "h:run(4000) " COUNTS);
}
END_TEST

/* A person's undo goes on from where the script has moved to, and takes nothing from it. */
START_TEST(undo_of_a_person)
{
    const struct scenario_options options = {.interactive = true};
    struct rs_error err;
    script_write(SCRIPT_BARE
                 "h:run(1000) h:run(1000) pause('here') say(h:undo() or 'start') say(h.position)");
    scenario = scenario_load(script_path, &options, &err);
    unlink(script_path);
    while (scenario_advance(scenario, 1000) == SCENARIO_MOVING)
        continue;
    rs_machine *m = rs_world_machine(scenario_world(scenario), 0);
    uint64_t here = rs_position(m).atom;
    rs_begin_undo(scenario_world(scenario));
    wait_for_world();
    uint64_t before = rs_position(m).atom;
    ck_assert(before > 0 && before < here);
    rs_begin_undo(scenario_world(scenario));
    wait_for_world();
    ck_assert_uint_eq(rs_position(m).atom, 0);
    scenario_continue(scenario);
    while (scenario_advance(scenario, 1000) == SCENARIO_MOVING)
        continue;
    ck_assert(script_told("done"));
    ck_assert_uint_eq(rs_position(m).atom, before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lua person");
    TCase *tests = tcase_create("person");
    tcase_add_checked_fixture(tests, script_set_up, script_tear_down);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, handlers);
    tcase_add_test(tests, handlers_are_called);
    tcase_add_test(tests, undo);
    tcase_add_test(tests, inputs);
    tcase_add_test(tests, undo_of_a_person);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
