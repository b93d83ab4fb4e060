/* test_past.c - pasts that cannot be run again: of a machine that was changed by other ways than inputs. */
#include <check.h>

#include "lib/bare.h"
#include "lib/suite.h"

static struct bare b;

/* Some atoms of a program that was put in by hand: the start of the run knows nothing of it. */
static void run_some(void)
{
    static const char code[] = "\x48\x8b\x00" /* mov rax, [rax] */
                               "\x31\xc0"     /* xor eax, eax */
                               "\xeb\xf9";    /* jmp to the start */
    bare_open(&b, 0);
    BARE_INSN(&b, code);
    rs_begin_step(b.world, 50, RS_INSN);
    ck_assert_int_eq(rs_continue(b.world, 1000), RS_DONE);
    ck_assert_uint_eq(rs_position(b.machine).atom, 50);
}

START_TEST(back_comes_to_an_end)
{
    enum rs_why why = RS_SLICE;
    run_some();
    rs_begin_back(b.world, 5, (enum rs_unit)_i);
    for (int slices = 0; slices < 100 && why == RS_SLICE; slices++)
        why = rs_continue(b.world, 100);
    ck_assert_int_ne(why, RS_SLICE);
    bare_close(&b);
}
END_TEST

START_TEST(a_search_comes_to_an_end)
{
    enum rs_why why = RS_SLICE;
    run_some();
    rs_begin_search_back(b.world);
    for (int slices = 0; slices < 100 && why == RS_SLICE; slices++)
        why = rs_continue(b.world, 100);
    ck_assert_int_ne(why, RS_SLICE);
    bare_close(&b);
}
END_TEST

START_TEST(parameters_begin_a_run)
{
    struct rs_error err;
    run_some();
    struct rs_params *params = rs_params_of(b.machine);
    ck_assert_msg(rs_params_set(params, "event_cycles", 9, &err) == RS_OK, "%s", err.text);
    ck_assert_int_eq(rs_set_params(b.machine, params, &err), RS_OK);
    rs_begin_back(b.world, 5, RS_INSN);
    ck_assert_int_eq(rs_continue(b.world, 1000), RS_DONE);
    ck_assert_uint_eq(rs_position(b.machine).atom, 50);
    rs_params_free(params);
    bare_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("past");
    TCase *t = tcase_create("past");
    tcase_add_loop_test(t, back_comes_to_an_end, 0, RS_UNITS);
    tcase_add_test(t, a_search_comes_to_an_end);
    tcase_add_test(t, parameters_begin_a_run);
    suite_add_tcase(s, t);
    return suite_run(s);
}
