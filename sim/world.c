/* world.c - moving through time: run, step, back, seek, undo.
 *
 * Everything is built of three moves: advance() runs whole atoms forward, applying the logged inputs on the
 * way; restore() goes to a checkpoint; world_show_inside() leaves the next atom after k micros.  A movement
 * keeps what it needs between slices in struct movement. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "hostile.h"
#include "schedule.h"

/* Between checkpoints, so that a step back takes less than 50 ms: atoms, and those of them that are dear. */
#define CHECKPOINT_ATOMS   HOSTILE_OR(10007, 1000000)
#define CHECKPOINT_GENERAL HOSTILE_OR(10007, 100000)
#define DROP_EVERY         HOSTILE_OR(50, 0) /* atoms */
#define CHECKPOINT_BEFORE_MOVE \
    20000             /* a movement that stops inside an atom reruns from the last checkpoint */
#define DEAR_ATOM 200 /* what one that takes a snapshot, or is run twice, costs of a budget of atoms */

const char *const rs_unit_name[RS_UNITS] = {"cycle", "micro", "insn", "walk", "exit"};

/* ------------------------------------------------------------------ life */

rs_world *rs_world_new(void)
{
    rs_world *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    rs_drop_derived_at_random(w, DROP_EVERY, 1);
    return w;
}

void rs_world_free(rs_world *w)
{
    if (!w)
        return;
    history_free(w);
    trail_end(&w->move.trail);
    machine_free(w->machine);
    files_forget(&w->files);
    free(w);
}

rs_machine *rs_world_machine(const rs_world *w, size_t i)
{
    return i == 0 ? w->machine : NULL;
}

void rs_set_max_cycles(rs_world *w, uint64_t cycles)
{
    w->max_cycles = cycles;
}

/* ------------------------------------------------------------------ derived data dropped at random, for
 * tests */

void rs_drop_derived(rs_world *w)
{
    if (w->machine)
        machine_drop_derived(w->machine);
}

void rs_drop_derived_at_random(rs_world *w, uint64_t n, uint64_t seed)
{
    w->drop_every = n;
    w->drop_random = seed | 1;
}

/* Atoms until the next drop. */
static u64 random_gap(struct rs_world *w)
{
    w->drop_random ^= w->drop_random << 13; /* xorshift64 */
    w->drop_random ^= w->drop_random >> 7;
    w->drop_random ^= w->drop_random << 17;
    return 1 + w->drop_random % (2 * w->drop_every);
}

/* ------------------------------------------------------------------ the three moves */

/* To the start of the atom that is half done. */
static void leave_inside(struct rs_world *w)
{
    if (!w->history.inside)
        return;
    saved_restore(w, w->history.inside);
    saved_free(w->history.inside);
    w->history.inside = NULL;
}

static void restore(struct rs_world *w, const struct saved *s)
{
    saved_free(w->history.inside);
    w->history.inside = NULL;
    saved_restore(w, s);
}

static u64 general_atoms(const struct machine *m)
{
    u64 sum = 0;
    for (u32 i = 0; i < m->cores; i++)
        sum += m->core[i]->rt.general_atoms;
    return sum;
}

/* Which atoms are dear is no part of state: where checkpoints are changes no result. */
static void checkpoint_if_due(struct rs_world *w)
{
    u64 general = general_atoms(w->machine);
    bool dear = general - w->general_atoms >= CHECKPOINT_GENERAL;
    history_checkpoint(w, dear ? CHECKPOINT_GENERAL : CHECKPOINT_ATOMS);
    if (dear)
        w->general_atoms = general;
}

/* Atoms from `from` on in which the same ones are watched: to where the past ends, or that of the script. */
static u64 atoms_watched_alike(const struct history *h, u64 from)
{
    if (h->script_furthest.atom > from)
        return h->script_furthest.atom - from;
    return h->furthest.atom > from ? h->furthest.atom - from : UINT64_MAX;
}

