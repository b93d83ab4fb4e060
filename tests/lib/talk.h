/* talk.h - a machine with a small program, gdb's server for it, and a debugger on a socket of this process.
 */
#ifndef TESTS_LIB_TALK_H
#define TESTS_LIB_TALK_H

#include <check.h>

#include "gdb/gdb.h"
#include "gdb/packet.h"

/* Addresses in the program: 100 turns of LOOP, then REP STOSB of 10, then debug-exit with 3. */
enum {
    TALK_ENTRY = 0x100000,
    TALK_LOOP = 0x10000a,
    TALK_STORE = 0x10000d,
    TALK_REP = 0x100018,
    TALK_END = 0x100022
};

extern struct talk {
    rs_world *world;
    rs_machine *machine;
    struct gdb *server;
    int client;
    struct packet_in in;
} talk;

/* A machine that stands before the program, of which core 1 runs it; the others wait for SIPI. */
void talk_boot(uint64_t cores);
void talk_end(void);
/* A server for it, and a client, which it has met. */
void talk_attach(void);
void talk_hang_up(void);
/* One more client; its socket. */
int talk_dial(void);

/* One turn of a face like `exec`.  False: the debugger has ended the run. */
bool talk_turn(void);
/* A packet to the server. */
void talk_say(const char *text, size_t n);
/* The next packet from the server, which is waited for by running the machine. */
const char *talk_hear(void);
const char *talk_ask(const char *text);
/* A monitor command as a packet. */
const char *talk_monitor(const char *text);
/* What it says. */
const char *talk_monitored(const char *text);

/* A register of core 1. */
uint64_t talk_reg(const char *name);

#define ASK(text, want) ck_assert_str_eq(talk_ask(text), (want))

#endif
