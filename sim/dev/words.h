/* words.h - bytes in an array of state's words: byte i at bits 8 (i mod 8) of word i / 8. */
#ifndef RINGSIDE_DEV_WORDS_H
#define RINGSIDE_DEV_WORDS_H

#include "machine.h"

static inline void words_get(const u64 *words, u64 at, u8 *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++, at++)
        bytes[i] = (u8)(words[at / 8] >> 8 * (at % 8));
}

static inline void words_put(u64 *words, u64 at, const u8 *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++, at++) {
        unsigned shift = 8 * (at % 8);
        words[at / 8] = (words[at / 8] & ~(UINT64_C(0xff) << shift)) | (u64)bytes[i] << shift;
    }
}

#endif
