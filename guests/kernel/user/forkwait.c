/* forkwait [N] - forks and waits, N times: the workload of Adams and Agesen. */
#include "user.h"

static int child(uint64_t turn)
{
    return (int)(turn % 100);
}

int main(int argc, char **argv)
{
    uint64_t n = number(argc, argv, 1, 100), sum = 0;

    mark(1, 100, n);
    for (uint64_t i = 0; i < n; i++)
        sum += (uint64_t)in_child(child, i);
    mark(2, 100, n);
    print("forkwait: %lu children, statuses add up to %lu\n", n, sum);
    return 0;
}
