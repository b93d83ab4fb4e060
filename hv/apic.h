/* apic.h - the local APIC: its timer wakes an idle hypervisor, and cores interrupt each other. */
#ifndef HV_APIC_H
#define HV_APIC_H

#include <stdint.h>

/* This core's. */
void apic_init(void);
/* One timer interrupt, `ticks` APIC timer ticks from now. */
void apic_arm_timer(uint32_t ticks);
/* An inter-processor interrupt to the core of this APIC ID; `command`: the low half of the ICR. */
void apic_send(uint32_t id, uint32_t command);
void apic_end_of_interrupt(void);
/* TSC cycles of one tick: the crystal's, undivided (SDM vol. 2A, CPUID leaf 15H). */
uint64_t apic_cycles_per_count(void);

#endif
