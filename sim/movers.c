/* movers.c - who moves the world: a script, or a person between its movements, and where each goes back to.
 */
#include <string.h>

#include "world.h"

static struct undo *undo_of_mover(struct rs_world *w)
{
    return &w->undo[w->script];
}

static void push(struct undo *u, struct rs_position at)
{
    if (u->count == UNDO_MAX)
        memmove(u->at, u->at + 1, --u->count * sizeof *u->at);
    u->at[u->count++] = at;
}

void undo_remember(struct rs_world *w)
{
    push(undo_of_mover(w), history_position(w));
}

struct rs_position undo_take(struct rs_world *w)
{
    struct undo *u = undo_of_mover(w);
    return u->count ? u->at[--u->count] : history_position(w);
}

void undo_cancel(struct rs_world *w, const struct movement *move)
{
    struct undo *u = undo_of_mover(w);
    if (move->undoes)
        push(u, move->target);
    else if (u->count)
        u->count--;
}

void undo_forget(struct rs_world *w)
{
    w->undo[false].count = w->undo[true].count = 0;
}

static void forget_after(struct undo *u, struct rs_position at)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < u->count; i++)
        if (!position_before(at, u->at[i]))
            u->at[kept++] = u->at[i];
    u->count = kept;
}

void undo_forget_after(struct rs_world *w, struct rs_position at)
{
    forget_after(&w->undo[false], at);
    forget_after(&w->undo[true], at);
}

void rs_script_moves(rs_world *w, bool script)
{
    if (w->script && !script)
        w->undo[false] = w->undo[true];
    w->script = script;
    world_update_watched(w);
}

void rs_begun_again(rs_world *w)
{
    struct undo *u = undo_of_mover(w);
    if (u->count)
        u->count--;
}

struct rs_position rs_script_furthest(const rs_world *w)
{
    return w->history.script_furthest;
}
