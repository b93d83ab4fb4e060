/* bus.h - the bus between caches, memory and devices (docs/machine.md, T7). */
#ifndef RINGSIDE_MMU_BUS_H
#define RINGSIDE_MMU_BUS_H

#include "machine.h"

#define BUS_TRANSFERS 16 /* of state.def's bus_end */

/* Takes the bus for one transfer that is asked for at cycle `now`; returns the cycles until it starts. */
u64 bus_wait(struct machine *m, u64 now);

#endif
