/* history.c - see history.h. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "dev/device.h"
#include "mmu/walk.h"
#include "schedule.h"
#include "world.h"

/* ---- saved states ---- */

static void *copy_of(const void *from, size_t n)
{
    void *to = malloc(n);
    if (!to)
        abort();
    return memcpy(to, from, n);
}

/* *last is the copy that the next one may share with. */
static struct pieces *take(const void *state, size_t n, struct pieces **last)
{
    struct pieces *taken = pieces_take(state, n, *last);
    pieces_free(*last);
    *last = pieces_share(taken);
    return taken;
}

static void give(struct pieces *saved, void *state, struct pieces **last)
{
    pieces_give(saved, state);
    pieces_share(saved);
    pieces_free(*last);
    *last = saved;
}

struct saved *saved_take(struct rs_world *w)
{
    struct machine *m = w->machine;
    struct history *h = &w->history;
    struct saved s = {.atom = machine_atom(m), .log_next = h->log_next};
    for (u32 i = 0; i < m->cores; i++)
        s.core[i] = take(&m->core[i]->s, sizeof m->core[i]->s, &h->core[i]);
    s.board = take(&m->b, sizeof m->b, &h->board);
    s.mem = mem_freeze(m->mem);
    for (u32 i = 0; i < DISKS_MAX && m->disk[i]; i++)
        s.disk[i] = disk_save(m->disk[i]);
    keep_take(w, s.kept);
    return copy_of(&s, sizeof s);
}

struct saved *saved_copy(const struct saved *s)
{
    struct saved copy = *s;
    for (u32 i = 0; i < RS_CORES_MAX; i++)
        pieces_share(s->core[i]);
    pieces_share(s->board);
    copy.mem = mem_image_copy(s->mem);
    for (u32 i = 0; i < DISKS_MAX && s->disk[i].data; i++)
        copy.disk[i] = disk_saved_copy(&s->disk[i]);
    keep_copy(copy.kept, s->kept);
    return copy_of(&copy, sizeof copy);
}

void saved_restore(struct rs_world *w, const struct saved *s)
{
    struct machine *m = w->machine;
    machine_drop_pointers(m);
    for (u32 i = 0; i < m->cores; i++) {
        struct core *c = m->core[i];
        c->rt.atom.micro = c->rt.atom.micro_stop = 0;
        walk_forget(c);
        give(s->core[i], &c->s, &w->history.core[i]);
    }
    give(s->board, &m->b, &w->history.board);
    m->devices.atom.micro = m->devices.atom.micro_stop = 0;
    devices_look_again(m);
    m->iommu_walk.valid = false;
    mem_thaw(m->mem, s->mem);
    for (u32 i = 0; i < DISKS_MAX && m->disk[i]; i++)
        disk_restore(m->disk[i], &s->disk[i]);
    keep_restore(w, s->kept);
    w->history.log_next = s->log_next;
}

void saved_free(struct saved *s)
{
    if (!s)
        return;
    for (u32 i = 0; i < RS_CORES_MAX; i++)
        pieces_free(s->core[i]);
    pieces_free(s->board);
    mem_image_free(s->mem);
    for (u32 i = 0; i < DISKS_MAX; i++)
        disk_saved_free(&s->disk[i]);
    keep_free(s->kept);
    free(s);
}

/* ---- checkpoints ---- */

static void drop_checkpoints(struct history *h, unsigned from)
{
    for (unsigned i = from; i < h->checkpoints; i++)
        saved_free(h->checkpoint[i]);
    if (h->checkpoints > from)
        h->checkpoints = from;
}

static void remove_checkpoint(struct history *h, unsigned i)
{
    saved_free(h->checkpoint[i]);
    h->checkpoints--;
    memmove(&h->checkpoint[i], &h->checkpoint[i + 1], (h->checkpoints - i) * sizeof *h->checkpoint);
}

