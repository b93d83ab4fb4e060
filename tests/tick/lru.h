/* lru.h - a set-associative table of tags for the ticking model (docs/machine.md, T4). */
#ifndef TESTS_TICK_LRU_H
#define TESTS_TICK_LRU_H

#include "machine.h"

struct lru_entry {
    bool valid;
    u64 tag, value;
    bool clean; /* TLBs: D is clear */
    u64 whole;  /* TLBs: bytes of the guest's page, of which this may be a piece */
    u64 used;   /* when it was last used */
};

struct lru {
    u64 sets, ways;
    struct lru_entry *entry;
    u64 *clock;
};

void lru_init(struct lru *l, u64 entries, u64 ways, u64 *clock);
void lru_free(struct lru *l);
/* The entry with this tag in the set of `number`, marked as used; NULL if there is none. */
struct lru_entry *lru_find(struct lru *l, u64 number, u64 tag);
/* As lru_find, and leaves no mark. */
const struct lru_entry *lru_peek(const struct lru *l, u64 number, u64 tag);
/* Puts an entry into the set of `number`: over one of the same tag, else the first invalid, else the least
 * recently used. */
struct lru_entry *lru_put(struct lru *l, u64 number, u64 tag);
void lru_clear(struct lru *l);

#endif
