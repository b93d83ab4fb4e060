/* board.h - the board's ports and addresses, and the 16550's registers (PC16550D data sheet, 8). */
#ifndef ARCH_BOARD_H
#define ARCH_BOARD_H

#define PORT_CONSOLE          0x3f8 /* first UART, 8 ports */
#define PORT_MANAGEMENT       0x2f8 /* second UART, 8 ports */
#define PORT_DEBUG_EXIT       0xf4  /* OUT of v ends the run with status 2 v + 1 */
#define PORT_DEBUG_CONSOLE    0xe9
#define DEBUG_CONSOLE_PRESENT 0xe9 /* what IN reads there */
#define PORT_PIC_MASK         0x21 /* of the first 8259: a bit for each line that it is deaf to */
#define PORT_PIC2_MASK        0xa1
#define PORT_PCI_ADDRESS      0xcf8
#define PORT_PCI_DATA         0xcfc

/* From here to 4 GiB there is no RAM: PCI's and the APICs' addresses lie there (arch/pci.h). */
#define BOARD_HOLE     0xe0000000u
#define BOARD_HOLE_END 0x100000000u

/* Registers of a UART, relative to its first port. */
#define UART_PORTS 8
#define UART_RBR   0 /* read: receiver buffer */
#define UART_THR   0 /* write: transmitter holding */
#define UART_DLL   0 /* with LCR.DLAB: divisor, low byte */
#define UART_IER   1
#define UART_DLM   1 /* with LCR.DLAB: divisor, high byte */
#define UART_IIR   2 /* read */
#define UART_FCR   2 /* write */
#define UART_LCR   3
#define UART_MCR   4
#define UART_LSR   5
#define UART_MSR   6
#define UART_SCR   7

#define UART_IER_RECEIVE        0x1
#define UART_IER_TRANSMIT       0x2
#define UART_IER_LINE           0x4
#define UART_IER_MODEM          0x8
#define UART_IIR_NONE           0x1
#define UART_IIR_TRANSMIT       0x2
#define UART_IIR_RECEIVE        0x4
#define UART_IIR_LINE           0x6
#define UART_IIR_TIMEOUT        0xc
#define UART_IIR_FIFOS          0xc0
#define UART_FCR_ENABLE         0x1
#define UART_FCR_CLEAR_RECEIVE  0x2
#define UART_FCR_CLEAR_TRANSMIT 0x4
#define UART_LCR_8N1            0x3
#define UART_LCR_DLAB           0x80
#define UART_MCR_DTR            0x1
#define UART_MCR_RTS            0x2
#define UART_MCR_OUT1           0x4
#define UART_MCR_OUT2           0x8
#define UART_MCR_LOOP           0x10
#define UART_LSR_READY          0x1
#define UART_LSR_OVERRUN        0x2
#define UART_LSR_THR_EMPTY      0x20
#define UART_LSR_IDLE           0x40
#define UART_MSR_CTS            0x10
#define UART_MSR_DSR            0x20
#define UART_MSR_RI             0x40
#define UART_MSR_DCD            0x80
#define UART_FIFO_BYTES         16

#endif
