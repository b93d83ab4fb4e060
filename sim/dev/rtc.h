/* rtc.h - the real-time clock (sim/arch/rtc.h): it shows the machine's time from a fixed date on, and cannot
 * be set; it raises no interrupt. */
#ifndef RINGSIDE_DEV_RTC_H
#define RINGSIDE_DEV_RTC_H

#include "machine.h"

void rtc_reset(struct machine *m);
u8 rtc_read(struct machine *m, unsigned unit, unsigned offset);
void rtc_write(struct machine *m, unsigned unit, unsigned offset, u8 value);

#endif
