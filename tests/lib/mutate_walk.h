/* mutate_walk.h - two-dimensional walks over tables with rubbish in them: the oracle (walk_oracle.h) says how
 * a guest's instruction ends, with which exit information, and what of the tables, of the page-modification
 * log and of the virtualization-exception information has changed. */
#ifndef TESTS_LIB_MUTATE_WALK_H
#define TESTS_LIB_MUTATE_WALK_H

#include "machine.h"

struct walk_mutations {
    u64 made;
    u64 ends[5];   /* by enum oracle_end */
    u64 converted; /* violations that became #VE */
    u64 logged;
    u64 twofold; /* not looked at: an entry was two things at once */
};

/* Runs a seed's mutations; fails the Check test that calls it, naming the seed, if something is wrong. */
void mutate_walk(u64 seed, u64 count, struct walk_mutations *sum);

#endif
