/* report.h - the tables that `make bench` prints, in the form in which docs/performance.md has them. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "own.h"
#include "result.h"

struct measured {
    struct result own, peer[PEERS];
    struct counted counted[PHASES];
};

#define REPORT_RUNS 3 /* of which the best counts */

/* The goals are for whole runs: why this one cannot tell whether they are met, or NULL. */
const char *report_doubt(unsigned long divisor, unsigned long runs, bool selected);
/* All tables, of so many runs; false if counts or checksums do not agree. */
bool report_all(const struct measured *m, unsigned long runs, const char *doubt);
/* A figure and its goal in milliseconds, and whether that is met, or why there is no verdict. */
void report_goal(const char *what, double value_ms, double goal_ms, const char *doubt);

#endif
