/* rm PATH... - a file, or an empty directory, of the disk. */
#include "user.h"

int main(int argc, char **argv)
{
    int bad = 0;

    for (int i = 1; i < argc; i++)
        if (remove(argv[i]) < 0) {
            print("rm: '%s' cannot be removed\n", argv[i]);
            bad = 1;
        }
    return bad;
}
