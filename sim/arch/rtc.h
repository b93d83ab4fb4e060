/* rtc.h - the real-time clock and its memory (Motorola MC146818A data sheet; the century as FADT says). */
#ifndef ARCH_RTC_H
#define ARCH_RTC_H

#define PORT_RTC     0x70 /* index; the data are at the next */
#define RTC_BYTES    128
#define RTC_SECONDS  0x00
#define RTC_MINUTES  0x02
#define RTC_HOURS    0x04
#define RTC_WEEKDAY  0x06 /* Sunday is 1 */
#define RTC_DAY      0x07
#define RTC_MONTH    0x08
#define RTC_YEAR     0x09
#define RTC_A        0x0a
#define RTC_B        0x0b
#define RTC_C        0x0c
#define RTC_D        0x0d
#define RTC_SHUTDOWN 0x0f
#define RTC_CENTURY  0x32

#define RTC_A_UPDATES 0x80 /* update in progress */
#define RTC_A_DIVIDER 0x26
#define RTC_B_24      0x02
#define RTC_B_BINARY  0x04
#define RTC_D_VALID   0x80
#define RTC_PM        0x80  /* in 12-hour mode */
#define RTC_UPDATE_HZ 4098u /* 1 / 244 us: how long before the update RTC_A_UPDATES is set */

#define RTC_POWER_ON UINT64_C(1767225600) /* the date at cycle 0, in seconds since 1970: 2026-01-01 */

#endif
