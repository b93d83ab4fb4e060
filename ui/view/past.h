/* past.h - what has happened up to the present position, on whichever way one got there. */
#ifndef VIEW_PAST_H
#define VIEW_PAST_H

#include "exits.h"
#include "walks.h"

struct scenario;

struct past {
    struct scenario *scenario;
    int watch_exits, watch_walks, watch_devices, keep;
    struct past_told { /* by rs_keep: at each position what the events up to it have told */
        struct walk_log walks;
        struct exit_log exits;
    } told;
};

/* Begins to listen to the scenario's world; *p stays where it is until past_end. */
void past_begin(struct past *p, struct scenario *s);
void past_end(struct past *p);

/* Who runs on a core, and its instruction at rip: of the machine as it stands. */
void past_describe(const struct past *p, rs_machine *m, uint32_t core, uint64_t rip,
                   struct walk_words *words);

#endif
