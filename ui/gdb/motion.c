/* motion.c - the machine goes and stands as the debugger says.
 *
 * Forward it is the face that moves the world; the lookout stops it.  Back, and forward again to where the
 * face's movement stands, it is this side. */
#include <string.h>
#include <time.h>

#include "session.h"

#define SLICE 200000

/* ------------------------------------------------------------------ the lookout */

static uint64_t state_of(const struct gdb *g, uint32_t core, const char *name)
{
    uint64_t value = 0;
    rs_state_get(g->m, core, name, 0, &value);
    return value;
}

static bool asleep(const struct gdb *g, uint32_t core)
{
    return state_of(g, core, "activity") != 0;
}

/* No instruction is next: an exception or a software interrupt is about to be delivered. */
static bool event_is_next(const struct gdb *g, uint32_t core)
{
    return state_of(g, core, "event_valid") != 0;
}

static bool is_prefix(uint8_t byte)
{
    return byte == 0x66 || byte == 0x67 || byte == 0xf2 || byte == 0xf3 || (byte & 0xf0) == 0x40 ||
           (byte & 0xe7) == 0x26 || (byte & 0xfe) == 0x64;
}

/* INS, OUTS, MOVS, CMPS, STOS, LODS and SCAS, with REP. */
static bool is_rep_string(struct gdb *g, uint32_t core, uint64_t rip)
{
    bool rep = false;
    uint8_t byte;
    for (int i = 0; i < 15 && rs_read_linear(g->m, core, rip + i, &byte, 1) == RS_OK; i++) {
        rep |= byte == 0xf2 || byte == 0xf3;
        if (!is_prefix(byte))
            return rep && ((byte & 0xfc) == 0x6c || (byte & 0xfc) == 0xa4 || (byte & 0xfe) == 0xaa ||
                           (byte & 0xfc) == 0xac);
    }
    return false;
}

/* The atom was one iteration of the instruction that is next again: the debugger has seen its beginning. */
static bool goes_round(struct gdb *g, const struct rs_event *e)
{
    return e->probe == RS_PROBE_insn && e->field[0] == e->rip && is_rep_string(g, e->core, e->rip);
}

static bool step_is_over(struct gdb *g, const struct rs_event *e)
{
    const struct lookout *l = &g->look;
    if (!l->stepping || e->core != l->core || (l->asleep && asleep(g, e->core)))
        return false;
    return e->rip - l->low >= l->high - l->low;
}

/* Whether the machine is to stand behind this atom, and why. */
static bool stops(struct gdb *g, const struct rs_event *e, struct stop *stop)
{
    const struct lookout *l = &g->look;
    const struct point *p = points_at(&g->points, e->rip);
    bool over = step_is_over(g, e);
    *stop = (struct stop){.signal = SIGNAL_TRAP, .core = e->core};
    if (l->touched && !l->back) {
        stop->at_point = true;
        stop->point = l->point;
        return true;
    }
    if ((!p && !over) || event_is_next(g, e->core))
        return false;
    stop->at_point = p && !asleep(g, e->core) && !goes_round(g, e);
    if (stop->at_point)
        stop->point = *p;
    return over || stop->at_point;
}

static void land(struct gdb *g, struct rs_position at, const struct stop *stop)
{
    if (rs_land_at(g->w, at))
        g->look.stop = *stop;
}

/* This has been passed before the machine stood: the face makes a movement again, up to there.  Once that is
 * behind, what is run again is seen again; so is what a restored snapshot leads to. */
static bool is_quiet(struct gdb *g, struct rs_position behind)
{
    bool quiet = !before(g->look.quiet, behind);
    if (!quiet)
        g->look.quiet = (struct rs_position){0, 0};
    return quiet && !before(rs_furthest(g->w), behind);
}

static void see_end_of_atom(const struct rs_event *e, void *arg)
{
    struct gdb *g = arg;
    struct lookout *l = &g->look;
    struct rs_position behind = {e->atom + 1, 0};
    struct stop stop;
    bool found = (l->back || !is_quiet(g, behind)) && stops(g, e, &stop);
    l->touched = false;
    if (found && l->back)
        land(g, behind, &stop);
    else if (found && !l->stopped && rs_stop_here(g->w)) {
        l->stopped = true;
        l->stop = stop;
    }
}

static void see_access(const struct rs_event *e, void *arg)
{
    struct gdb *g = arg;
    const struct point *p = points_touched(&g->points, e->field[0], e->field[3], e->field[2]);
    if (!p)
        return;
    g->look.touched = true;
    g->look.point = *p;
    if (g->look.back)
        land(g, (struct rs_position){e->atom, 0},
             &(struct stop){.signal = SIGNAL_TRAP, .core = e->core, .at_point = true, .point = *p});
}

static void look_away(struct gdb *g)
{
    for (size_t i = 0; i < g->look.ids; i++)
        rs_unwatch(g->w, g->look.id[i]);
    g->look.ids = 0;
    g->look.back = g->look.touched = g->look.stopped = false;
}

static void watch(struct gdb *g, enum rs_probe probe, rs_watcher *fn)
{
    int id = rs_watch(g->w, probe, true, fn, g);
    if (id)
        g->look.id[g->look.ids++] = id;
    else
        session_note(g, "too many handlers are set: break- and watchpoints do not work");
}

static void look_out(struct gdb *g)
{
    struct lookout *l = &g->look;
    if (l->stepping || g->points.n) {
        watch(g, RS_PROBE_insn, see_end_of_atom);
        watch(g, RS_PROBE_atom, see_end_of_atom);
    }
    if (g->points.watching)
        watch(g, RS_PROBE_access, see_access);
}

/* ------------------------------------------------------------------ standing */

