/* mark.h - points of a guest that its watchers can name. */
#ifndef MARK_H
#define MARK_H

#include <stdint.h>

/* The marker: a no-op everywhere; the simulator tells its watchers `mark` with these three. */
static inline void mark(uint64_t id, uint64_t arg1, uint64_t arg2)
{
    __asm__ volatile("xchg %%bx, %%bx" : : "a"(id), "D"(arg1), "S"(arg2) : "memory");
}

#endif
