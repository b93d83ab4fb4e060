/* test_gdb_session.c - what a debugger asks and is told, clients that come and go, and nonsense. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gdb/session.h"
#include "lib/suite.h"
#include "lib/talk.h"

START_TEST(ranges_and_replies)
{
    talk_boot(1);
    talk_attach();
    ASK("vCont?", "vCont;c;C;s;S;t;r");
    ASK("vCont;r100000,10000a:1", "T05thread:1;");
    ck_assert_uint_eq(talk_reg("rip"), TALK_LOOP);
    ASK("vCont;t:1", "T05thread:1;");
    ASK("vMustReplyEmpty", "");
    ASK("qC", "QC1");
    ASK("qfThreadInfo", "m1");
    ASK("qsThreadInfo", "l");
    ASK("qAttached", "1");
    ASK("qSymbol::", "OK");
    ASK("Hg1", "OK");
    ASK("Hg2", "E16");
    ASK("T1", "OK");
    ASK("T0", "E16");
    ASK("m100000,4", "b9640000");
    ASK("m3ffffe,8", "0000");
    ASK("m400000,8", "E0e");
    ASK("m100000", "E16");
    ASK("M200000,2:a1b2", "OK");
    ASK("m200000,2", "a1b2");
    ASK("M200000,2:a1", "E16");
    ASK("M3fffff,2:a1b2", "E.not all of these addresses are mapped to RAM");
    ASK("m3fffff,1", "00");
    ASK("p10", "0a00100000000000"); /* rip */
    ASK("p18", "xxxxxxxxxxxxxxxxxxxx");
    ASK("pff", "E16");
    ASK("P0=efcdab8967452301", "OK");
    ck_assert_uint_eq(talk_reg("rax"), 0x0123456789abcdef);
    ASK("P0=ef", "E.the machine has no such register");
    ASK("qqemu.PhyMemMode", "0");
    ASK("QStartNoAckMode", "OK");
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(all_registers_come_and_go)
{
    talk_boot(1);
    talk_attach();
    char *all = NULL;
    ASK("s", "T05thread:1;");
    const char *text = talk_ask("g");
    ck_assert_int_eq(strncmp(text, "02b0ad2b00000000", 16), 0);
    all = malloc(strlen(text) + 2);
    sprintf(all, "G%s", text);
    uint64_t hash = rs_hash(talk.world, RS_HASH_ALL);
    ASK(all, "OK"); /* nothing changes, nothing is an input */
    ck_assert_uint_eq(rs_hash(talk.world, RS_HASH_ALL), hash);
    ck_assert(!rs_log_was_cut(talk.world));
    all[1] = all[1] == '0' ? '1' : '0';
    ASK(all, "OK");
    ck_assert_uint_ne(rs_hash(talk.world, RS_HASH_ALL), hash);
    free(all);
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(what_is_no_set_of_registers_is_refused)
{
    char text[256] = "G";
    talk_boot(1);
    talk_attach();
    for (int i = 1; i < 30; i++)
        text[i] = i < 16 ? '0' : 'q';
    ASK(text, "E.rax: '000000000000000q' is no hexadecimal number");
    ASK("G00", "E.the packet ends inside a register");
    ASK("Gxxxxxxxxxxxxxxxx", "OK");
    ck_assert_uint_eq(talk_reg("rax"), 0x2badb002);
    talk_hang_up();
    talk_end();
}
END_TEST

/* The core's clock, as gdb numbers it. */
#define CYCLES "3d"

START_TEST(what_cannot_be_set_takes_back_what_it_said)
{
    char back[64];
    talk_boot(1);
    talk_attach();
    snprintf(back, sizeof back, "P" CYCLES "=%s", talk_ask("p" CYCLES));
    ASK("s", "T05thread:1;");
    uint64_t hash = rs_hash(talk.world, RS_HASH_ALL);
    ASK(back, "OK");
    ASK("P" CYCLES "=0500000000000000", "E.cycles cannot be set");
    ASK("P2b=0100000000000000", "E.cr0 cannot be set from outside: only general registers, rip, rflags, "
                                "fs_base, gs_base, kernel_gs_base and cr2 can");
    ck_assert_uint_eq(rs_hash(talk.world, RS_HASH_ALL), hash);
    ck_assert_uint_gt(rs_cycles(talk.machine, 0), 0);
    close(talk.client); /* another debugger has been told nothing */
    talk_turn();
    talk.client = talk_dial();
    ASK(back, "E.cycles cannot be set");
    talk_hang_up();
    talk_end();
}
END_TEST

static uint64_t table_below(uint64_t table)
{
    uint64_t entry = 0;
    ck_assert_int_eq(rs_read(talk.machine, table, &entry, sizeof entry), RS_OK);
    return entry & 0xffffffffff000;
}

START_TEST(a_write_is_whole_whatever_it_overwrites)
{
    static char text[32 + 0x1001];
    uint8_t last = 1;
    talk_boot(1);
    talk_attach();
    uint64_t directory = table_below(table_below(talk_reg("cr3")));
    ASK("M15000,1:01", "OK");
    ck_assert_uint_eq(directory, 0x14000); /* it maps itself, and what is behind it */
    size_t n = (size_t)snprintf(text, sizeof text, "X14000,1001:");
    talk_say(text, n + 0x1001);
    ck_assert_str_eq(talk_hear(), "OK");
    ck_assert(rs_read(talk.machine, directory + 0x1000, &last, 1) == RS_OK && last == 0);
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(a_position_inside_its_atom_or_not)
{
    talk_boot(1);
    talk_attach();
    ck_assert_ptr_ne(strstr(talk_monitored("goto A:3.1"), "at A:3.1, cycle"), NULL);
    ck_assert_ptr_eq(strstr(talk_monitored("goto A:3.1"), "fewer"), NULL);
    const char *said = talk_monitored("goto A:3.9999");
    ck_assert_ptr_ne(strstr(said, "atom 3 has fewer than 9999 micros: stopped at its end\nat A:4, cycle"),
                     NULL);
    ck_assert_ptr_eq(strstr(talk_monitored("step 3"), "fewer"), NULL);
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(damage_is_asked_for_again)
{
    talk_boot(1);
    talk_attach();
    char byte;
    ck_assert_int_eq(send(talk.client, "$qC#00", 6, MSG_NOSIGNAL), 6);
    talk_turn();
    ck_assert_int_eq(recv(talk.client, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, '-');
    ASK("qC", "QC1");
    ck_assert_int_eq(send(talk.client, "-", 1, MSG_NOSIGNAL), 1);
    ck_assert_str_eq(talk_hear(), "QC1");
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(without_acknowledgements_nothing_is_sent_again)
{
    talk_boot(1);
    talk_attach();
    ASK("QStartNoAckMode", "OK");
    ASK("qC", "QC1");
    ck_assert_int_eq(send(talk.client, "-", 1, MSG_NOSIGNAL), 1);
    ASK("qsThreadInfo", "l");
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(who_does_not_read_fills_no_memory)
{
    static char naks[60000];
    talk_boot(1);
    talk_attach();
    talk_say("m100000,1ff0", 12);
    memset(naks, '-', sizeof naks);
    ck_assert_int_eq(send(talk.client, naks, sizeof naks, MSG_NOSIGNAL), sizeof naks);
    for (int i = 0; i < 50; i++)
        talk_turn();
    ck_assert_uint_ge(talk.server->out.n, OUT_MAX / 2);
    ck_assert_uint_le(talk.server->out.room, 4 * OUT_MAX);
    for (int i = 0; i < 100; i++) /* and it goes on when it reads */
        talk_hear();
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(a_new_client_hears_no_old_news)
{
    talk_boot(1);
    talk_attach();
    ASK("Z2,200000,8", "OK");
    ASK("c", "T05thread:1;watch:200000;");
    ASK("?", "T05thread:1;watch:200000;");
    talk_monitored("step 3");
    ASK("?", "T05thread:1;");
    ASK("c", "T05thread:1;watch:200000;");
    close(talk.client);
    talk_turn();
    talk.client = talk_dial();
    ASK("?", "T05thread:1;");
    talk_hang_up();
    talk_end();
}
END_TEST

START_TEST(one_debugger_at_a_time)
{
    talk_boot(1);
    talk_attach();
    char byte;
    int second = talk_dial();
    talk_turn();
    talk_turn();
    fcntl(second, F_SETFL, 0);
    ck_assert_int_eq(recv(second, &byte, 1, 0), 0);
    close(second);
    ASK("qC", "QC1");
    talk_say("c", 1);
    talk_turn();
    close(talk.client); /* in mid-run: it runs on */
    while (!rs_halt_text(talk.machine))
        talk_turn();
    talk.client = talk_dial(); /* and is held when the next one comes */
    ASK("?", "T05thread:1;");
    ASK("bs", "T05thread:1;");
    talk_hang_up();
    talk_end();
}
END_TEST

/* ------------------------------------------------------------------ nonsense */

static uint64_t random_state;

static unsigned random_below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % n);
}

static const char *const seeds[] = {
    "?",
    "g",
    "G0011",
    "p10",
    "P0=0123456789abcdef",
    "m100000,10",
    "M200000,2:abcd",
    "X200000,2:ab",
    "Z0,10000d,1",
    "z0,10000d,1",
    "Z2,200000,8",
    "Z4,0,ffffffffffffffff",
    "s",
    "c",
    "S05",
    "C05",
    "vCont;s:1;c",
    "vCont;r100000,100020:1",
    "vCont?",
    "bs",
    "bc",
    "Hg1",
    "Hc-1",
    "T1",
    "qC",
    "qSupported:swbreak+;xmlRegisters=i386",
    "qfThreadInfo",
    "qThreadExtraInfo,1",
    "qXfer:features:read:target.xml:0,fff",
    "qXfer:threads:read::0,fff",
    "Qqemu.PhyMemMode:1",
    "qRcmd,68656c70",
    "qRcmd,6261636b2033206d6963726f" /* back 3 micro */,
    "qRcmd,73746570203520637963" /* step 5 cyc */,
    "qRcmd,676f746f20413a3530" /* goto A:50 */,
    "qRcmd,77616c6b20307831303030303020722063616368" /* walk ... */,
    "qRcmd,746c62",
    "qRcmd,766d6373",
    "qRcmd,70687973203020313030303030303030" /* phys 0 100000000 */,
    "D",
    "vKill;1",
    "k",
};

/* A packet of the list with some of its bytes changed, its sum right or not. */
static void send_nonsense(void)
{
    char text[128];
    struct bytes out = {NULL, 0, 0};
    unsigned which = random_below(sizeof seeds / sizeof *seeds);
    size_t n = (size_t)snprintf(text, sizeof text, "%s", seeds[which]);
    for (unsigned i = random_below(4); i > 0; i--)
        text[random_below((unsigned)n)] =
            (char)(random_below(3) ? ' ' + random_below(95) : random_below(256));
    packet_put(&out, text, random_below(8) ? n : random_below((unsigned)n + 1));
    if (random_below(16) == 0)
        out.at[random_below((unsigned)out.n)] = (char)random_below(256);
    for (unsigned i = random_below(8) ? 0 : random_below(40); i > 0; i--)
        bytes_add(&out, (char[]){(char)random_below(256)}, 1);
    bytes_add(&out, "\3", 1);
    (void)!send(talk.client, out.at, out.n, MSG_NOSIGNAL);
    bytes_free(&out);
}

/* False: the server has hung up. */
static bool drain(void)
{
    char bytes[4096];
    ssize_t n;
    while ((n = recv(talk.client, bytes, sizeof bytes, 0)) > 0)
        continue;
    return n < 0;
}

/* A new client, now and then a new machine. */
static void begin_anew(bool machine_too)
{
    talk_hang_up();
    if (machine_too) {
        talk_end();
        talk_boot(1);
    }
    talk_attach();
}

START_TEST(nonsense_neither_crashes_nor_hangs)
{
    random_state = 0x9e3779b97f4a7c15u + (uint64_t)_i;
    ck_assert(freopen("/dev/null", "w", stderr) != NULL);
    talk_boot(1);
    talk_attach();
    for (int i = 0; i < 2000; i++) {
        send_nonsense();
        bool alive = talk_turn();
        bool open = drain();
        if (!alive || random_below(200) == 0)
            begin_anew(random_below(4) == 0);
        else if (!open || random_below(100) == 0) { /* gone without a word */
            close(talk.client);
            talk.client = talk_dial();
        }
    }
    begin_anew(false);
    ASK("qC", "QC1");
    talk_hang_up();
    talk_end();
}
END_TEST

int main(void)
{
    TCase *session = tcase_create("session");
    Suite *s = suite_create("gdb_session");
    suite_add_tcase(s, session);
    tcase_set_timeout(session, 120);
    tcase_add_test(session, ranges_and_replies);
    tcase_add_test(session, all_registers_come_and_go);
    tcase_add_test(session, what_is_no_set_of_registers_is_refused);
    tcase_add_test(session, what_cannot_be_set_takes_back_what_it_said);
    tcase_add_test(session, a_write_is_whole_whatever_it_overwrites);
    tcase_add_test(session, a_position_inside_its_atom_or_not);
    tcase_add_test(session, damage_is_asked_for_again);
    tcase_add_test(session, without_acknowledgements_nothing_is_sent_again);
    tcase_add_test(session, who_does_not_read_fills_no_memory);
    tcase_add_test(session, a_new_client_hears_no_old_news);
    tcase_add_test(session, one_debugger_at_a_time);
    tcase_add_loop_test(session, nonsense_neither_crashes_nor_hangs, 0, 4);
    return suite_run(s);
}
