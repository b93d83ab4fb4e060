#include "lib/end_run.h"

#include "arch/board.h"
#include "arch/insn.h"

#define PORT_BOCHS_SHUTDOWN 0x8900

void end_run(uint32_t value)
{
    while (!(in8(PORT_CONSOLE + UART_LSR) & UART_LSR_IDLE))
        ;
    out32(PORT_DEBUG_EXIT, value);
    for (const char *c = "Shutdown"; *c; c++)
        out8(PORT_BOCHS_SHUTDOWN, (uint8_t)*c);
    for (;;)
        __asm__ volatile("cli; hlt");
}
