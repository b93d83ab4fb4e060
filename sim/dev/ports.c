/* ports.c - see ports.h. */
#include "dev/ports.h"

#include "arch/board.h"
#include "arch/pic.h"
#include "arch/pit.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/uart.h"

/* One device: the ports that it claims, and how it answers. */
struct port_device {
    u16 first, count;
    u8 (*in)(struct machine *m, unsigned offset);
    void (*out)(struct machine *m, unsigned offset, u8 value);
};

/* ---- UARTs ---- */

static u8 console_in(struct machine *m, unsigned offset)
{
    return uart_read(m, 0, offset);
}

static void console_out(struct machine *m, unsigned offset, u8 value)
{
    uart_write(m, 0, offset, value);
}

static u8 management_in(struct machine *m, unsigned offset)
{
    return uart_read(m, 1, offset);
}

static void management_out(struct machine *m, unsigned offset, u8 value)
{
    uart_write(m, 1, offset, value);
}

static u8 debug_console_in(struct machine *m, unsigned offset)
{
    (void)m;
    (void)offset;
    return DEBUG_CONSOLE_PRESENT;
}

static void debug_console_out(struct machine *m, unsigned offset, u8 value)
{
    (void)offset;
    console_log_put(&m->log[2], m->b.debug_out++, value);
}

/* ---- interrupt controllers, which may begin to hear the timer, or not ---- */

static u8 pic_in(struct machine *m, unsigned chip, unsigned offset)
{
    pit_catch_up(m);
    u8 value = pic_read(m, chip, offset);
    pit_reschedule(m);
    return value;
}

static void pic_out(struct machine *m, unsigned chip, unsigned offset, u8 value)
{
    pit_catch_up(m);
    pic_write(m, chip, offset, value);
    pit_reschedule(m);
}

static u8 pic1_in(struct machine *m, unsigned offset)
{
    return pic_in(m, 0, offset);
}

static void pic1_out(struct machine *m, unsigned offset, u8 value)
{
    pic_out(m, 0, offset, value);
}

static u8 pic2_in(struct machine *m, unsigned offset)
{
    return pic_in(m, 1, offset);
}

static void pic2_out(struct machine *m, unsigned offset, u8 value)
{
    pic_out(m, 1, offset, value);
}

/* ---- the timer ---- */

static u8 system_b_in(struct machine *m, unsigned offset)
{
    (void)offset;
    return pit_system_b_read(m);
}

static void system_b_out(struct machine *m, unsigned offset, u8 value)
{
    (void)offset;
    pit_system_b_write(m, value);
}

/* ---- all ---- */

static const struct port_device port_device[] = {
    {PORT_CONSOLE, UART_PORTS, console_in, console_out},
    {PORT_MANAGEMENT, UART_PORTS, management_in, management_out},
    {PORT_DEBUG_CONSOLE, 1, debug_console_in, debug_console_out},
    {PORT_PIC, 2, pic1_in, pic1_out},
    {PORT_PIC2, 2, pic2_in, pic2_out},
    {PORT_ELCR, 2, pic_elcr_read, pic_elcr_write},
    {PORT_PIT(0), PIT_COUNTERS + 1, pit_read, pit_write},
    {PORT_SYSTEM_B, 1, system_b_in, system_b_out},
};

static const struct port_device *device_at(u16 port)
{
    for (size_t i = 0; i < sizeof port_device / sizeof *port_device; i++)
        if (port - port_device[i].first < port_device[i].count && port >= port_device[i].first)
            return &port_device[i];
    return NULL;
}

u8 ports_in(struct machine *m, u16 port)
{
    const struct port_device *d = device_at(port);
    return d ? d->in(m, port - d->first) : 0xff;
}

void ports_out(struct machine *m, u16 port, u8 value)
{
    const struct port_device *d = device_at(port);
    if (d)
        d->out(m, port - d->first, value);
}
