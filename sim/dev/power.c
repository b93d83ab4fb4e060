/* power.c - see power.h. */
#include "dev/power.h"

#include "arch/power.h"
#include "dev/device.h"
#include "dev/pit.h"
#include "world.h"

enum { POWER_NOTHING, POWER_RESET, POWER_OFF };

static void ask(struct machine *m, u64 what)
{
    m->b.power_asked = what;
    device_schedule(m, DEVICE_POWER, 0);
}

void power_reset(struct machine *m)
{
    ask(m, POWER_RESET);
}

void power_off(struct machine *m)
{
    ask(m, POWER_OFF);
}

void power_run(struct machine *m)
{
    u64 what = m->b.power_asked;
    m->b.power_asked = POWER_NOTHING;
    if (what == POWER_RESET) {
        machine_drop_derived(m);
        machine_reset(m);
        return;
    }
    m->b.halted = HALT_POWER_OFF;
    m->b.exit_status = m->b.halt_detail = m->b.halt_core = 0;
    PROBE_DEVICE(m, RS_PROBE_halt, HALT_POWER_OFF, 0);
    device_micro(m, MICRO_EVENT);
}

/* ---- the reset control ---- */

/* The edge of the bit resets. */
void reset_control_write(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    (void)unit;
    (void)offset;
    bool now = value & RESET_NOW && !(m->b.reset_control & RESET_NOW);
    m->b.reset_control = value & (RESET_SYSTEM | RESET_NOW | 0x08);
    if (now)
        power_reset(m);
}

u8 reset_control_read(struct machine *m, unsigned unit, unsigned offset)
{
    (void)unit;
    (void)offset;
    return (u8)m->b.reset_control;
}

/* ---- ACPI's registers: no event ever sets a status bit ---- */

u8 pm_read(struct machine *m, unsigned unit, unsigned offset)
{
    u64 timer = clock_ticks(m, device_now(m), PM_TIMER_HZ) & 0xffffff;
    (void)unit;
    if (offset >= PM_TIMER)
        return (u8)(timer >> 8 * (offset - PM_TIMER));
    if (offset >= PM_CONTROL + 2)
        return 0;
    return (u8)(offset < PM_ENABLE    ? 0
                : offset < PM_CONTROL ? m->b.pm_enable >> 8 * (offset - PM_ENABLE)
                                      : m->b.pm_control >> 8 * (offset - PM_CONTROL));
}

static void put_byte(u64 *word, unsigned at, u8 value)
{
    *word = (*word & ~(UINT64_C(0xff) << 8 * at)) | (u64)value << 8 * at;
}

/* SLP_EN reads as 0; states other than S5 are not there. */
static void control(struct machine *m, unsigned at, u8 value)
{
    put_byte(&m->b.pm_control, at, value);
    bool sleeps = m->b.pm_control & PM_CONTROL_SLEEP;
    m->b.pm_control = (m->b.pm_control & PM_CONTROL_TYPE) | PM_CONTROL_SCI;
    if (sleeps && (m->b.pm_control & PM_CONTROL_TYPE) == PM_TYPE_OFF)
        power_off(m);
}

void pm_write(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    (void)unit;
    if (offset >= PM_ENABLE && offset < PM_CONTROL)
        put_byte(&m->b.pm_enable, offset - PM_ENABLE, value);
    else if (offset >= PM_CONTROL && offset < PM_CONTROL + 2)
        control(m, offset - PM_CONTROL, value);
}

void power_registers_reset(struct machine *m)
{
    m->b.power_asked = POWER_NOTHING;
    m->b.reset_control = m->b.pm_enable = 0;
    m->b.pm_control = PM_CONTROL_SCI;
    device_cancel(m, DEVICE_POWER);
}
