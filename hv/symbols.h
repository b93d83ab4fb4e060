/* symbols.h - names for addresses in backtraces. */
#ifndef HV_SYMBOLS_H
#define HV_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

/* The function that holds address; NULL if unknown, or if the image was linked without its table (hv.ld). */
const char *symbol_at(uint64_t address, uint64_t *offset);
/* True if a stack frame may lie there. */
bool on_our_stack(const uint64_t *frame);

#endif