/* Runs whole atoms until `until_atom`, `until_cycle` or the budget is used up. */
static enum run_end advance(struct rs_world *w, u64 *budget, u64 until_atom, u64 until_cycle)
{
    struct machine *m = w->machine;
    while (*budget && machine_atom(m) < until_atom && machine_cycle(m) < until_cycle) {
        history_apply_inputs(w);
        checkpoint_if_due(w);
        u64 before = machine_atom(m);
        u64 n =
            min(min(*budget, until_atom - before), min(history_next_input(w) - before, CHECKPOINT_GENERAL));
        if (w->drop_every) {
            n = min(n, random_gap(w));
            rs_drop_derived(w);
        }
        n = min(n, atoms_watched_alike(&w->history, before));
        world_update_watched(w);
        enum run_end end = machine_run(m, n, until_cycle);
        *budget -= min(*budget, machine_atom(m) - before + (end == RUN_STOPPED_INSIDE));
        if (end == RUN_STOPPED && w->input_waits)
            end = RUN_GOES_ON;
        w->input_waits = false;
        if (end != RUN_GOES_ON)
            return end;
    }
    history_arrive(w);
    return m->b.halted ? RUN_HALTED : RUN_GOES_ON;
}

void world_show_inside(struct rs_world *w, u64 k)
{
    if (machine_stands(w->machine))
        return;
    struct saved *start = saved_take(w);
    machine_next(w->machine)->micro_stop = k;
    if (machine_run(w->machine, 1, UINT64_MAX) == RUN_STOPPED_INSIDE)
        w->history.inside = start;
    else
        saved_free(start);
}

/* The machine was left inside an atom by a run that kept no start of it: go there again by way of a
 * checkpoint. */
static void settle_inside(struct rs_world *w)
{
    struct rs_position at = history_position(w);
    u64 hunted = w->hunted, endless = UINT64_MAX;
    history_reached(w);
    w->settling = true;
    w->hunted = 0;
    restore(w, history_before(w, at.atom));
    advance(w, &endless, at.atom, UINT64_MAX);
    world_show_inside(w, at.micro);
    w->settling = false;
    w->hunted = hunted;
}

static void show(struct rs_world *w, struct rs_position at)
{
    w->settling = true;
    if (at.micro)
        world_show_inside(w, at.micro);
    w->settling = false;
}

/* ------------------------------------------------------------------ movements */

static enum rs_why finish(struct rs_world *w, enum rs_why why)
{
    if (w->machine && !w->history.inside)
        history_arrive(w);
    history_reached(w);
    w->move.kind = MOVE_NONE;
    w->hunted = 0;
    w->trail = NULL;
    trail_end(&w->move.trail);
    w->stop_requested = false;
    world_update_watched(w);
    return why;
}

/* How an advance that did not reach its own end has ended the movement. */
static enum rs_why ended(struct rs_world *w, enum run_end end)
{
    if (end == RUN_STOPPED_INSIDE)
        settle_inside(w);
    if (end == RUN_HALTED && !w->stop_requested)
        return finish(w, RS_HALTED);
    return finish(w, w->stop_requested ? RS_STOPPED : RS_DONE);
}

static void begin(struct rs_world *w, enum movement_kind kind)
{
    finish(w, RS_DONE);
    w->move = (struct movement){.kind = kind, .origin = history_position(w)};
    history_checkpoint(w, CHECKPOINT_BEFORE_MOVE);
}

static u64 add(u64 a, u64 b) /* without wrapping */
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void spend(u64 *budget, u64 atoms)
{
    *budget -= min(*budget, atoms);
}

void rs_begin_run(rs_world *w, uint64_t until_cycle)
{
    begin(w, MOVE_RUN);
    undo_remember(w);
    w->move.until_cycle = until_cycle;
}

void rs_begin_step(rs_world *w, uint64_t n, enum rs_unit unit)
{
    begin(w, MOVE_STEP);
    undo_remember(w);
    w->move.unit = unit;
    w->move.n = n;
}

void rs_begin_back(rs_world *w, uint64_t n, enum rs_unit unit)
{
    begin(w, MOVE_BACK);
    undo_remember(w);
    w->move.unit = unit;
    w->move.n = n;
    w->move.hi = w->move.origin;
}

void rs_begin_search_back(rs_world *w)
{
    rs_begin_back(w, 1, RS_INSN);
    w->move.search = true;
}

void rs_begin_seek(rs_world *w, struct rs_position at)
{
    begin(w, MOVE_SEEK);
    undo_remember(w);
    w->move.target = at;
}

