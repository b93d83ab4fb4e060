/* ioapic.h - the I/O APIC (82093AA data sheet, 3.0 "Register Description"; the EOI register is that of later
 * ones). */
#ifndef ARCH_IOAPIC_H
#define ARCH_IOAPIC_H

#define IOAPIC_BASE  0xfec00000u
#define IOAPIC_BYTES 0x1000u
#define IOAPIC_PINS  24

/* Addresses, of 4 bytes each. */
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_EOI    0x40 /* write-only: a vector */

/* Registers, through the window. */
#define IOAPIC_ID            0x00
#define IOAPIC_VERSION       0x01
#define IOAPIC_ARBITRATION   0x02
#define IOAPIC_ENTRY(pin)    (0x10 + 2 * (pin)) /* the lower half; the upper one is next */
#define IOAPIC_VERSION_VALUE 0x00170020u        /* 24 entries; version 20H has the EOI register */
#define IOAPIC_ID_BITS       0x0f000000u

/* A redirection entry. */
#define IOAPIC_VECTOR            0xff
#define IOAPIC_DELIVERY          0x700 /* as in ICR */
#define IOAPIC_LOGICAL           (1u << 11)
#define IOAPIC_PENDING           (1u << 12) /* delivery status, read-only */
#define IOAPIC_LOW_ACTIVE        (1u << 13)
#define IOAPIC_REMOTE_IRR        (1u << 14) /* read-only */
#define IOAPIC_LEVEL             (1u << 15)
#define IOAPIC_MASKED            (1u << 16)
#define IOAPIC_DESTINATION_SHIFT 56

#define IOAPIC_REQUESTER 0x00f8 /* as which it sends messages */

#endif
