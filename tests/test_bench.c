/* test_bench.c - the yardstick's image: it counts what it says, and is one run however it is driven. */
#include "../bench/follow.h"
#include "../bench/image/phase.h"
#include "../bench/own.h"
#include "../bench/report.h"
#include "lib/suite.h"
#include "lib/temporary.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHORTENED "2000" /* each phase does so small a part of its work */
#define VMX_ONLY  "500 exits ept_chase"

static struct plan plan(const char *args)
{
    const char *build = getenv("RINGSIDE_BUILD");
    return (struct plan){.build = build ? build : "build", .args = args};
}

START_TEST(each_phase_has_the_instructions_that_it_prints)
{
    struct plan p = plan(SHORTENED);
    struct result r = {.trouble = ""};
    struct counted counted[PHASES] = {{0}};
    own_run(&p, &r, counted);
    ck_assert_msg(!r.trouble[0], "%s", r.trouble);
    for (unsigned i = 0; i < PHASES; i++) {
        const struct phase_result *phase = &r.phase[i];
        ck_assert_msg(phase->ended, "%s did not run", phase_name[i]);
        ck_assert_msg(counted[i].insns == phase_retired(i, phase),
                      "%s: %llu instructions counted, %llu printed", phase_name[i],
                      (unsigned long long)counted[i].insns, (unsigned long long)phase->insns);
        ck_assert_uint_ge(counted[i].cycles, counted[i].insns);
    }
}
END_TEST

START_TEST(peers_work_where_tmpdir_says)
{
    struct plan p = plan(SHORTENED);
    struct result nowhere = {.trouble = ""}, nobody = {.trouble = ""};
    char outer[] = "/tmp/ringside-XXXXXX", inner[64];
    ck_assert(mkdtemp(outer) != NULL);
    snprintf(inner, sizeof inner, "%s/it's", outer);
    setenv("TMPDIR", inner, 1);
    follow_peer(&p, "nobody", &nowhere);
    ck_assert_int_eq(mkdir(inner, 0700), 0);
    follow_peer(&p, "nobody", &nobody);
    ck_assert_int_eq(rmdir(inner), 0); /* nothing is left in it */
    ck_assert_int_eq(rmdir(outer), 0);
    ck_assert_str_eq(nowhere.trouble, "cannot start bench/peer");
    ck_assert_str_ne(nobody.trouble, nowhere.trouble);
}
END_TEST

/* ---- one run is one run ---- */

struct outcome {
    uint64_t cycles, insns, hash;
};

