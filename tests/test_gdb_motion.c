/* test_gdb_motion.c - a debugger moves the machine: breakpoints, watchpoints, steps, forward and back. */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/suite.h"
#include "lib/talk.h"

static struct outcome {
    uint64_t cycles, hash;
} undisturbed;

static void run_undisturbed(void)
{
    talk_boot(1);
    rs_begin_run(talk.world, UINT64_MAX);
    while (rs_continue(talk.world, 1000) == RS_SLICE)
        continue;
    undisturbed = (struct outcome){rs_cycles(talk.machine, 0), rs_hash(talk.world, RS_HASH_ALL)};
    talk_end();
}

static void assert_undisturbed(void)
{
    ck_assert(rs_halt_text(talk.machine) != NULL);
    ck_assert_uint_eq(rs_cycles(talk.machine, 0), undisturbed.cycles);
    ck_assert_uint_eq(rs_hash(talk.world, RS_HASH_ALL), undisturbed.hash);
}

START_TEST(breakpoints_stop_before_the_instruction_and_cost_nothing)
{
    run_undisturbed();
    talk_boot(1);
    talk_attach();
    ASK("qSupported:swbreak+;hwbreak+",
        "PacketSize=4000;QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;"
        "ReverseStep+;ReverseContinue+;swbreak+;hwbreak+;vContSupported+");
    ASK("Z0,10000d,1", "OK");
    for (uint64_t i = 100; i >= 1; i--) {
        ASK("c", "T05thread:1;swbreak:;");
        ck_assert_uint_eq(talk_reg("rip"), TALK_STORE);
        ck_assert_uint_eq(talk_reg("rcx"), i);
        ASK(i % 2 ? "s" : "vCont;s:1;c", "T05thread:1;");
        ck_assert_uint_eq(talk_reg("rip"), TALK_STORE + 3);
    }
    ASK("Z1,100018,1", "OK");
    ASK("c", "T05thread:1;hwbreak:;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_REP);
    ASK("Z0,100022,1", "OK");
    ASK("c", "T05thread:1;swbreak:;"); /* not at each iteration */
    ck_assert_uint_eq(talk_reg("rip"), TALK_END);
    ck_assert_str_eq(talk_ask("c"), "O72696e67736964653a2074686520656e640a"); /* "ringside: the end\n" */
    ck_assert_str_eq(talk_hear(), "T20thread:1;");
    assert_undisturbed();
    ASK("c", "W07");
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(reverse_goes_the_same_way)
{
    run_undisturbed();
    talk_boot(1);
    talk_attach();
    ASK("Z0,10000d,1", "OK");
    ASK("Z0,100022,1", "OK");
    while (talk_reg("rip") != TALK_END)
        ASK("c", "T05thread:1;");
    for (uint64_t i = 1; i <= 100; i++) {
        ASK("bc", "T05thread:1;");
        ck_assert_uint_eq(talk_reg("rip"), TALK_STORE);
        ck_assert_uint_eq(talk_reg("rcx"), i);
    }
    ASK("bc", "T05thread:1;replaylog:begin;");
    ASK("bs", "T05thread:1;replaylog:begin;");
    ck_assert_uint_eq(rs_position(talk.machine).atom, 0);
    for (int i = 0; i < 100; i++)
        ASK("c", "T05thread:1;");
    ASK("bs", "T05thread:1;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_LOOP);
    ASK("c", "T05thread:1;");
    ASK("c", "T05thread:1;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_END);
    ASK("D", "OK");
    close(talk.client);
    while (!rs_halt_text(talk.machine))
        talk_turn();
    assert_undisturbed();
    gdb_close(talk.server, 0);
    talk_end();
}
END_TEST

START_TEST(watchpoints)
{
    run_undisturbed();
    talk_boot(1);
    talk_attach();
    ASK("Z2,200004,1", "OK"); /* the store is of 8 bytes at 0x200000 */
    ASK("c", "T05thread:1;watch:200004;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_STORE + 3);
    ASK("bc", "T05thread:1;watch:200004;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_STORE);
    ASK("z2,200004,1", "OK");
    ASK("Z3,200000,8", "OK");
    ASK("c", "T05thread:1;rwatch:200000;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_STORE);
    ck_assert_uint_eq(talk_reg("rcx"), 99);
    ASK("z3,200000,8", "OK");
    ASK("Z4,1fff0,10", "OK"); /* push, then pop */
    ASK("c", "T05thread:1;awatch:1fff0;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_STORE + 4);
    ASK("c", "T05thread:1;awatch:1fff0;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_STORE + 5);
    ASK("z4,1fff0,10", "OK");
    ASK("Z2,0,0", "E16");
    ASK("Z5,0,1", "");
    ck_assert_str_eq(talk_ask("c"), "O72696e67736964653a2074686520656e640a");
    talk_hear();
    assert_undisturbed();
    talk_hang_up();
    talk_end();
}
END_TEST

/* Forward to each of these points in turn, then back by the same. */
static void there_and_back(const char *const *stop, const uint64_t *rip, int n)
{
    uint64_t before[8];
    for (int i = 0; i < n; i++) {
        ASK("c", stop[i]);
        before[i] = rs_position(talk.machine).atom;
    }
    for (int i = n - 1; i >= 0; i--) {
        ASK("bc", stop[i]);
        ck_assert_uint_eq(talk_reg("rip"), rip[i]);
        ck_assert_uint_eq(rs_position(talk.machine).atom, before[i] - (strstr(stop[i], "watch") != NULL));
    }
    ASK("bc", "T05thread:1;replaylog:begin;");
}

START_TEST(on_the_way_back_each_point_has_its_name)
{
    static const char store[] = "T05thread:1;watch:200000;", push[] = "T05thread:1;watch:1fff0;",
                      stands[] = "T05thread:1;hwbreak:;";
    talk_boot(1);
    talk_attach();
    ASK("qSupported:hwbreak+", "PacketSize=4000;QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;"
                               "ReverseStep+;ReverseContinue+;swbreak+;hwbreak+;vContSupported+");
    ASK("Z2,200000,8", "OK");
    ASK("Z2,1fff0,10", "OK");
    there_and_back((const char *const[]){store, push, store, push},
                   (const uint64_t[]){TALK_STORE, TALK_STORE + 3, TALK_STORE, TALK_STORE + 3}, 4);
    ASK("z2,1fff0,10", "OK");
    ASK("Z1,100011,1", "OK"); /* pop */
    there_and_back((const char *const[]){store, stands, store},
                   (const uint64_t[]){TALK_STORE, TALK_STORE + 4, TALK_STORE}, 3);
    talk_hang_up();
    talk_end();
}
END_TEST

/* The program's first instruction becomes a loop without end. */
static void stay_for_ever(void)
{
    ASK("M100000,2:ebfe", "OK");
}

START_TEST(a_long_command_shows_that_it_works)
{
    talk_boot(1);
    talk_attach();
    stay_for_ever();
    for (int unit = 0; unit < 2; unit++) {
        const char *long_way =
            talk_monitor(unit ? "step 18446744073709551615 micro" : "step 18446744073709551615");
        talk_say(long_way, strlen(long_way));
        talk_turn();
        nanosleep(&(struct timespec){1, 100000000}, NULL);
        talk_turn();
        ck_assert_str_eq(talk_hear(), "O");
        ck_assert_int_eq(send(talk.client, "\3", 1, MSG_NOSIGNAL), 1);
        while (strcmp(talk_hear(), "OK") != 0)
            ck_assert_int_eq(talk.in.text[0], 'O');
        ck_assert_uint_gt(rs_position(talk.machine).atom, 0);
    }
    talk_hang_up();
    talk_end();
}
END_TEST

static void interrupt(const char *want)
{
    talk_turn();
    ck_assert_int_eq(send(talk.client, "\3", 1, MSG_NOSIGNAL), 1);
    ck_assert_str_eq(talk_hear(), want);
}

/* Hg says whose registers are meant, and that alone. */
START_TEST(a_stop_is_of_the_core_that_was_chosen)
{
    talk_boot(2);
    talk_attach();
    stay_for_ever();
    ASK("Hg2", "OK");
    talk_say("c", 1);
    interrupt("T02thread:1;");
    ASK("Hg2", "OK");
    ASK("bc", "T05thread:1;replaylog:begin;");
    ASK("Hg2", "OK");
    talk_monitored("step 3");
    ASK("?", "T05thread:1;");
    talk_say("vCont;s:2;c", 11); /* which waits for SIPI */
    interrupt("T02thread:2;");
    ASK("Hc1", "OK");
    talk_say("c", 1);
    interrupt("T02thread:1;");
    talk_say("vCont;c:2", 9);
    interrupt("T02thread:2;");
    ASK("Hc1", "OK");
    ASK("Hg2", "OK");
    close(talk.client);
    talk_turn();
    talk.client = talk_dial();
    ASK("?", "T05thread:1;");
    ck_assert_int_eq(strncmp(talk_ask("p10"), "0000100000000000", 16), 0);
    rs_set_max_cycles(talk.world, rs_now(talk.machine) + 100000);
    ASK("Hg2", "OK");
    ck_assert_int_eq(talk_ask("c")[0], 'O');
    ck_assert_str_eq(talk_hear(), "T05thread:1;");
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(an_interrupt_comes_before_what_waits)
{
    static const char behind[] = "$qC#b4$X200000,1:\3#14\3";
    talk_boot(1);
    talk_attach();
    stay_for_ever();
    talk_say("c", 1);
    talk_turn();
    ck_assert_int_eq(send(talk.client, behind, sizeof behind - 1, MSG_NOSIGNAL), sizeof behind - 1);
    ck_assert_str_eq(talk_hear(), "T02thread:1;");
    ck_assert_str_eq(talk_hear(), "QC1");
    ck_assert_str_eq(talk_hear(), "OK");
    ASK("m200000,1", "03");
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(moving_inside_atoms_costs_more_of_a_slice)
{
    static const enum rs_unit units[] = {RS_CYCLE, RS_MICRO};
    talk_boot(1);
    talk_attach();
    stay_for_ever();
    for (int i = 0; i < 2; i++) {
        uint64_t from = rs_position(talk.machine).atom;
        rs_begin_step(talk.world, 1000000, units[i]);
        ck_assert_int_eq(rs_continue(talk.world, 10000), RS_SLICE);
        ck_assert_uint_le(rs_position(talk.machine).atom - from, 100);
        rs_cancel(talk.world);
    }
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(a_client_that_is_lost_on_the_way_does_not_hold)
{
    talk_boot(1);
    talk_attach();
    stay_for_ever();
    talk_say("c", 1);
    while (rs_position(talk.machine).atom < 600000)
        talk_turn();
    ck_assert_int_eq(send(talk.client, "\3", 1, MSG_NOSIGNAL), 1);
    ck_assert_str_eq(talk_hear(), "T02thread:1;");
    talk_monitored("goto A:0");
    ASK("Z0,100022,1", "OK"); /* each instruction is looked at */
    talk_say("c", 1);
    while (rs_position(talk.machine).atom == 0)
        talk_turn();
    ck_assert(rs_in_past(talk.world));
    close(talk.client);
    for (int i = 0; i < 100 && rs_in_past(talk.world); i++)
        talk_turn();
    ck_assert(!rs_in_past(talk.world));
    gdb_close(talk.server, 0);
    talk_end();
}
END_TEST

int main(void)
{
    TCase *motion = tcase_create("motion");
    Suite *s = suite_create("gdb_motion");
    suite_add_tcase(s, motion);
    tcase_set_timeout(motion, 120);
    tcase_add_test(motion, breakpoints_stop_before_the_instruction_and_cost_nothing);
    tcase_add_test(motion, reverse_goes_the_same_way);
    tcase_add_test(motion, watchpoints);
    tcase_add_test(motion, on_the_way_back_each_point_has_its_name);
    tcase_add_test(motion, a_long_command_shows_that_it_works);
    tcase_add_test(motion, a_stop_is_of_the_core_that_was_chosen);
    tcase_add_test(motion, an_interrupt_comes_before_what_waits);
    tcase_add_test(motion, moving_inside_atoms_costs_more_of_a_slice);
    tcase_add_test(motion, a_client_that_is_lost_on_the_way_does_not_hold);
    return suite_run(s);
}
