/* net_sum.c - the Internet's checksum (RFC 1071): by the processor's order of bytes, four at a time, which
 * comes to the same when the result is turned round. */
#include "kernel/net_bytes.h"

#include "lib/string.h"

static uint64_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint16_t turned(uint64_t sum)
{
    return (uint16_t)(sum << 8 | sum >> 8);
}

uint16_t net_sum(const uint8_t *at, uint32_t n, uint32_t others)
{
    uint64_t sum = turned(fold(others));
    uint32_t word;

    for (; n >= sizeof word; at += sizeof word, n -= (uint32_t)sizeof word) {
        memcpy(&word, at, sizeof word);
        sum += word;
    }
    word = 0;
    memcpy(&word, at, n);
    return turned(fold(sum + word));
}
