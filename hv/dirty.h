/* dirty.h - which pages a VM has used, in words. */
#ifndef HV_DIRTY_H
#define HV_DIRTY_H

#include "stats.h"

/* Harvests (pager.h): a line for each run of pages that were written to, DIRTY_RUNS of them at most, then the
 * totals, each given to `line`. */
#define DIRTY_RUNS 64
void dirty_show(struct vm *vm, stats_line *line);

#endif
