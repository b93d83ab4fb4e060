#include "lib/uart.h"

#include "arch/board.h"
#include "arch/insn.h"

void uart_init(void)
{
    out8(PORT_CONSOLE + UART_IER, 0);
    out8(PORT_CONSOLE + UART_LCR, UART_LCR_8N1);
    out8(PORT_CONSOLE + UART_FCR, UART_FCR_ENABLE);
}

void uart_put(char c)
{
    while (!(in8(PORT_CONSOLE + UART_LSR) & UART_LSR_THR_EMPTY))
        ;
    out8(PORT_CONSOLE + UART_THR, (uint8_t)c);
}

char uart_get(void)
{
    while (!(in8(PORT_CONSOLE + UART_LSR) & UART_LSR_READY))
        ;
    return (char)in8(PORT_CONSOLE + UART_RBR);
}
