/* uart.c - see uart.h. */
#include "dev/uart.h"

#include <stdlib.h>

#include "arch/board.h"
#include "dev/isa.h"

void uart_reset(struct uart *u)
{
    u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
    u->divisor = 1;
    u->thr_empty = 0;
}

/* ---- the wire ---- */

size_t uart_room(const struct uart *u)
{
    return (size_t)(UART_WIRE_BYTES - (u->wire_head - u->wire_tail));
}

static void wire_put(struct uart *u, u8 byte)
{
    u64 at = u->wire_head++ % UART_WIRE_BYTES;
    unsigned shift = at % 8 * 8;
    u->wire[at / 8] = (u->wire[at / 8] & ~(UINT64_C(0xff) << shift)) | (u64)byte << shift;
}

static bool wire_ready(const struct uart *u)
{
    return u->wire_head != u->wire_tail;
}

/* The next byte; 0 if there is none, as an empty FIFO reads. */
static u8 wire_take(struct uart *u)
{
    if (!wire_ready(u))
        return 0;
    u64 at = u->wire_tail++ % UART_WIRE_BYTES;
    return (u8)(u->wire[at / 8] >> at % 8 * 8);
}

bool uart_receive(struct uart *u, const u8 *bytes, size_t n)
{
    if (n > uart_room(u))
        return false;
    for (size_t i = 0; i < n; i++)
        wire_put(u, bytes[i]);
    return true;
}

void console_log_put(struct console_log *log, u64 n, u8 byte)
{
    if (n >= log->capacity) {
        log->capacity = (n + 1) * 2 + 4096;
        log->bytes = realloc(log->bytes, log->capacity);
        if (!log->bytes)
            abort();
    }
    log->bytes[n] = byte;
    if (n >= log->size)
        log->size = n + 1;
}

/* ---- registers ---- */

static u8 interrupt_identification(const struct uart *u)
{
    u8 fifos = u->fcr & UART_FCR_ENABLE ? UART_IIR_FIFOS : 0;
    if (u->ier & UART_IER_RECEIVE && wire_ready(u))
        return fifos | UART_IIR_RECEIVE;
    if (u->ier & UART_IER_TRANSMIT && u->thr_empty)
        return fifos | UART_IIR_TRANSMIT;
    return fifos | UART_IIR_NONE;
}

static bool interrupts(const struct uart *u)
{
    return !(interrupt_identification(u) & UART_IIR_NONE);
}

static unsigned irq_of(unsigned uart)
{
    return uart ? IRQ_MANAGEMENT : IRQ_CONSOLE;
}

static void drive_line(struct machine *m, unsigned uart)
{
    isa_line(m, irq_of(uart), interrupts(&m->b.uart[uart]));
}

bool uart_hears(const struct machine *m, unsigned uart)
{
    const struct uart *u = &m->b.uart[uart];
    return u->ier & UART_IER_RECEIVE && isa_is_heard(m, irq_of(uart));
}

bool uart_input(struct machine *m, unsigned uart, const u8 *bytes, size_t n)
{
    bool fits = uart_receive(&m->b.uart[uart], bytes, n);
    drive_line(m, uart);
    return fits;
}

/* Reading the cause takes back that the transmitter is empty, if it was that (8.6.6, table IV). */
static u8 read_identification(struct uart *u)
{
    u8 iir = interrupt_identification(u);
    if ((iir & UART_IIR_LINE) == UART_IIR_TRANSMIT)
        u->thr_empty = 0;
    return iir;
}

static u8 line_status(const struct uart *u)
{
    return UART_LSR_THR_EMPTY | UART_LSR_IDLE | (wire_ready(u) ? UART_LSR_READY : 0);
}

/* In loopback the modem outputs drive the inputs; otherwise the other end is there and ready. */
static u8 modem_status(const struct uart *u)
{
    if (!(u->mcr & UART_MCR_LOOP))
        return UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
    return (u->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) | (u->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
           (u->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) | (u->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static u8 read_register(struct uart *u, unsigned reg)
{
    bool dlab = u->lcr & UART_LCR_DLAB;
    switch (reg) {
    case UART_RBR: return dlab ? (u8)u->divisor : wire_take(u);
    case UART_IER: return dlab ? (u8)(u->divisor >> 8) : (u8)u->ier;
    case UART_IIR: return read_identification(u);
    case UART_LCR: return (u8)u->lcr;
    case UART_MCR: return (u8)u->mcr;
    case UART_LSR: return line_status(u);
    case UART_MSR: return modem_status(u);
    default: return (u8)u->scr;
    }
}

u8 uart_read(struct machine *m, unsigned uart, unsigned reg)
{
    u8 value = read_register(&m->b.uart[uart], reg);
    drive_line(m, uart);
    return value;
}

/* The holding register is full for no time, but long enough for an edge. */
static void transmit(struct machine *m, unsigned uart, u8 byte)
{
    struct uart *u = &m->b.uart[uart];
    u->thr_empty = 0;
    drive_line(m, uart);
    u->thr_empty = 1;
    if (u->mcr & UART_MCR_LOOP)
        uart_receive(u, &byte, 1);
    else
        console_log_put(&m->log[uart], u->out_bytes++, byte);
}

static void write_ier(struct uart *u, u8 value)
{
    if (value & ~u->ier & UART_IER_TRANSMIT)
        u->thr_empty = 1;
    u->ier = value & 0xf;
}

static void write_register(struct machine *m, unsigned uart, unsigned reg, u8 value)
{
    struct uart *u = &m->b.uart[uart];
    bool dlab = u->lcr & UART_LCR_DLAB;
    switch (reg) {
    case UART_THR:
        if (dlab)
            u->divisor = (u->divisor & 0xff00) | value;
        else
            transmit(m, uart, value);
        break;
    case UART_IER:
        if (dlab)
            u->divisor = (u->divisor & 0xff) | (u64)value << 8;
        else
            write_ier(u, value);
        break;
    case UART_FCR: u->fcr = value & 0xc9; break; /* the reset bits clear themselves */
    case UART_LCR: u->lcr = value; break;
    case UART_MCR: u->mcr = value & 0x1f; break;
    case UART_SCR: u->scr = value; break;
    default: break; /* LSR and MSR are read only */
    }
}

void uart_write(struct machine *m, unsigned uart, unsigned reg, u8 value)
{
    write_register(m, uart, reg, value);
    drive_line(m, uart);
}
