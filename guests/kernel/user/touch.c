/* touch [N] [MIB] [2m] - N reads and writes at random places of MIB MiB, in pages of 4 KiB or 2 MiB. */
#include "user.h"

int main(int argc, char **argv)
{
    uint64_t n = number(argc, argv, 1, 20000), mib = number(argc, argv, 2, 2), state = 88172645463325252u,
             sum = 0;
    int big = argc > 3 && same(argv[3], "2m");
    int64_t address = mmap(mib << 20, big);
    volatile uint64_t *word = (volatile uint64_t *)address;
    uint64_t words = (mib << 20) / 8;

    if (address < 0 || words == 0) {
        print("touch: no room for %lu MiB\n", mib);
        return 1;
    }
    for (uint64_t i = 0; i < words; i += 512)
        word[i] = i; /* every page is there before the first mark */
    yield(); /* whoever keeps copies of the new tables looks at them now, not in the midst of what follows */
    mark(1, 103, n);
    for (uint64_t i = 0; i < n; i++) {
        volatile uint64_t *w = &word[next_random(&state) % words];

        sum += *w;
        *w = i;
    }
    mark(2, 103, n);
    print("touch: %lu times in %lu MiB of %s pages, check 0x%lx\n", n, mib, big ? "2 MiB" : "4 KiB", sum);
    return 0;
}
