/* firmware.h - what a PC's firmware has left in memory when an image is entered (sim/arch/firmware.h). */
#ifndef RINGSIDE_DEV_FIRMWARE_H
#define RINGSIDE_DEV_FIRMWARE_H

#include "dev/table.h"

/* At boot, and again at reset. */
void firmware_write(struct machine *m);

/* ---- its parts ---- */

void acpi_write(struct machine *m);
void mp_table_write(struct machine *m);
/* The definition block of DSDT, behind its header. */
void aml_dsdt(struct table *t);

#endif
