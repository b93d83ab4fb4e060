/* compute.c - the compiled phases.
 *
 * The image is linked with compute.S, which `make compute` made of this file: so a turn has the same
 * instructions whatever compiler is at hand.  Every turn does the same work.
 */
#include <stdint.h>

#include "phase.h"

#define CRC_BYTES    4096
#define SIEVE_LIMIT  8192
#define SORT_NUMBERS 1024

static uint32_t crc_table[256];
static uint8_t crc_text[CRC_BYTES];
static uint8_t composite[SIEVE_LIMIT];
static uint32_t numbers[SORT_NUMBERS];

static uint32_t next_random(uint32_t x)
{
    return x * 1664525 + 1013904223;
}

/* IEEE 802.3's polynomial, reflected. */
void compute_prepare(void)
{
    uint32_t x = 1;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
        crc_table[i] = c;
    }
    for (uint32_t i = 0; i < CRC_BYTES; i++) {
        x = next_random(x);
        crc_text[i] = (uint8_t)(x >> 24);
    }
}

static __attribute__((noinline)) uint32_t crc(uint32_t c)
{
    c = ~c;
    for (uint32_t i = 0; i < CRC_BYTES; i++)
        c = c >> 8 ^ crc_table[(c ^ crc_text[i]) & 0xff];
    return ~c;
}

uint64_t crc_turns(uint64_t turns)
{
    uint32_t c = 0;

    do
        c = crc(c);
    while (--turns);
    return c;
}

static __attribute__((noinline)) uint32_t sieve(void)
{
    uint32_t primes = 0;

    for (uint32_t i = 2; i < SIEVE_LIMIT; i++)
        composite[i] = 0;
    for (uint32_t i = 2; i < SIEVE_LIMIT; i++) {
        if (composite[i])
            continue;
        primes++;
        for (uint32_t j = i * 2; j < SIEVE_LIMIT; j += i)
            composite[j] = 1;
    }
    return primes;
}

uint64_t sieve_turns(uint64_t turns)
{
    uint64_t primes = 0;

    do
        primes += sieve();
    while (--turns);
    return primes;
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t other = *a;

    *a = *b;
    *b = other;
}

/* Hoare's partition around the middle number. */
static __attribute__((noinline)) void quicksort(uint32_t *first, uint32_t *last)
{
    while (first < last) {
        uint32_t pivot = first[(last - first) / 2];
        uint32_t *i = first, *j = last;

        while (i <= j) {
            while (*i < pivot)
                i++;
            while (*j > pivot)
                j--;
            if (i <= j)
                swap(i++, j--);
        }
        quicksort(first, j);
        first = i;
    }
}

static __attribute__((noinline)) void fill(void)
{
    uint32_t x = 12345;

    for (uint32_t i = 0; i < SORT_NUMBERS; i++)
        numbers[i] = x = next_random(x);
}

uint64_t quicksort_turns(uint64_t turns)
{
    uint64_t sum = 0;

    do {
        fill();
        quicksort(numbers, numbers + SORT_NUMBERS - 1);
        sum = sum * 31 + numbers[SORT_NUMBERS / 3];
    } while (--turns);
    return sum;
}
