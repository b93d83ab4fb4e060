/* nano.h - single operations that only ring 0 has, many times between mark 1 and mark 2. */
#ifndef KERNEL_NANO_H
#define KERNEL_NANO_H

#include <stddef.h>
#include <stdint.h>

/* Runs nanobenchmark `which` (nano.def) n times; a check that depends on each, -1 if there is none of that
 * number. */
int64_t nano_run(unsigned which, uint64_t n);

#endif
