#include "own.h"

#include "ringside.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SLICE      1000000
#define BEGIN_MARK 1

struct watch {
    rs_world *world;
    uint64_t id, phase; /* of the last mark */
};

double own_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_mark(const struct rs_event *e, void *arg)
{
    struct watch *watch = arg;
    watch->id = e->field[0];
    watch->phase = e->field[1];
    rs_stop_here(watch->world);
}

static enum rs_why run_to_mark(struct watch *watch)
{
    enum rs_why why;
    rs_begin_run(watch->world, UINT64_MAX);
    while ((why = rs_continue(watch->world, SLICE)) == RS_SLICE)
        ;
    return why;
}

static void at_mark(const struct watch *watch, const rs_machine *m, struct result *r,
                    struct counted counted[PHASES])
{
    struct counted now = {rs_insns(m, 0), rs_cycles(m, 0)}, *c = &counted[watch->phase];
    if (watch->id == BEGIN_MARK) {
        *c = now;
        result_begin(r, (unsigned)watch->phase, own_seconds());
        return;
    }
    result_end(r, (unsigned)watch->phase, own_seconds());
    *c = (struct counted){now.insns - c->insns, now.cycles - c->cycles};
}

static void read_console(const rs_machine *m, struct result *r)
{
    size_t n, at = 0;
    const char *text = (const char *)rs_console(m, 0, &n);
    while (at < n) {
        char line[256];
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - (text + at)) : n - at;
        snprintf(line, sizeof line, "%.*s", (int)length, text + at);
        result_line(r, line, false, 0);
        at += length + 1;
    }
}

rs_machine *own_boot(rs_world *w, const struct plan *plan, struct rs_error *err)
{
    struct rs_config config;
    char image[512], line[512];
    plan_image(plan, image);
    snprintf(line, sizeof line, "bench %s", plan->args);
    rs_config_init(&config);
    struct rs_boot boot = {.path = image, .cmdline = line};
    rs_machine *m = rs_machine_new(w, &config, err);
    return m && rs_boot(m, &boot, err) == RS_OK ? m : NULL;
}

void own_run(const struct plan *plan, struct result *r, struct counted counted[PHASES])
{
    struct rs_error err;
    struct watch watch = {.world = rs_world_new()};
    double start = own_seconds();
    rs_machine *m = own_boot(watch.world, plan, &err);
    if (!m) {
        snprintf(r->trouble, sizeof r->trouble, "%.250s", err.text);
    } else {
        enum rs_why why;
        rs_watch(watch.world, RS_PROBE_mark, false, on_mark, &watch);
        while ((why = run_to_mark(&watch)) == RS_STOPPED && watch.phase < PHASES)
            at_mark(&watch, m, r, counted);
        read_console(m, r);
        if (why != RS_HALTED || rs_halt_status(m) != 1)
            snprintf(r->trouble, sizeof r->trouble, "%.250s", rs_halt_text(m));
    }
    rs_world_free(watch.world);
    r->seconds = own_seconds() - start;
}
