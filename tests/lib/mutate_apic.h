/* mutate_apic.h - accesses of guests to a virtual APIC that holds rubbish: by the APIC-access page, CR8 and
 * x2APIC MSRs.  An oracle (SDM vol. 3, 29.1 to 29.5, from the manual) says what is read, what becomes of the
 * page, of RVI, SVI and of pending virtual interrupts, and which exit comes. */
#ifndef TESTS_LIB_MUTATE_APIC_H
#define TESTS_LIB_MUTATE_APIC_H

#include "machine.h"

struct apic_mutations {
    u64 made, faults, recognised, delivered;
    u64 exits[64]; /* by basic exit reason; [0]: none */
};

/* Runs a seed's mutations; fails the Check test that calls it, naming the seed, if something is wrong. */
void mutate_apic(u64 seed, u64 count, struct apic_mutations *sum);

#endif
