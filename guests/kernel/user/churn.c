/* churn [N] [PAGES] - maps PAGES pages, writes to each, and unmaps them, N times. */
#include "user.h"

#define PAGE 4096

static uint64_t turn(uint64_t pages, uint64_t value)
{
    int64_t address = mmap(pages * PAGE, 0);
    volatile uint64_t *word = (volatile uint64_t *)address;
    uint64_t not_zero = 0;

    if (address < 0)
        return 1;
    for (uint64_t i = 0; i < pages; i++) {
        not_zero += word[i * PAGE / 8] != 0;
        word[i * PAGE / 8] = value;
    }
    return not_zero + (munmap(address, pages * PAGE) != 0);
}

int main(int argc, char **argv)
{
    uint64_t n = number(argc, argv, 1, 50), pages = number(argc, argv, 2, 32), surprises = 0;

    mark(1, 102, n);
    for (uint64_t i = 0; i < n; i++)
        surprises += turn(pages, i + 1);
    mark(2, 102, n);
    print("churn: %lu times %lu pages, %lu surprises\n", n, pages, surprises);
    return surprises != 0;
}
