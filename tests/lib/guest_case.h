/* guest_case.h - the fixture of suites whose cases each have a guest: its machine, and the core that runs it.
 */
#ifndef TESTS_LIB_GUEST_CASE_H
#define TESTS_LIB_GUEST_CASE_H

#include "lib/guest.h"

extern struct bare b;
extern struct core *c;

/* guest_open(), or va_open(). */
void guest_set_up(void);
void va_set_up(void);
void guest_tear_down(void);

/* One atom: the instruction at RIP. */
#define GUEST(bytes) GUEST_RUN(&b, bytes)

#endif
