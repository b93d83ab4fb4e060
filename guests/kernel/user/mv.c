/* mv FROM TO - another name for a file or directory of the disk; a file of that name goes. */
#include "user.h"

int main(int argc, char **argv)
{
    if (argc == 3 && rename(argv[1], argv[2]) == 0)
        return 0;
    print("mv: %s\n", argc == 3 ? "it cannot be" : "FROM TO are wanted");
    return 1;
}
