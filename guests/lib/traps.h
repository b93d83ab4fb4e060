/* traps.h - exceptions: an IDT whose gates lead to C. */
#ifndef TRAPS_H
#define TRAPS_H

#include <stdint.h>

#define TRAP_VECTORS 32

/* What traps.S pushes; a handler may change it, IRETQ goes by it. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error; /* error: 0 for vectors that have none */
    uint64_t rip, cs, rflags, rsp, ss;
};

typedef void trap_handler(struct trap_frame *frame);

void traps_init(void);
void trap_set(unsigned vector, trap_handler *handler);
/* "#PF" */
const char *trap_name(uint64_t vector);

#endif
