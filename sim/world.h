/* world.h - the world from inside: its machine, watchers, history and the movement under way. */
#ifndef RINGSIDE_WORLD_H
#define RINGSIDE_WORLD_H

#include "files.h"
#include "history.h"
#include "machine.h"
#include "trail.h"

#define WATCHERS_MAX 256

struct watcher {
    int id; /* 0: free */
    enum rs_probe probe;
    bool always, script; /* script: rs_watch_script */
    rs_watcher *fn;
    void *arg;
};

/* What rs_continue is carrying on; world.c has one function a kind. */
enum movement_kind { MOVE_NONE, MOVE_RUN, MOVE_STEP, MOVE_BACK, MOVE_SEEK };

struct movement {
    enum movement_kind kind;
    enum rs_unit unit;
    bool started, aimed; /* aimed: the search is over, target is known */
    bool search, landed; /* back to where rs_land_at says; it has said so */
    bool undoes;         /* rs_begin_undo */
    u64 n;               /* boundaries still to go */
    u64 until_cycle;
    struct rs_position target;
    struct rs_position origin; /* where it began */
    struct rs_position hi;     /* back: boundaries are sought before this */
    struct trail trail;        /* back: those found */
    u64 reach;                 /* back by cycles: atoms searched so far */
};

#define UNDO_MAX 256

/* Where movements began, the last one at the end. */
struct undo {
    struct rs_position at[UNDO_MAX];
    unsigned count;
};

struct rs_world {
    struct machine *machine; /* NULL until rs_machine_new */
    struct watcher watcher[WATCHERS_MAX];
    unsigned watchers; /* slots that may be in use */
    int next_watcher;
    struct keeper keeper[KEEPERS_MAX];
    int next_keeper;
    bool stop_requested; /* by a handler, in this movement */
    bool input_waits;    /* a handler has made an input: the run stops behind the atom, to apply it */
    bool settling;       /* rerunning to show a position: nobody may stop that */
    bool muted;          /* what is run is taken back: nobody is told of it */

    struct files files;
    struct history history;
    struct movement move;
    bool script;         /* rs_script_moves */
    struct undo undo[2]; /* of the person, who takes the script's over; of the script */
    u64 max_cycles;      /* 0: none */

    /* The search for a boundary: events of these probes are counted down to a stop, or recorded. */
    u64 hunted;          /* a bit a probe */
    u64 hunt_left;       /* stop at the n-th */
    struct trail *trail; /* record instead, if not NULL */

    u64 drop_every, drop_random; /* rs_drop_derived_at_random */
    u64 general_atoms;           /* of all cores, at the last checkpoint that these called for */
};

static inline bool position_before(struct rs_position a, struct rs_position b)
{
    return a.atom < b.atom || (a.atom == b.atom && a.micro < b.micro);
}

/* Which probes the machine must tell of: all that are watched, or in replay only those that always are. */
void world_update_watched(struct rs_world *w);

/* movers.c: what undo will return to. */
void undo_remember(struct rs_world *w);
struct rs_position undo_take(struct rs_world *w);
void undo_cancel(struct rs_world *w, const struct movement *move); /* a back or seek that was given up */
void undo_forget(struct rs_world *w);                              /* all */
void undo_forget_after(struct rs_world *w, struct rs_position at); /* what lies behind it */

/* From an atom's start: does k of its micros.  If it has no more than k, the atom is whole. */
void world_show_inside(struct rs_world *w, u64 k);
/* A handler has made an input: the run goes no further than to the end of the atom that it is in. */
void world_stop_for_input(struct rs_world *w);

/* Machine life, machine.c. */
void machine_free(struct machine *m);
void machine_reset(struct machine *m);         /* RESET, and the image is entered again */
void machine_drop_pointers(struct machine *m); /* of what a restored state invalidates */
void machine_drop_derived(struct machine *m);  /* all of it */

#endif
