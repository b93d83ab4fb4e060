/* apic.h - the local APIC by its page or, once it is in that mode, by x2APIC MSRs. */
#ifndef CONFORMANCE_APIC_H
#define CONFORMANCE_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* offset: that of the xAPIC page. */
uint32_t apic_read(uint32_t offset);
void apic_write(uint32_t offset, uint32_t value);
/* One of the 256 bits of ISR, TMR or IRR. */
unsigned apic_bit(uint32_t base, unsigned vector);

void apic_self_ipi(uint8_t vector);
/* NMI to this processor, by its ID: the shorthand is for fixed interrupts alone. */
void apic_nmi(void);
/* Enabled, nothing requested or in service, all local sources masked, TPR 0. */
void apic_idle(uint8_t spurious);

bool apic_x2apic_mode(void);

void x2apic_cases(void);

#endif
