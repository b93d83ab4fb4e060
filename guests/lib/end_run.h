/* end_run.h - the end of an image that also runs on other machine models. */
#ifndef END_RUN_H
#define END_RUN_H

#include <stdint.h>

/* When the UART has sent all, ends the run by debug-exit: status 2 value + 1; on Bochs, which knows no
 * debug-exit, by its own port. */
_Noreturn void end_run(uint32_t value);

#endif
