/* uart.h - the console: the board's first UART, by polling. */
#ifndef UART_H
#define UART_H

void uart_init(void);
void uart_put(char c);
/* Waits for a byte. */
char uart_get(void);

#endif
