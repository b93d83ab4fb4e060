/* kept.h - a bare machine that is put back to where it was, thousands of times a second: the core's state
 * without its caches, and some pages of RAM. */
#ifndef TESTS_LIB_KEPT_H
#define TESTS_LIB_KEPT_H

#include "lib/bare.h"
#include "mmu/mem.h"

#define KEPT_PAGES 48

/* Zero-initialised.  The machine must stay where it is. */
struct kept {
    struct bare *b;
    struct core_state state;
    u64 count;
    u64 page[KEPT_PAGES], stamp[KEPT_PAGES];
    u8 bytes[KEPT_PAGES][PAGE_BYTES];
};

void kept_take(struct kept *k, struct bare *b);
/* Has to be put back too. */
void kept_add(struct kept *k, u64 hpa);
void kept_put_back(struct kept *k);

/* The page as it was. */
const u8 *kept_page(const struct kept *k, u64 hpa);

#endif
