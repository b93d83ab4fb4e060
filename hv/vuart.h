/* vuart.h - a 16550 made of memory: the console of a VM. */
#ifndef HV_VUART_H
#define HV_VUART_H

#include <stdbool.h>
#include <stdint.h>

#define VUART_WIRE 1024 /* a power of 2 */

struct console;

struct vuart {
    struct console *console; /* where the transmitter leads */
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint32_t head, tail; /* bytes ever received and read */
    uint8_t wire[VUART_WIRE];
};

void vuart_init(struct vuart *u, struct console *console);
/* reg: 0..7, relative to the first port. */
uint8_t vuart_read(struct vuart *u, unsigned reg);
void vuart_write(struct vuart *u, unsigned reg, uint8_t value);
/* Puts a byte on the receiver's wire; false if it is full. */
bool vuart_receive(struct vuart *u, uint8_t byte);

#endif
