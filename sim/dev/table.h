/* table.h - tables of firmware as they are put together: little-endian numbers, one after another. */
#ifndef RINGSIDE_DEV_TABLE_H
#define RINGSIDE_DEV_TABLE_H

#include <string.h>

#include "machine.h"

#define TABLE_BYTES 4096 /* more than any of them needs */

struct table {
    u8 byte[TABLE_BYTES];
    unsigned n;
};

/* A number of 1 to 8 bytes. */
static inline void table_put(struct table *t, unsigned bytes, u64 value)
{
    for (unsigned i = 0; i < bytes && t->n < TABLE_BYTES; i++)
        t->byte[t->n++] = (u8)(value >> 8 * i);
}

/* n characters, padded with `pad`. */
static inline void table_text(struct table *t, unsigned n, const char *text, char pad)
{
    size_t length = strlen(text);
    for (unsigned i = 0; i < n; i++)
        table_put(t, 1, (u8)(i < length ? text[i] : pad));
}

/* Over what is there already. */
static inline void table_patch(struct table *t, unsigned at, unsigned bytes, u64 value)
{
    for (unsigned i = 0; i < bytes; i++)
        t->byte[at + i] = (u8)(value >> 8 * i);
}

/* Makes the sum of the bytes from `from` to `to` 0 by the one at `at`. */
static inline void table_checksum(struct table *t, unsigned from, unsigned to, unsigned at)
{
    u8 sum = 0;
    t->byte[at] = 0;
    for (unsigned i = from; i < to; i++)
        sum = (u8)(sum + t->byte[i]);
    t->byte[at] = (u8)-sum;
}

#endif
