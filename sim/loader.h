/* loader.h - images and the boot protocol (docs/machine.md, "Boot protocol"). */
#ifndef RINGSIDE_LOADER_H
#define RINGSIDE_LOADER_H

#include "machine.h"

/* After a reset: loads the booted image, its modules and the information block once more, and sets the
 * registers as the boot protocol has them at its entry; nothing before boot.  The rest of RAM stays as it is.
 */
void loader_enter_again(struct machine *m);

/* There is no booted image any more. */
void loader_forget(struct machine *m);

#endif
