/* walks.h - the last page walks up to the present position: what a view shows between walks, and after going
 * back. */
#ifndef VIEW_WALKS_H
#define VIEW_WALKS_H

#include "ringside.h"

#define WALKS_MAX 64 /* older ones are dropped */

/* What can only be told while the walk's address space is the machine's. */
struct walk_words {
    char who[RS_NAME_MAX]; /* "vm1", "hv" */
    char insn[80];         /* the instruction, "" if it cannot be read */
    char place[96];        /* "touch+12", "" without a symbol */
};

struct walk_entry {
    struct rs_position at; /* right after it ended */
    uint64_t vmcs;         /* current then */
    struct rs_walk walk;
    const struct rs_symbols *image; /* booted then */
    bool words_known;
    struct walk_words words;
};

struct walk_log {
    size_t count;
    struct walk_entry entry[WALKS_MAX];
};

/* From an event walk.end; walks at or after its position, told before one went back, make way.  Returns the
 * new entry; NULL if there is no walk.  Unless its words are known, from a walk by the same instruction just
 * before (a loop may walk at every turn), the caller writes them while the machine stands at the event. */
struct walk_entry *walk_log_add(struct walk_log *log, const struct rs_event *event);
/* Drops what lies after a position. */
void walk_log_truncate(struct walk_log *log, struct rs_position now);
/* The last one, NULL if there is none. */
const struct walk_entry *walk_log_last(const struct walk_log *log);

#endif
