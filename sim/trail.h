/* trail.h - the last n positions of something, oldest dropped first. */
#ifndef RINGSIDE_TRAIL_H
#define RINGSIDE_TRAIL_H

#include "ringside.h"

struct trail {
    struct rs_position *at;
    uint64_t capacity; /* positions kept at most; 0: no trail */
    uint64_t room;     /* positions that there is memory for: what was found, not what was asked */
    uint64_t count;    /* positions ever added */
};

void trail_begin(struct trail *t, uint64_t capacity);
void trail_end(struct trail *t);
void trail_add(struct trail *t, struct rs_position at);
/* The n-th last, n from 1 to what is kept. */
struct rs_position trail_back(const struct trail *t, uint64_t n);

#endif
