#include "latency.h"

#include "lua/images.h"
#include "lua/scenario.h"
#include "report.h"
#include "view/view.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STARTS      15
#define BACKS       20
#define GOAL_MS     50
#define SLICE_ATOMS 50000 /* as the terminal view has it */
#define SCRIPT      "bench/back.lua"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- start to the first guest's output, which is some instructions later than the first ---- */

static _Noreturn void become_ringside(const char *build, int out)
{
    char program[512], image[512];
    snprintf(program, sizeof program, "%s/ringside", build);
    snprintf(image, sizeof image, "%s/guests/tiny.elf", build);
    if (dup2(out, STDOUT_FILENO) >= 0 && freopen("/dev/null", "r", stdin))
        execl(program, program, "exec", image, (char *)NULL);
    perror(program);
    _exit(3);
}

/* Negative: it failed. */
static double start_once(const char *build)
{
    int ends[2];
    char byte;
    if (pipe(ends) != 0)
        return -1;
    fflush(stdout);
    double begun = now_ms();
    pid_t pid = fork();
    if (pid == 0)
        become_ringside(build, ends[1]);
    close(ends[1]);
    bool came = read(ends[0], &byte, 1) == 1;
    double ms = now_ms() - begun;
    waitpid(pid, NULL, 0);
    close(ends[0]);
    return came ? ms : -1;
}

static bool measure_start(const char *build, const char *doubt)
{
    double ms[STARTS];
    for (int i = 0; i < STARTS; i++)
        if ((ms[i] = start_once(build)) < 0)
            return false;
    qsort(ms, STARTS, sizeof *ms, by_size);
    report_goal("Start of `ringside exec` to the guest's first output, median", ms[STARTS / 2], GOAL_MS,
                doubt);
    report_goal("    the slowest", ms[STARTS - 1], GOAL_MS, doubt);
    return true;
}

/* ---- one micro back ---- */

/* To the scenario's next pause. */
static bool next_pause(struct scenario *s)
{
    scenario_continue(s);
    while (scenario_advance(s, SLICE_ATOMS) == SCENARIO_MOVING)
        ;
    return scenario_state(s) == SCENARIO_PAUSED;
}

static void finish(rs_world *w)
{
    while (rs_continue(w, SLICE_ATOMS) == RS_SLICE)
        ;
}

/* As the terminal view does for a key, with the picture; then forward again, off the clock. */
static double back_in_view(rs_world *w, struct view *v, struct canvas *canvas)
{
    double begun = now_ms();
    view_mark(v);
    rs_begin_back(w, 1, RS_MICRO);
    finish(w);
    view_draw(v, canvas);
    double ms = now_ms() - begun;
    rs_begin_undo(w);
    finish(w);
    return ms;
}

/* As host:back(1, "micro") does. */
static double back_in_lua(struct scenario *s)
{
    double begun = now_ms();
    return next_pause(s) ? now_ms() - begun : -1;
}

static void report_backs(const char *how, double ms[BACKS], const char *doubt)
{
    char what[160];
    qsort(ms, BACKS, sizeof *ms, by_size);
    snprintf(what, sizeof what, "One micro back at 100 million cycles, %s, median", how);
    report_goal(what, ms[BACKS / 2], GOAL_MS, doubt);
    report_goal("    the slowest", ms[BACKS - 1], GOAL_MS, doubt);
}

static bool backs(struct scenario *s, struct view *v, struct canvas *canvas, const char *doubt)
{
    double lua[BACKS], view[BACKS];
    for (int i = 0; i < BACKS; i++) {
        if (!next_pause(s))
            return false;
        view[i] = back_in_view(scenario_world(s), v, canvas);
        if ((lua[i] = back_in_lua(s)) < 0)
            return false;
    }
    report_backs("from Lua", lua, doubt);
    report_backs("in the view", view, doubt);
    return true;
}

static bool measure_back(const char *build, const char *doubt)
{
    struct rs_error err = {""};
    struct scenario_options options = {.interactive = true};
    struct canvas canvas = {0};
    setenv("RINGSIDE_LIB", build, 1);
    images_init("bench");
    struct scenario *s = scenario_load(SCRIPT, &options, &err);
    struct view *v = s ? view_new(s) : NULL;
    bool ok = v && canvas_resize(&canvas, 120, 40) && backs(s, v, &canvas, doubt);
    if (!ok)
        fprintf(stderr, "bench: %s\n", s && scenario_error(s) ? scenario_error(s) : err.text);
    view_free(v);
    canvas_free(&canvas);
    scenario_free(s);
    return ok;
}

bool latency_report(const struct plan *plan, const char *doubt)
{
    return measure_start(plan->build, doubt) && measure_back(plan->build, doubt);
}
