/* test_gdb.c - gdb's protocol: packets, points, and a debugger on a socket of this process. */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gdb/gdb.h"
#include "gdb/packet.h"
#include "gdb/points.h"
#include "lib/elf_image.h"
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

/* ------------------------------------------------------------------ a machine and a debugger */

enum { ENTRY = 0x100000, LOOP = 0x10000a, STORE = 0x10000d, REP = 0x100018, END = 0x100022 };

/* 100 turns, each with a load, a store, a push and a pop; REP STOSB of 10; debug-exit 3. */
static const uint8_t program[] = {
    0xb9, 0x64, 0x00, 0x00, 0x00, /*     mov ecx, 100 */
    0xbf, 0x00, 0x00, 0x20, 0x00, /*     mov edi, 0x200000 */
    0x48, 0x8b, 0x07,             /* L:  mov rax, [rdi] */
    0x48, 0x89, 0x0f,             /* S:  mov [rdi], rcx */
    0x50,                         /*     push rax */
    0x5b,                         /*     pop rbx */
    0xff, 0xc9,                   /*     dec ecx */
    0x75, 0xf4,                   /*     jnz L */
    0xb1, 0x0a,                   /*     mov cl, 10 */
    0xf3, 0xaa,                   /* R:  rep stosb */
    0x31, 0xc0,                   /*     xor eax, eax */
    0x90, 0x90,                   /*     nop; nop */
    0x66, 0x87, 0xdb,             /*     xchg bx, bx */
    0x90,                         /*     nop */
    0xb0, 0x03,                   /* E:  mov al, 3 */
    0xe6, 0xf4,                   /*     out 0xf4, al */
};

static rs_world *world;
static rs_machine *machine;
static struct gdb *server;
static int client;
static char image[256];

static void boot(void)
{
    const struct elf_segment segment = {ENTRY, program, sizeof program};
    struct rs_config config;
    struct rs_error err = {""};
    world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = 4 << 20;
    machine = rs_machine_new(world, &config, &err);
    ck_assert_msg(machine != NULL, "%s", err.text);
    ck_assert(elf_image_temporary(image, ENTRY, &segment, 1));
    struct rs_boot how = {.path = image, .cmdline = "program"};
    ck_assert_msg(rs_boot(machine, &how, &err) == RS_OK, "%s", err.text);
}

