/* result.h - what a run of the yardstick's image gave, phase by phase. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum phase {
#define PHASE(name, turns, insns, iterations, events, overhead, ends, vmx, what) PHASE_##name,
#include "image/phases.def"
#undef PHASE
    PHASES
};

/* Who else runs the image: PEER(name), as bench/peer has it. */
#define PEER_LIST(PEER) PEER(bochs) PEER(qemu) PEER(icount)

enum peer {
#define PEER(name) PEER_##name,
    PEER_LIST(PEER)
#undef PEER
        PEERS
};

extern const char *const peer_name[PEERS];

extern const char *const phase_name[PHASES];

/* What a phase costs, by phases.def: per turn, and besides the turns. */
struct phase_cost {
    uint64_t insns, iterations, events, overhead, ends;
};
extern const struct phase_cost phase_cost[PHASES];

struct phase_result {
    bool ended;
    char skipped[64];           /* why the image could not run it there; empty: it could */
    double begun;               /* CPU time of the emulator's process at the phase's begin, in seconds */
    double seconds;             /* CPU time between begin and end */
    uint64_t insns, iterations; /* as the image prints them */
    uint64_t check, tsc;
};

struct result {
    char name[32];
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
/* Takes a line of the image's: "begin NAME", "end NAME" with its numbers, or "skip NAME: why". */
void result_line(struct result *r, const char *line, double now_seconds);

/* Keeps of two runs of the same the shorter time of each phase, and of the whole: what else the computer does
 * only makes a run longer.  `best` is empty before the first. */
void result_best(struct result *best, const struct result *r);

/* How often its loop went round, by its printed count. */
uint64_t phase_turns_of(unsigned phase, const struct phase_result *p);
/* What the machine's counter `insns` shows for it. */
uint64_t phase_retired(unsigned phase, const struct phase_result *p);
/* What the phase does, in millions: string iterations if it has any, else instructions. */
double phase_millions(const struct phase_result *p);

#endif
