/* console.h - the UART as a file. */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include <stdint.h>

/* Bytes of a line, which is there when '\n' has been typed; echoed, and a backspace takes one back. */
int64_t console_read(uint64_t va, uint64_t n);
int64_t console_write(uint64_t va, uint64_t n);

#endif
