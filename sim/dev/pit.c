/* pit.c - see pit.h. */
#include "dev/pit.h"

#include "arch/pit.h"
#include "dev/device.h"
#include "dev/isa.h"

#define ACCESS(control) ((control)&PIT_BOTH)

/* ---- time: exact on any host, as both factors of each product are small (hz up to 10^10) ---- */

u64 clock_ticks(const struct machine *m, u64 cycle, u64 hz)
{
    return cycle / m->p.hz * hz + cycle % m->p.hz * hz / m->p.hz;
}

u64 clock_cycle(const struct machine *m, u64 ticks, u64 hz)
{
    return ticks / hz * m->p.hz + (ticks % hz * m->p.hz + hz - 1) / hz;
}

static u64 now(const struct machine *m)
{
    return clock_ticks(m, device_now(m), PIT_HZ);
}

/* ---- a counter ---- */

/* Modes 6 and 7 are 2 and 3 (table "Control Word Format"). */
static unsigned mode_of(const struct pit_counter *c)
{
    unsigned mode = c->control >> 1 & 7;
    return mode > 5 ? mode - 4 : mode;
}

static bool is_periodic(const struct pit_counter *c)
{
    return mode_of(c) == 2 || mode_of(c) == 3;
}

/* Started by the gate, not by the count. */
static bool is_triggered(const struct pit_counter *c)
{
    return mode_of(c) == 1 || mode_of(c) == 5;
}

static u64 count_of(const struct pit_counter *c)
{
    return c->count ? c->count : 0x10000;
}

/* Of mode 3's period OUT is high for so long. */
static u64 high_part(u64 count)
{
    return (count + 1) / 2;
}

/* Ticks since the count was loaded. */
static u64 elapsed(const struct pit_counter *c, u64 tick)
{
    if (c->stopped)
        return c->held;
    u64 e = tick - c->start; /* the start may lie before tick 0 */
    return e >> 63 ? 0 : e;
}

static bool out(const struct pit_counter *c, u64 tick)
{
    u64 e = elapsed(c, tick), n = count_of(c);
    if (!c->running)
        return mode_of(c) != 0;
    switch (mode_of(c)) {
    case 0:
    case 1: return e >= n;
    case 2: return c->stopped || n == 1 || e % n != n - 1;
    case 3: return c->stopped || e % n < high_part(n);
    default: return e != n;
    }
}

/* How often OUT has risen since the start. */
static u64 rises(const struct pit_counter *c, u64 tick)
{
    u64 e = elapsed(c, tick), n = count_of(c);
    if (!c->running || n == 1)
        return 0;
    if (is_periodic(c))
        return e / n;
    return e >= n + (mode_of(c) >= 4);
}

/* The tick after this one at which OUT changes; 0: none. */
static u64 next_change(const struct pit_counter *c, u64 tick)
{
    u64 e = elapsed(c, tick), n = count_of(c), at = 0;
    u64 turn = mode_of(c) == 2 ? n - 1 : high_part(n);
    if (!c->running || c->stopped || n == 1)
        return 0;
    if (is_periodic(c))
        at = e - e % n + (e % n < turn ? turn : n);
    else if (e < n)
        at = n;
    else if (e == n && mode_of(c) >= 4)
        at = n + 1;
    return at ? c->start + at : 0;
}

/* What the counting element holds (mode 3 counts by two; an odd count is loaded less one). */
static u64 value(const struct pit_counter *c, u64 tick)
{
    u64 e = elapsed(c, tick), n = count_of(c), wrap = c->control & PIT_BCD ? 10000 : 0x10000;
    u64 phase = e % n, half = high_part(n);
    if (mode_of(c) == 2)
        return (n - phase) % wrap;
    if (mode_of(c) == 3)
        return ((n & ~UINT64_C(1)) - 2 * (phase < half ? phase : phase - half)) % wrap;
    return (n % wrap + wrap - e % wrap) % wrap;
}

static void restart(struct pit_counter *c, u64 count, u64 start)
{
    c->rises += rises(c, start);
    c->count = count;
    c->start = start;
    c->running = 1;
    c->next = 0;
    c->held = 0;
}

