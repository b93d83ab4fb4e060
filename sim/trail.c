/* trail.c - see trail.h. */
#include "trail.h"

#include <stdlib.h>

void trail_begin(struct trail *t, uint64_t capacity)
{
    trail_end(t);
    *t = (struct trail){.capacity = capacity, .at = calloc(capacity, sizeof *t->at)};
    if (!t->at)
        abort();
}

void trail_end(struct trail *t)
{
    free(t->at);
    *t = (struct trail){0};
}

void trail_add(struct trail *t, struct rs_position at)
{
    t->at[t->count++ % t->capacity] = at;
}

struct rs_position trail_back(const struct trail *t, uint64_t n)
{
    return t->at[(t->count - n) % t->capacity];
}
