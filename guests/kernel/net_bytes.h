/* net_bytes.h - numbers in packets, whose first byte is the highest, and the Internet's checksum. */
#ifndef KERNEL_NET_BYTES_H
#define KERNEL_NET_BYTES_H

#include <stdint.h>

static inline uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

/* The sum of RFC 1071 over `n` bytes and what others add up to; its complement is what a packet carries.
 * 0xffff is a packet that is right, its own field included. */
uint16_t net_sum(const uint8_t *at, uint32_t n, uint32_t others);

#endif
