/* generate.h - random sequences of instructions for lockstep.h: every row of isa.def that may run, alike
 * often, in every form. */
#ifndef TESTS_LIB_GENERATE_H
#define TESTS_LIB_GENERATE_H

#include "lib/lockstep.h"

/* The same seed makes the same sequence, on hosts with the same features. */
void sequence_make(struct sequence *s, u64 seed);

#endif
