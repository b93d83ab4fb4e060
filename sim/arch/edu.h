/* edu.h - registers of the edu device (QEMU, docs/specs/edu.rst "EDU device"), in BAR 0. */
#ifndef ARCH_EDU_H
#define ARCH_EDU_H

#define EDU_VENDOR    0x1234
#define EDU_DEVICE    0x11e8
#define EDU_BAR_BYTES 0x100000

#define EDU_ID          0x00 /* read-only */
#define EDU_LIVENESS    0x04 /* reads as the inverse of what was written */
#define EDU_FACTORIAL   0x08
#define EDU_STATUS      0x20
#define EDU_IRQ_STATUS  0x24 /* read-only */
#define EDU_IRQ_RAISE   0x60 /* write-only */
#define EDU_IRQ_ACK     0x64 /* write-only */
#define EDU_DMA_SOURCE  0x80
#define EDU_DMA_DEST    0x88
#define EDU_DMA_COUNT   0x90
#define EDU_DMA_COMMAND 0x98

#define EDU_ID_VALUE         0x010000ed
#define EDU_STATUS_COMPUTING 0x01 /* read-only */
#define EDU_STATUS_INTERRUPT 0x80 /* raise one when the factorial is there */
#define EDU_IRQ_FACTORIAL    0x001
#define EDU_IRQ_DMA          0x100
#define EDU_DMA_START        0x1
#define EDU_DMA_TO_RAM       0x2 /* else from RAM */
#define EDU_DMA_INTERRUPT    0x4

#define EDU_DMA_BUFFER       0x40000 /* where DMA sees the device's own buffer */
#define EDU_DMA_BUFFER_BYTES 4096
#define EDU_DMA_MASK         0x0fffffffu /* addresses have 28 bits */

#endif
