/* pic.h - the 8259As, cascaded, whose INTR reaches each local APIC's LINT0 (8259A data sheet;
 * sim/arch/pic.h).
 */
#ifndef RINGSIDE_DEV_PIC_H
#define RINGSIDE_DEV_PIC_H

#include "machine.h"

/* As firmware leaves them: initialised, at vectors 8 and 70H, and masked. */
void pic_reset(struct machine *m);

/* IRQ 0 to 15 is asserted or not. */
void pic_line(struct machine *m, unsigned irq, bool level);
/* The pair hears an edge of this IRQ now. */
bool pic_hears(const struct machine *m, unsigned irq);

/* INTR: the vector that would be acknowledged; -1: it is not asserted. */
int pic_pending_vector(const struct machine *m);
unsigned pic_acknowledge(struct machine *m);

/* Ports: which of the pair, command (0) or data (1). */
u8 pic_read(struct machine *m, unsigned chip, unsigned offset);
void pic_write(struct machine *m, unsigned chip, unsigned offset, u8 value);
u8 pic_elcr_read(struct machine *m, unsigned chip, unsigned offset);
void pic_elcr_write(struct machine *m, unsigned chip, unsigned offset, u8 value);

#endif
