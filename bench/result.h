/* result.h - what a run of the yardstick's image gave, phase by phase. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum phase {
#define PHASE(name, turns, insns, iterations, events, overhead, what) PHASE_##name,
#include "image/phases.def"
#undef PHASE
    PHASES
};

extern const char *const phase_name[PHASES], *const phase_what[PHASES];

struct phase_result {
    bool ended;
    double begun;               /* CPU time of the emulator's process at the phase's begin, in seconds */
    double seconds;             /* CPU time between begin and end */
    uint64_t insns, iterations; /* as the image prints them */
    uint64_t check, tsc;
};

struct result {
    char trouble[256]; /* why nothing or not all was run; empty: all is well */
    double seconds;    /* CPU time of the whole run, with start and firmware */
    struct phase_result phase[PHASES];
};

/* What is to run. */
struct plan {
    const char *build; /* the directory of what is built */
    const char *args;  /* the image's command line */
};

/* "BUILD/bench/bench.elf" */
void plan_image(const struct plan *plan, char path[512]);

void result_begin(struct result *r, unsigned phase, double now_seconds);
void result_end(struct result *r, unsigned phase, double now_seconds);
/* Takes the numbers of a line "end NAME ..." of the image's; a line "begin NAME" leads to result_begin and
 * "end NAME" to result_end if `timed`. */
void result_line(struct result *r, const char *line, bool timed, double now_seconds);

/* What the phase does, in millions: string iterations if it has any, else instructions. */
double phase_millions(const struct phase_result *p);

#endif
