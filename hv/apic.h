/* apic.h - the local APIC's timer: wakes an idle hypervisor. */
#ifndef HV_APIC_H
#define HV_APIC_H

#include <stdint.h>

void apic_init(void);
/* One timer interrupt, `ticks` APIC timer ticks from now. */
void apic_arm_timer(uint32_t ticks);
void apic_end_of_interrupt(void);
/* TSC cycles of one tick: the crystal's, undivided (SDM vol. 2A, CPUID leaf 15H). */
uint64_t apic_cycles_per_count(void);

#endif
