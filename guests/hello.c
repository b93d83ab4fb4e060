/* hello - the first guest: says hello and what it finds. */
#include "lib/guest.h"

#include "lib/print.h"

static unsigned privilege_level(void)
{
    uint64_t cs;

    __asm__("mov %%cs, %0" : "=r"(cs));
    return cs & SELECTOR_RPL;
}

static const char *string_at(uint64_t address)
{
    return (const char *)address;
}

uint32_t guest_main(const char *args)
{
    print("Hello from ring %u, 64-bit mode.\n", privilege_level());
    print("command line: %s\n", args);
    print("the same line by the upper half: %s\n", string_at(0xffff800000000000u + (uint64_t)args));
    return 0;
}
