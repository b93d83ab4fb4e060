/* gdb.c - what a face calls: see gdb.h. */
#include "gdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define PATIENCE_MILLISECONDS 100

struct gdb *gdb_open(uint16_t port, bool replay, struct rs_error *err)
{
    struct gdb *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    g->client = -1;
    g->replay = replay;
    g->stop.signal = SIGNAL_TRAP;
    if (server_listen(g, port, err) == RS_OK)
        return g;
    free(g);
    return NULL;
}

void gdb_scenario(struct gdb *g, struct scenario *s)
{
    g->scenario = s;
}

uint16_t gdb_port(const struct gdb *g)
{
    return g->port;
}

static void say_goodbye(struct gdb *g, int status)
{
    struct bytes text = {NULL, 0, 0};
    bytes_addf(&text, "W%02x", status & 255);
    if (g->client >= 0 && g->awaiting)
        session_reply_bytes(g, &text);
    bytes_free(&text);
    g->awaiting = false;
    server_flush(g);
}

void gdb_close(struct gdb *g, int status)
{
    if (!g)
        return;
    say_goodbye(g, status);
    server_hang_up(g);
    server_close(g);
    bytes_free(&g->unread);
    bytes_free(&g->out);
    bytes_free(&g->last);
    bytes_free(&g->note);
    free(g);
}

/* ---- what has come ---- */

static void meet_client(struct gdb *g)
{
    g->no_acks = g->knows_swbreak = g->knows_hwbreak = g->physical = g->awaiting = false;
    g->in.state = BETWEEN;
    registers_forget(g);
    if (g->replay)
        bytes_addf(&g->note,
                   "ringside: this run is a replay: what gdb writes to memory or registers is refused\n");
    g->core = g->step_core;
    if (g->control == MOVING)
        rs_cancel(g->w);
    if (g->control != HELD)
        motion_hold(g, (struct stop){.signal = SIGNAL_TRAP, .core = g->step_core});
}

static void acknowledge(struct gdb *g, char with)
{
    if (!g->no_acks)
        bytes_add(&g->out, &with, 1);
}

/* Without acknowledgements gdb still sends a - when it is tired of waiting: another answer would be taken for
 * that to its next packet. */
static void send_again(struct gdb *g)
{
    if (!g->no_acks)
        bytes_add(&g->out, g->last.at, g->last.n);
}

static void take(struct gdb *g, enum packet_event event)
{
    switch (event) {
    case PACKET_WHOLE:
        acknowledge(g, '+');
        session_packet(g, g->in.text, g->in.n);
        break;
    case PACKET_DAMAGED: acknowledge(g, '-'); break;
    case PACKET_NAK: send_again(g); break;
    case PACKET_INTERRUPT: motion_interrupt(g); break;
    default: break;
    }
}

static bool talks(const struct gdb *g)
{
    return g->control == HELD && !g->fresh;
}

/* A client that asks and does not read has its questions wait, or requests to send again would fill the
 * memory. */
static bool is_full(const struct gdb *g)
{
    return g->out.n >= OUT_MAX / 2;
}

/* While the machine goes, only an interrupt is heard: packets wait for their turn. */
static bool may_take(const struct gdb *g)
{
    return g->client >= 0 && !g->killed && !is_full(g) && (talks(g) || g->in.state == BETWEEN);
}

/* An interrupt behind packets that wait: it comes before them. */
static void overtake(struct gdb *g)
{
    size_t i = packet_find_interrupt(g->unread.at, g->unread.n);
    if (i == g->unread.n)
        return;
    memmove(g->unread.at + i, g->unread.at + i + 1, g->unread.n - i); /* with the 0 behind them */
    g->unread.n--;
    motion_interrupt(g);
}

static void take_unread(struct gdb *g)
{
    size_t i = 0;
    while (i < g->unread.n && may_take(g) && (talks(g) || g->unread.at[i] != '$'))
        take(g, packet_take(&g->in, (uint8_t)g->unread.at[i++]));
    if (g->client < 0)
        return;
    bytes_drop(&g->unread, i);
    if (!talks(g) && g->in.state == BETWEEN && g->unread.n)
        overtake(g);
}

/* ---- what faces call ---- */

static enum gdb_grip grip(const struct gdb *g)
{
    if (g->killed)
        return GDB_KILLED;
    return g->control == FREE ? GDB_FREE : GDB_HOLDS;
}

enum gdb_grip gdb_attend(struct gdb *g, rs_world *w, int fd)
{
    if (g->m != rs_world_machine(w, 0)) {
        g->w = w;
        g->m = rs_world_machine(w, 0);
        g->face = rs_position(g->m);
    }
    g->fresh = false;
    motion_look(g);
    bool idle = talks(g) && (g->unread.n == 0 || is_full(g));
    if (server_serve(g, idle ? PATIENCE_MILLISECONDS : 0, fd))
        meet_client(g);
    take_unread(g);
    if (g->control == MOVING)
        motion_go_on(g);
    server_flush(g);
    return grip(g);
}

bool gdb_ended(struct gdb *g, rs_world *w, const char *text, bool final, int status)
{
    struct rs_position now = g->m ? rs_position(g->m) : (struct rs_position){0, 0};
    bool told = g->told_end && now.atom == g->end.atom && now.micro == g->end.micro;
    if (g->client < 0 || !g->m || g->w != w)
        return false;
    if (told && final)
        say_goodbye(g, status);
    if (told)
        return false;
    g->told_end = true;
    g->end = now;
    session_note(g, text);
    struct stop stop = {.signal = SIGNAL_TRAP, .core = g->step_core};
    if (rs_halt_text(g->m))
        stop = (struct stop){.signal = SIGNAL_PWR, .core = rs_halt_core(g->m)};
    motion_hold(g, stop);
    return true;
}
