/* same.h - two machines that must not differ, of which one is made to go the general way. */
#ifndef TESTS_LIB_SAME_H
#define TESTS_LIB_SAME_H

#include "lib/bare.h"

/* So that nobody enters a block. */
void watch_each(struct bare *b);
/* So that no access is shortened, nor are several made together. */
void watch_accesses(struct bare *b);

/* Where they differ: a field of their state, or memory. */
const char *difference(const struct bare *a, const struct bare *b);
/* Fails the test if their hashes do. */
void same_state(const struct bare *got, const struct bare *want);

#endif
