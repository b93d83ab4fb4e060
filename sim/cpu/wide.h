/* wide.h - 128 bits, on compilers that have none. */
#ifndef RINGSIDE_CPU_WIDE_H
#define RINGSIDE_CPU_WIDE_H

#include "machine.h"

struct wide {
    u64 low, high;
};

/* Of two unsigned factors. */
static inline struct wide wide_product(u64 a, u64 b)
{
    u64 a0 = (u32)a, a1 = a >> 32, b0 = (u32)b, b1 = b >> 32;
    u64 low = a0 * b0;
    u64 mid = a1 * b0 + (low >> 32);
    u64 mid2 = a0 * b1 + (u32)mid;
    return (struct wide){mid2 << 32 | (u32)low, a1 * b1 + (mid >> 32) + (mid2 >> 32)};
}

#endif
