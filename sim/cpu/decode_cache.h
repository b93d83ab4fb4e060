/* decode_cache.h - decoded instructions by host-physical address: derived, droppable. */
#ifndef RINGSIDE_DECODE_CACHE_H
#define RINGSIDE_DECODE_CACHE_H

#include "cpu/decode.h"

/* The instruction at RIP: fetches the lines that it lies in (docs/machine.md, "Fetch"), decodes it or finds
 * it decoded. Leaves the atom with #PF, #UD, #GP or an exit.  Valid until the next call. */
const struct insn *fetch_insn(struct core *c);

void decode_cache_drop(struct core *c);
void decode_cache_free(struct core *c);

#endif
