/* mutate_vmx.h - VMX instructions with operands and in states that make no sense, in root operation: an
 * oracle (SDM vol. 3, 30.3 "VMX Instructions", from the manual) says which exception, status and error
 * number. */
#ifndef TESTS_LIB_MUTATE_VMX_H
#define TESTS_LIB_MUTATE_VMX_H

#include "machine.h"

struct vmx_mutations {
    u64 made, faults, invalid, succeeded;
    u64 errors; /* a bit for each error number that was given */
};

/* Runs a seed's mutations; fails the Check test that calls it, naming the seed, if something is wrong. */
void mutate_vmx(u64 seed, u64 count, struct vmx_mutations *sum);

#endif
