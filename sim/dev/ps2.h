/* ps2.h - the keyboard and its controller (sim/arch/ps2.h).  There is no auxiliary device.
 *
 * Keys are paced by the receiver, as the UARTs' lines are: a code waits until software has read the one
 * before. */
#ifndef RINGSIDE_DEV_PS2_H
#define RINGSIDE_DEV_PS2_H

#include "machine.h"

void ps2_reset(struct machine *m);
u8 ps2_read(struct machine *m, unsigned unit, unsigned offset);
void ps2_write(struct machine *m, unsigned unit, unsigned offset, u8 value);
u8 ps2_status(struct machine *m, unsigned unit, unsigned offset);
void ps2_command(struct machine *m, unsigned unit, unsigned offset, u8 value);
u8 system_a_read(struct machine *m, unsigned unit, unsigned offset);
void system_a_write(struct machine *m, unsigned unit, unsigned offset, u8 value);

/* Codes of set 1, as rs_input_keys has them; false, and none put, if the wire has no room for all. */
bool ps2_keys(struct machine *m, const u8 *codes, size_t n);
size_t ps2_room(const struct machine *m);
/* A key would interrupt. */
bool ps2_hears(const struct machine *m);

#endif
