/* lru.h - a set-associative table for the ticking model: TLBs, walk caches, caches, the BTB (docs/machine.md,
 * T4). */
#ifndef TESTS_TICK_LRU_H
#define TESTS_TICK_LRU_H

#include "machine.h"

/* What an entry is found by.  vpid, pcid and root (of EPT) are 0 where they mean nothing. */
struct lru_key {
    u64 tag;
    u64 vpid, pcid, root;
};

struct lru_entry {
    bool valid, global; /* global: any PCID finds it */
    struct lru_key key;
    u64 value;
    u64 used; /* when it was last used */
    /* Of TLBs and walk caches: */
    bool user, write, execute;
    bool clean;         /* a store may not use it: D is clear */
    u64 address, reach; /* what it maps: from where, how many bytes */
    u64 whole;          /* bytes of the guest's page, of which this may be a piece */
};

struct lru {
    u64 sets, ways;
    struct lru_entry *entry;
    u64 *clock;
};

void lru_init(struct lru *l, u64 entries, u64 ways, u64 *clock);
void lru_free(struct lru *l);
/* The entry with this key in the set of `number`; NULL if there is none. */
struct lru_entry *lru_peek(const struct lru *l, u64 number, struct lru_key key);
/* The same, marked as used. */
struct lru_entry *lru_find(struct lru *l, u64 number, struct lru_key key);
/* Puts an entry into the set of `number`: over the first invalid, else the least recently used. */
struct lru_entry *lru_put(struct lru *l, u64 number, struct lru_key key);

#endif
