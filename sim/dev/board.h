/* board.h - the board's life; its ports and addresses are in cpu/cpu.h, for the core that reaches them. */
#ifndef RINGSIDE_BOARD_H
#define RINGSIDE_BOARD_H

#include "machine.h"

/* RESET: registers of the devices; what is on the wires, and the firmware's settings, stay. */
void board_reset(struct machine *m);

/* Inputs that would interrupt, enum rs_awaited; 0: none. */
unsigned board_awaits(const struct machine *m);

#endif
