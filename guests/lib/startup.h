/* startup.h - where the other cores begin: the structure of the 64-bit start-up IPI (docs/machine.md, "Start
 * of the other cores").  The hypervisor has it too. */
#ifndef STARTUP_H
#define STARTUP_H

/* The cores that CPUID leaf 0BH counts, `most` at most; 1 without 64-bit start-up IPIs. */
unsigned startup_cores(unsigned most);
/* Start-up IPIs lead to `entry` from now on, with this core's control registers. */
void startup_set_entry(const char *entry);

#endif
