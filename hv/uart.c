#include "uart.h"

#include "arch/board.h"
#include "arch/insn.h"

#define NO_UART 0xff /* ports that nobody claims read as ones */

void uart_init(uint16_t port)
{
    out8(port + UART_IER, 0);
    out8(port + UART_LCR, UART_LCR_8N1);
    out8(port + UART_FCR, UART_FCR_ENABLE);
}

void uart_put(uint16_t port, char c)
{
    while (!(in8(port + UART_LSR) & UART_LSR_THR_EMPTY))
        ;
    out8(port + UART_THR, (uint8_t)c);
}

bool uart_get(uint16_t port, char *c)
{
    uint8_t status = in8(port + UART_LSR);

    if (!(status & UART_LSR_READY) || status == NO_UART)
        return false;
    *c = (char)in8(port + UART_RBR);
    return true;
}
