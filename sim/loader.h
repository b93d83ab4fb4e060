/* loader.h - images and the boot protocol (docs/machine.md, "Boot protocol"). */
#ifndef RINGSIDE_LOADER_H
#define RINGSIDE_LOADER_H

#include "machine.h"

/* Sets the registers as the boot protocol has them at the booted image's entry; nothing before boot. */
void loader_enter(struct machine *m);

/* There is no booted image any more. */
void loader_forget(struct machine *m);

#endif