void rs_begin_undo(rs_world *w)
{
    struct rs_position at = undo_take(w);
    begin(w, MOVE_SEEK);
    w->move.target = at;
    w->move.undoes = true;
}

/* ---- run and step ---- */

static u64 cycle_limit(const struct rs_world *w, u64 until_cycle)
{
    return w->max_cycles ? min(until_cycle, w->max_cycles) : until_cycle;
}

static enum rs_why limit_or(const struct rs_world *w, enum rs_why why)
{
    return w->max_cycles && machine_cycle(w->machine) >= w->max_cycles ? RS_LIMIT : why;
}

/* Forward to `until_atom` or `until_cycle`, whichever comes first. */
static enum rs_why forward(struct rs_world *w, u64 *budget, u64 until_atom, u64 until_cycle)
{
    const struct machine *m = w->machine;
    u64 limit = cycle_limit(w, until_cycle);
    if (machine_cycle(m) >= limit && !w->move.started)
        return finish(w, limit_or(w, RS_DONE));
    w->move.started = true;
    leave_inside(w);
    enum run_end end = advance(w, budget, until_atom, limit);
    if (end != RUN_GOES_ON)
        return ended(w, end);
    if (machine_atom(m) >= until_atom)
        return finish(w, RS_DONE);
    if (machine_cycle(m) >= limit)
        return finish(w, limit_or(w, RS_DONE));
    return RS_SLICE;
}

static enum rs_why step_insns(struct rs_world *w, u64 *budget)
{
    if (!w->move.started)
        w->move.target.atom = add(w->move.origin.atom, w->move.n);
    return forward(w, budget, w->move.target.atom, UINT64_MAX);
}

/* The ends of walks, of cores and of devices, and VM exits. */
#define WALKS (PROBE_BIT(walk_end) | PROBE_BIT(iommu_end))
#define EXITS PROBE_BIT(vm_exit)

static enum rs_why step_hunt(struct rs_world *w, u64 *budget, u64 probes)
{
    if (!w->move.started) {
        w->hunted = probes;
        w->hunt_left = w->move.n;
    }
    return forward(w, budget, UINT64_MAX, UINT64_MAX);
}

/* An atom that is half done can be ended, even if it is the one that halts the machine. */
static bool may_go_on(const struct rs_world *w)
{
    bool over = w->max_cycles && machine_cycle(w->machine) >= w->max_cycles;
    return w->history.inside || (!machine_stands(w->machine) && !over);
}

/* Why a movement by micros or cycles stands. */
static enum rs_why stepped(struct rs_world *w)
{
    if (w->move.n == 0)
        return finish(w, RS_DONE);
    if (may_go_on(w))
        return RS_SLICE;
    return finish(w, machine_stands(w->machine) ? RS_HALTED : RS_LIMIT);
}

/* One atom at a time: k micros further, over the ends of atoms. */
static enum rs_why step_micros(struct rs_world *w, u64 *budget)
{
    while (w->move.n && *budget && may_go_on(w)) {
        struct rs_position at = history_position(w);
        history_reached(w);
        leave_inside(w);
        world_update_watched(w);
        history_apply_inputs(w);
        const struct atom *a = machine_next(w->machine);
        world_show_inside(w, add(at.micro, w->move.n));
        spend(budget, DEAR_ATOM);
        w->move.n -= w->history.inside ? w->move.n : min(w->move.n, a->micros - at.micro);
        if (w->stop_requested)
            return finish(w, RS_STOPPED);
    }
    return stepped(w);
}

/* One atom, with the clock after each of its micros noted.  *cycle: the clock before. */
static const struct atom *timed_atom(struct rs_world *w, struct micro_clock *clock, u64 *cycle)
{
    u64 one = 1;
    history_apply_inputs(w);
    struct atom *a = machine_next(w->machine);
    *cycle = machine_next_clock(w->machine);
    clock->n = 0;
    a->clock = clock;
    advance(w, &one, UINT64_MAX, UINT64_MAX);
    a->clock = NULL;
    return a;
}

/* A boundary of the unit `cycle` is a position at which the clock has just moved: a stall is one step. */
static bool moved(const struct micro_clock *clock, u64 start_cycle, u64 k)
{
    return clock->cycle[k - 1] > (k > 1 ? clock->cycle[k - 2] : start_cycle);
}

