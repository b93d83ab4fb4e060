/* talk.c - see talk.h. */
#include "lib/talk.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/elf_image.h"

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

struct talk talk;
static char image[256];

void talk_boot(uint64_t cores)
{
    const struct elf_segment segment = {TALK_ENTRY, program, sizeof program};
    struct rs_config config;
    struct rs_error err = {""};
    talk.world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = 4 << 20;
    config.cores = cores;
    talk.machine = rs_machine_new(talk.world, &config, &err);
    ck_assert_msg(talk.machine != NULL, "%s", err.text);
    ck_assert(elf_image_temporary(image, TALK_ENTRY, &segment, 1));
    struct rs_boot how = {.path = image, .cmdline = "program"};
    ck_assert_msg(rs_boot(talk.machine, &how, &err) == RS_OK, "%s", err.text);
}

void talk_end(void)
{
    rs_world_free(talk.world);
    unlink(image);
}

int talk_dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(gdb_port(talk.server))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

void talk_attach(void)
{
    struct rs_error err = {""};
    talk.server = gdb_open(0, false, &err);
    ck_assert_msg(talk.server != NULL, "%s", err.text);
    talk.client = talk_dial();
    ck_assert_int_eq(gdb_attend(talk.server, talk.world, -1), GDB_HOLDS);
    talk.in.state = BETWEEN;
}

void talk_hang_up(void)
{
    close(talk.client);
    gdb_close(talk.server, 0);
}

bool talk_turn(void)
{
    static bool under_way;
    enum gdb_grip grip = gdb_attend(talk.server, talk.world, talk.client);
    if (grip != GDB_FREE) {
        under_way = false;
        return grip != GDB_KILLED;
    }
    if (!under_way)
        rs_begin_run(talk.world, UINT64_MAX);
    enum rs_why why = rs_continue(talk.world, 37);
    under_way = why == RS_SLICE;
    if (why != RS_SLICE && why != RS_STOPPED)
        gdb_ended(talk.server, talk.world, "the end", true, rs_halt_status(talk.machine));
    return true;
}

void talk_say(const char *text, size_t n)
{
    struct bytes out = {NULL, 0, 0};
    packet_put(&out, text, n);
    ck_assert_int_eq(send(talk.client, out.at, out.n, MSG_NOSIGNAL), (int)out.n);
    bytes_free(&out);
}

const char *talk_hear(void)
{
    uint8_t byte;
    for (int patience = 0; patience < 100000; patience++) {
        while (recv(talk.client, &byte, 1, 0) == 1)
            if (packet_take(&talk.in, byte) == PACKET_WHOLE)
                return talk.in.text;
        talk_turn();
    }
    ck_abort_msg("no answer");
}

const char *talk_ask(const char *text)
{
    talk_say(text, strlen(text));
    return talk_hear();
}

uint64_t talk_reg(const char *name)
{
    uint64_t value = 0;
    ck_assert_int_eq(rs_reg(talk.machine, 0, name, &value), RS_OK);
    return value;
}

const char *talk_monitor(const char *text)
{
    struct bytes hex = {NULL, 0, 0};
    static char packet[512];
    bytes_add_hex(&hex, text, strlen(text));
    snprintf(packet, sizeof packet, "qRcmd,%s", hex.at);
    bytes_free(&hex);
    return packet;
}

const char *talk_monitored(const char *text)
{
    static char said[8192];
    size_t n = 0, some;
    for (const char *reply = talk_ask(talk_monitor(text)); strcmp(reply, "OK") != 0; reply = talk_hear()) {
        ck_assert_int_eq(reply[0], 'O');
        ck_assert(hex_bytes(reply + 1, (uint8_t *)said + n, sizeof said - 1 - n, &some));
        n += some;
    }
    said[n] = 0;
    return said;
}
