/* guest_case.c - see guest_case.h. */
#include "lib/guest_case.h"

#include "lib/virtual_apic.h"

struct bare b;
struct core *c;

void guest_set_up(void)
{
    guest_open(&b);
    c = b.core;
}

void va_set_up(void)
{
    va_open(&b);
    c = b.core;
}

void guest_tear_down(void)
{
    bare_close(&b);
}
