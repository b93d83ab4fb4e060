/* pair.h - a machine that runs a program, and the ticking model beside it. */
#ifndef TESTS_TICK_PAIR_H
#define TESTS_TICK_PAIR_H

#include "tick/program.h"

/* What the machine did in one atom. */
struct seen {
    u64 rip, cycles;
    enum tick_end end;
    unsigned vector;
};

struct pair {
    const struct program *program;
    rs_world *world;
    rs_machine *machine;
    struct tick *tick;
    u8 *memory; /* as the model sees the tables */
    struct seen *seen;
    size_t atoms, room;
    struct counters count; /* after the last atom that counts */
};

/* Runs a program atom by atom, feeds the model with what it sees, and ends before the last HLT.  params may
 * be NULL. */
void pair_run(struct pair *r, const struct program *p, struct rs_params *params);
void pair_end(struct pair *r);

/* Compares cycles of each atom, all counters and the page tables; shows on stderr what differs. */
bool pair_agrees(const struct pair *r);
/* Runs the program again, on another machine, at full speed: true if clock and counters end the same. */
bool pair_again(struct pair *r, struct rs_params *params);

u64 pair_cycles(const struct pair *r);

#endif
