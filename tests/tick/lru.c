/* lru.c - a set-associative table of tags. */
#include "tick/lru.h"

#include <stdlib.h>

void lru_init(struct lru *l, u64 entries, u64 ways, u64 *clock)
{
    l->ways = ways;
    l->sets = entries / ways;
    l->entry = calloc(entries, sizeof *l->entry);
    l->clock = clock;
}

void lru_free(struct lru *l)
{
    free(l->entry);
}

static struct lru_entry *set_of(const struct lru *l, u64 number)
{
    return l->entry + number % l->sets * l->ways;
}

static struct lru_entry *find(const struct lru *l, u64 number, u64 tag)
{
    struct lru_entry *set = set_of(l, number);
    for (u64 i = 0; i < l->ways; i++)
        if (set[i].valid && set[i].tag == tag)
            return &set[i];
    return NULL;
}

const struct lru_entry *lru_peek(const struct lru *l, u64 number, u64 tag)
{
    return find(l, number, tag);
}

struct lru_entry *lru_find(struct lru *l, u64 number, u64 tag)
{
    struct lru_entry *e = find(l, number, tag);
    if (e)
        e->used = ++*l->clock;
    return e;
}

static struct lru_entry *victim(const struct lru *l, u64 number)
{
    struct lru_entry *set = set_of(l, number), *oldest = set;
    for (u64 i = 0; i < l->ways; i++) {
        if (!set[i].valid)
            return &set[i];
        if (set[i].used < oldest->used)
            oldest = &set[i];
    }
    return oldest;
}

struct lru_entry *lru_put(struct lru *l, u64 number, u64 tag)
{
    struct lru_entry *e = find(l, number, tag);
    if (!e)
        e = victim(l, number);
    *e = (struct lru_entry){.valid = true, .tag = tag, .used = ++*l->clock};
    return e;
}

void lru_clear(struct lru *l)
{
    for (u64 i = 0; i < l->sets * l->ways; i++)
        l->entry[i].valid = false;
}