static void end(void)
{
    rs_world_free(world);
    unlink(image);
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(gdb_port(server))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void attach(void)
{
    struct rs_error err = {""};
    server = gdb_open(0, false, &err);
    ck_assert_msg(server != NULL, "%s", err.text);
    client = dial();
    ck_assert_int_eq(gdb_attend(server, world, -1), GDB_HOLDS);
    in.state = BETWEEN;
}

static void hang_up(void)
{
    close(client);
    gdb_close(server, 0);
}

/* One turn of a face like `exec`.  False: the debugger has ended the run. */
static bool turn(void)
{
    static bool under_way;
    enum gdb_grip grip = gdb_attend(server, world, client);
    if (grip != GDB_FREE) {
        under_way = false;
        return grip != GDB_KILLED;
    }
    if (!under_way)
        rs_begin_run(world, UINT64_MAX);
    enum rs_why why = rs_continue(world, 37);
    under_way = why == RS_SLICE;
    if (why != RS_SLICE && why != RS_STOPPED)
        gdb_ended(server, world, "the end", true, rs_halt_status(machine));
    return true;
}

static void say(const char *text, size_t n)
{
    struct bytes out = {NULL, 0, 0};
    packet_put(&out, text, n);
    ck_assert_int_eq(send(client, out.at, out.n, MSG_NOSIGNAL), (int)out.n);
    bytes_free(&out);
}

/* The next packet from the server, which is waited for by running the machine. */
static const char *hear(void)
{
    uint8_t byte;
    for (int patience = 0; patience < 100000; patience++) {
        while (recv(client, &byte, 1, 0) == 1)
            if (packet_take(&in, byte) == PACKET_WHOLE)
                return in.text;
        turn();
    }
    ck_abort_msg("no answer");
}

static const char *ask(const char *text)
{
    say(text, strlen(text));
    return hear();
}

#define ASK(text, want) ck_assert_str_eq(ask(text), (want))

static uint64_t reg(const char *name)
{
    uint64_t value = 0;
    ck_assert_int_eq(rs_reg(machine, 0, name, &value), RS_OK);
    return value;
}

static struct outcome {
    uint64_t cycles, hash;
} undisturbed;

static void run_undisturbed(void)
{
    boot();
    rs_begin_run(world, UINT64_MAX);
    while (rs_continue(world, 1000) == RS_SLICE)
        continue;
    undisturbed = (struct outcome){rs_cycles(machine, 0), rs_hash(world, RS_HASH_ALL)};
    end();
}

static void assert_undisturbed(void)
{
    ck_assert(rs_halt_text(machine) != NULL);
    ck_assert_uint_eq(rs_cycles(machine, 0), undisturbed.cycles);
    ck_assert_uint_eq(rs_hash(world, RS_HASH_ALL), undisturbed.hash);
}

START_TEST(breakpoints_stop_before_the_instruction_and_cost_nothing)
{
    run_undisturbed();
    boot();
    attach();
    ASK("qSupported:swbreak+;hwbreak+",
        "PacketSize=4000;QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;"
        "ReverseStep+;ReverseContinue+;swbreak+;hwbreak+;vContSupported+");
    ASK("Z0,10000d,1", "OK");
    for (uint64_t i = 100; i >= 1; i--) {
        ASK("c", "T05thread:1;swbreak:;");
        ck_assert_uint_eq(reg("rip"), STORE);
        ck_assert_uint_eq(reg("rcx"), i);
        ASK(i % 2 ? "s" : "vCont;s:1;c", "T05thread:1;");
        ck_assert_uint_eq(reg("rip"), STORE + 3);
    }
    ASK("Z1,100018,1", "OK");
    ASK("c", "T05thread:1;hwbreak:;");
    ck_assert_uint_eq(reg("rip"), REP);
    ASK("Z0,100022,1", "OK");
    ASK("c", "T05thread:1;swbreak:;"); /* not at each iteration */
    ck_assert_uint_eq(reg("rip"), END);
    ck_assert_str_eq(ask("c"), "O72696e67736964653a2074686520656e640a"); /* "ringside: the end\n" */
    ck_assert_str_eq(hear(), "T20thread:1;");
    assert_undisturbed();
    ASK("c", "W07");
    hang_up();
    end();
}
END_TEST

START_TEST(reverse_goes_the_same_way)
{
    run_undisturbed();
    boot();
    attach();
    ASK("Z0,10000d,1", "OK");
    ASK("Z0,100022,1", "OK");
    while (reg("rip") != END)
        ASK("c", "T05thread:1;");
    for (uint64_t i = 1; i <= 100; i++) {
        ASK("bc", "T05thread:1;");
        ck_assert_uint_eq(reg("rip"), STORE);
        ck_assert_uint_eq(reg("rcx"), i);
    }
    ASK("bc", "T05thread:1;replaylog:begin;");
    ASK("bs", "T05thread:1;replaylog:begin;");
    ck_assert_uint_eq(rs_position(machine).atom, 0);
    for (int i = 0; i < 100; i++)
        ASK("c", "T05thread:1;");
    ASK("bs", "T05thread:1;");
    ck_assert_uint_eq(reg("rip"), LOOP);
    ASK("c", "T05thread:1;");
    ASK("c", "T05thread:1;");
    ck_assert_uint_eq(reg("rip"), END);
    ASK("D", "OK");
    close(client);
    while (!rs_halt_text(machine))
        turn();
    assert_undisturbed();
    gdb_close(server, 0);
    end();
}
END_TEST

START_TEST(watchpoints)
{
    run_undisturbed();
    boot();
    attach();
    ASK("Z2,200004,1", "OK"); /* the store is of 8 bytes at 0x200000 */
    ASK("c", "T05thread:1;watch:200004;");
    ck_assert_uint_eq(reg("rip"), STORE + 3);
    ASK("bc", "T05thread:1;watch:200004;");
    ck_assert_uint_eq(reg("rip"), STORE);
    ASK("z2,200004,1", "OK");
    ASK("Z3,200000,8", "OK");
    ASK("c", "T05thread:1;rwatch:200000;");
    ck_assert_uint_eq(reg("rip"), STORE);
    ck_assert_uint_eq(reg("rcx"), 99);
    ASK("z3,200000,8", "OK");
    ASK("Z4,1fff0,10", "OK"); /* push, then pop */
    ASK("c", "T05thread:1;awatch:1fff0;");
    ck_assert_uint_eq(reg("rip"), STORE + 4);
    ASK("c", "T05thread:1;awatch:1fff0;");
    ck_assert_uint_eq(reg("rip"), STORE + 5);
    ASK("z4,1fff0,10", "OK");
    ASK("Z2,0,0", "E16");
    ASK("Z5,0,1", "");
    ck_assert_str_eq(ask("c"), "O72696e67736964653a2074686520656e640a");
    hear();
    assert_undisturbed();
    hang_up();
    end();
}
END_TEST

/* Forward to each of these points in turn, then back by the same. */
static void there_and_back(const char *const *stop, const uint64_t *rip, int n)
{
    uint64_t before[8];
    for (int i = 0; i < n; i++) {
        ASK("c", stop[i]);
        before[i] = rs_position(machine).atom;
    }
    for (int i = n - 1; i >= 0; i--) {
        ASK("bc", stop[i]);
        ck_assert_uint_eq(reg("rip"), rip[i]);
        ck_assert_uint_eq(rs_position(machine).atom, before[i] - (strstr(stop[i], "watch") != NULL));
    }
    ASK("bc", "T05thread:1;replaylog:begin;");
}

START_TEST(on_the_way_back_each_point_has_its_name)
{
    static const char store[] = "T05thread:1;watch:200000;", push[] = "T05thread:1;watch:1fff0;",
                      stands[] = "T05thread:1;hwbreak:;";
    boot();
    attach();
    ASK("qSupported:hwbreak+", "PacketSize=4000;QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;"
                               "ReverseStep+;ReverseContinue+;swbreak+;hwbreak+;vContSupported+");
    ASK("Z2,200000,8", "OK");
    ASK("Z2,1fff0,10", "OK");
    there_and_back((const char *const[]){store, push, store, push},
                   (const uint64_t[]){STORE, STORE + 3, STORE, STORE + 3}, 4);
    ASK("z2,1fff0,10", "OK");
    ASK("Z1,100011,1", "OK"); /* pop */
    there_and_back((const char *const[]){store, stands, store}, (const uint64_t[]){STORE, STORE + 4, STORE},
                   3);
    hang_up();
    end();
}
END_TEST

START_TEST(ranges_and_replies)
{
    boot();
    attach();
    ASK("vCont?", "vCont;c;C;s;S;t;r");
    ASK("vCont;r100000,10000a:1", "T05thread:1;");
    ck_assert_uint_eq(reg("rip"), LOOP);
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
    ASK("M3fffff,2:a1b2", "E0e");
    ASK("m3fffff,1", "00");
    ASK("p10", "0a00100000000000"); /* rip */
    ASK("p18", "xxxxxxxxxxxxxxxxxxxx");
    ASK("pff", "E16");
    ASK("P0=efcdab8967452301", "OK");
    ck_assert_uint_eq(reg("rax"), 0x0123456789abcdef);
    ASK("P0=ef", "E.the machine has no such register");
    ASK("qqemu.PhyMemMode", "0");
    ASK("QStartNoAckMode", "OK");
    hang_up();
    end();
}
END_TEST

START_TEST(all_registers_come_and_go)
{
    boot();
    attach();
    char *all = NULL;
    ASK("s", "T05thread:1;");
    const char *text = ask("g");
    ck_assert_int_eq(strncmp(text, "02b0ad2b00000000", 16), 0);
    all = malloc(strlen(text) + 2);
    sprintf(all, "G%s", text);
    uint64_t hash = rs_hash(world, RS_HASH_ALL);
    ASK(all, "OK"); /* nothing changes, nothing is an input */
    ck_assert_uint_eq(rs_hash(world, RS_HASH_ALL), hash);
    ck_assert(!rs_log_was_cut(world));
    all[1] = all[1] == '0' ? '1' : '0';
    ASK(all, "OK");
    ck_assert_uint_ne(rs_hash(world, RS_HASH_ALL), hash);
    free(all);
    hang_up();
    end();
}
END_TEST

START_TEST(damage_is_asked_for_again)
{
    boot();
    attach();
    char byte;
    ck_assert_int_eq(send(client, "$qC#00", 6, MSG_NOSIGNAL), 6);
    turn();
    ck_assert_int_eq(recv(client, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, '-');
    ASK("qC", "QC1");
    ck_assert_int_eq(send(client, "-", 1, MSG_NOSIGNAL), 1);
    ck_assert_str_eq(hear(), "QC1");
    hang_up();
    end();
}
END_TEST

START_TEST(without_acknowledgements_nothing_is_sent_again)
{
    boot();
    attach();
    ASK("QStartNoAckMode", "OK");
    ASK("qC", "QC1");
    ck_assert_int_eq(send(client, "-", 1, MSG_NOSIGNAL), 1);
    ASK("qsThreadInfo", "l");
    hang_up();
    end();
}
END_TEST

/* A monitor command, in hexadecimal. */
static const char *monitor(const char *text)
{
    struct bytes hex = {NULL, 0, 0};
    static char packet[512];
    bytes_add_hex(&hex, text, strlen(text));
    snprintf(packet, sizeof packet, "qRcmd,%s", hex.at);
    bytes_free(&hex);
    return packet;
}

/* What it says, as text. */
static const char *monitored(const char *text)
{
    static char said[8192];
    size_t n = 0, some;
    for (const char *reply = ask(monitor(text)); strcmp(reply, "OK") != 0; reply = hear()) {
        ck_assert_int_eq(reply[0], 'O');
        ck_assert(hex_bytes(reply + 1, (uint8_t *)said + n, sizeof said - 1 - n, &some));
        n += some;
    }
    said[n] = 0;
    return said;
}

/* The program's first instruction becomes a loop without end. */
static void stay_for_ever(void)
{
    ASK("M100000,2:ebfe", "OK");
}

START_TEST(a_long_command_shows_that_it_works)
{
    boot();
    attach();
    stay_for_ever();
    for (int unit = 0; unit < 2; unit++) {
        const char *long_way =
            monitor(unit ? "step 18446744073709551615 micro" : "step 18446744073709551615");
        say(long_way, strlen(long_way));
        turn();
        nanosleep(&(struct timespec){1, 100000000}, NULL);
        turn();
        ck_assert_str_eq(hear(), "O");
        ck_assert_int_eq(send(client, "\3", 1, MSG_NOSIGNAL), 1);
        while (strcmp(hear(), "OK") != 0)
            ck_assert_int_eq(in.text[0], 'O');
        ck_assert_uint_gt(rs_position(machine).atom, 0);
    }
    hang_up();
    end();
}
END_TEST

START_TEST(moving_inside_atoms_costs_more_of_a_slice)
{
    static const enum rs_unit units[] = {RS_CYCLE, RS_MICRO};
    boot();
    attach();
    stay_for_ever();
    for (int i = 0; i < 2; i++) {
        uint64_t from = rs_position(machine).atom;
        rs_begin_step(world, 1000000, units[i]);
        ck_assert_int_eq(rs_continue(world, 10000), RS_SLICE);
        ck_assert_uint_le(rs_position(machine).atom - from, 100);
        rs_cancel(world);
    }
    hang_up();
    end();
}
END_TEST

START_TEST(a_client_that_is_lost_on_the_way_does_not_hold)
{
    boot();
    attach();
    stay_for_ever();
    say("c", 1);
    while (rs_position(machine).atom < 600000)
        turn();
    ck_assert_int_eq(send(client, "\3", 1, MSG_NOSIGNAL), 1);
    ck_assert_str_eq(hear(), "T02thread:1;");
    monitored("goto A:0");
    ASK("Z0,100022,1", "OK"); /* each instruction is looked at */
    say("c", 1);
    while (rs_position(machine).atom == 0)
        turn();
    ck_assert(rs_in_past(world));
    close(client);
    for (int i = 0; i < 100 && rs_in_past(world); i++)
        turn();
    ck_assert(!rs_in_past(world));
    gdb_close(server, 0);
    end();
}
END_TEST

START_TEST(a_new_client_hears_no_old_news)
{
    boot();
    attach();
    ASK("Z2,200000,8", "OK");
    ASK("c", "T05thread:1;watch:200000;");
    ASK("?", "T05thread:1;watch:200000;");
    monitored("step 3");
    ASK("?", "T05thread:1;");
    ASK("c", "T05thread:1;watch:200000;");
    close(client);
    turn();
    client = dial();
    ASK("?", "T05thread:1;");
    hang_up();
    end();
}
END_TEST

START_TEST(one_debugger_at_a_time)
{
    boot();
    attach();
    char byte;
    int second = dial();
    turn();
    turn();
    fcntl(second, F_SETFL, 0);
    ck_assert_int_eq(recv(second, &byte, 1, 0), 0);
    close(second);
    ASK("qC", "QC1");
    say("c", 1);
    turn();
    close(client); /* in mid-run: it runs on */
    while (!rs_halt_text(machine))
        turn();
    client = dial(); /* and is held when the next one comes */
    ASK("?", "T05thread:1;");
    ASK("bs", "T05thread:1;");
    hang_up();
    end();
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
    (void)!send(client, out.at, out.n, MSG_NOSIGNAL);
    bytes_free(&out);
}

/* False: the server has hung up. */
static bool drain(void)
{
    char bytes[4096];
    ssize_t n;
    while ((n = recv(client, bytes, sizeof bytes, 0)) > 0)
        continue;
    return n < 0;
}

/* A new client, now and then a new machine. */
static void begin_anew(bool machine_too)
{
    hang_up();
    if (machine_too) {
        end();
        boot();
    }
    attach();
}

START_TEST(nonsense_neither_crashes_nor_hangs)
{
    random_state = 0x9e3779b97f4a7c15u + (uint64_t)_i;
    ck_assert(freopen("/dev/null", "w", stderr) != NULL);
    boot();
    attach();
    for (int i = 0; i < 2000; i++) {
        send_nonsense();
        bool alive = turn();
        bool open = drain();
        if (!alive || random_below(200) == 0)
            begin_anew(random_below(4) == 0);
        else if (!open || random_below(100) == 0) { /* gone without a word */
            close(client);
            client = dial();
        }
    }
    begin_anew(false);
    ASK("qC", "QC1");
    hang_up();
    end();
}
END_TEST

int main(void)
{
    TCase *packets = tcase_create("packets"), *session = tcase_create("session");
    Suite *s = suite_create("gdb");
    suite_add_tcase(s, packets);
    tcase_add_test(packets, a_packet_comes_whole);
    tcase_add_test(packets, sums_are_checked);
    tcase_add_test(packets, single_bytes_count_between_packets_only);
    tcase_add_test(packets, what_is_put_is_taken);
    tcase_add_test(packets, what_is_too_long_is_refused);
    tcase_add_test(packets, hexadecimal);
    tcase_add_test(packets, points_cover_what_they_say);
    suite_add_tcase(s, session);
    tcase_set_timeout(session, 120);
    tcase_add_test(session, breakpoints_stop_before_the_instruction_and_cost_nothing);
    tcase_add_test(session, reverse_goes_the_same_way);
    tcase_add_test(session, watchpoints);
    tcase_add_test(session, ranges_and_replies);
    tcase_add_test(session, all_registers_come_and_go);
    tcase_add_test(session, damage_is_asked_for_again);
    tcase_add_test(session, on_the_way_back_each_point_has_its_name);
    tcase_add_test(session, without_acknowledgements_nothing_is_sent_again);
    tcase_add_test(session, a_long_command_shows_that_it_works);
    tcase_add_test(session, moving_inside_atoms_costs_more_of_a_slice);
    tcase_add_test(session, a_client_that_is_lost_on_the_way_does_not_hold);
    tcase_add_test(session, a_new_client_hears_no_old_news);
    tcase_add_test(session, one_debugger_at_a_time);
    tcase_add_loop_test(session, nonsense_neither_crashes_nor_hangs, 0, 4);
    return suite_run(s);
}
