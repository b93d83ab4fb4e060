/* apic.h - what the local APIC offers the MSRs; its other functions are in cpu/cpu.h. */
#ifndef RINGSIDE_CPU_APIC_H
#define RINGSIDE_CPU_APIC_H

#include "machine.h"

/* WRMSR to IA32_APIC_BASE; false: #GP(0). */
bool apic_write_base(struct core *c, u64 value);
/* WRMSR to IA32_TSC_DEADLINE. */
void apic_write_deadline(struct core *c, u64 tsc);
/* After a write to the TSC: the deadline moves in time. */
void apic_tsc_moved(struct core *c);

#endif
