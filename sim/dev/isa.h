/* isa.h - the ISA bus's interrupt requests: to the 8259s, and to the I/O APIC, whose pin is the IRQ's number
 * but for IRQ 0, which is on pin 2 (as MADT and MP table say). */
#ifndef RINGSIDE_DEV_ISA_H
#define RINGSIDE_DEV_ISA_H

#include "machine.h"

enum isa_irq { IRQ_TIMER = 0, IRQ_KEYBOARD = 1, IRQ_MANAGEMENT = 3, IRQ_CONSOLE = 4, IRQ_ACPI = 9 };

#define ISA_PIN_TIMER 2

void isa_line(struct machine *m, unsigned irq, bool level);
/* Somebody hears an edge of this IRQ now. */
bool isa_is_heard(const struct machine *m, unsigned irq);

#endif
