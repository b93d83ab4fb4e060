/* rtc.c - see rtc.h. */
#include "dev/rtc.h"

#include "arch/board.h"
#include "arch/rtc.h"
#include "dev/device.h"
#include "dev/pit.h"

/* ---- its memory ---- */

static u8 byte_at(const struct machine *m, unsigned at)
{
    return (u8)(m->b.cmos[at / 8] >> 8 * (at % 8));
}

static void set_byte(struct machine *m, unsigned at, u64 value)
{
    u64 *word = &m->b.cmos[at / 8];
    *word = (*word & ~(UINT64_C(0xff) << 8 * (at % 8))) | (value & 0xff) << 8 * (at % 8);
}

static void set_word(struct machine *m, unsigned at, u64 value)
{
    set_byte(m, at, value);
    set_byte(m, at + 1, value >> 8);
}

/* ---- the date ---- */

struct date {
    u64 year, month, day, weekday; /* the last from 0: Sunday */
};

static bool is_leap(u64 year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static u64 days_of(u64 month, u64 year)
{
    static const u8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (u64)(month == 2 && is_leap(year));
}

/* 400 years have 146097 days. */
static struct date date_of(u64 days)
{
    struct date d = {1970 + days / 146097 * 400, 1, 1, (days + 4) % 7};
    for (days %= 146097; days >= 365 + (u64)is_leap(d.year); d.year++)
        days -= 365 + (u64)is_leap(d.year);
    for (; days >= days_of(d.month, d.year); d.month++)
        days -= days_of(d.month, d.year);
    d.day += days;
    return d;
}

static u64 seconds_now(const struct machine *m)
{
    return RTC_POWER_ON + clock_ticks(m, device_now(m), 1);
}

static u64 hours_of(const struct machine *m, u64 seconds, u64 *pm)
{
    u64 hours = seconds / 3600 % 24;
    *pm = 0;
    if (byte_at(m, RTC_B) & RTC_B_24)
        return hours;
    *pm = hours >= 12 ? RTC_PM : 0;
    return hours % 12 ? hours % 12 : 12;
}

static u64 in_form(const struct machine *m, u64 value)
{
    return byte_at(m, RTC_B) & RTC_B_BINARY ? value : value / 10 % 10 << 4 | value % 10;
}

static u64 time_register(const struct machine *m, unsigned at)
{
    u64 seconds = seconds_now(m), pm, hours = hours_of(m, seconds, &pm);
    struct date date = date_of(seconds / 86400);
    switch (at) {
    case RTC_SECONDS: return in_form(m, seconds % 60);
    case RTC_MINUTES: return in_form(m, seconds / 60 % 60);
    case RTC_HOURS: return in_form(m, hours) | pm;
    case RTC_WEEKDAY: return date.weekday + 1;
    case RTC_DAY: return in_form(m, date.day);
    case RTC_MONTH: return in_form(m, date.month);
    case RTC_YEAR: return in_form(m, date.year % 100);
    default: return in_form(m, date.year / 100 % 100);
    }
}

/* The last 244 us of each second. */
static bool is_updating(const struct machine *m)
{
    return clock_ticks(m, device_now(m), RTC_UPDATE_HZ) % RTC_UPDATE_HZ == RTC_UPDATE_HZ - 1;
}

static bool is_time(unsigned at)
{
    return at == RTC_CENTURY || (at <= RTC_YEAR && at != 1 && at != 3 && at != 5);
}

/* ---- ports ---- */

u8 rtc_read(struct machine *m, unsigned unit, unsigned offset)
{
    unsigned at = m->b.cmos_index & (RTC_BYTES - 1);
    (void)unit;
    if (!offset)
        return 0xff; /* the index cannot be read */
    if (is_time(at))
        return (u8)time_register(m, at);
    return (u8)(byte_at(m, at) | (at == RTC_A && is_updating(m) ? RTC_A_UPDATES : 0));
}

/* Bit 7 of the index holds back NMIs on a PC; there is none to hold back. */
void rtc_write(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    unsigned at = m->b.cmos_index & (RTC_BYTES - 1);
    (void)unit;
    if (!offset)
        m->b.cmos_index = value & (RTC_BYTES - 1);
    else if (at == RTC_A)
        set_byte(m, at, value & ~(u64)RTC_A_UPDATES);
    else if (!is_time(at) && at != RTC_C && at != RTC_D)
        set_byte(m, at, value);
}

/* Its battery keeps it, but firmware sets these: equipment, and memory in KiB below 1 MiB, from there to 64
 * MiB, and in 64 KiB from 16 MiB on. */
void rtc_reset(struct machine *m)
{
    u64 low = min(m->ram_bytes, BOARD_HOLE), mib = UINT64_C(1) << 20;
    m->b.cmos_index = 0;
    set_byte(m, RTC_A, RTC_A_DIVIDER);
    set_byte(m, RTC_B, RTC_B_24);
    set_byte(m, RTC_D, RTC_D_VALID);
    set_byte(m, RTC_SHUTDOWN, 0);
    set_byte(m, 0x14, 0x06);
    set_word(m, 0x15, 640);
    set_word(m, 0x17, min((low - mib) >> 10, 0xffff));
    set_word(m, 0x30, min((low - mib) >> 10, 0xffff));
    set_word(m, 0x34, low > 16 * mib ? (low - 16 * mib) >> 16 : 0);
}
