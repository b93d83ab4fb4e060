/* vmcs.h - the VMCS of a random program's guest. */
#ifndef TESTS_TICK_VMCS_H
#define TESTS_TICK_VMCS_H

#include "tick/program.h"

/* Fills the current VMCS, as a hypervisor would by some eighty VMWRITEs. */
void vmcs_fill(struct core *c, const struct program *p);

#endif
