/* guest.h - what a guest's C code starts from. */
#ifndef GUEST_H
#define GUEST_H

#include <stddef.h>
#include <stdint.h>

#include "arch/board.h"
#include "arch/boot.h"
#include "arch/x86.h"

/* A guest's own part: `args` is its command line, the image's name first.  The result goes to debug-exit: 0
 * is success. */
uint32_t guest_main(const char *args);

/* Bytes of RAM from address 0, by the boot protocol's memory map. */
uint64_t ram_bytes(void);

/* Ends the run, or the VM, with a status of 2 value + 1. */
_Noreturn void debug_exit(uint32_t value);

#endif
