/* vga.h - the text mode of a VGA: the buffer and the CRT controller (IBM VGA Technical Reference, "CRT
 * Controller Registers", "Input Status Register 1"). */
#ifndef ARCH_VGA_H
#define ARCH_VGA_H

#define VGA_TEXT       0xb8000u /* cells of 2 bytes: character, attribute */
#define VGA_TEXT_BYTES 0x8000u
#define VGA_COLUMNS    80
#define VGA_ROWS       25
#define VGA_BLANK      0x0720 /* what firmware clears the screen to */

#define PORT_CRTC        0x3d4 /* index; the data are at the next */
#define CRTC_REGISTERS   25
#define CRTC_CURSOR_FROM 0x0a /* line; bit 5: no cursor */
#define CRTC_CURSOR_TO   0x0b
#define CRTC_START       0x0c /* high byte; the low one is next */
#define CRTC_CURSOR      0x0e /* likewise */
#define CRTC_CURSOR_OFF  0x20
#define CRTC_PROTECT     0x11 /* bit 7: registers 0 to 7 are read-only */

#define PORT_VGA_STATUS    0x3da
#define VGA_STATUS_BLANK   0x01 /* horizontal or vertical */
#define VGA_STATUS_RETRACE 0x08 /* vertical */
/* 720 x 400 at 70 Hz: a dot clock, and dots and lines with their parts that are seen. */
#define VGA_DOT_HZ         28322000u
#define VGA_LINE_DOTS      900
#define VGA_SEEN_DOTS      720
#define VGA_FRAME_LINES    449
#define VGA_SEEN_LINES     400
#define VGA_RETRACE_LINE   412
#define VGA_RETRACE_LINES  2

#endif
