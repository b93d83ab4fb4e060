/* walks.c - the last page walks up to the present position. */
#include "walks.h"

#include <string.h>

#define NEAR_ATOMS 1000

static bool after(struct rs_position a, struct rs_position b)
{
    return a.atom > b.atom || (a.atom == b.atom && a.micro > b.micro);
}

void walk_log_truncate(struct walk_log *log, struct rs_position now)
{
    while (log->count && after(log->entry[log->count - 1].at, now))
        log->count--;
}

/* True of walks for one instruction in one address space, so near each other that its code is the same. */
static bool same_instruction(const struct walk_entry *a, const struct walk_entry *b)
{
    return a->walk.rip == b->walk.rip && a->walk.cr3 == b->walk.cr3 && a->walk.guest == b->walk.guest &&
           a->vmcs == b->vmcs && a->image == b->image && b->at.atom - a->at.atom <= NEAR_ATOMS;
}

/* An entry before the newest that knows the newest's words. */
static const struct walk_entry *alike(const struct walk_log *log)
{
    size_t newest = log->count - 1;
    for (size_t i = newest; i-- > 0;)
        if (same_instruction(&log->entry[i], &log->entry[newest]) && log->entry[i].words.insn[0])
            return &log->entry[i];
    return NULL;
}

struct walk_entry *walk_log_add(struct walk_log *log, const struct rs_event *event)
{
    struct rs_position at = {event->atom, event->micro};
    if (!event->walk)
        return NULL;
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
    e->image = rs_machine_symbols(event->machine);
    e->words = (struct walk_words){{0}, {0}, {0}};
    const struct walk_entry *like = alike(log);
    e->words_known = like != NULL;
    if (like)
        e->words = like->words;
    return e;
}

const struct walk_entry *walk_log_last(const struct walk_log *log)
{
    return log->count ? &log->entry[log->count - 1] : NULL;
}
