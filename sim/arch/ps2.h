/* ps2.h - the keyboard controller 8042 and the keyboard behind it (IBM PS/2 Hardware Interface Technical
 * Reference, "Keyboard and Auxiliary Device Controller" and "Keyboard"). */
#ifndef ARCH_PS2_H
#define ARCH_PS2_H

#define PORT_PS2_DATA    0x60
#define PORT_PS2_COMMAND 0x64 /* read: status */
#define PORT_SYSTEM_A    0x92 /* bit 0: reset, bit 1: A20 */
#define SYSTEM_A_RESET   0x01
#define SYSTEM_A_A20     0x02

#define PS2_STATUS_OUTPUT   0x01 /* a byte is to be read */
#define PS2_STATUS_SYSTEM   0x04
#define PS2_STATUS_COMMAND  0x08 /* the last byte written was a command */
#define PS2_STATUS_UNLOCKED 0x10

#define PS2_CONFIG_INTERRUPT 0x01 /* IRQ 1 */
#define PS2_CONFIG_SYSTEM    0x04
#define PS2_CONFIG_OFF       0x10 /* the keyboard's clock is held */
#define PS2_CONFIG_AUX_OFF   0x20
#define PS2_CONFIG_TRANSLATE 0x40 /* scan code set 2 to set 1 */

/* Commands of the controller. */
#define PS2_READ_CONFIG  0x20 /* to 0x3f: byte n of its memory */
#define PS2_WRITE_CONFIG 0x60
#define PS2_AUX_OFF      0xa7
#define PS2_AUX_ON       0xa8
#define PS2_AUX_TEST     0xa9
#define PS2_SELF_TEST    0xaa
#define PS2_TEST         0xab
#define PS2_OFF          0xad
#define PS2_ON           0xae
#define PS2_READ_INPUT   0xc0
#define PS2_READ_OUTPUT  0xd0
#define PS2_WRITE_OUTPUT 0xd1 /* bit 0 clear: reset */
#define PS2_ECHO_OUTPUT  0xd2
#define PS2_TO_AUX       0xd4
#define PS2_PULSE        0xf0 /* bit 0 clear: reset */
#define PS2_RESET        0xfe
#define PS2_SELF_TEST_OK 0x55

/* Commands of the keyboard, and what it answers. */
#define KEYBOARD_LEDS      0xed
#define KEYBOARD_ECHO      0xee
#define KEYBOARD_SCAN_SET  0xf0
#define KEYBOARD_IDENTIFY  0xf2
#define KEYBOARD_TYPEMATIC 0xf3
#define KEYBOARD_ON        0xf4
#define KEYBOARD_OFF       0xf5
#define KEYBOARD_DEFAULTS  0xf6
#define KEYBOARD_RESEND    0xfe
#define KEYBOARD_RESET     0xff
#define KEYBOARD_ACK       0xfa
#define KEYBOARD_READY     0xaa
#define KEYBOARD_AGAIN     0xfe

#define KEYBOARD_EXTENDED 0xe0
#define KEYBOARD_RELEASED 0xf0 /* of set 2: before the key's code */
#define KEYBOARD_BREAK    0x80 /* of set 1: in the key's code */

#endif
