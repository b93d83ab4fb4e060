/* panic.h - the ends that a hypervisor should not come to. */
#ifndef HV_PANIC_H
#define HV_PANIC_H

#include <stdint.h>

#include "guests/lib/end_run.h"
#include "traps.h"

#define HV_EXIT_SUCCESS 0 /* debug-exit values */
#define HV_EXIT_FAILURE 1
#define HV_EXIT_PANIC   2

/* The machine or its configuration cannot run us: says why and ends the run. */
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A bug of ours: says what, with a backtrace, and ends the run. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An exception in the hypervisor: says which, with registers and backtrace, and ends the run. */
_Noreturn void panic_trap(const struct trap_frame *frame);

#endif
