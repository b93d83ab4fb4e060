/* preempt - a child that never gives its turn up: only the timer brings its parent back. */
#include "user.h"

int main(int argc, char **argv)
{
    int status;
    int64_t id = fork();

    (void)argc, (void)argv;
    if (id == 0)
        for (;;)
            __asm__ volatile("pause");
    yield();
    print("preempt: back from a process that never ends its turn\n");
    kill(id);
    wait(&status);
    print("preempt: its status is %d\n", status);
    return 0;
}
