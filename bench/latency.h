/* latency.h - how long a person waits. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include "result.h"

/* Measures by wall clock, and prints beside the goals: from the program's start to the guest's first output;
 * one micro back at 100 million cycles.  doubt: why goals are not judged in this run, or NULL.  False if
 * something failed, which it says. */
bool latency_report(const struct plan *plan, const char *doubt);

#endif
