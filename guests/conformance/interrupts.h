/* interrupts.h - cases of the local APIC. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

/* The last ones put it into x2APIC mode, for good. */
void interrupt_cases(void);

#endif
