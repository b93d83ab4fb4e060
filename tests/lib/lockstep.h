/* lockstep.h - a sequence of instructions in ring 3, on the machine and on the processor under the tests, and
 * whether both leave the same registers, defined flags, memory, and fault. */
#ifndef TESTS_LIB_LOCKSTEP_H
#define TESTS_LIB_LOCKSTEP_H

#include "arch/isa.h"
#include "lib/native.h"
#include "machine.h"

#define SEQUENCE_INSNS_MAX 12
#define SEQUENCE_STACK     6
#define POOL_BYTES         0x10000u /* data comes from a pool of random bytes */

struct piece {
    u8 n, bytes[16];
};

struct sequence {
    u64 seed; /* that it was made of */
    u64 gpr[16], rflags;
    u64 stack[SEQUENCE_STACK]; /* at RSP, if that lies in the data */
    unsigned data;             /* where its data begins in the pool, a multiple of 8 below POOL_BYTES / 2 */
    unsigned at;               /* of its first byte in the code area */
    unsigned count;
    struct piece insn[SEQUENCE_INSNS_MAX];
};

enum verdict {
    VERDICT_SAME,
    VERDICT_DIFFERS,
    VERDICT_SKIPPED /* it does not end, or reaches what only one of the two has */
};

/* Makes the machine and maps the areas; false: not on this host (nothing to close). */
bool lockstep_open(void);
void lockstep_close(void);

enum verdict lockstep_run(const struct sequence *s);

/* What differed last. */
const char *lockstep_difference(void);

/* Lets one step of the machine's go wrong on purpose, to see that it is found: bits to flip in the result of
 * the first instruction of `row`; ISA_ROWS: none. */
void lockstep_break(unsigned row, u64 bits);

/* ---- rows ---- */

/* True for what may run at all: not system calls, what time or the host's settings decide, or what the host
 * lacks. */
bool lockstep_may_run(unsigned row);

/* Operand sizes of a row: bit i for 1 << i bytes. */
unsigned lockstep_sizes(unsigned row);

/* Runs without a difference in which an instruction of this row and size took part. */
u64 lockstep_covered(unsigned row, unsigned op_bytes);

#endif