/* A new count of modes 2 and 3 is loaded at the end of the period, or of its half. */
static void settle(struct pit_counter *c, u64 tick)
{
    if (!c->next || !is_periodic(c) || c->stopped || tick < c->next_at)
        return;
    bool low = mode_of(c) == 3 && (c->next_at - c->start) % count_of(c) != 0;
    u64 back = low ? high_part(c->next) : 0;
    restart(c, c->next, c->next_at);
    c->start -= back;
}

static struct pit_counter *settled(struct machine *m, unsigned i)
{
    settle(&m->b.pit[i], now(m));
    return &m->b.pit[i];
}

/* ---- counter 0's line ---- */

void pit_catch_up(struct machine *m)
{
    struct pit_counter *c = &m->b.pit[0];
    u64 tick = now(m);
    settle(c, tick);
    u64 risen = c->rises + rises(c, tick);
    if (risen != c->driven)
        isa_line(m, IRQ_TIMER, false);
    if (risen != c->driven && !out(c, tick))
        isa_line(m, IRQ_TIMER, true);
    isa_line(m, IRQ_TIMER, out(c, tick));
    c->driven = risen;
}

void pit_reschedule(struct machine *m)
{
    u64 change = isa_is_heard(m, IRQ_TIMER) ? next_change(&m->b.pit[0], now(m)) : 0;
    if (change)
        device_schedule(m, DEVICE_PIT, clock_cycle(m, change, PIT_HZ));
    else
        device_cancel(m, DEVICE_PIT);
}

void pit_run(struct machine *m)
{
    pit_catch_up(m);
    pit_reschedule(m);
}

/* ---- counts ---- */

static u64 from_bcd(u64 value)
{
    u64 number = 0;
    for (int shift = 12; shift >= 0; shift -= 4)
        number = number * 10 + (value >> shift & 15);
    return number;
}

static u64 to_bcd(u64 number)
{
    return number / 1000 % 10 << 12 | number / 100 % 10 << 8 | number / 10 % 10 << 4 | number % 10;
}

static void load(struct pit_counter *c, u64 tick, u64 written)
{
    bool bcd = c->control & PIT_BCD;
    u64 count = bcd ? from_bcd(written) : written;
    if (!count)
        count = bcd ? 10000 : 0x10000;
    bool later = is_triggered(c) || (is_periodic(c) && c->running);
    if (!later) {
        restart(c, count, tick + 1);
        return;
    }
    c->next = count;
    c->next_at = is_triggered(c) ? UINT64_MAX : next_change(c, tick);
    if (mode_of(c) == 2 && c->next_at && (c->next_at - c->start) % count_of(c))
        c->next_at++; /* OUT goes low a tick before the end */
    if (!c->next_at)
        c->next_at = tick + 1;
}

/* The low byte of two stops mode 0. */
static void write_count(struct pit_counter *c, u64 tick, u8 byte)
{
    switch (ACCESS(c->control)) {
    case PIT_LOW: load(c, tick, byte); return;
    case PIT_HIGH: load(c, tick, (u64)byte << 8); return;
    default: break;
    }
    if (c->low) {
        u64 low = c->low & 0xff;
        c->low = 0;
        load(c, tick, (u64)byte << 8 | low);
        return;
    }
    c->low = byte + 256u;
    if (mode_of(c) == 0)
        c->running = 0;
}

static void latch_count(struct pit_counter *c, u64 tick)
{
    if (c->latched)
        return;
    u64 count = value(c, tick);
    c->latch = c->control & PIT_BCD ? to_bcd(count) : count;
    c->latched = ACCESS(c->control) == PIT_BOTH ? 2 : 1;
}

static void latch_status(struct pit_counter *c, u64 tick)
{
    bool null = !c->running || c->next || (c->start - tick - 1) >> 63 == 0;
    if (!c->status)
        c->status = 256 | (out(c, tick) ? PIT_STATUS_OUT : 0) | (null ? PIT_STATUS_NULL : 0) | c->control;
}

static void read_back(struct machine *m, u8 value)
{
    for (unsigned i = 0; i < PIT_COUNTERS; i++) {
        struct pit_counter *c = settled(m, i);
        if (!(value & PIT_BACK(i)))
            continue;
        if (!(value & PIT_BACK_COUNT))
            latch_count(c, now(m));
        if (!(value & PIT_BACK_STATUS))
            latch_status(c, now(m));
    }
}

