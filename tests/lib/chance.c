/* chance.c - see chance.h. */
#include "lib/chance.h"

static u64 state;

void chance_seed(u64 seed)
{
    state = seed;
}

u64 chance(void)
{
    u64 z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

u64 chance_below(u64 n)
{
    return chance() % n;
}

bool chance_once_in(u64 n)
{
    return chance_below(n) == 0;
}
