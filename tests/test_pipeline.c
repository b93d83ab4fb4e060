/* test_pipeline.c - the machine's cycles against the ticking model, on 100,000 random sequences.
 *
 * A program is a run of 95 sequences: on the bare machine, with exceptions, interrupts and ring 3 in between,
 * or in a guest with a hypervisor; with the parameters of a preset, or with odd ones.  The same program then
 * runs once more at full speed, without anyone looking, and must end at the same cycle with the same
 * counters.
 */
#include "lib/suite.h"
#include "tick/pair.h"
#include "tick/settings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEQUENCES = 95, ITEMS = 8, PROGRAMS = 30 /* a test */, TESTS = 12 /* a kind, and parameters */ };

struct setting {
    struct rs_params *params;
    char text[2048];
};

static void set_preset(struct setting *s, u64 seed)
{
    struct rs_error err;
    size_t presets = 0;
    while (rs_preset_name(presets))
        presets++;
    ck_assert_uint_gt(presets, 0);
    const char *name = rs_preset_name(seed % presets);
    ck_assert_msg(rs_params_preset(s->params, name, &err) == RS_OK, "%s", err.text);
    snprintf(s->text, sizeof s->text, " %s", name);
}

static void compare(enum program_kind kind, u64 seed, bool odd)
{
    static struct program p;
    static struct pair r;
    struct setting s = {.params = rs_params_new()};
    program_make(&p, kind, seed, SEQUENCES, ITEMS);
    if (odd)
        settings_random(s.params, &p, s.text);
    else
        set_preset(&s, seed);
    pair_run(&r, &p, s.params);
    bool agrees = pair_agrees(&r);
    ck_assert_msg(agrees, "program %d %llu differs; parameters:%s", kind, (unsigned long long)seed, s.text);
    ck_assert_msg(pair_again(&r, s.params), "program %d %llu ends elsewhere at full speed; parameters:%s",
                  kind, (unsigned long long)seed, s.text);
    pair_end(&r);
    rs_params_free(s.params);
}

static void compare_some(enum program_kind kind, int test)
{
    for (int i = 0; i < PROGRAMS; i++)
        compare(kind, (u64)(test * PROGRAMS + i + 1), test % 2);
}

START_TEST(plain_programs)
{
    compare_some(PROGRAM_PLAIN, _i);
}
END_TEST

START_TEST(programs_with_events)
{
    compare_some(PROGRAM_EVENTS, _i);
}
END_TEST

START_TEST(guests)
{
    compare_some(PROGRAM_GUEST, _i);
}
END_TEST

_Static_assert(3 * TESTS * PROGRAMS * SEQUENCES > 100000, "so many sequences are promised");

int main(void)
{
    Suite *s = suite_create("pipeline");
    TCase *model = tcase_create("model");
    tcase_set_timeout(model, 240);
    tcase_add_loop_test(model, plain_programs, 0, TESTS);
    tcase_add_loop_test(model, programs_with_events, 0, TESTS);
    tcase_add_loop_test(model, guests, 0, TESTS);
    suite_add_tcase(s, model);
    return suite_run(s);
}
