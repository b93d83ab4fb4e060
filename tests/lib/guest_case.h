/* guest_case.h - the fixture of suites whose cases each have a guest: its machine and its core. */
#ifndef TESTS_LIB_GUEST_CASE_H
#define TESTS_LIB_GUEST_CASE_H

/* Before the names below, which functions in it use for their own. */
#include "cpu/vmx.h"
#include "lib/guest.h"

extern struct bare b;
extern struct core *c;

/* guest_open(), or va_open(). */
void guest_set_up(void);
void va_set_up(void);
void guest_tear_down(void);

void guest_check_exit(u32 reason);
/* The guest runs, and nothing is to be delivered. */
void guest_check_no_exit(void);

/* One atom: the instruction at RIP. */
#define GUEST(bytes) GUEST_RUN(&b, bytes)

#endif
