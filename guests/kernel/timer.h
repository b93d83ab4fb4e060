/* timer.h - the local APIC's timer, which ends turns. */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include <stdbool.h>
#include <stdint.h>

/* Without a local APIC there is no timer, and a turn lasts until its process waits. */
void timer_init(void);
bool timer_present(void);
void timer_acknowledge(void); /* EOI: of a device's interrupt as well */
uint8_t timer_apic_id(void);  /* whom devices' messages are to reach */
void timer_hold(bool held);   /* it raises no interrupt meanwhile */

/* What it counts down from, each time, and where it is; how often it counts in a second. */
uint32_t timer_period(void);
uint32_t timer_count(void);
uint32_t timer_hz(void);

#endif
