#include "report.h"

#include "image/phase.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* ---- where other emulators stood elsewhere ---- */

enum { DEBIAN_BOCHS, RELEASE_BOCHS, QEMU_TCG, ELSEWHERE };

static const char *const elsewhere_name[ELSEWHERE] = {"Debian's Bochs", "release Bochs", "QEMU TCG"};
static const char *const elsewhere_head[ELSEWHERE] = {"debian", "rel.", "qemu"};

static const double elsewhere[PHASES][ELSEWHERE] = {
#define FIGURE(phase, debian, release, qemu) [PHASE_##phase] = {debian, release, qemu},
#include "figures.def"
#undef FIGURE
};

/* ---- a comparison: how many times as fast as another, by phase, in all, in the mean ---- */

struct comparison {
    double own_seconds, peer_seconds, logarithms;
    int phases, ahead;
};

static double compare(struct comparison *c, double own_seconds, double peer_seconds)
{
    double ratio = peer_seconds / own_seconds;
    c->own_seconds += own_seconds;
    c->peer_seconds += peer_seconds;
    c->logarithms += log(ratio);
    c->phases++;
    c->ahead += ratio > 1;
    return ratio;
}

static double in_all(const struct comparison *c)
{
    return c->peer_seconds / c->own_seconds;
}

static double mean(const struct comparison *c)
{
    return exp(c->logarithms / c->phases);
}

static const char *word(double ratio)
{
    return ratio > 1 ? "ahead" : "behind";
}

/* "  Goal: WHAT: met." until the next call; `doubt` is why there is no verdict, or NULL. */
static const char *goal(const char *what, bool met, const char *doubt)
{
    static char line[192];
    if (doubt)
        snprintf(line, sizeof line, "  Goal: %s: no verdict: %s.", what, doubt);
    else
        snprintf(line, sizeof line, "  Goal: %s: %s.", what, met ? "met" : "not met");
    return line;
}

const char *report_doubt(unsigned long divisor, unsigned long runs, bool selected)
{
    if (selected)
        return "not all phases were run";
    if (divisor > 1)
        return "each phase did but a part of its work (-d)";
    return runs < REPORT_RUNS ? "the best of fewer than three runs (-n)" : NULL;
}

/* ---- parts of a table ---- */

#define NAME_WIDTH 14
#define CELL_WIDTH 6

static void row(const char *name)
{
    printf("| %-*s |", NAME_WIDTH, name);
}

static void text(const char *what)
{
    printf(" %*s |", CELL_WIDTH, what);
}

static void number(double value)
{
    printf(" %*.*f |", CELL_WIDTH, value < 10 ? 2 : value < 1000 ? 1 : 0, value);
}

static void number_if(bool known, double value)
{
    if (known)
        number(value);
    else
        text("-");
}

static void rule(int columns)
{
    printf("\n|:%.*s|", NAME_WIDTH + 1, "--------------------");
    while (columns-- > 0)
        printf("%.*s:|", CELL_WIDTH + 1, "----------");
    printf("\n");
}

/* ---- measured here ---- */

static bool ran(const struct result *r)
{
    return !r->trouble[0];
}

static void measured_head(const struct measured *m)
{
    row("phase");
    text("M");
    text("s");
    text("M/s");
    for (int i = 0; i < PEERS; i++)
        if (ran(&m->peer[i])) {
            text(peer_name[i]);
            text("M/s");
            text("ratio");
        }
}

static void measured_row(unsigned phase, const struct result *own, const struct result *const peer[], int n,
                         struct comparison c[PEERS])
{
    const struct phase_result *mine = &own->phase[phase];
    double millions = phase_millions(mine);
    row(phase_name[phase]);
    number(millions);
    number(mine->seconds);
    number(millions / mine->seconds);
    for (int i = 0; i < n; i++) {
        double seconds = peer[i]->phase[phase].seconds;
        bool skipped = peer[i]->phase[phase].skipped[0];
        number_if(!skipped, seconds);
        number_if(!skipped, millions / seconds);
        number_if(!skipped, skipped ? 0 : compare(&c[i], mine->seconds, seconds));
    }
    printf("\n");
}

static void measured_sum(const struct result *own, int n, const struct comparison c[PEERS])
{
    double seconds = 0;
    for (unsigned i = 0; i < PHASES; i++)
        seconds += own->phase[i].seconds;
    row("all phases");
    text("");
    number(seconds);
    text("");
    for (int i = 0; i < n; i++) {
        number_if(c[i].phases, c[i].peer_seconds);
        text("");
        number_if(c[i].phases, in_all(&c[i]));
    }
    printf("\n");
}

static void measured_mean(int n, const struct comparison c[PEERS])
{
    row("geometric mean");
    text("");
    text("");
    text("");
    for (int i = 0; i < n; i++) {
        text("");
        text("");
        number_if(c[i].phases, mean(&c[i]));
    }
    printf("\n\n");
}

