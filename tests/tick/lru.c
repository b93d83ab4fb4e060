/* lru.c - a set-associative table. */
#include "tick/lru.h"

#include <stdlib.h>

void lru_init(struct lru *l, u64 entries, u64 ways, u64 *clock)
{
    l->ways = ways < entries ? ways : entries;
    l->sets = entries / l->ways;
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

static bool fits(const struct lru_entry *e, const struct lru_key *key)
{
    return e->valid && e->key.tag == key->tag && e->key.root == key->root && e->key.vpid == key->vpid &&
           (e->global || e->key.pcid == key->pcid);
}

struct lru_entry *lru_peek(const struct lru *l, u64 number, struct lru_key key)
{
    struct lru_entry *set = set_of(l, number);
    for (u64 i = 0; i < l->ways; i++)
        if (fits(&set[i], &key))
            return &set[i];
    return NULL;
}

struct lru_entry *lru_find(struct lru *l, u64 number, struct lru_key key)
{
    struct lru_entry *e = lru_peek(l, number, key);
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

struct lru_entry *lru_put(struct lru *l, u64 number, struct lru_key key)
{
    struct lru_entry *e = victim(l, number);
    *e = (struct lru_entry){.valid = true, .key = key, .used = ++*l->clock};
    return e;
}