static void program(struct pit_counter *c, u8 value, u64 tick)
{
    c->rises += rises(c, tick);
    *c = (struct pit_counter){.control = value & 0x3f,
                              .gate = c->gate,
                              .stopped = !c->gate,
                              .rises = c->rises,
                              .driven = c->driven};
}

static void control(struct machine *m, u8 value)
{
    if ((value & PIT_READ_BACK) == PIT_READ_BACK) {
        read_back(m, value);
        return;
    }
    struct pit_counter *c = settled(m, value >> 6);
    if (ACCESS(value) == PIT_LATCH)
        latch_count(c, now(m));
    else
        program(c, value, now(m));
}

void pit_write(struct machine *m, unsigned unit, unsigned port, u8 value)
{
    (void)unit;
    pit_catch_up(m);
    if (port == PIT_COUNTERS)
        control(m, value);
    else
        write_count(settled(m, port), now(m), value);
    pit_catch_up(m);
    pit_reschedule(m);
}

/* Bytes of a count in turn, the latched one's or the present one's. */
static u8 next_byte(struct pit_counter *c, u64 count)
{
    bool high = ACCESS(c->control) == PIT_HIGH || (ACCESS(c->control) == PIT_BOTH && c->high);
    c->high = ACCESS(c->control) == PIT_BOTH && !c->high;
    return (u8)(high ? count >> 8 : count);
}

u8 pit_read(struct machine *m, unsigned unit, unsigned counter)
{
    (void)unit;
    if (counter >= PIT_COUNTERS)
        return 0xff; /* the control word cannot be read */
    struct pit_counter *c = settled(m, counter);
    if (c->status) {
        u8 status = (u8)c->status;
        c->status = 0;
        return status;
    }
    if (c->latched) {
        c->latched--;
        return next_byte(c, c->latch);
    }
    u64 count = value(c, now(m));
    return next_byte(c, c->control & PIT_BCD ? to_bcd(count) : count);
}

/* ---- counter 2's gate and output ---- */

/* Modes 0 and 4 stop and go on; 2 and 3 begin anew at the rising edge, and 1 and 5 begin with it. */
static void set_gate(struct pit_counter *c, bool gate, u64 tick)
{
    if (c->gate == gate)
        return;
    c->gate = gate;
    if (!gate) {
        if (!is_triggered(c)) {
            c->held = elapsed(c, tick);
            c->stopped = 1;
        }
        return;
    }
    u64 held = c->held;
    c->stopped = 0;
    if (is_triggered(c) ? c->running || c->next : is_periodic(c) && c->running)
        restart(c, c->next ? c->next : count_of(c), tick + 1);
    else if (!is_periodic(c))
        c->start = tick - held;
}

u8 pit_system_b_read(struct machine *m, unsigned unit, unsigned offset)
{
    u64 tick = now(m);
    struct pit_counter *c = settled(m, 2);
    (void)unit;
    (void)offset;
    return (u8)(m->b.system_b | (tick / PIT_REFRESH & 1 ? SYSTEM_B_REFRESH : 0) |
                (out(c, tick) ? SYSTEM_B_OUT : 0));
}

void pit_system_b_write(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    (void)unit;
    (void)offset;
    set_gate(settled(m, 2), value & SYSTEM_B_GATE, now(m));
    m->b.system_b = value & SYSTEM_B_WRITABLE;
}

/* As firmware leaves it: 18.2 interrupts a second, memory refresh, and a silent speaker. */
void pit_reset(struct machine *m)
{
    u64 tick = now(m);
    for (unsigned i = 0; i < PIT_COUNTERS; i++)
        m->b.pit[i] = (struct pit_counter){.gate = i < 2, .stopped = i == 2, .start = tick};
    m->b.pit[0].control = PIT_BOTH | PIT_MODE(3);
    m->b.pit[0].count = 0x10000;
    m->b.pit[1].control = PIT_LOW | PIT_MODE(2);
    m->b.pit[1].count = PIT_REFRESH;
    m->b.pit[2].control = PIT_BOTH | PIT_MODE(3);
    m->b.pit[0].running = m->b.pit[1].running = 1;
    m->b.system_b = 0;
    device_cancel(m, DEVICE_PIT);
    pit_catch_up(m);
}