static void report_skipped(const struct result *r)
{
    const char *why = NULL;
    for (unsigned i = 0; i < PHASES; i++)
        if (r->phase[i].skipped[0]) {
            printf("%s%s",
                   why ? ", " : "Skipped and left out of all sums, means and ratios: ", phase_name[i]);
            why = r->phase[i].skipped;
        }
    if (why)
        printf(" on %s, where %s.\n", r->name, why);
}

static void report_against(const struct result *peer, const struct comparison *c, const char *verdict)
{
    if (!c->phases)
        return;
    printf("Against %s: ahead on %d of %d phases, %s in all.%s\n", peer->name, c->ahead, c->phases,
           word(in_all(c)), verdict);
}

/* Ahead on every phase: that is, on none that Bochs skips. */
static const char *bochs_goal(const struct result *bochs, const struct comparison *c, const char *doubt)
{
    for (unsigned i = 0; i < PHASES; i++)
        if (bochs->phase[i].skipped[0] && !doubt)
            doubt = "it skips phases";
    return goal("ahead on every phase", c->ahead == c->phases, doubt);
}

static void report_measured(const struct measured *m, unsigned long runs, const char *doubt)
{
    const struct result *peer[PEERS];
    struct comparison c[PEERS] = {{0}};
    int n = 0;
    for (int i = 0; i < PEERS; i++)
        if (ran(&m->peer[i]))
            peer[n++] = &m->peer[i];
    printf("M: millions of instructions, or of string iterations (movs, stos).  s: CPU seconds on Ringside, "
           "and under a "
           "peer's name\nits own.  ratio: how many times as fast as the peer Ringside is.  Runs: %lu, of "
           "which the best "
           "time of each phase counts.\n\n",
           runs);
    measured_head(m);
    rule(3 + 3 * n);
    for (unsigned i = 0; i < PHASES; i++)
        if (m->own.phase[i].ended)
            measured_row(i, &m->own, peer, n, c);
    measured_sum(&m->own, n, c);
    measured_mean(n, c);
    printf("Whole runs, with start and firmware: Ringside %.2f s", m->own.seconds);
    for (int i = 0; i < n; i++)
        printf(", %s %.2f s", peer[i]->name, peer[i]->seconds);
    printf(".\n");
    for (int i = 0; i < n; i++)
        report_skipped(peer[i]);
    for (int i = 0; i < n; i++)
        report_against(peer[i], &c[i],
                       peer[i] == &m->peer[PEER_bochs] ? bochs_goal(peer[i], &c[i], doubt) : "");
    for (int i = 0; i < PEERS; i++)
        if (!ran(&m->peer[i]))
            printf("Without %s: %s.\n", m->peer[i].name, m->peer[i].trouble);
}

/* ---- figures from elsewhere ---- */

static void figures_row(unsigned phase, const struct phase_result *p, struct comparison c[ELSEWHERE])
{
    double millions = phase_millions(p);
    row(phase_name[phase]);
    number(millions / p->seconds);
    for (int i = 0; i < ELSEWHERE; i++) {
        double figure = elsewhere[phase][i];
        double ratio = figure > 0 ? compare(&c[i], p->seconds, millions / figure) : 0;
        if (figure > 0) {
            number(figure);
            number(ratio);
        } else {
            text("");
            text("");
        }
        text(figure > 0 ? word(ratio) : "");
    }
    printf("\n");
}

static bool has_figures(unsigned phase)
{
    return elsewhere[phase][DEBIAN_BOCHS] > 0 && elsewhere[phase][RELEASE_BOCHS] > 0;
}

/* The phases that the comparisons below do not have. */
static void figures_lack(const struct result *own)
{
    int n = 0;
    for (unsigned i = 0; i < PHASES; i++)
        if (own->phase[i].ended && !has_figures(i))
            printf("%s%s",
                   n++ ? ", "
                       : "From elsewhere there are no figures of these, which the sums below leave out: ",
                   phase_name[i]);
    printf("%s", n ? ".\n" : "");
}

static void figures_table(const struct result *own, struct comparison c[ELSEWHERE])
{
    printf("Figures from elsewhere, not measured here, in M/s beside Ringside's here: %s, %s, %s.\n\n",
           elsewhere_name[0], elsewhere_name[1], elsewhere_name[2]);
    row("phase");
    text("here");
    for (int i = 0; i < ELSEWHERE; i++) {
        text(elsewhere_head[i]);
        text("ratio");
        text("");
    }
    rule(1 + 3 * ELSEWHERE);
    for (unsigned i = 0; i < PHASES; i++)
        if (own->phase[i].ended && has_figures(i))
            figures_row(i, &own->phase[i], c);
    printf("\n");
    figures_lack(own);
}