/* A whole run of a command line, driven by `move`. */
static struct outcome run(const char *args, void (*move)(rs_world *))
{
    struct rs_error err = {""};
    struct plan p = plan(args);
    rs_world *w = rs_world_new();
    rs_machine *m = own_boot(w, &p, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    move(w);
    ck_assert_int_eq(rs_halt_status(m), 1);
    struct outcome end = {rs_cycles(m, 0), rs_insns(m, 0), rs_hash(w, RS_HASH_ALL)};
    rs_world_free(w);
    return end;
}

static void in_one_go(rs_world *w)
{
    rs_begin_run(w, UINT64_MAX);
    while (rs_continue(w, UINT64_MAX) == RS_SLICE)
        ;
}

static void atom_by_atom(rs_world *w)
{
    enum rs_why why;
    do {
        rs_begin_step(w, 1, RS_INSN);
        while ((why = rs_continue(w, 1)) == RS_SLICE)
            ;
    } while (why == RS_DONE);
}

static void same_outcome(const struct outcome *got, const struct outcome *want)
{
    ck_assert_uint_eq(got->cycles, want->cycles);
    ck_assert_uint_eq(got->insns, want->insns);
    ck_assert_uint_eq(got->hash, want->hash);
}

START_TEST(stepped_it_is_the_same_run)
{
    struct outcome whole = run(SHORTENED, in_one_go), stepped = run(SHORTENED, atom_by_atom);
    same_outcome(&stepped, &whole);
}
END_TEST

static void on_mark(const struct rs_event *e, void *arg)
{
    (void)e;
    *(bool *)arg = true;
}

/* From the first mark on everything that is kept besides state is forgotten, or RAM is shared or hashed,
 * every few atoms. */
static void forgetting(rs_world *w)
{
    bool marked = false;
    enum rs_why why = RS_DONE;
    rs_snapshot *last = NULL;
    rs_watch(w, RS_PROBE_mark, false, on_mark, &marked);
    for (unsigned i = 0; why == RS_DONE; i++) {
        rs_begin_step(w, marked ? 1 + i % 5 : 1000, RS_INSN);
        while ((why = rs_continue(w, 100)) == RS_SLICE)
            ;
        if (marked && i % 3 == 0)
            rs_drop_derived(w);
        if (marked && i % 7 == 0) {
            rs_snapshot_free(last);
            last = rs_snapshot_take(w);
        }
        if (marked && i % 11 == 0)
            rs_hash(w, RS_HASH_ALL);
    }
    rs_snapshot_free(last);
}

START_TEST(what_vmx_keeps_changes_nothing)
{
    struct outcome whole = run(VMX_ONLY, in_one_go), forgot = run(VMX_ONLY, forgetting);
    same_outcome(&forgot, &whole);
}
END_TEST

/* ---- where there is no VT-x ---- */

/* What the image prints on a machine whose firmware offers less. */
static void skipping(uint64_t without, struct result *r)
{
    struct rs_config config;
    struct rs_error err = {""};
    struct plan p = plan(SHORTENED);
    char image[512], line[64];
    rs_config_init(&config);
    config.firmware &= ~without;
    plan_image(&p, image);
    snprintf(line, sizeof line, "bench %s", p.args);
    struct rs_boot boot = {.path = image, .cmdline = line};
    rs_world *w = rs_world_new();
    rs_machine *m = rs_machine_new(w, &config, &err);
    ck_assert_msg(m && rs_boot(m, &boot, &err) == RS_OK, "%s", err.text);
    in_one_go(w);
    ck_assert_int_eq(rs_halt_status(m), 1);
    own_console(m, r);
    rs_world_free(w);
}

static void only_vmx_phases_are_skipped(uint64_t without, const char *why)
{
    struct result r = {.trouble = ""};
    skipping(without, &r);
    for (unsigned i = 0; i < PHASES; i++) {
        bool skipped = i == PHASE_exits || i == PHASE_ept_chase;
        ck_assert_str_eq(r.phase[i].skipped, skipped ? why : "");
        ck_assert(r.phase[i].ended == !skipped);
    }
}

START_TEST(without_vmx_phases_are_skipped)
{
    only_vmx_phases_are_skipped(RS_FW_VTX, "this processor offers no VMX");
    only_vmx_phases_are_skipped(RS_FW_EPT, "this processor has no EPT with VPIDs");
}
END_TEST

/* ---- verdicts ---- */

/* A run in which each phase took so long, on Ringside and on Bochs; Bochs in 0 s was not there. */
static struct measured made_up(double own_seconds, double bochs_seconds)
{
    struct measured m = {.own = {.name = "Ringside"}};
    for (int i = 0; i < PEERS; i++)
        snprintf(m.peer[i].trouble, sizeof m.peer[i].trouble, "not here");
    if (bochs_seconds > 0)
        m.peer[PEER_bochs] = (struct result){.name = "Bochs"};
    for (unsigned i = 0; i < PHASES; i++) {
        struct phase_result phase = {.ended = true, .seconds = own_seconds, .insns = 100000000};
        phase.tsc = phase.insns - PHASE_OUTSIDE_TSC;
        m.counted[i].insns = phase_retired(i, &phase);
        phase.iterations = phase_cost[i].iterations ? phase.insns : 0;
        m.own.phase[i] = m.peer[PEER_bochs].phase[i] = phase;
        m.peer[PEER_bochs].phase[i].seconds = bochs_seconds;
    }
    return m;
}

static char report[32768];

static void make_report(const struct measured *m, const char *doubt)
{
    char path[256];
    ck_assert(temporary_file(path));
    fflush(stdout);
    int out = dup(STDOUT_FILENO);
    ck_assert(freopen(path, "w", stdout) != NULL);
    report_all(m, 3, doubt);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    FILE *file = fopen(path, "r");
    report[fread(report, 1, sizeof report - 1, file)] = 0;
    fclose(file);
    remove(path);
}

/* The goal at the end of the line that begins so; "": none. */
static const char *goal_of(const char *begin)
{
    static char line[512];
    const char *at = strstr(report, begin);
    ck_assert_msg(at != NULL, "no line with %s", begin);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    const char *goal = strstr(line, "  Goal: ");
    return goal ? goal + 8 : "";
}

#define ELSEWHERE "Against release Bochs elsewhere"
#define RECKONED  "Against release Bochs as reckoned"

/* 100 million in 0.1 s are ahead of all figures from elsewhere; but if Bochs takes 0.11 s here, a release
 * build is quicker. */
START_TEST(figures_are_scaled_before_they_decide)
{
    struct measured m = made_up(0.1, 0.11);
    make_report(&m, NULL);
    ck_assert_str_eq(goal_of("Against Bochs:"), "ahead on every phase: met.");
    ck_assert_str_eq(goal_of(ELSEWHERE), "");
    ck_assert_str_eq(goal_of(RECKONED), "ahead in CPU time: not met.");
    m = made_up(0.1, 5);
    make_report(&m, NULL);
    ck_assert_str_eq(goal_of(RECKONED), "ahead in CPU time: met.");
    m = made_up(0.1, 0);
    make_report(&m, NULL);
    ck_assert_str_eq(goal_of(ELSEWHERE), "ahead in CPU time: met.");
    ck_assert(strstr(report, "as reckoned") == NULL);
}
END_TEST

/* Cells of the row of the first table that begins with `name`. */
static const char *row_of(const char *name)
{
    static char line[512];
    char begin[32];
    snprintf(begin, sizeof begin, "\n| %s ", name);
    const char *at = strstr(report, begin);
    ck_assert_msg(at != NULL, "no row %s", name);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
    return line;
}

static void skip(struct result *r, unsigned phase)
{
    r->phase[phase] = (struct phase_result){.skipped = "there is no VMX"};
}

/* QEMU is twice as slow, and skips two phases. */
START_TEST(skipped_phases_count_nowhere)
{
    struct measured m = made_up(0.1, 5);
    m.peer[PEER_qemu] = m.own;
    snprintf(m.peer[PEER_qemu].name, sizeof m.peer[PEER_qemu].name, "QEMU");
    m.peer[PEER_qemu].trouble[0] = 0;
    for (unsigned i = 0; i < PHASES; i++)
        m.peer[PEER_qemu].phase[i].seconds = 0.2;
    skip(&m.peer[PEER_qemu], PHASE_exits);
    skip(&m.peer[PEER_qemu], PHASE_ept_chase);
    make_report(&m, NULL);
    ck_assert(strstr(row_of("exits"), "|      - |      - |      - |") != NULL);
    ck_assert(strstr(row_of("chase"), "|      - |") == NULL);
    ck_assert(strstr(row_of("all phases"), "|   1.80 |        |   2.00 |") != NULL);
    ck_assert(strstr(row_of("geometric mean"), "|   2.00 |") != NULL);
    ck_assert(strstr(report,
                     "\nSkipped and left out of all sums, means and ratios: exits, ept_chase on QEMU, "
                     "where there is no VMX.\n") != NULL);
    ck_assert(strstr(report, "Against QEMU: ahead on 9 of 9 phases, ahead in all.") != NULL);
    ck_assert(strstr(report, "Every run gave the same checksums") != NULL);
    ck_assert_str_eq(goal_of("Against Bochs:"), "ahead on every phase: met.");
    skip(&m.peer[PEER_bochs], PHASE_exits);
    make_report(&m, NULL);
    ck_assert_str_eq(goal_of("Against Bochs:"), "ahead on every phase: no verdict: it skips phases.");
    skip(&m.own, PHASE_exits);
    make_report(&m, NULL);
    ck_assert(strstr(report, "Ringside, exits: skipped: there is no VMX") != NULL);
    ck_assert(strstr(report, "Every run gave the same checksums") == NULL);
}
END_TEST

/* The release build's figures are of nine phases. */
START_TEST(a_reckoning_says_of_which_phases_it_is)
{
    struct measured m = made_up(0.1, 5);
    make_report(&m, NULL);
    ck_assert(
        strstr(report, "there are no figures of these, which the sums below leave out: exits, ept_chase.") !=
        NULL);
    ck_assert(strstr(report, "Against release Bochs as reckoned for this computer") != NULL);
    ck_assert(strstr(strstr(report, "Against release Bochs as reckoned"), "of 9 phases, CPU time 0.90 s") !=
              NULL);
}
END_TEST

/* Emulators that are installed run the image as Ringside does, or say what they skip. */
START_TEST(peers_count_what_the_image_prints)
{
    static struct measured m;
    struct plan p = plan(SHORTENED);
    own_run(&p, &m.own, m.counted);
    for (int i = 0; i < PEERS; i++)
        follow_peer(&p, peer_name[i], &m.peer[i]);
    make_report(&m, NULL);
    ck_assert_msg(strstr(report, "Every run gave the same checksums") != NULL, "%s", report);
    const struct result *bochs = &m.peer[PEER_bochs], *qemu = &m.peer[PEER_qemu];
    for (unsigned i = 0; i < PHASES; i++) {
        ck_assert(bochs->trouble[0] || bochs->phase[i].ended);
        ck_assert(qemu->trouble[0] || qemu->phase[i].ended || qemu->phase[i].skipped[0]);
    }
}
END_TEST

START_TEST(a_shortened_run_decides_nothing)
{
    ck_assert(report_doubt(1, 3, false) == NULL && report_doubt(1, 9, false) == NULL);
    ck_assert(report_doubt(2, 3, false) && report_doubt(1, 2, false) && report_doubt(1, 3, true));
    struct measured m = made_up(0.1, 5);
    make_report(&m, report_doubt(10, 3, false));
    ck_assert_str_eq(goal_of(RECKONED),
                     "ahead in CPU time: no verdict: each phase did but a part of its work (-d).");
    ck_assert_str_eq(goal_of("Against Bochs:"),
                     "ahead on every phase: no verdict: each phase did but a part of its work (-d).");
    ck_assert(strstr(report, "met.") == NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *yardstick = tcase_create("yardstick");
    tcase_set_timeout(yardstick, 120);
    tcase_add_test(yardstick, each_phase_has_the_instructions_that_it_prints);
    tcase_add_test(yardstick, peers_work_where_tmpdir_says);
    tcase_add_test(yardstick, stepped_it_is_the_same_run);
    tcase_add_test(yardstick, what_vmx_keeps_changes_nothing);
    tcase_add_test(yardstick, figures_are_scaled_before_they_decide);
    tcase_add_test(yardstick, a_shortened_run_decides_nothing);
    tcase_add_test(yardstick, without_vmx_phases_are_skipped);
    tcase_add_test(yardstick, skipped_phases_count_nowhere);
    tcase_add_test(yardstick, a_reckoning_says_of_which_phases_it_is);
    tcase_add_test(yardstick, peers_count_what_the_image_prints);
    suite_add_tcase(suite, yardstick);
    return suite_run(suite);
}
