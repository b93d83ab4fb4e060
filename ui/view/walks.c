/* walks.c - see walks.h. */
#include "walks.h"

#include <string.h>

#define NEAR_ATOMS 1000 /* so long a VM that runs is taken to be the same one */

/* What a wording is found by; not known if the code cannot be read. */
static struct walk_wording wording_of(const struct rs_event *event)
{
    rs_machine *m = (rs_machine *)event->machine; /* which reading does not change */
    struct walk_wording w = {.rip = event->walk->rip,
                             .cr3 = event->walk->cr3,
                             .guest = event->walk->guest,
                             .vmcs = event->vmcs,
                             .image = rs_symbols_id(rs_machine_symbols(m)),
                             .atom = event->atom};
    w.known = rs_read_linear(m, event->core, w.rip, w.code, sizeof w.code) == RS_OK;
    return w;
}

static bool alike(const struct walk_wording *a, const struct walk_wording *b)
{
    return a->known && b->known && a->rip == b->rip && a->cr3 == b->cr3 && a->guest == b->guest &&
           a->vmcs == b->vmcs && a->image == b->image && b->atom - a->atom <= NEAR_ATOMS &&
           memcmp(a->code, b->code, sizeof a->code) == 0;
}

static const struct walk_words *words_of(struct walk_log *log, const struct rs_event *event,
                                         walk_describer *describe, void *arg)
{
    struct walk_wording now = wording_of(event);
    for (size_t i = 0; i < WALK_WORDINGS; i++)
        if (alike(&log->wording[i], &now))
            return &log->wording[i].words;
    struct walk_wording *w = &log->wording[log->wordings++ % WALK_WORDINGS];
    *w = now;
    describe(event, &w->words, arg);
    return &w->words;
}

void walk_log_add(struct walk_log *log, const struct rs_event *event, walk_describer *describe, void *arg)
{
    if (!event->walk || event->core >= RS_CORES_MAX)
        return;
    struct walk_entry *e = &log->last[event->core];
    e->at = (struct rs_position){event->atom, event->micro};
    e->walk = *event->walk;
    e->words = *words_of(log, event, describe, arg);
}

const struct walk_entry *walk_log_last(const struct walk_log *log, uint32_t core)
{
    return core < RS_CORES_MAX && log->last[core].walk.valid ? &log->last[core] : NULL;
}

/* ---- devices ---- */

static bool later(const struct walk_device *a, const struct walk_device *b)
{
    return a->at.atom > b->at.atom || (a->at.atom == b->at.atom && a->at.micro > b->at.micro);
}

/* The device's own place, or the one whose walk is oldest: where there is none that is position 0. */
static struct walk_device *place_of(struct walk_log *log, uint16_t requester)
{
    struct walk_device *oldest = &log->device[0];
    for (struct walk_device *d = log->device; d < log->device + WALK_DEVICES; d++) {
        if (d->walk.valid && d->walk.requester == requester)
            return d;
        if (later(oldest, d))
            oldest = d;
    }
    return oldest;
}

void walk_log_add_device(struct walk_log *log, const struct rs_event *event)
{
    if (event->walk)
        *place_of(log, event->walk->requester) =
            (struct walk_device){{event->atom, event->micro}, *event->walk};
}

const struct walk_device *walk_log_device(const struct walk_log *log, uint32_t requester)
{
    const struct walk_device *found = NULL;
    for (const struct walk_device *d = log->device; d < log->device + WALK_DEVICES; d++)
        if (d->walk.valid && (requester == WALK_ANY || d->walk.requester == requester) &&
            (!found || later(d, found)))
            found = d;
    return found;
}

uint32_t walk_log_next_device(const struct walk_log *log, uint32_t requester)
{
    uint32_t next = WALK_ANY;
    for (const struct walk_device *d = log->device; d < log->device + WALK_DEVICES; d++) {
        bool behind = requester == WALK_ANY || d->walk.requester > requester;
        if (d->walk.valid && behind && d->walk.requester < next)
            next = d->walk.requester;
    }
    return next;
}
