/* chance.c - see chance.h. */
#include "lib/chance.h"

static uint64_t state;

void chance_seed(uint64_t seed)
{
    state = seed;
}

uint64_t chance(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t chance_below(uint64_t n)
{
    return chance() % n;
}

bool chance_once_in(uint64_t n)
{
    return chance_below(n) == 0;
}
