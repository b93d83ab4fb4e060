/* uart.h - 16550 UARTs (PC16550D data sheet, 8 "Registers"): always ready to send.  They interrupt as
 * IRQ 4 and IRQ 3 through MCR.OUT2: for data, whatever the FIFO's trigger level, and when the transmitter has
 * become empty, which is at once.
 *
 * The line is paced by the receiver: a byte that was sent to the machine waits on the wire until software has
 * taken the one before, so a FIFO reset loses nothing and nothing overruns. */
#ifndef RINGSIDE_UART_H
#define RINGSIDE_UART_H

#include "machine.h"

u8 uart_read(struct machine *m, unsigned uart, unsigned reg);
void uart_write(struct machine *m, unsigned uart, unsigned reg, u8 value);
void uart_reset(struct uart *u);

/* Puts bytes on the wire; false, and none put, if it has no room for all. */
bool uart_receive(struct uart *u, const u8 *bytes, size_t n);
/* The same from outside, with the interrupt that follows. */
bool uart_input(struct machine *m, unsigned uart, const u8 *bytes, size_t n);
/* A byte from outside would interrupt. */
bool uart_hears(const struct machine *m, unsigned uart);
/* Bytes that the wire has room for. */
size_t uart_room(const struct uart *u);

/* Keeps a byte that the machine has sent: the n-th of its console. */
void console_log_put(struct console_log *log, u64 n, u8 byte);

#endif
