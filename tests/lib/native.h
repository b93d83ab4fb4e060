/* native.h - runs a few instructions on the processor that the tests run on, if that is an x86-64 under
 * Linux. */
#ifndef TESTS_LIB_NATIVE_H
#define TESTS_LIB_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

/* Two areas at fixed addresses, code and data. */
#define NATIVE_CODE       0x10000000u
#define NATIVE_DATA       0x20000000u
#define NATIVE_AREA_BYTES 0x10000u

enum native_end { NATIVE_BREAKPOINT, NATIVE_DIVIDE, NATIVE_UNDEFINED, NATIVE_MEMORY, NATIVE_OTHER };

struct native_state {
    uint64_t gpr[16]; /* in encoding order */
    uint64_t rip, rflags;
};

/* Maps the areas; false where there is no such processor, or the addresses are taken. */
bool native_open(void);

/* Runs from s->rip until an INT3 or a fault, and leaves the state there: after an INT3, at a fault. */
enum native_end native_run(struct native_state *s);

#endif
