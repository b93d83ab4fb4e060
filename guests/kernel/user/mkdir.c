/* mkdir PATH... - a directory of the disk. */
#include "user.h"

int main(int argc, char **argv)
{
    int bad = 0;

    for (int i = 1; i < argc; i++)
        if (mkdir(argv[i]) < 0) {
            print("mkdir: '%s' cannot be made\n", argv[i]);
            bad = 1;
        }
    return bad;
}
