/* syscalls [N] - N system calls that do next to nothing. */
#include "user.h"

int main(int argc, char **argv)
{
    uint64_t n = number(argc, argv, 1, 10000), different = 0;
    int64_t id = getpid();

    mark(1, 101, n);
    for (uint64_t i = 0; i < n; i++)
        different += getpid() != id;
    mark(2, 101, n);
    print("syscalls: %lu calls, %lu surprises\n", n, different);
    return different != 0;
}
