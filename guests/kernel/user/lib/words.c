#include "user.h"

int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int read_number(const char *s, uint64_t *value)
{
    const char *first = s;

    for (*value = 0; *s; s++) {
        if (*s < '0' || *s > '9' || *value > UINT64_MAX / 10 - 1)
            return 0;
        *value = *value * 10 + (uint64_t)(*s - '0');
    }
    return s != first;
}

uint64_t number_of(const char *text, uint64_t otherwise)
{
    uint64_t value;

    return read_number(text, &value) ? value : otherwise;
}

uint64_t number(int argc, char **argv, int i, uint64_t otherwise)
{
    uint64_t value;

    if (i >= argc)
        return otherwise;
    if (read_number(argv[i], &value))
        return value;
    print("%s: '%s' is no number, or too large\n", argv[0], argv[i]);
    leave(2);
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
