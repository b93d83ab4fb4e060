/* ioapic.h - the I/O APIC: pins to messages (82093AA data sheet; sim/arch/ioapic.h). */
#ifndef RINGSIDE_DEV_IOAPIC_H
#define RINGSIDE_DEV_IOAPIC_H

#include "dev/device.h"

void ioapic_reset(struct machine *m);
u64 ioapic_read(const struct machine *m, u64 offset, unsigned n);
void ioapic_write(struct machine *m, u64 offset, unsigned n, u64 value);

/* A line is asserted or not; ISA's, 0 to 15, by edges. */
void ioapic_line(struct machine *m, unsigned pin, bool level);
void ioapic_end_of_interrupt(struct machine *m, unsigned vector);

/* Its atom: sends the messages that wait. */
void ioapic_run(struct machine *m);

#endif
