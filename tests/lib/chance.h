/* chance.h - random numbers that a seed determines: splitmix64. */
#ifndef TESTS_LIB_CHANCE_H
#define TESTS_LIB_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

void chance_seed(uint64_t seed);

/* 64 random bits. */
uint64_t chance(void);
/* From 0 to n - 1. */
uint64_t chance_below(uint64_t n);
bool chance_once_in(uint64_t n);

#endif
