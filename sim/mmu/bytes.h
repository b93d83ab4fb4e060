/* bytes.h - little-endian numbers of 1 to 8 bytes in memory, on any host. */
#ifndef RINGSIDE_MMU_BYTES_H
#define RINGSIDE_MMU_BYTES_H

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST_IS_LITTLE 1
#else
#define HOST_IS_LITTLE 0
#endif

static inline uint64_t load_le(const uint8_t *p, unsigned n)
{
    uint64_t value = 0;
    if (HOST_IS_LITTLE && n == 8) {
        memcpy(&value, p, 8);
    } else if (HOST_IS_LITTLE && n == 4) {
        memcpy(&value, p, 4);
    } else {
        for (unsigned i = 0; i < n; i++)
            value |= (uint64_t)p[i] << 8 * i;
    }
    return value;
}

static inline void store_le(uint8_t *p, unsigned n, uint64_t value)
{
    if (HOST_IS_LITTLE && n == 8) {
        memcpy(p, &value, 8);
    } else if (HOST_IS_LITTLE && n == 4) {
        memcpy(p, &value, 4);
    } else {
        for (unsigned i = 0; i < n; i++)
            p[i] = (uint8_t)(value >> 8 * i);
    }
}

#endif
