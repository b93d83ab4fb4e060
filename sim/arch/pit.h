/* pit.h - the 8254 programmable interval timer (82C54 data sheet, "Programming the 82C54"), and port 61H. */
#ifndef ARCH_PIT_H
#define ARCH_PIT_H

#define PIT_HZ           1193182u
#define PORT_PIT(i)      (0x40 + (i)) /* counter i, 0 to 2 */
#define PORT_PIT_CONTROL 0x43
#define PIT_COUNTERS     3

/* Control word. */
#define PIT_SELECT(i)   ((i) << 6)
#define PIT_READ_BACK   0xc0
#define PIT_LATCH       0x00
#define PIT_LOW         0x10
#define PIT_HIGH        0x20
#define PIT_BOTH        0x30
#define PIT_MODE(mode)  ((mode) << 1)
#define PIT_BCD         0x01
/* Read-back command: bits that are 0 ask. */
#define PIT_BACK_COUNT  0x20
#define PIT_BACK_STATUS 0x10
#define PIT_BACK(i)     (0x02 << (i))
/* Status byte; the rest is as in the control word. */
#define PIT_STATUS_OUT  0x80
#define PIT_STATUS_NULL 0x40

#define PORT_SYSTEM_B     0x61
#define SYSTEM_B_GATE     0x01 /* of counter 2 */
#define SYSTEM_B_SPEAKER  0x02
#define SYSTEM_B_WRITABLE 0x0f
#define SYSTEM_B_REFRESH  0x10 /* changes every PIT_REFRESH ticks */
#define SYSTEM_B_OUT      0x20 /* of counter 2 */
#define PIT_REFRESH       18

#endif
