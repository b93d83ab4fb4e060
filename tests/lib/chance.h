/* chance.h - random numbers that a seed determines: splitmix64. */
#ifndef TESTS_LIB_CHANCE_H
#define TESTS_LIB_CHANCE_H

#include "machine.h"

void chance_seed(u64 seed);

/* 64 random bits. */
u64 chance(void);
/* From 0 to n - 1. */
u64 chance_below(u64 n);
bool chance_once_in(u64 n);

#endif
