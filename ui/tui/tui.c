/* tui.c - the terminal view: carries the machine on, draws, reads keys. */
#include "tui.h"

#include <stdio.h>
#include <time.h>

#include "keys.h"
#include "ringside.h"
#include "term.h"

#define SLICE_ATOMS 50000
#define FRAME_MS    50  /* between frames of a run */
#define YOUNG_MS    400 /* until a movement is shown as a run that a key stops */

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void draw(struct tui *t)
{
    int width, height;
    term_size(&width, &height);
    if (!canvas_resize(&t->canvas, width, height))
        return;
    t->view->running = tui_busy(t);
    view_draw(t->view, &t->canvas);
    term_paint(&t->canvas);
}

/* A VM entry that fails stops nothing, so it is said. */
static void entry_failed(const struct rs_event *e, void *arg)
{
    struct tui *t = arg;
    const char *rule = rs_word(RS_RULE, e->field[0]), *error = rs_word(RS_VMX_ERROR, e->field[1]);
    char of[24] = "";
    if (rs_cores(e->machine) > 1)
        snprintf(of, sizeof of, " of core %u", e->core + 1);
    view_message(t->view, "VM entry%s at %llx failed: %s", of, (unsigned long long)e->rip,
                 rule    ? rule
                 : error ? error
                         : rs_word(RS_EXIT_REASON, e->field[3]));
}

/* The core whose step or event a movement has ended with; where there is none, the one that is shown. */
static uint32_t core_of(const struct tui *t, const rs_machine *m, enum rs_why why)
{
    bool inside = rs_position(m).micro > 0;
    if (why == RS_HALTED)
        return rs_halt_core(m);
    if (t->end == END_BACK || (t->end != END_ANYWHERE && inside))
        return rs_next_core(m);
    return why == RS_DONE && t->end == END_FORWARD ? t->mover : t->view->core;
}

/* A movement that a key began has ended. */
static void arrive(struct tui *t, enum rs_why why)
{
    rs_machine *m = view_machine(t->view);
    struct rs_position at = rs_position(m);
    bool still = at.atom == t->from.atom && at.micro == t->from.micro;
    const char *did = "this is where it stopped";
    t->moving = false;
    if (why == RS_HALTED && rs_halt_text(m))
        view_message(t->view, "%s stands still: %s. b goes back.", rs_machine_name(m), rs_halt_text(m));
    else if (why == RS_LIMIT)
        view_message(t->view, "Stopped: the limit of --max-cycles is reached.");
    else if (still && t->stuck)
        view_message(t->view, "%s", t->stuck);
    else if (t->end != END_ANYWHERE)
        did = t->did;
    if (!still)
        view_follow(t->view, core_of(t, m, why), did, t->end == END_WALK);
}

/* The scenario has come to a pause, a question or its end.  A question and an error are read in the lesson's
 * pane; what was shown before comes back after the answer. */
static void scenario_stood(struct tui *t)
{
    struct view *v = t->view;
    bool to_lesson = scenario_choice(t->s, 0) || scenario_state(t->s) == SCENARIO_FAILED;
    if (to_lesson && v->focus != PANE_HELP && v->focus != PANE_LESSON) {
        t->before_lesson = v->focus;
        t->in_lesson = true;
        view_choose(v, PANE_LESSON, t->canvas.width, t->canvas.height);
    } else if (!to_lesson && t->in_lesson) {
        t->in_lesson = false;
        if (v->focus == PANE_LESSON)
            view_choose(v, t->before_lesson, t->canvas.width, t->canvas.height);
    }
}

static void carry_on(struct tui *t)
{
    if (t->moving) {
        enum rs_why why = rs_continue(scenario_world(t->s), SLICE_ATOMS);
        if (why != RS_SLICE)
            arrive(t, why);
    } else if (scenario_advance(t->s, SLICE_ATOMS) != SCENARIO_MOVING) {
        scenario_stood(t);
    }
}

/* True while a movement is so young that it is neither drawn nor stopped: keys typed fast wait for their
 * turn. */
static bool young(const struct tui *t, long long *since)
{
    if (!tui_busy(t))
        *since = -1;
    else if (*since < 0)
        *since = now_ms();
    return tui_busy(t) && now_ms() - *since < YOUNG_MS;
}

static void handle_key(struct tui *t)
{
    int key = term_key(tui_busy(t) ? 0 : -1);
    if (key == TERM_GONE)
        t->quit = true;
    else if (key == TERM_SUSPEND)
        term_suspend();
    else if (key && key != TERM_RESIZE)
        tui_key(t, key);
}

static void loop(struct tui *t)
{
    long long drawn = -FRAME_MS, since = -1;
    draw(t);
    while (!t->quit) {
        if (tui_busy(t))
            carry_on(t);
        if (young(t, &since))
            continue;
        if (!tui_busy(t) || now_ms() - drawn >= FRAME_MS) {
            draw(t);
            drawn = now_ms();
        }
        handle_key(t);
    }
}

int tui_run(struct scenario *s, const struct tui_options *options)
{
    struct tui t = {.s = s};
    const char *why = term_open(options);
    if (why) {
        fprintf(stderr, "ringside: tui: %s\n", why);
        return 2;
    }
    t.view = view_new(s);
    if (t.view) {
        int watch = rs_watch(scenario_world(s), RS_PROBE_vm_fail, true, entry_failed, &t);
        tui_make_help(&t);
        t.view->keys = t.hints;
        t.view->help = &t.help;
        loop(&t);
        rs_unwatch(scenario_world(s), watch);
    }
    view_free(t.view);
    canvas_free(&t.canvas);
    doc_free(&t.help);
    term_close();
    if (scenario_error(s))
        fprintf(stderr, "ringside: %s\n", scenario_error(s));
    return scenario_status(s);
}
