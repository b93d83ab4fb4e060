/* trail.c - see trail.h. */
#include "trail.h"

#include <stdlib.h>

void trail_begin(struct trail *t, uint64_t capacity)
{
    trail_end(t);
    t->capacity = capacity;
}

void trail_end(struct trail *t)
{
    free(t->at);
    *t = (struct trail){0};
}

static void grow(struct trail *t)
{
    uint64_t room = t->room * 2 + 64;
    t->room = room < t->capacity ? room : t->capacity;
    t->at = realloc(t->at, t->room * sizeof *t->at);
    if (!t->at)
        abort();
}

void trail_add(struct trail *t, struct rs_position at)
{
    if (t->count == t->room && t->room < t->capacity)
        grow(t);
    t->at[t->count++ % t->capacity] = at;
}

struct rs_position trail_back(const struct trail *t, uint64_t n)
{
    return t->at[(t->count - n) % t->capacity];
}
