/* ports.c - see ports.h. */
#include "dev/ports.h"

#include "arch/board.h"
#include "arch/pic.h"
#include "arch/pit.h"
#include "arch/power.h"
#include "arch/ps2.h"
#include "arch/rtc.h"
#include "arch/vga.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/power.h"
#include "dev/ps2.h"
#include "dev/rtc.h"
#include "dev/uart.h"
#include "dev/vga.h"

/* One device: the ports that it claims, and how it answers; unit: which of several it is. */
struct port_device {
    u16 first, count;
    unsigned unit;
    u8 (*in)(struct machine *m, unsigned unit, unsigned offset);
    void (*out)(struct machine *m, unsigned unit, unsigned offset, u8 value);
};

static void swallow(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    (void)m;
    (void)unit;
    (void)offset;
    (void)value;
}

static u8 debug_console_in(struct machine *m, unsigned unit, unsigned offset)
{
    (void)m;
    (void)unit;
    (void)offset;
    return DEBUG_CONSOLE_PRESENT;
}

static void debug_console_out(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    (void)unit;
    (void)offset;
    console_log_put(&m->log[2], m->b.debug_out++, value);
}

/* ---- the interrupt controllers, which may begin to hear the timer, or not ---- */

static u8 pic_in(struct machine *m, unsigned unit, unsigned offset)
{
    pit_catch_up(m);
    u8 value = pic_read(m, unit, offset);
    pit_reschedule(m);
    return value;
}

static void pic_out(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    pit_catch_up(m);
    pic_write(m, unit, offset, value);
    pit_reschedule(m);
}

static const struct port_device port_device[] = {
    {PORT_CONSOLE, UART_PORTS, 0, uart_read, uart_write},
    {PORT_MANAGEMENT, UART_PORTS, 1, uart_read, uart_write},
    {PORT_DEBUG_CONSOLE, 1, 0, debug_console_in, debug_console_out},
    {PORT_PIC, 2, 0, pic_in, pic_out},
    {PORT_PIC2, 2, 1, pic_in, pic_out},
    {PORT_ELCR, 1, 0, pic_elcr_read, pic_elcr_write},
    {PORT_ELCR + 1, 1, 1, pic_elcr_read, pic_elcr_write},
    {PORT_PIT(0), PIT_COUNTERS + 1, 0, pit_read, pit_write},
    {PORT_SYSTEM_B, 1, 0, pit_system_b_read, pit_system_b_write},
    {PORT_PS2_DATA, 1, 0, ps2_read, ps2_write},
    {PORT_PS2_COMMAND, 1, 0, ps2_status, ps2_command},
    {PORT_SYSTEM_A, 1, 0, system_a_read, system_a_write},
    {PORT_RTC, 2, 0, rtc_read, rtc_write},
    {PORT_CRTC, 2, 0, crtc_read, crtc_write},
    {PORT_VGA_STATUS, 1, 0, vga_status_read, swallow},
    {PORT_RESET, 1, 0, reset_control_read, reset_control_write},
    {PORT_PM, PM_PORTS, 0, pm_read, pm_write},
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
    return d ? d->in(m, d->unit, port - d->first) : 0xff;
}

void ports_out(struct machine *m, u16 port, u8 value)
{
    const struct port_device *d = device_at(port);
    if (d)
        d->out(m, d->unit, port - d->first, value);
}
