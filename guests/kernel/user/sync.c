/* sync - all that was written to the disk stays, whatever happens. */
#include "user.h"

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    if (sync() == 0)
        return 0;
    print("sync: there is no disk that can be written\n");
    return 1;
}
