/* segments.h - the kernel's descriptor tables (SDM vol. 3, 3.4.5 "Segment Descriptors" and 7.7 "Task
 * Management in 64-bit Mode"). */
#ifndef KERNEL_SEGMENTS_H
#define KERNEL_SEGMENTS_H

/* SYSRET takes SS and CS from one base: base + 8 and base + 16 (SDM vol. 2B, "SYSRET"). */
#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_SYSRET_BASE 0x13
#define SEL_USER_DATA   0x1b
#define SEL_USER_CODE   0x23
#define SEL_TSS         0x28

#ifndef __ASSEMBLER__
#include <stdint.h>

void segments_init(void);
/* Where traps and system calls of the process that runs next find their stack. */
void segments_set_kernel_stack(uint64_t top);
#endif
#endif
