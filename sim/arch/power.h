/* power.h - where the board has its reset control and ACPI's fixed registers (ACPI Specification 6.4, 4.8.3
 * "Fixed Hardware Registers"), as FADT says. */
#ifndef ARCH_POWER_H
#define ARCH_POWER_H

#define PORT_RESET   0xcf9
#define RESET_SYSTEM 0x02 /* what kind: not that of the processor alone */
#define RESET_NOW    0x04
#define RESET_VALUE  0x06

#define PORT_PM          0x600
#define PM_PORTS         12
#define PM_STATUS        0 /* 2 bytes, as the next two */
#define PM_ENABLE        2
#define PM_CONTROL       4
#define PM_TIMER         8 /* 24 bits */
#define PM_TIMER_HZ      3579545u
#define PM_CONTROL_SCI   0x0001
#define PM_CONTROL_TYPE  0x1c00
#define PM_CONTROL_SLEEP 0x2000
#define PM_TYPE_OFF      0 /* of the soft-off state S5 */

#endif