/* Drops the one whose loss widens a gap least, relative to how far back it is: near ones stay dense. */
static void thin_checkpoints(struct history *h, u64 now)
{
    unsigned best = 1;
    double least = 1e300;
    for (unsigned i = 1; i + 1 < h->checkpoints; i++) {
        double gap = (double)(h->checkpoint[i + 1]->atom - h->checkpoint[i - 1]->atom);
        double cost = gap / (double)(now - h->checkpoint[i]->atom + 1);
        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    remove_checkpoint(h, best);
}

void history_checkpoint(struct rs_world *w, u64 min_atoms)
{
    struct history *h = &w->history;
    u64 now = machine_atom(w->machine);
    if (h->inside || now < h->checkpoint[h->checkpoints - 1]->atom + min_atoms)
        return;
    if (h->checkpoints == CHECKPOINTS_MAX)
        thin_checkpoints(h, now);
    h->checkpoint[h->checkpoints++] = saved_take(w);
}

const struct saved *history_before(const struct rs_world *w, u64 atom)
{
    const struct history *h = &w->history;
    const struct saved *found = NULL;
    for (unsigned i = 0; i < h->checkpoints && h->checkpoint[i]->atom <= atom; i++)
        found = h->checkpoint[i];
    return found;
}

/* ---- position ---- */

struct rs_position history_position(const struct rs_world *w)
{
    return (struct rs_position){machine_atom(w->machine), machine_micro(w->machine)};
}

void history_reached(struct rs_world *w)
{
    struct history *h = &w->history;
    struct rs_position now = history_position(w);
    if (position_before(h->furthest, now))
        h->furthest = now;
    if (w->script && position_before(h->script_furthest, now))
        h->script_furthest = now;
    world_update_watched(w);
}

/* ---- the log ---- */

static void cut_log(struct history *h, size_t from)
{
    for (size_t i = from; i < h->log_count; i++)
        free(h->log[i].bytes);
    if (h->log_count > from)
        h->log_count = from;
}

void history_begin(struct rs_world *w, bool run)
{
    struct history *h = &w->history;
    drop_checkpoints(h, 0);
    saved_free(h->inside);
    h->inside = NULL;
    cut_log(h, 0);
    h->log_next = h->log_made = 0;
    undo_forget(w);
    w->hunted = 0;
    w->move.kind = MOVE_NONE;
    h->checkpoint[h->checkpoints++] = saved_take(w);
    h->furthest = h->script_furthest = history_position(w);
    if (run)
        record_begin(w);
    world_update_watched(w);
}

void history_free(struct rs_world *w)
{
    struct history *h = &w->history;
    drop_checkpoints(h, 0);
    saved_free(h->inside);
    for (u32 i = 0; i < RS_CORES_MAX; i++)
        pieces_free(h->core[i]);
    pieces_free(h->board);
    cut_log(h, 0);
    free(h->log);
    record_free(w);
}

u64 history_next_input(const struct rs_world *w)
{
    const struct history *h = &w->history;
    return h->log_next < h->log_count ? h->log[h->log_next].atom : UINT64_MAX;
}

/* The world stands inside an atom, or a handler is called in the midst of one: what comes is applied behind
 * it.
 */
static bool half_done(const struct rs_world *w)
{
    return w->history.inside || w->machine->running || w->machine->devices.running;
}

static u64 next_start(const struct rs_world *w)
{
    return machine_atom(w->machine) + half_done(w);
}

static void tell_input(struct rs_world *w, const struct input *in)
{
    struct core *c = machine_next_core(w->machine);
    if (c)
        PROBE(c, RS_PROBE_input, in->kind, in->n);
    else
        PROBE_DEVICE(w->machine, RS_PROBE_input, in->kind, in->n);
}

static bool input_due(const struct rs_world *w)
{
    return history_next_input(w) == machine_atom(w->machine);
}

static void apply_next(struct rs_world *w)
{
    struct history *h = &w->history;
    const struct input *in = &h->log[h->log_next++];
    if (h->log_made < h->log_next)
        h->log_made = h->log_next;
    input_apply(w->machine, in);
    tell_input(w, in);
}

void history_apply_inputs(struct rs_world *w)
{
    while (input_due(w))
        apply_next(w);
}

void history_arrive(struct rs_world *w)
{
    const struct history *h = &w->history;
    while (input_due(w) && (!replay_active(w) || h->log_next < h->log_made))
        apply_next(w);
}

/* The face makes an input in a replay: the log's next one, if its turn has come, stands for it. */
static void make_logged(struct rs_world *w)
{
    struct history *h = &w->history;
    u64 atom = next_start(w);
    if (h->log_made < h->log_count && h->log[h->log_made].atom == atom)
        h->log_made++;
    if (!half_done(w))
        history_arrive(w);
}

/* A script does not know how far a person has run ahead of it; that inputs are gone it is told. */
static bool is_news(const struct rs_world *w, size_t from)
{
    const struct history *h = &w->history;
    return !w->script || from < h->log_count || position_before(history_position(w), h->script_furthest);
}

/* The present becomes the furthest: what was logged and kept from later is no longer what happens. */
static void cut_future(struct rs_world *w)
{
    struct history *h = &w->history;
    struct rs_position now = history_position(w);
    size_t from = h->log_next;
    while (from < h->log_count && h->log[from].atom <= next_start(w))
        from++;
    if (!position_before(now, h->furthest) && from == h->log_count)
        return;
    h->was_cut |= is_news(w, from);
    cut_log(h, from);
    undo_forget_after(w, now);
    unsigned keep = 1;
    while (keep < h->checkpoints && h->checkpoint[keep]->atom <= now.atom)
        keep++;
    drop_checkpoints(h, keep);
    h->furthest = now;
    if (position_before(now, h->script_furthest))
        h->script_furthest = now;
    world_update_watched(w);
    record_rewrite(w);
}

static struct input *log_add(struct history *h, const struct input *in)
{
    if (h->log_count == h->log_capacity) {
        h->log_capacity = h->log_capacity * 2 + 16;
        h->log = realloc(h->log, h->log_capacity * sizeof *h->log);
        if (!h->log)
            abort();
    }
    struct input *kept = &h->log[h->log_count++];
    *kept = *in;
    kept->bytes = in->n ? copy_of(in->bytes, in->n) : NULL;
    return kept;
}

void history_log(struct rs_world *w, const struct input *in)
{
    log_add(&w->history, in);
}

/* Checkpoints at this very atom were taken before the input; they replay it, since their log_next precedes
 * it. */
void history_input(struct rs_world *w, const struct input *in)
{
    struct history *h = &w->history;
    if (replay_active(w)) {
        make_logged(w);
        return;
    }
    cut_future(w);
    struct input *kept = log_add(h, in);
    kept->atom = next_start(w);
    record_append(w, kept);
    if (!half_done(w)) {
        history_apply_inputs(w);
        history_reached(w);
    } else if (!h->inside) {
        world_stop_for_input(w);
    }
}
