/* bench.c - the yardstick: the image of bench/image on Ringside and on its peers, in one run.
 *
 *     bench BUILD [-d DIVISOR] [-n RUNS] [-o] [PHASE...]
 *
 * -d  each phase does a DIVISOR-th of its work
 * -n  that many runs of each, by turns, of which the best time of a phase counts (default 3)
 * -o  only Ringside
 * Whether goals are met is said of whole runs alone: all phases, all of their work, three times.
 * CPU time is that of the emulator's process.  A peer that is not installed is said, and left out.
 */
#include "follow.h"
#include "latency.h"
#include "own.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whoever shortens a run does other work meanwhile, which wall clocks show. */
#define LATENCY_DOUBT "wall clock is judged in whole runs alone"
#define COUNT_MAX     1000000000 /* of DIVISOR and RUNS */

static int usage(void)
{
    fprintf(stderr, "usage: bench BUILD [-d DIVISOR] [-n RUNS] [-o] [PHASE...]\nphases:");
    for (unsigned i = 0; i < PHASES; i++)
        fprintf(stderr, " %s", phase_name[i]);
    fprintf(stderr, "\n");
    return 2;
}

static bool known_phase(const char *name)
{
    for (unsigned i = 0; i < PHASES; i++)
        if (strcmp(name, phase_name[i]) == 0)
            return true;
    return false;
}

/* The image's command line: "DIVISOR PHASE...". */
static bool image_arguments(char *args, size_t size, unsigned long divisor, char **phase)
{
    size_t n = (size_t)snprintf(args, size, "%lu", divisor);
    for (; *phase; phase++) {
        if (!known_phase(*phase) || n >= size)
            return false;
        n += (size_t)snprintf(args + n, size - n, " %s", *phase);
    }
    return n < size;
}

static void run_own(const struct plan *plan, struct measured *m)
{
    struct result r = {.name = ""};
    fprintf(stderr, "Ringside ...\n");
    own_run(plan, &r, m->counted);
    result_best(&m->own, &r);
}

static void run_peers(const struct plan *plan, struct measured *m)
{
    for (int i = 0; i < PEERS; i++) {
        struct result r = {.name = ""};
        if (m->peer[i].trouble[0])
            continue;
        fprintf(stderr, "%s ...\n", peer_name[i]);
        follow_peer(plan, peer_name[i], &r);
        result_best(&m->peer[i], &r);
    }
}

static void leave_peers_out(struct measured *m)
{
    for (int i = 0; i < PEERS; i++) {
        snprintf(m->peer[i].name, sizeof m->peer[i].name, "%s", peer_name[i]);
        snprintf(m->peer[i].trouble, sizeof m->peer[i].trouble, "not asked for");
    }
}

static int run(const struct plan *plan, unsigned long runs, bool only_own, const char *doubt)
{
    static struct measured m;
    if (only_own)
        leave_peers_out(&m);
    for (unsigned long i = 0; i < runs && !m.own.trouble[0]; i++) {
        run_own(plan, &m);
        run_peers(plan, &m);
    }
    if (m.own.trouble[0]) {
        fprintf(stderr, "bench: Ringside: %s\n", m.own.trouble);
        return 1;
    }
    bool same = report_all(&m, runs, doubt);
    return latency_report(plan, doubt ? LATENCY_DOUBT : NULL) && same ? 0 : 1;
}

/* A whole number from 1 on; 0 if the text is none. */
static unsigned long count(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    return *text < '0' || *text > '9' || *end || n > COUNT_MAX ? 0 : n;
}

int main(int argc, char **argv)
{
    char args[256];
    unsigned long divisor = 1, runs = REPORT_RUNS;
    bool only_own = false;
    struct plan plan = {.build = argc > 1 ? argv[1] : NULL, .args = args};
    optind = 2;
    for (int c; argc > 1 && (c = getopt(argc, argv, "d:n:o")) != -1;)
        switch (c) {
        case 'd': divisor = count(optarg); break;
        case 'n': runs = count(optarg); break;
        case 'o': only_own = true; break;
        default: return usage();
        }
    if (argc < 2 || !divisor || !runs || !image_arguments(args, sizeof args, divisor, argv + optind))
        return usage();
    return run(&plan, runs, only_own, report_doubt(divisor, runs, optind < argc));
}
