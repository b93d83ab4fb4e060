/* ipi.h - interrupts on their way from one core to another, and what INIT and start-up IPIs do (SDM vol.
 * 3, 8.4 "Multiple-Processor (MP) Initialization", 10.6 "Issuing Interprocessor Interrupts"; docs/machine.md,
 * "Several cores"). */
#ifndef RINGSIDE_CPU_IPI_H
#define RINGSIDE_CPU_IPI_H

#include "machine.h"

/* Sends what the ICR says to one core: to the sender at once, to another with its latency.  Delivery modes
 * that the manual reserves, and SMI, go nowhere. */
void ipi_send(struct core *from, struct core *to, u64 icr);

/* The same from a device, at cycle `arrival`.  mode: of ICR.  level: its EOI goes to the board. */
void ipi_from_board(struct machine *m, struct core *to, u64 mode, u64 vector, bool level, u64 arrival);

/* Cycle of the next arrival that the core, as it is, would look at; UINT64_MAX: none. */
u64 ipi_next_due(const struct core *c);

/* Before an atom: what has arrived.  True if INIT or a start-up IPI was the atom. */
bool ipi_arrive(struct core *c);

/* VM entry and VMXOFF, at their end: an INIT that they unblock comes now, and up to now the core did not wait
 * for a start-up IPI, whatever it does next. */
void ipi_unblock_init(struct core *c);

/* Reset: nothing is on its way. */
void ipi_forget(struct core *c);

/* A start-up IPI in wait-for-SIPI, outside VMX operation: the core begins where the entry structure says.
 * cpu/startup.c */
void startup(struct core *c, u64 vector);

#endif
