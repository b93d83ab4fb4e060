/* mutate_nonroot.h - VMX instructions of a guest's, with senseless operands, shadowing bitmaps and EPTP
 * lists: an oracle (SDM vol. 3, 25.1.2, 25.1.3, 25.5.6, 30.3, from the manual) says which of them exit, and
 * what the others do. */
#ifndef TESTS_LIB_MUTATE_NONROOT_H
#define TESTS_LIB_MUTATE_NONROOT_H

#include "machine.h"

struct nonroot_mutations {
    u64 made, exits, faults, failed, succeeded, switched;
};

/* Runs a seed's mutations; fails the Check test that calls it, naming the seed, if something is wrong. */
void mutate_nonroot(u64 seed, u64 count, struct nonroot_mutations *sum);

#endif
