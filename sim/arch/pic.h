/* pic.h - the pair of 8259A interrupt controllers (8259A data sheet, "Programming the 8259A"). */
#ifndef ARCH_PIC_H
#define ARCH_PIC_H

#define PORT_PIC     0x20 /* the first: command, then data */
#define PORT_PIC2    0xa0
#define PORT_ELCR    0x4d0 /* edge or level, a bit a line; the second's is next */
#define PIC_CASCADE  2     /* the first's line that the second drives */
#define PIC_SPURIOUS 7     /* what is acknowledged where nothing is requested */

/* Initialisation command words. */
#define PIC_ICW1        0x10
#define PIC_ICW1_ICW4   0x01
#define PIC_ICW1_SINGLE 0x02
#define PIC_ICW1_LEVEL  0x08
#define PIC_ICW4_8086   0x01
#define PIC_ICW4_AUTO   0x02 /* automatic end of interrupt */

/* Operation command words. */
#define PIC_OCW3          0x08
#define PIC_OCW3_READ_IRR 0x02
#define PIC_OCW3_READ_ISR 0x03
#define PIC_OCW3_POLL     0x04
#define PIC_OCW3_SPECIAL  0x60 /* set special mask; 0x40 clears it */
#define PIC_OCW2_EOI      0x20
#define PIC_OCW2_SPECIFIC 0x40
#define PIC_OCW2_ROTATE   0x80

#define PIC_ELCR_BITS  0xf8 /* lines that may be level-triggered */
#define PIC_ELCR2_BITS 0xde

#endif