/* Why the machine stands is over: it was moved by a command, or its debugger has gone. */
static void forget_stop(struct gdb *g)
{
    g->stop = (struct stop){.signal = SIGNAL_TRAP, .core = g->step_core};
}

void motion_hold(struct gdb *g, struct stop stop)
{
    if (g->control == FREE) {
        g->face = rs_position(g->m);
        g->fresh = true;
    }
    g->control = HELD;
    if (stop.core >= rs_cores(g->m))
        stop.core = 0;
    g->stop = stop;
    g->core = g->step_core = stop.core;
    look_away(g);
    g->look.stepping = false;
    session_stop_reply(g);
}

void motion_look(struct gdb *g)
{
    if (g->control == FREE && g->look.stopped)
        motion_hold(g, g->look.stop);
}

static void moved_by_monitor(struct gdb *g, enum rs_why why)
{
    g->control = HELD;
    forget_stop(g);
    monitor_moved(g, why);
}

void motion_interrupt(struct gdb *g)
{
    if (g->control == HELD)
        return;
    if (g->control == MOVING) {
        rs_cancel(g->w);
        if (g->journey == BY_MONITOR) {
            moved_by_monitor(g, RS_STOPPED);
            return;
        }
    }
    motion_hold(g, (struct stop){.signal = SIGNAL_INT, .core = g->step_core});
}

/* ------------------------------------------------------------------ going */

static void move(struct gdb *g, enum journey journey)
{
    g->control = MOVING;
    g->journey = journey;
}

/* The face may go on; only points and steps are looked out for. */
static void let_go(struct gdb *g)
{
    look_away(g);
    look_out(g);
    g->control = FREE;
}

static void back_to_the_face(struct gdb *g)
{
    struct rs_position now = rs_position(g->m);
    if (!before(now, g->face)) {
        let_go(g);
        return;
    }
    rs_begin_seek(g->w, g->face);
    move(g, TO_THE_FACE);
}

void motion_resume(struct gdb *g)
{
    struct lookout *l = &g->look;
    struct rs_position now = rs_position(g->m);
    l->quiet = now;
    l->asleep = l->stepping && asleep(g, l->core);
    if (now.atom != g->end.atom || now.micro != g->end.micro)
        g->told_end = false;
    if (now.atom >= g->face.atom) {
        back_to_the_face(g);
        return;
    }
    look_out(g);
    rs_begin_step(g->w, g->face.atom - now.atom, RS_INSN);
    move(g, CATCH_UP);
}

void motion_reverse(struct gdb *g, bool step)
{
    struct lookout *l = &g->look;
    l->stepping = false;
    l->origin = rs_position(g->m);
    if (step) {
        g->clock = rs_cycles(g->m, g->step_core);
        rs_begin_back(g->w, 1, RS_INSN);
        move(g, REVERSE_STEP);
        return;
    }
    l->back = true;
    look_out(g);
    rs_begin_search_back(g->w);
    move(g, REVERSE_RUN);
}

static long seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec;
}

/* gdb waits two seconds for the next packet of an answer: an empty line of console text is one. */
static void monitor_works(struct gdb *g)
{
    long now = seconds();
    if (now == g->heard)
        return;
    g->heard = now;
    session_reply(g, "O");
}

void motion_by_monitor(struct gdb *g)
{
    g->heard = seconds();
    move(g, BY_MONITOR);
}

/* To where the face stands: it runs, as far as the debugger knows. */
static bool goes_forward(const struct gdb *g)
{
    return g->journey == CATCH_UP || g->journey == TO_THE_FACE;
}

void motion_forget(struct gdb *g, bool resume)
{
    g->points.n = g->points.watching = 0;
    g->points.sieve = 0;
    g->awaiting = false;
    if (!g->m)
        return;
    look_away(g);
    g->look.stepping = false;
    if (g->control == MOVING) {
        resume |= goes_forward(g);
        rs_cancel(g->w);
        g->control = HELD;
    }
    if (g->stop.signal != SIGNAL_PWR)
        forget_stop(g);
    if (resume)
        back_to_the_face(g);
}

/* ------------------------------------------------------------------ where journeys end */

/* Atoms of other cores, and those behind which an event is to be delivered, are no steps. */
static void stepped_back(struct gdb *g)
{
    uint32_t core = g->step_core;
    bool begin = !before(rs_position(g->m), g->look.origin);
    g->look.origin = rs_position(g->m);
    if (begin || (rs_cycles(g->m, core) != g->clock && !event_is_next(g, core)))
        motion_hold(g, (struct stop){.signal = SIGNAL_TRAP, .core = core, .begin = begin});
    else
        rs_begin_back(g->w, 1, RS_INSN);
}

static void ran_back(struct gdb *g, enum rs_why why)
{
    struct stop begin = {.signal = SIGNAL_TRAP, .core = g->step_core, .begin = true};
    motion_hold(g, why == RS_STOPPED ? g->look.stop : begin);
}

static void caught_up(struct gdb *g)
{
    if (g->look.stopped)
        motion_hold(g, g->look.stop);
    else
        back_to_the_face(g);
}

void motion_go_on(struct gdb *g)
{
    enum rs_why why = rs_continue(g->w, SLICE);
    if (why == RS_SLICE) {
        if (g->journey == BY_MONITOR)
            monitor_works(g);
        return;
    }
    switch (g->journey) {
    case CATCH_UP: caught_up(g); break;
    case TO_THE_FACE: let_go(g); break;
    case REVERSE_STEP: stepped_back(g); break;
    case REVERSE_RUN: ran_back(g, why); break;
    case BY_MONITOR: moved_by_monitor(g, why); break;
    }
}
