/* uart.h - the machine's own UARTs, by polling.  port: PORT_CONSOLE or PORT_MANAGEMENT (arch/board.h). */
#ifndef HV_UART_H
#define HV_UART_H

#include <stdbool.h>
#include <stdint.h>

void uart_init(uint16_t port);
void uart_put(uint16_t port, char c);
/* False if nothing has been received. */
bool uart_get(uint16_t port, char *c);

#endif
