/* ls - the names of the initrd's files; sizes depend on the compiler. */
#include "user.h"

int main(int argc, char **argv)
{
    char name[32];

    (void)argc, (void)argv;
    for (unsigned i = 0; list(i, name) >= 0; i++)
        print("%s\n", name);
    return 0;
}
