/* history.h - the past of a world: checkpoints, the log of inputs, and the way to any position by rerunning.
 *
 * A position (atom, micro) with micro > 0 is shown by rerunning its atom from the start and leaving it early;
 * the state at the atom's start is kept in `inside`, from which every further movement begins. */
#ifndef RINGSIDE_HISTORY_H
#define RINGSIDE_HISTORY_H

#include "dev/disk.h"
#include "keep.h"
#include "machine.h"
#include "mmu/mem.h"
#include "pieces.h"

struct rs_world;

/* State of a machine at the start of an atom. */
struct saved {
    u64 atom;
    u64 log_next;                      /* inputs applied so far */
    struct pieces *core[RS_CORES_MAX]; /* struct core_state: as many as the machine has */
    struct pieces *board;              /* struct board_state */
    struct mem_image *mem;
    struct disk_saved disk[DISKS_MAX]; /* as many as the machine has */
    struct kept kept[KEEPERS_MAX];
};

enum input_kind {
    INPUT_CONSOLE,
    INPUT_MANAGEMENT,
    INPUT_POKE,
    INPUT_RESET,
    INPUT_REGISTER,
    INPUT_FRAME,
    INPUT_LINK,
    INPUT_KEYBOARD,
    INPUT_KINDS
};

/* One input, applied at the start of `atom`. */
struct input {
    u64 atom;
    enum input_kind kind;
    u64 hpa; /* poke; register: core << 8 | its number in input.c; frame: port; link: ports (dev/link.h) */
    u8 *bytes;
    size_t n;
};

#define CHECKPOINTS_MAX 48

struct history {
    struct saved *checkpoint[CHECKPOINTS_MAX]; /* in order; the first is the start */
    unsigned checkpoints;
    struct saved *inside; /* start of the atom that is half done; NULL: at an atom's start */
    struct input *log;
    size_t log_count, log_capacity, log_next;
    size_t
        log_made; /* replay: inputs up to here have been made in this run; those behind wait for their turn */
    struct rs_position furthest;
    struct rs_position script_furthest; /* by the movements of the script: never further than that */
    bool was_cut;
    struct pieces *core[RS_CORES_MAX],
        *board;            /* as they were last saved or put back: what the next shares with */
    struct record *record; /* record.c: --record */
    struct replay *replay; /* record.c: --replay */
};

struct saved *saved_take(struct rs_world *w);
void saved_restore(struct rs_world *w, const struct saved *s);
struct saved *saved_copy(const struct saved *s);
void saved_free(struct saved *s);

/* Forgets the past: the present is the start, of a run (boot, restore) or of nothing yet (power-on). */
void history_begin(struct rs_world *w, bool run);
void history_free(struct rs_world *w);

/* Keeps a checkpoint of the present (micro 0) if the last one is far enough behind. */
void history_checkpoint(struct rs_world *w, u64 min_atoms);
/* The last checkpoint at or before an atom; NULL if none. */
const struct saved *history_before(const struct rs_world *w, u64 atom);

struct rs_position history_position(const struct rs_world *w);
/* The present counts as reached. */
void history_reached(struct rs_world *w);

/* Applies the inputs that are due at this atom. */
void history_apply_inputs(struct rs_world *w);
/* The same on arrival at a position.  A replay that gets there for the first time waits until the face makes
 * its input, as the recorded run did, or moves on. */
void history_arrive(struct rs_world *w);
/* Atom of the next input, UINT64_MAX: none. */
u64 history_next_input(const struct rs_world *w);
/* Adds an input at the present, cutting what lay ahead. */
void history_input(struct rs_world *w, const struct input *in);

/* Adds an input that a log file holds, behind the others. */
void history_log(struct rs_world *w, const struct input *in);

/* input.c: what an input does. */
bool input_apply(struct machine *m, const struct input *in);
/* False for what rs_input_* would not have taken; whether the line has room is not asked. */
bool input_possible(const struct machine *m, const struct input *in);
const char *input_kind_name(enum input_kind kind);

/* record.c */
void record_begin(struct rs_world *w);   /* a new start: header line; loads the replay's next part */
void record_rewrite(struct rs_world *w); /* after a cut */
void record_append(struct rs_world *w, const struct input *in);
void record_free(struct rs_world *w);
bool replay_active(const struct rs_world *w);

#endif
