/* temporary.c - see temporary.h. */
#include "lib/temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool temporary_file(char path[256])
{
    const char *dir = getenv("TMPDIR");
    snprintf(path, 256, "%s/ringside-XXXXXX", dir && *dir ? dir : "/tmp");
    int fd = mkstemp(path);
    return fd >= 0 && close(fd) == 0;
}
