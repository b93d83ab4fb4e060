/* phase.h - what a phase of the yardstick is: `turns` times the same work, between two marks. */
#ifndef BENCH_PHASE_H
#define BENCH_PHASE_H

/* Of a phase's instructions, those that lie outside its two readings of the time-stamp counter (measure.S):
 * where that counts instructions, it shows so many less. */
#define PHASE_OUTSIDE_TSC 8

#ifndef __ASSEMBLER__

#include <stdint.h>

/* The work; gives a checksum that depends on all of it. */
typedef uint64_t phase_turns(uint64_t turns);

struct phase_outcome {
    uint64_t check, tsc;
};

/* Runs a phase between mark 1 and mark 2 (RDI: its number in phases.def). */
void phase_measure(phase_turns *run, uint64_t turns, uint64_t number, struct phase_outcome *result);

phase_turns crc_turns, sieve_turns, quicksort_turns, alu_turns, chase_turns, movs_turns, stos_turns,
    interrupt_turns, cr3_turns, exits_turns, ept_chase_turns;

/* What phases need, made before the first. */
void compute_prepare(void);
void memory_prepare(void);
void interrupt_prepare(void);

/* Enters VMX operation and launches a guest that has the address space of now, with EPT that maps the image
 * in pages of 4 KiB, and a VPID; phases resume it.  NULL, or why that cannot be. */
const char *vmx_prepare(void);

#endif
#endif
