/* clock.h - time, by the TSC. */
#ifndef KERNEL_CLOCK_H
#define KERNEL_CLOCK_H

#include <stdint.h>

#define CLOCK_MS    UINT64_C(1000000)
#define CLOCK_NEVER UINT64_MAX

/* Time begins. */
void clock_init(void);
/* Nanoseconds since. */
uint64_t clock_ns(void);

#endif
