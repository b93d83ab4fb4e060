/* program.h - random programs for the machine, with a note of what each instruction touches.
 *
 * A program runs in its own page tables, on 4 KiB and 2 MiB pages; it loads, stores, computes, branches,
 * loops, calls, copies and chases pointers, and ends with HLT.
 */
#ifndef TESTS_TICK_PROGRAM_H
#define TESTS_TICK_PROGRAM_H

#include "tick/tick.h"

/* Where things are: physical, then linear. */
#define PROGRAM_CODE_HPA     0x200000u
#define PROGRAM_CODE_BYTES   0x40000u
#define PROGRAM_TABLES_HPA   0x300000u
#define PROGRAM_TABLES_BYTES 0x40000u
#define PROGRAM_CHAIN_HPA    0x400000u
#define PROGRAM_CHAIN_BYTES  0x40000u
#define PROGRAM_DATA_HPA     0x800000u
#define PROGRAM_DATA_BYTES   0x100000u
#define PROGRAM_STACK_HPA    0x600000u
#define PROGRAM_BIG_HPA      0x1000000u /* eight 2 MiB pages */
#define PROGRAM_CODE_GVA     0xc0000000u
#define PROGRAM_CHAIN_GVA    0x80000000u
#define PROGRAM_DATA_GVA     0x40000000u
#define PROGRAM_STACK_GVA    0x100010000u /* top */
#define PROGRAM_BIG_GVA      0x200000000u
#define PROGRAM_BIG_BYTES    0x1000000u

enum { NO_REG = -1 };

/* An operand in memory: base + index * 2^scale + disp. */
struct operand {
    int base, index;
    unsigned scale;
    i64 disp;
    u64 bytes;
    enum tick_access_kind kind;
};

/* What is known of the instruction at an offset of the code. */
struct note {
    bool here;
    bool device;
    bool repeated; /* REP: an iteration touches its operands unless RCX is 0 */
    unsigned operands;
    struct operand operand[2];
    enum tick_branch branch;
    enum tick_flush flush;
    int flush_reg;
};

struct program {
    u64 random;
    u8 code[PROGRAM_CODE_BYTES];
    struct note note[PROGRAM_CODE_BYTES];
    u64 at;                             /* offset at which the next instruction goes */
    u64 limit;                          /* no item begins from here on */
    u64 chain[PROGRAM_CHAIN_BYTES / 8]; /* each cell holds the linear address of another */
    u8 tables[PROGRAM_TABLES_BYTES];
    u64 tables_used;
    u64 physical; /* added to an hPA gives the gPA that EPT maps to it; 0 on the bare machine */
    u64 eptp;     /* 0 on the bare machine */
    unsigned functions;
    u64 function[8]; /* offsets */
};

/* A program of `sequences` (up to 95) sequences of up to `length` items.  It is entered at its first byte, at
 * PROGRAM_CODE_HPA. */
void program_make(struct program *p, u64 seed, unsigned sequences, unsigned length);

/* The same as a guest: its physical addresses are moved, and EPT maps them by pages of 4 KiB and 2 MiB. */
void program_make_guest(struct program *p, u64 seed, unsigned sequences, unsigned length);

u64 program_random(struct program *p, u64 n); /* 0 .. n - 1 */

#endif
