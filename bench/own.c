#include "own.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SLICE      1000000
#define BEGIN_MARK 1

struct watch {
    const rs_machine *machine;
    struct result *result;
    struct counted *counted;
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
    double now = own_seconds();
    uint64_t insns = rs_insns(watch->machine, 0), phase = e->field[1];
    if (phase >= PHASES)
        return;
    struct counted *c = &watch->counted[phase];
    if (e->field[0] == BEGIN_MARK) {
        *c = (struct counted){insns, e->cycle};
        result_begin(watch->result, (unsigned)phase, own_seconds());
    } else {
        *c = (struct counted){insns - c->insns, e->cycle - c->cycles};
        result_end(watch->result, (unsigned)phase, now);
    }
}

/* Beside the times that were taken at the marks. */
void own_console(const rs_machine *m, struct result *r)
{
    struct result printed = {.trouble = ""};
    size_t n, length;
    const char *text = (const char *)rs_console(m, 0, &n), *end = text + n;
    for (; text < end; text += length + 1) {
        char line[256];
        const char *feed = memchr(text, '\n', (size_t)(end - text));
        length = (size_t)((feed ? feed : end) - text);
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        result_line(&printed, line, 0);
    }
    for (unsigned i = 0; i < PHASES; i++) {
        double seconds = r->phase[i].seconds;
        r->phase[i] = printed.phase[i];
        r->phase[i].seconds = seconds;
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

static void run(rs_world *w, const rs_machine *m, struct result *r, struct counted counted[PHASES])
{
    struct watch watch = {m, r, counted};
    rs_watch(w, RS_PROBE_mark, false, on_mark, &watch);
    rs_begin_run(w, UINT64_MAX);
    while (rs_continue(w, SLICE) == RS_SLICE)
        ;
    if (rs_halt_status(m) != 1)
        snprintf(r->trouble, sizeof r->trouble, "%.250s",
                 rs_halt_text(m) ? rs_halt_text(m) : "still running");
    own_console(m, r);
}

void own_run(const struct plan *plan, struct result *r, struct counted counted[PHASES])
{
    struct rs_error err;
    double start = own_seconds();
    rs_world *w = rs_world_new();
    rs_machine *m = own_boot(w, plan, &err);
    snprintf(r->name, sizeof r->name, "Ringside");
    if (m)
        run(w, m, r, counted);
    else
        snprintf(r->trouble, sizeof r->trouble, "%.250s", err.text);
    rs_world_free(w);
    r->seconds = own_seconds() - start;
}
