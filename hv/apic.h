/* apic.h - the local APIC's timer: wakes an idle hypervisor. */
#ifndef HV_APIC_H
#define HV_APIC_H

#include <stdint.h>

void apic_init(void);
/* One timer interrupt, `ticks` APIC timer ticks from now. */
void apic_arm_timer(uint32_t ticks);
void apic_end_of_interrupt(void);

#endif
