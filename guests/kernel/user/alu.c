/* alu [N] - N turns of arithmetic and branches, without memory or calls. */
#include "user.h"

int main(int argc, char **argv)
{
    uint64_t n = number(argc, argv, 1, 200000), x = 1, odd = 0;

    mark(1, 104, n);
    for (uint64_t i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        if (x >> 63)
            odd += x >> 33 & 1;
        else
            x ^= x >> 29;
    }
    mark(2, 104, n);
    print("alu: %lu turns, check 0x%lx\n", n, x + odd);
    return 0;
}
