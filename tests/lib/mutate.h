/* mutate.h - VMCSs that rubbish has been written to, entered, and what comes of it.
 *
 * A run is a machine of its own and a number of mutations, all made from its seed: fields, controls, EPT
 * pointers and entries, bitmaps, MSR lists, segments, injected events, and bytes of the region itself.  Each
 * VMCS is entered; the oracle (vmx_oracle.h) has its say; a guest that runs executes rubbish for some atoms.
 */
#ifndef TESTS_LIB_MUTATE_H
#define TESTS_LIB_MUTATE_H

#include "machine.h"

struct mutations {
    u64 made, entered, controls, host, guest, msrs; /* outcomes of the first entry */
    u64 exits, aborts, resumed;
    u64 again;    /* events that an exit interrupted, and that are injected again */
    u64 rules[8]; /* a bit for each rule that was found broken */
};

/* Runs a seed's mutations; fails the Check test that calls it, naming the seed, if something is wrong. */
void mutate(u64 seed, u64 count, struct mutations *sum);

#endif
