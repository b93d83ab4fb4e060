/* power.h - ports that reset the machine or switch it off: 0xcf9 (Intel I/O controller hubs, "Reset Control
 * Register"), and the ACPI power-management registers (ACPI Specification 6.4, 4.8.3 "Fixed Hardware
 * Registers"). */
#ifndef RINGSIDE_DEV_POWER_H
#define RINGSIDE_DEV_POWER_H

#include "machine.h"

/* In the next atom of the devices. */
void power_reset(struct machine *m);
void power_off(struct machine *m);
/* That atom. */
void power_run(struct machine *m);

void reset_control_write(struct machine *m, unsigned unit, unsigned offset, u8 value);
u8 reset_control_read(struct machine *m, unsigned unit, unsigned offset);
u8 pm_read(struct machine *m, unsigned unit, unsigned offset);
void pm_write(struct machine *m, unsigned unit, unsigned offset, u8 value);
void power_registers_reset(struct machine *m);

#endif
