/* shrink.h - the least of a sequence that still differs, and how to say so. */
#ifndef TESTS_LIB_SHRINK_H
#define TESTS_LIB_SHRINK_H

#include <stdio.h>

#include "lib/lockstep.h"

/* Takes instructions and register values out of s for as long as lockstep_run() finds a difference, which it
 * does at first and at last. */
void sequence_shrink(struct sequence *s);

/* The difference, the registers that are not 0, and the code. */
void sequence_report(FILE *to, const struct sequence *s);

#endif
