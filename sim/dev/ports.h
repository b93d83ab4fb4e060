/* ports.h - the ports that are a byte wide: who answers at which. */
#ifndef RINGSIDE_DEV_PORTS_H
#define RINGSIDE_DEV_PORTS_H

#include "machine.h"

/* Those that nobody claims read as ones and swallow writes. */
u8 ports_in(struct machine *m, u16 port);
void ports_out(struct machine *m, u16 port, u8 value);

#endif