/* The same, and it has not been: nobody is told of it. */
static const struct atom *time_atom(struct rs_world *w, struct micro_clock *clock, u64 *cycle)
{
    history_apply_inputs(w);
    struct saved *start = saved_take(w);
    w->muted = true;
    const struct atom *a = timed_atom(w, clock, cycle);
    w->muted = false;
    restore(w, start);
    saved_free(start);
    world_update_watched(w);
    return a;
}

/* One atom at a time, as step_micros. */
static enum rs_why step_cycles(struct rs_world *w, u64 *budget)
{
    struct micro_clock clock;
    while (w->move.n && *budget && may_go_on(w)) {
        u64 cycle, k = history_position(w).micro;
        history_reached(w);
        leave_inside(w);
        const struct atom *a = time_atom(w, &clock, &cycle);
        spend(budget, DEAR_ATOM);
        while (w->move.n && k < clock.n)
            w->move.n -= moved(&clock, cycle, ++k);
        world_show_inside(w, w->move.n == 0 && k < a->micros ? k : UINT64_MAX);
        if (w->stop_requested)
            return finish(w, RS_STOPPED);
    }
    return stepped(w);
}

static enum rs_why step(struct rs_world *w, u64 *budget)
{
    if (w->move.n == 0)
        return finish(w, RS_DONE);
    switch (w->move.unit) {
    case RS_CYCLE: return step_cycles(w, budget);
    case RS_MICRO: return step_micros(w, budget);
    case RS_WALK: return step_hunt(w, budget, WALKS);
    case RS_EXIT: return step_hunt(w, budget, EXITS);
    default: return step_insns(w, budget);
    }
}

/* ---- seek ---- */

static struct rs_position start_of_run(const struct rs_world *w)
{
    return (struct rs_position){w->history.checkpoint[0]->atom, 0};
}

/* To where the way to the target begins: the present if it lies before it, or a nearer checkpoint. */
static void take_off(struct rs_world *w, struct rs_position target)
{
    const struct saved *s = history_before(w, target.atom);
    history_reached(w);
    if (position_before(target, history_position(w)) || s->atom > machine_atom(w->machine))
        restore(w, s);
    else
        leave_inside(w);
    w->move.started = true;
}

static enum rs_why seek(struct rs_world *w, u64 *budget)
{
    struct rs_position target = w->move.target, now = history_position(w);
    if (position_before(target, start_of_run(w)))
        target = start_of_run(w);
    if (!w->move.started) {
        if (target.atom == now.atom && target.micro == now.micro)
            return finish(w, RS_DONE);
        take_off(w, target);
    }
    w->hunted = 0;
    w->settling = position_before(target, w->history.furthest);
    bool known = !position_before(w->history.furthest, target);
    u64 limit = known ? UINT64_MAX : cycle_limit(w, UINT64_MAX);
    enum run_end end = advance(w, budget, target.atom, limit);
    w->settling = false;
    if (end != RUN_GOES_ON && machine_atom(w->machine) != target.atom)
        return ended(w, end);
    if (machine_atom(w->machine) < target.atom)
        return machine_cycle(w->machine) < limit ? RS_SLICE : finish(w, RS_LIMIT);
    show(w, target);
    return finish(w, RS_DONE);
}

/* ---- back ---- */

static enum rs_why aim(struct rs_world *w, struct rs_position at)
{
    w->move.target = at;
    w->move.aimed = true;
    w->move.started = false;
    w->trail = NULL;
    w->hunted = 0;
    return RS_SLICE;
}

/* Runs the past again up to an atom: RS_DONE, it stands there.  RS_HALTED: it does not come by there, since
 * somebody has changed the machine by other ways than inputs. */
static enum rs_why rerun(struct rs_world *w, u64 *budget, u64 until_atom)
{
    u64 before = machine_atom(w->machine);
    if (before >= until_atom)
        return RS_DONE;
    advance(w, budget, until_atom, UINT64_MAX);
    if (machine_atom(w->machine) >= until_atom)
        return RS_DONE;
    return machine_atom(w->machine) == before ? RS_HALTED : RS_SLICE;
}

