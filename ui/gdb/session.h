/* session.h - what the parts of ui/gdb share: one debugger, and where it and the machine stand. */
#ifndef GDB_SESSION_H
#define GDB_SESSION_H

#include "gdb.h"
#include "packet.h"
#include "points.h"

#define TOLD_WORDS ((size_t)1 << 14)
#define OUT_MAX    ((size_t)1 << 22) /* a client that reads nothing is sent nothing more, and gets lost */

/* Numbers of gdb's signals (include/gdb/signals.def in its sources). */
enum signal_number {
    SIGNAL_NONE = 0,
    SIGNAL_INT = 2,
    SIGNAL_TRAP = 5,
    SIGNAL_ABRT = 6,
    SIGNAL_XCPU = 24,
    SIGNAL_PWR = 32
};

/* Why the machine stands. */
struct stop {
    int signal;
    uint32_t core;
    bool at_point; /* at this one: */
    struct point point;
    bool begin; /* at the start of the run: there is no earlier past */
};

enum control {
    HELD,  /* the machine stands */
    FREE,  /* the face moves it */
    MOVING /* this side moves it: enum journey */
};

/* What this side moves it for. */
enum journey {
    CATCH_UP,    /* forward to where the face's movement stands */
    TO_THE_FACE, /* the last micros of that, or a detour from beyond */
    REVERSE_STEP,
    REVERSE_RUN,
    BY_MONITOR /* a monitor command's movement: its reply follows */
};

/* What runs are watched for. */
struct lookout {
    int id[3];
    size_t ids;
    bool stepping; /* one core: stop when it is outside of low..high-1 after an atom */
    uint32_t core;
    uint64_t low, high;
    bool asleep;               /* it began in HLT: go on until it wakes */
    struct rs_position quiet;  /* nothing stops at or before this */
    bool back;                 /* searching the past: name places, do not stop */
    struct rs_position origin; /* going back: where it began, or the last step did */
    bool touched;              /* a watchpoint, in the atom under way: */
    struct point point;
    bool stopped; /* stop has been made */
    struct stop stop;
};

struct gdb {
    int listener, client; /* -1: none */
    uint16_t port;
    bool replay;

    struct bytes unread, out, last; /* last: the packet to send again if it was damaged */
    struct packet_in in;
    bool no_acks, knows_swbreak, knows_hwbreak, physical;
    bool awaiting; /* the debugger waits for a stop reply */
    bool killed;
    bool fresh; /* held since a moment ago: the face must hear of it first */

    struct scenario *scenario; /* that has made the world, or NULL */
    rs_world *w;
    rs_machine *m;
    uint32_t core;      /* whose registers and memory are meant (Hg) */
    uint32_t step_core; /* which core s steps (Hc, vCont), and a stop is of that no core has made */
    enum control control;
    enum journey journey;
    struct rs_position face; /* where the face's movement stands */
    uint64_t clock;          /* REVERSE_STEP: the core's, before it */
    bool told_end;           /* the end of the run was told at this position */
    struct rs_position end;
    struct stop stop;
    struct lookout look;
    struct points points;
    struct rs_position asked;  /* of the last monitor goto; micro 0: told, or an atom's start */
    long heard;                /* BY_MONITOR: in which second the debugger was last sent something */
    struct bytes note;         /* lines for the debugger's console, with the next stop or command */
    uint64_t told[TOLD_WORDS]; /* a bit per hash of a register's value that the debugger has been told */
};

static inline bool before(struct rs_position a, struct rs_position b)
{
    return a.atom < b.atom || (a.atom == b.atom && a.micro < b.micro);
}

/* ---- session.c: packets in and out ---- */

void session_reply(struct gdb *g, const char *text);
void session_reply_bytes(struct gdb *g, const struct bytes *b);
/* A line for the debugger's console and stderr. */
void session_note(struct gdb *g, const char *text);
/* Sends what text there is to the debugger's console. */
void session_console(struct gdb *g, struct bytes *text);
/* Does what a packet asks for. */
void session_packet(struct gdb *g, const char *text, size_t n);
void session_stop_reply(struct gdb *g);

/* ---- query.c ---- */

void session_query(struct gdb *g, const char *text);

/* ---- registers.c ---- */

/* The target description, with the registers in their order. */
void registers_describe(struct bytes *xml);
void registers_get_all(struct gdb *g, struct bytes *hex);
bool registers_get(struct gdb *g, unsigned number, struct bytes *hex);
/* One that cannot be set takes a value that the debugger has been told of it, without effect. */
enum rs_status registers_set(struct gdb *g, unsigned number, const uint8_t *value, size_t n,
                             struct rs_error *err);
enum rs_status registers_set_all(struct gdb *g, const char *hex, struct rs_error *err);
/* A new debugger has been told nothing. */
void registers_forget(struct gdb *g);

/* ---- memory.c ---- */

/* As many of n bytes as can be read; 0 if the first cannot. */
size_t memory_read(struct gdb *g, uint64_t address, uint8_t *bytes, size_t n);
/* n: up to PACKET_MAX. */
enum rs_status memory_write(struct gdb *g, uint64_t address, const uint8_t *bytes, size_t n,
                            struct rs_error *err);
/* After an input: where the face stands if that is no longer in the run, and a word to the user. */
void memory_input_made(struct gdb *g);
/* Inputs are possible now. */
enum rs_status memory_may_change(struct gdb *g, struct rs_error *err);

/* ---- motion.c ---- */

void motion_hold(struct gdb *g, struct stop stop);
/* The machine goes on: as look.stepping says, or freely. */
void motion_resume(struct gdb *g);
void motion_reverse(struct gdb *g, bool step);
/* A movement of the world for a monitor command has begun. */
void motion_by_monitor(struct gdb *g);
/* Carries on what this side moves. */
void motion_go_on(struct gdb *g);
void motion_interrupt(struct gdb *g);
/* If a point has stopped the face's movement: holds. */
void motion_look(struct gdb *g);
/* The debugger has gone: its points with it.  resume: the machine runs on. */
void motion_forget(struct gdb *g, bool resume);

/* ---- monitor.c ---- */

void monitor_command(struct gdb *g, const char *line);
/* The movement that a command asked for is over. */
void monitor_moved(struct gdb *g, enum rs_why why);
/* What a core does that does not run: "halted", "waits for SIPI", "shut down"; "" of one that does. */
const char *core_rests(const struct gdb *g, uint32_t core);

/* ---- server.c: the sockets ---- */

enum rs_status server_listen(struct gdb *g, uint16_t port, struct rs_error *err);
/* Waits up to `milliseconds` for something to come; takes a new client, reads and writes. True if a client
 * came. */
bool server_serve(struct gdb *g, int milliseconds, int fd);
void server_flush(struct gdb *g);
void server_hang_up(struct gdb *g);
void server_close(struct gdb *g);

#endif
