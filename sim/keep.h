/* keep.h - what watchers have had kept: a copy in each saved state, put back with it. */
#ifndef RINGSIDE_KEEP_H
#define RINGSIDE_KEEP_H

#include "machine.h"

struct rs_world;

#define KEEPERS_MAX 8

struct keeper {
    int id; /* 0: free */
    void *bytes;
    size_t n;
};

struct kept {
    int id; /* of the keeper; 0: none */
    size_t n;
    u8 *bytes;
};

void keep_take(const struct rs_world *w, struct kept kept[KEEPERS_MAX]);
/* Zeros for a keeper that none is of. */
void keep_restore(struct rs_world *w, const struct kept kept[KEEPERS_MAX]);
void keep_copy(struct kept to[KEEPERS_MAX], const struct kept from[KEEPERS_MAX]);
void keep_free(struct kept kept[KEEPERS_MAX]);
/* Zeros for all: nothing of the past is known. */
void keep_clear(struct rs_world *w);

#endif
