#include "user.h"

int in_child(int body(uint64_t argument), uint64_t argument)
{
    int status = -1;
    int64_t id;

    flush();
    id = fork();
    if (id == 0)
        leave(body(argument));
    while (id > 0 && wait(&status) != id)
        ;
    return status;
}
