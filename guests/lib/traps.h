/* traps.h - exceptions: an IDT whose gates lead to C. */
#ifndef TRAPS_H
#define TRAPS_H

#include "lib/trap_entry.h"

/* May change the frame. */
typedef void trap_handler(struct trap_frame *frame);

void traps_init(void);
void traps_load(void); /* on another core: the same IDT */
void trap_set(unsigned vector, trap_handler *handler);

#endif
