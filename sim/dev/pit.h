/* pit.h - the 8254 (82C54 data sheet; sim/arch/pit.h).  Its counters are worked out from the cycle when
 * somebody looks; counter 0 has atoms of the devices for the edges that are heard. */
#ifndef RINGSIDE_DEV_PIT_H
#define RINGSIDE_DEV_PIT_H

#include "machine.h"

void pit_reset(struct machine *m);
u8 pit_read(struct machine *m, unsigned unit, unsigned counter);
void pit_write(struct machine *m, unsigned unit, unsigned port,
               u8 value); /* port: PIT_COUNTERS for the control word */
u8 pit_system_b_read(struct machine *m, unsigned unit, unsigned offset);
void pit_system_b_write(struct machine *m, unsigned unit, unsigned offset, u8 value);

/* Around a change of who hears IRQ 0: its line as it is by now, and when its next edge is due. */
void pit_catch_up(struct machine *m);
void pit_reschedule(struct machine *m);

/* Its atom: the edge. */
void pit_run(struct machine *m);

/* Ticks of a clock of `hz` that have begun by a cycle of a machine, and the first cycle at which `ticks`
 * have. */
u64 clock_ticks(const struct machine *m, u64 cycle, u64 hz);
u64 clock_cycle(const struct machine *m, u64 ticks, u64 hz);

#endif