static void figures_sum(const char *name, const char *where, const struct comparison *c, const char *behind)
{
    if (!c->phases)
        return;
    printf("Against %s %s: ahead on %d of %d phases, CPU time %.2f s against %.2f s, ratio %.2f, %s; "
           "geometric mean "
           "%.2f.%s\n",
           name, where, c->ahead, c->phases, c->own_seconds, c->peer_seconds, in_all(c), word(in_all(c)),
           mean(c), behind);
}

static const char *release_goal(const struct comparison *c, const char *doubt)
{
    return goal("ahead in CPU time", in_all(c) > 1, doubt);
}

/* This computer is not the one of the figures: how Bochs does here tells how a release build of it would. */
static void figures_scaled(const struct measured *m, const char *doubt)
{
    struct comparison c = {0};
    for (unsigned i = 0; i < PHASES; i++) {
        double bochs = m->peer[PEER_bochs].phase[i].seconds;
        if (m->own.phase[i].ended && has_figures(i))
            compare(&c, m->own.phase[i].seconds,
                    bochs * elsewhere[i][DEBIAN_BOCHS] / elsewhere[i][RELEASE_BOCHS]);
    }
    figures_sum(
        elsewhere_name[RELEASE_BOCHS],
        "as reckoned for this computer, from Bochs here and the ratio of its figures to those of Debian's",
        &c, release_goal(&c, doubt));
}

/* Figures of another computer decide only if there is nothing to scale them by. */
static void report_figures(const struct measured *m, const char *doubt)
{
    struct comparison c[ELSEWHERE] = {{0}};
    bool scaled = ran(&m->peer[PEER_bochs]);
    figures_table(&m->own, c);
    for (int i = 0; i < ELSEWHERE; i++)
        figures_sum(elsewhere_name[i], "elsewhere", &c[i],
                    i == RELEASE_BOCHS && !scaled ? release_goal(&c[i], doubt) : "");
    if (scaled)
        figures_scaled(m, doubt);
}

/* ---- do they agree? ---- */

static bool agree(const char *who, unsigned phase, const char *what, uint64_t got, uint64_t want)
{
    if (got != want)
        printf("%s, %s: %s %" PRIu64 ", not %" PRIu64 "\n", who, phase_name[phase], what, got, want);
    return got == want;
}

/* The time-stamp counters of Bochs and of QEMU with -icount count instructions.  Of a string instruction QEMU
 * counts the iterations, and then one more. */
static uint64_t expected_tsc(int peer, unsigned phase, const struct phase_result *p)
{
    uint64_t strings = phase_cost[phase].iterations ? phase_turns_of(phase, p) : 0;
    return p->insns - PHASE_OUTSIDE_TSC + (peer == PEER_icount ? strings : 0);
}

static bool own_agrees(const struct measured *m, unsigned phase)
{
    return agree("Ringside's counter", phase, "instructions", m->counted[phase].insns,
                 phase_retired(phase, &m->own.phase[phase]));
}

static bool peer_agrees(const struct measured *m, int i, unsigned phase)
{
    const struct phase_result *mine = &m->own.phase[phase], *its = &m->peer[i].phase[phase];
    const char *who = m->peer[i].name;
    if (its->skipped[0])
        return true;
    bool same = agree(who, phase, "checksum", its->check, mine->check);
    same = agree(who, phase, "instructions", its->insns, mine->insns) && same;
    if (i == PEER_qemu)
        return same;
    return agree(who, phase, "time stamps", its->tsc, expected_tsc(i, phase, mine)) && same;
}

static bool report_agreement(const struct measured *m)
{
    bool same = true;
    for (unsigned phase = 0; phase < PHASES; phase++) {
        if (m->own.phase[phase].skipped[0]) {
            printf("Ringside, %s: skipped: %s\n", phase_name[phase], m->own.phase[phase].skipped);
            same = false;
        }
        if (!m->own.phase[phase].ended)
            continue;
        same = own_agrees(m, phase) && same;
        for (int i = 0; i < PEERS; i++)
            if (ran(&m->peer[i]))
                same = peer_agrees(m, i, phase) && same;
    }
    if (same)
        printf(
            "Every run gave the same checksums, and whoever counts instructions counted those that the image "
            "prints.\n");
    return same;
}

/* What kind of computer the figures are of. */
static void report_computer(void)
{
    char line[256], model[128] = "a processor that does not say its name";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "model name : %127[^\n]", model) == 1)
            break;
    if (file)
        fclose(file);
    printf("On %s, %ld processors.\n\n", model, sysconf(_SC_NPROCESSORS_ONLN));
}

bool report_all(const struct measured *m, unsigned long runs, const char *doubt)
{
    report_computer();
    report_measured(m, runs, doubt);
    bool same = report_agreement(m);
    printf("\n");
    report_figures(m, doubt);
    printf("\n");
    return same;
}

void report_goal(const char *what, double value_ms, double goal_ms, const char *doubt)
{
    char below[32];
    snprintf(below, sizeof below, "below %.0f ms", goal_ms);
    printf("%s: %.1f ms.%s\n", what, value_ms, goal(below, value_ms < goal_ms, doubt));
}
