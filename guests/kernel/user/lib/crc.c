#include "user.h"

#define POLYNOMIAL 0xedb88320u /* IEEE 802.3's, its lowest bit first */

static uint32_t table[256];

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (unsigned bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? POLYNOMIAL : 0);
    }
}

uint32_t crc32(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;

    if (!table[1])
        fill_table();
    crc = ~crc;
    for (; n > 0; n--)
        crc = crc >> 8 ^ table[(crc ^ *at++) & 0xff];
    return ~crc;
}
