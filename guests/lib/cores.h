/* cores.h - the other cores: how many, how to start them, and interrupts between them, by x2APIC.
 *
 * They are started by the 64-bit start-up IPI of X86-S (docs/machine.md), which a machine that has it says by
 * CPUID; without it there is one core for all that this library knows. */
#ifndef CORES_H
#define CORES_H

#define CORES_MAX 8

#ifndef __ASSEMBLER__

#include <stdint.h>

#include "arch/apic.h"

/* What CPUID leaf 0BH counts, CORES_MAX at most; 1 without 64-bit start-up IPIs. */
unsigned cores_count(void);

/* Starts all others, with the tables and the IDT of the caller, a stack each, interrupts off and their x2APIC
 * on; returns when all of them are about to enter core_main(number).  The caller's x2APIC is on then too. */
void cores_start(void (*core_main)(unsigned number));

/* Interrupts the cores of a set, bit i for number i, by one write to the ICR. */
void ipi_to_set(uint32_t set, uint32_t vector);
void ipi_end(void); /* EOI */

/* Meets the other cores: returns when `count` of them have come here `turn` times (1, 2, ...). */
struct barrier {
    uint64_t come;
};
void barrier_meet(struct barrier *b, unsigned count, uint64_t turn);

#endif
#endif
