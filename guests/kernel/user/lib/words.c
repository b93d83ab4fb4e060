#include "user.h"

int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

uint64_t number(int argc, char **argv, int i, uint64_t otherwise)
{
    uint64_t value = 0;

    if (i >= argc || !*argv[i])
        return otherwise;
    for (const char *s = argv[i]; *s; s++) {
        if (*s < '0' || *s > '9' || value > UINT64_MAX / 10 - 1)
            return otherwise;
        value = value * 10 + (uint64_t)(*s - '0');
    }
    return value;
}

/* xorshift64 */
uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}
