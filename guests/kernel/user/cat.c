/* cat [FILE] - a file of the initrd, or what comes in by descriptor 0. */
#include "user.h"

int main(int argc, char **argv)
{
    char part[256];
    int64_t fd = argc > 1 ? open(argv[1]) : 0, n;

    if (fd < 0) {
        print("cat: there is no '%s'\n", argv[1]);
        return 1;
    }
    while ((n = read(fd, part, sizeof part)) > 0)
        write(1, part, (size_t)n);
    return n != 0;
}
