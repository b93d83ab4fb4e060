/* firmware.h - what firmware leaves in memory for kernels to find: ACPI tables (ACPI Specification 6.4, 5.2
 * "ACPI System Description Tables"), an MP table (MultiProcessor Specification 1.4, 4 "MP Configuration
 * Table"), words of the BIOS data area. */
#ifndef ARCH_FIRMWARE_H
#define ARCH_FIRMWARE_H

/* The boot protocol's memory map calls this reserved; pointers to tables lie here, at multiples of 16. */
#define FIRMWARE      0xe0000u
#define FIRMWARE_END  0x100000u
#define FIRMWARE_RSDP FIRMWARE
#define FIRMWARE_ACPI 0xe0040u /* the tables, one after another */
#define FIRMWARE_MP   0xf0000u /* the MP floating pointer, with its table behind it */

#define BIOS_EBDA 0x40e /* word: segment; there is none */
#define BIOS_KIB  0x413 /* word: KiB of memory below 640 KiB */

#endif
