/* fill PATH BYTES SEED [add] - a file of the disk with so many bytes as good as random, or so many more. */
#include "user.h"

#define PART 32768

static uint64_t part[PART / 8];

int main(int argc, char **argv)
{
    uint64_t left = number(argc, argv, 2, 0), state = number(argc, argv, 3, 1) + 1;
    int64_t fd = argc < 2 ? -1 : argc > 4 ? open(argv[1]) : create(argv[1]);

    if (argc > 4 && fd >= 0)
        seek(fd, END);
    while (fd >= 0 && left > 0) {
        uint64_t n = left < PART ? left : PART;

        for (unsigned i = 0; i < PART / 8; i++)
            part[i] = next_random(&state);
        fd = write(fd, part, n) == (int64_t)n ? fd : -1;
        left -= n;
    }
    if (fd < 0)
        print("fill: '%s' cannot be written whole\n", argc < 2 ? "" : argv[1]);
    return fd < 0;
}