static enum rs_why back_insns(struct rs_world *w)
{
    struct rs_position at = w->move.origin;
    u64 n = w->move.n - (at.micro > 0); /* the start of an atom that is half done counts */
    u64 start = start_of_run(w).atom;
    return aim(w, (struct rs_position){at.atom - start < n ? start : at.atom - n, 0});
}

/* Every micro of the atoms from here to `hi`, one atom after another. */
static enum rs_why trail_micros(struct rs_world *w, u64 *budget)
{
    struct machine *m = w->machine;
    while (machine_atom(m) < w->move.hi.atom && *budget) {
        u64 one = 1, atom = machine_atom(m);
        history_apply_inputs(w);
        const struct atom *a = machine_next(m);
        if (rerun(w, &one, atom + 1) != RS_DONE)
            return RS_HALTED;
        --*budget;
        for (u64 k = 0; k < a->micros; k++)
            trail_add(&w->move.trail, (struct rs_position){atom, k});
    }
    if (machine_atom(m) < w->move.hi.atom)
        return RS_SLICE;
    for (u64 k = 0; k < w->move.hi.micro; k++)
        trail_add(&w->move.trail, (struct rs_position){w->move.hi.atom, k});
    return RS_DONE;
}

/* The last n positions before the present lie in its last n atoms, since each has a micro. */
static enum rs_why back_micros(struct rs_world *w, u64 *budget)
{
    u64 start = start_of_run(w).atom, n = w->move.n;
    struct rs_position from = {w->move.hi.atom - start < n ? start : w->move.hi.atom - n, 0};
    if (n <= w->move.hi.micro)
        return aim(w, (struct rs_position){w->move.hi.atom, w->move.hi.micro - n});
    if (n / CLOCK_MICROS > w->move.hi.atom - start + 1) /* more than there can be */
        return aim(w, start_of_run(w));
    if (!w->move.started) {
        trail_begin(&w->move.trail, n);
        take_off(w, from);
    }
    enum rs_why why = rerun(w, budget, from.atom);
    if (why == RS_DONE)
        why = trail_micros(w, budget);
    if (why != RS_DONE)
        return why == RS_SLICE ? why : finish(w, why);
    return aim(w, n <= w->move.trail.count ? trail_back(&w->move.trail, n) : start_of_run(w));
}

/* Boundaries of the unit `cycle` in the atoms from here to `hi`. */
static enum rs_why trail_cycles(struct rs_world *w, u64 *budget)
{
    const struct machine *m = w->machine;
    struct micro_clock clock;
    u64 end = w->move.hi.atom + (w->move.hi.micro > 0);
    while (machine_atom(m) < end && *budget) {
        u64 atom = machine_atom(m), cycle;
        const struct atom *a = timed_atom(w, &clock, &cycle);
        if (machine_atom(m) == atom)
            return RS_HALTED;
        --*budget;
        for (u64 k = 1; k <= clock.n; k++) {
            bool whole = k == a->micros;
            struct rs_position at = {atom + whole, whole ? 0 : k};
            if (moved(&clock, cycle, k) && position_before(at, w->move.hi))
                trail_add(&w->move.trail, at);
        }
    }
    return machine_atom(m) < end ? RS_SLICE : RS_DONE;
}

/* Nearly every atom moves the clock; where n atoms did not hold n boundaries, twice as many are searched. */
static enum rs_why back_cycles(struct rs_world *w, u64 *budget)
{
    u64 start = start_of_run(w).atom, hi = w->move.hi.atom;
    if (!w->move.started) {
        w->move.reach = w->move.reach ? 2 * w->move.reach : min(w->move.n, hi) + 1;
        w->move.target.atom = hi - start < w->move.reach ? start : hi - w->move.reach;
        trail_begin(&w->move.trail, w->move.n);
        take_off(w, w->move.target);
    }
    w->settling = true;
    enum rs_why why = rerun(w, budget, w->move.target.atom);
    if (why == RS_DONE)
        why = trail_cycles(w, budget);
    w->settling = false;
    if (why != RS_DONE)
        return why == RS_SLICE ? why : finish(w, why);
    if (w->move.trail.count >= w->move.n)
        return aim(w, trail_back(&w->move.trail, w->move.n));
    if (w->move.target.atom == start)
        return aim(w, start_of_run(w));
    w->move.started = false;
    return RS_SLICE;
}

