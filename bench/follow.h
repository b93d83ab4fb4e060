/* follow.h - the yardstick's image on another emulator: a process whose console line is watched. */
#ifndef BENCH_FOLLOW_H
#define BENCH_FOLLOW_H

#include "result.h"

/* Runs bench/peer NAME (bochs, qemu, icount) in a directory of its own, which is gone afterwards.  A phase's
 * time is the CPU time of the emulator's process from when the line "begin NAME" is complete to when the line
 * "end NAME" begins.  result->trouble says if the peer is not there or gave up; result->name is its name and
 * version as it tells them. */
void follow_peer(const struct plan *plan, const char *name, struct result *result);

#endif
