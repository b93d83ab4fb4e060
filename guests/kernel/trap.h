/* trap.h - the ways into the kernel. */
#ifndef KERNEL_TRAP_H
#define KERNEL_TRAP_H

#include <stdint.h>

#include "lib/trap_entry.h"

#define VECTOR_TIMER       0x40
#define VECTOR_DEVICES     0x41
#define VECTOR_DEVICES_END 0x4f
#define VECTOR_SPURIOUS    0x4f

/* IDT and the MSRs of SYSCALL. */
void trap_init(void);

/* While it is set, an exception of the kernel itself goes there: it may change the frame. */
typedef void trap_hook(struct trap_frame *frame);
extern trap_hook *kernel_trap_hook;

/* syscall.c; the result goes to RAX of the frame. */
void syscall_dispatch(struct trap_frame *frame);

#endif