/* Before a segment of the past is searched: from the last checkpoint before `hi`; false if there is none. */
static bool begin_segment(struct rs_world *w)
{
    struct rs_position hi = w->move.hi;
    const struct saved *s = hi.micro  ? history_before(w, hi.atom)
                            : hi.atom ? history_before(w, hi.atom - 1)
                                      : NULL;
    if (!s)
        return false;
    history_reached(w);
    restore(w, s);
    w->move.target = (struct rs_position){s->atom, 0};
    w->move.started = true;
    trail_begin(&w->move.trail, w->move.n);
    w->trail = &w->move.trail;
    return true;
}

/* Positions right after an event of one of `probes`, or those that rs_land_at names (NOBODY), searched
 * backwards, a segment between checkpoints at a time. */
#define NOBODY 0

static enum rs_why back_hunt(struct rs_world *w, u64 *budget, u64 probes)
{
    w->hunted = probes;
    w->settling = true;
    if (!w->move.started && !begin_segment(w)) {
        w->settling = false;
        return aim(w, start_of_run(w));
    }
    enum rs_why why = rerun(w, budget, w->move.hi.atom);
    if (why != RS_DONE) {
        w->settling = false;
        return why == RS_SLICE ? why : finish(w, why);
    }
    world_update_watched(w);
    if (w->move.hi.micro > 1)
        world_show_inside(w, w->move.hi.micro - 1);
    w->settling = false;
    struct trail *t = &w->move.trail;
    u64 found = t->count;
    w->move.landed = w->move.search && found;
    if (found && w->move.n <= found)
        return aim(w, trail_back(t, w->move.n));
    w->move.n -= found;
    w->move.hi = w->move.target;
    w->move.started = false;
    return RS_SLICE;
}

static enum rs_why back(struct rs_world *w, u64 *budget)
{
    if (w->move.aimed) {
        bool landed = w->move.landed;
        enum rs_why why = seek(w, budget);
        return why == RS_DONE && landed ? RS_STOPPED : why;
    }
    if (w->move.n == 0)
        return finish(w, RS_DONE);
    if (w->move.search)
        return back_hunt(w, budget, NOBODY);
    switch (w->move.unit) {
    case RS_CYCLE: return back_cycles(w, budget);
    case RS_MICRO: return back_micros(w, budget);
    case RS_WALK: return back_hunt(w, budget, WALKS);
    case RS_EXIT: return back_hunt(w, budget, EXITS);
    default: return back_insns(w);
    }
}

/* ---- carrying on ---- */

enum rs_why rs_continue(rs_world *w, uint64_t atoms)
{
    u64 budget = atoms ? atoms : 1;
    enum rs_why why = RS_SLICE;
    if (!w->machine || w->move.kind == MOVE_NONE)
        return RS_DONE;
    while (why == RS_SLICE && budget) {
        switch (w->move.kind) {
        case MOVE_RUN: why = forward(w, &budget, UINT64_MAX, w->move.until_cycle); break;
        case MOVE_STEP: why = step(w, &budget); break;
        case MOVE_BACK: why = back(w, &budget); break;
        case MOVE_SEEK: why = seek(w, &budget); break;
        default: return RS_DONE;
        }
    }
    if (why == RS_SLICE && (w->move.kind == MOVE_RUN || w->move.kind == MOVE_STEP))
        history_reached(w);
    return why;
}

void rs_cancel(rs_world *w)
{
    struct movement move = w->move;
    if (move.kind == MOVE_NONE)
        return;
    finish(w, RS_DONE);
    if (move.kind != MOVE_BACK && move.kind != MOVE_SEEK)
        return;
    undo_cancel(w, &move);
    w->move = (struct movement){.kind = MOVE_SEEK, .target = move.origin, .origin = move.origin};
    while (rs_continue(w, UINT64_MAX) == RS_SLICE)
        continue;
}

/* ------------------------------------------------------------------ position */

struct rs_position rs_position(const rs_machine *m)
{
    return history_position(m->world);
}

bool rs_in_past(const rs_world *w)
{
    return w->machine && position_before(history_position(w), w->history.furthest);
}

struct rs_position rs_furthest(const rs_world *w)
{
    return w->history.furthest;
}
