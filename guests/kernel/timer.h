/* timer.h - the local APIC's timer, which ends turns. */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include <stdbool.h>

/* Without a local APIC there is no timer, and a turn lasts until its process waits. */
void timer_init(void);
bool timer_present(void);
void timer_acknowledge(void); /* EOI */
void timer_hold(bool held);   /* it raises no interrupt meanwhile */

#endif
