#include "vuart.h"

#include "arch/board.h"
#include "console.h"

void vuart_init(struct vuart *u, struct console *console)
{
    *u = (struct vuart){.console = console, .dll = 1};
}

static bool ready(const struct vuart *u)
{
    return u->head != u->tail;
}

static uint8_t take(struct vuart *u)
{
    return ready(u) ? u->wire[u->tail++ % VUART_WIRE] : 0;
}

bool vuart_receive(struct vuart *u, uint8_t byte)
{
    if (u->head - u->tail == VUART_WIRE)
        return false;
    u->wire[u->head++ % VUART_WIRE] = byte;
    return true;
}

/* The cause of the interrupt of highest priority; VMs have no interrupt controller yet, so it can only be
 * polled. */
static uint8_t interrupt_id(const struct vuart *u)
{
    uint8_t fifos = u->fcr & UART_FCR_ENABLE ? UART_IIR_FIFOS : 0;

    if (u->ier & UART_IER_RECEIVE && ready(u))
        return fifos | UART_IIR_RECEIVE;
    if (u->ier & UART_IER_TRANSMIT)
        return fifos | UART_IIR_TRANSMIT;
    return fifos | UART_IIR_NONE;
}

/* In loopback the modem outputs drive the inputs; otherwise the other end is there and ready. */
static uint8_t modem_status(const struct vuart *u)
{
    if (!(u->mcr & UART_MCR_LOOP))
        return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
    return (u->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) | (u->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
           (u->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) | (u->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

uint8_t vuart_read(struct vuart *u, unsigned reg)
{
    bool divisor = u->lcr & UART_LCR_DLAB;

    switch (reg) {
    case UART_RBR: return divisor ? u->dll : take(u);
    case UART_IER: return divisor ? u->dlm : u->ier;
    case UART_IIR: return interrupt_id(u);
    case UART_LCR: return u->lcr;
    case UART_MCR: return u->mcr;
    case UART_LSR: return UART_LSR_THR_EMPTY | UART_LSR_IDLE | (ready(u) ? UART_LSR_READY : 0);
    case UART_MSR: return modem_status(u);
    default: return u->scr;
    }
}

static void transmit(struct vuart *u, uint8_t value)
{
    if (!(u->mcr & UART_MCR_LOOP))
        console_put(u->console, (char)value);
    else
        vuart_receive(u, value);
}

void vuart_write(struct vuart *u, unsigned reg, uint8_t value)
{
    bool divisor = u->lcr & UART_LCR_DLAB;

    switch (reg) {
    case UART_THR:
        if (divisor)
            u->dll = value;
        else
            transmit(u, value);
        break;
    case UART_IER: *(divisor ? &u->dlm : &u->ier) = divisor ? value : value & 0xf; break;
    case UART_FCR: u->fcr = value; break; /* a FIFO reset leaves what is on the wire */
    case UART_LCR: u->lcr = value; break;
    case UART_MCR: u->mcr = value & 0x1f; break;
    case UART_SCR: u->scr = value; break;
    default: /* line and modem status are read-only */ break;
    }
}
