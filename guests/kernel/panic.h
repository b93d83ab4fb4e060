/* panic.h - the kernel's end when it cannot go on. */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

/* Says why on the console, and ends the run with debug-exit value 1. */
_Noreturn void panic(const char *why);

#endif
