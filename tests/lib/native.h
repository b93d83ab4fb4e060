/* native.h - runs instructions on the processor that the tests run on, if that is an x86-64 under Linux.
 *
 * Code is entered by loading every register, and left by jumping to NATIVE_GATE or by a fault.  Neither its
 * registers nor what it does to its own areas can hurt the caller; stores elsewhere could. */
#ifndef TESTS_LIB_NATIVE_H
#define TESTS_LIB_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

/* Linear addresses: code that may be written, data that may not be executed, a page that may only be read,
 * and nothing mapped before and behind them. */
#define NATIVE_CODE            0x10000000u
#define NATIVE_CODE_BYTES      0x2000u
#define NATIVE_GATE            0x10010000u
#define NATIVE_DATA            0x20000000u
#define NATIVE_DATA_BYTES      0x2000u
#define NATIVE_READ_ONLY       0x20002000u
#define NATIVE_READ_ONLY_BYTES 0x1000u

/* Bases of FS and GS while code runs that is said to use them. */
#define NATIVE_FS_BASE 0x48u
#define NATIVE_GS_BASE 0x530u

/* Selectors of flat 64-bit code and data in ring 3, as Linux has them. */
#define NATIVE_CS 0x33
#define NATIVE_SS 0x2b

/* Ends besides the vectors of faults. */
#define NATIVE_LEFT    256 /* by the gate */
#define NATIVE_ENDLESS 257 /* stopped by a watchdog, somewhere */

struct native_state {
    uint64_t gpr[16]; /* in encoding order */
    uint64_t rip, rflags;
};

struct native_end {
    unsigned vector;
    uint32_t error;
    uint64_t cr2; /* of a page fault */
};

/* Features of the processor, by CPUID. */
enum native_feature {
    NATIVE_INTEL = 1, /* by its vendor; others ignore 66 and REX.W elsewhere than Intel's processors */
    NATIVE_MOVBE = 2,
    NATIVE_POPCNT = 4,
    NATIVE_LZCNT = 8
};

/* Is this an x86-64 under Linux? */
bool native_is_here(void);

/* Maps the areas; false where there is no such processor, or the addresses are taken. */
bool native_open(void);
unsigned native_features(void);

/* True if nothing of this process can be at an address that is outside the areas. */
bool native_is_nowhere(uint64_t address);

/* Runs from s->rip and leaves the state there: after an INT3 or INT1, at a fault.  segments: the code uses
 * FS or GS. */
struct native_end native_run(struct native_state *s, bool segments);

#endif
