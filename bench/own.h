/* own.h - the yardstick's image on Ringside, in this process. */
#ifndef BENCH_OWN_H
#define BENCH_OWN_H

#include "result.h"
#include "ringside.h"

/* What the machine itself counts from a phase's begin mark to its end mark, that one included. */
struct counted {
    uint64_t insns, cycles;
};

/* CPU time of this process. */
double own_seconds(void);

/* A machine of the default preset, every structure on, with the image; NULL and a message. */
rs_machine *own_boot(rs_world *w, const struct plan *plan, struct rs_error *err);

/* Takes what the image has printed; the times in `r` stay. */
void own_console(const rs_machine *m, struct result *r);

/* Runs the image; times are taken at the marks. */
void own_run(const struct plan *plan, struct result *r, struct counted counted[PHASES]);

#endif
