/* scheduler.h - the core goes round among the VMs that can run. */
#ifndef HV_SCHEDULER_H
#define HV_SCHEDULER_H

#include <stdbool.h>

/* A turn is QUANTUM_CYCLES times the VM's weight, kept by the VMX-preemption timer; 1 ms at 1 GHz. */
#define QUANTUM_CYCLES 1000000u

/* Gives VMs turns until all that were ever started have stopped (for ever, if `stay`).  True if all ended
 * well. */
bool scheduler_run(bool stay);

#endif
