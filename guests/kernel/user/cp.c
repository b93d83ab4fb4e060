/* cp FROM TO - a file of the initrd or the disk, to the disk. */
#include "user.h"

static char part[32768];

int main(int argc, char **argv)
{
    int64_t from = argc == 3 ? open(argv[1]) : -1, to, n;

    if (from < 0) {
        print("cp: FROM TO are wanted, and FROM has to be there\n");
        return 1;
    }
    to = create(argv[2]);
    while ((n = to < 0 ? -1 : read(from, part, sizeof part)) > 0)
        if (write(to, part, (size_t)n) != n)
            to = -1;
    if (n < 0)
        print("cp: '%s' cannot be written whole\n", argv[2]);
    return n != 0;
}
