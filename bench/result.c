#include "result.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const phase_name[PHASES] = {
#define PHASE(name, turns, insns, iterations, events, overhead, ends, vmx, what) #name,
#include "image/phases.def"
#undef PHASE
};

const struct phase_cost phase_cost[PHASES] = {
#define PHASE(name, turns, insns, iterations, events, overhead, ends, vmx, what) \
    {insns, iterations, events, overhead, ends},
#include "image/phases.def"
#undef PHASE
};

const char *const peer_name[PEERS] = {
#define PEER(name) #name,
    PEER_LIST(PEER)
#undef PEER
};

void plan_image(const struct plan *plan, char path[512])
{
    snprintf(path, 512, "%s/bench/bench.elf", plan->build);
}

void result_begin(struct result *r, unsigned phase, double now_seconds)
{
    if (phase < PHASES)
        r->phase[phase] = (struct phase_result){.begun = now_seconds};
}

void result_end(struct result *r, unsigned phase, double now_seconds)
{
    if (phase >= PHASES)
        return;
    r->phase[phase].seconds = now_seconds - r->phase[phase].begun;
    r->phase[phase].ended = true;
}

static unsigned find(const char *name)
{
    unsigned i = 0;
    while (i < PHASES && strcmp(name, phase_name[i]) != 0)
        i++;
    return i;
}

static void skip(struct result *r, unsigned phase, const char *why)
{
    if (phase < PHASES)
        snprintf(r->phase[phase].skipped, sizeof r->phase[phase].skipped, "%s", why);
}

void result_line(struct result *r, const char *line, double now_seconds)
{
    char name[32], why[64];
    uint64_t insns, iterations, check, tsc;
    if (sscanf(line, "begin %31s", name) == 1)
        result_begin(r, find(name), now_seconds);
    if (sscanf(line, "skip %31[^:]: %63[^\n]", name, why) == 2)
        skip(r, find(name), why);
    if (sscanf(line, "end %31s insns %" SCNu64 " iterations %" SCNu64 " check 0x%" SCNx64 " tsc %" SCNu64,
               name, &insns, &iterations, &check, &tsc) != 5 ||
        find(name) == PHASES)
        return;
    struct phase_result *p = &r->phase[find(name)];
    result_end(r, find(name), now_seconds);
    p->insns = insns;
    p->iterations = iterations;
    p->check = check;
    p->tsc = tsc;
}

void result_best(struct result *best, const struct result *r)
{
    struct result was = *best;
    *best = *r;
    if (!was.name[0] || r->trouble[0])
        return;
    best->seconds = fmin(was.seconds, r->seconds);
    for (unsigned i = 0; i < PHASES; i++)
        best->phase[i].seconds = fmin(was.phase[i].seconds, r->phase[i].seconds);
}

uint64_t phase_turns_of(unsigned phase, const struct phase_result *p)
{
    return (p->insns - phase_cost[phase].overhead) / phase_cost[phase].insns;
}

uint64_t phase_retired(unsigned phase, const struct phase_result *p)
{
    return p->insns - phase_turns_of(phase, p) * phase_cost[phase].events - phase_cost[phase].ends;
}

double phase_millions(const struct phase_result *p)
{
    return (double)(p->iterations ? p->iterations : p->insns) / 1e6;
}
