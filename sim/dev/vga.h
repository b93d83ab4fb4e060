/* vga.h - the VGA's text mode (sim/arch/vga.h).  The buffer is plain RAM at 0xb8000. */
#ifndef RINGSIDE_DEV_VGA_H
#define RINGSIDE_DEV_VGA_H

#include "machine.h"

void vga_reset(struct machine *m);
u8 crtc_read(struct machine *m, unsigned unit, unsigned offset);
void crtc_write(struct machine *m, unsigned unit, unsigned offset, u8 value);
u8 vga_status_read(struct machine *m, unsigned unit, unsigned offset);

#endif
