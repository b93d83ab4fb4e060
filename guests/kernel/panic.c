#include "kernel/panic.h"

#include "lib/end_run.h"
#include "lib/print.h"

void panic(const char *why)
{
    print("kernel: %s\n", why);
    end_run(1);
}
