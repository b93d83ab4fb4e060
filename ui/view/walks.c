/* walks.c - the last page walks up to the present position. */
#include "walks.h"

#include <string.h>

static bool after(struct rs_position a, struct rs_position b)
{
    return a.atom > b.atom || (a.atom == b.atom && a.micro > b.micro);
}

void walk_log_truncate(struct walk_log *log, struct rs_position now)
{
    while (log->count && after(log->entry[log->count - 1].at, now))
        log->count--;
}

void walk_log_add(struct walk_log *log, const struct rs_event *event)
{
    struct rs_position at = {event->atom, event->micro};
    if (!event->walk)
        return;
    while (log->count && !after(at, log->entry[log->count - 1].at))
        log->count--;
    if (log->count == WALKS_MAX) {
        memmove(log->entry, log->entry + WALKS_MAX / 2, WALKS_MAX / 2 * sizeof *log->entry);
        log->count = WALKS_MAX / 2;
    }
    struct walk_entry *e = &log->entry[log->count++];
    e->at = at;
    e->vmcs = event->vmcs;
    e->walk = *event->walk;
}

const struct walk_entry *walk_log_last(const struct walk_log *log)
{
    return log->count ? &log->entry[log->count - 1] : NULL;
}
