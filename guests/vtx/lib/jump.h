/* jump.h - back to an earlier place of a function that has not returned, from anywhere in ring 0. */
#ifndef VTX_JUMP_H
#define VTX_JUMP_H

#include <stdint.h>

struct jump {
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip; /* jump.S knows the order */
};

/* 0 at first; then what jump_to() is given, which is not 0. */
int jump_set(struct jump *j) __attribute__((returns_twice));
_Noreturn void jump_to(const struct jump *j, int value);

#endif
