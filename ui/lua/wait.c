/* wait.c - waiting for events: run_until and await. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

/* ------------------------------------------------------------------ waits in general */

struct wait *sc_wait_begin(lua_State *L, struct host *h, uint64_t limit)
{
    struct scenario *s = sc_of(L);
    struct wait *w = &s->wait;
    uint64_t now = rs_now(h->m);
    sc_wait_end(L);
    free(w->text);
    free(w->ring);
    *w = (struct wait){.host = h, .limit = limit, .event = LUA_NOREF};
    w->deadline = limit > UINT64_MAX - now ? UINT64_MAX : now + limit;
    w->active = true;
    return w;
}

void sc_wait_watch(lua_State *L, enum rs_probe probe, rs_watcher *fn)
{
    struct scenario *s = sc_of(L);
    struct wait *w = &s->wait;
    int id = rs_watch(s->world, probe, true, fn, s);
    if (id == 0) {
        sc_wait_end(L);
        luaL_error(L, "too many handlers are set; take some off with h:off()");
    }
    w->watch[w->watches++] = id;
}

int sc_wait_move(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
    struct move move = {.kind = MOVE_RUN, .until = sc_of(L)->wait.deadline};
    return sc_move(L, &move, ctx, k);
}

void sc_wait_end(lua_State *L)
{
    struct scenario *s = sc_of(L);
    struct wait *w = &s->wait;
    for (size_t i = 0; i < w->watches; i++)
        rs_unwatch(s->world, w->watch[i]);
    w->watches = 0;
    w->active = false;
    if (w->filter)
        sc_filter_free(L, w->filter);
    w->filter = NULL;
}

bool sc_waiting(const struct scenario *s, const struct rs_event *event)
{
    const struct wait *w = &s->wait;
    if (!w->active || w->hit || s->state != SCENARIO_MOVING || s->phase != PHASE_MOVE ||
        event->machine != w->host->m)
        return false;
    return event->atom > s->began.atom || (event->atom == s->began.atom && event->micro > s->began.micro);
}

void sc_wait_why(lua_State *L, char *text, size_t size)
{
    struct scenario *s = sc_of(L);
    if (s->why == RS_HALTED)
        snprintf(text, size, "before the machine stopped: %s", rs_halt_text(s->wait.host->m));
    else if (s->why == RS_LIMIT)
        snprintf(text, size, "before --max-cycles was reached");
    else
        snprintf(text, size, "within %llu cycles", (unsigned long long)s->wait.limit);
}

/* ------------------------------------------------------------------ run_until, await */

static int match_event(lua_State *L)
{
    struct scenario *s = sc_of(L);
    const struct rs_event *event = lua_touserdata(L, 1);
    if (!sc_filter_match(L, s->wait.filter, event))
        return 0;
    sc_push_event(L, event);
    s->wait.event = luaL_ref(L, LUA_REGISTRYINDEX);
    s->wait.hit = true;
    return 0;
}

static void waited_event(const struct rs_event *event, void *arg)
{
    struct scenario *s = arg;
    struct wait *w = &s->wait;
    if (!sc_waiting(s, event) || sc_filter_quick(s->handlers, w->filter, event) == 0)
        return;
    sc_in_handler(s, match_event, (void *)event);
    if (w->hit)
        rs_stop_here(s->world);
}

static void recent_event(const struct rs_event *event, void *arg)
{
    struct scenario *s = arg;
    struct wait *w = &s->wait;
    if (!sc_waiting(s, event))
        return;
    struct rs_event *slot = &w->recent[w->recent_count++ % RECENT_MAX];
    *slot = *event;
    slot->walk = NULL;
}

static void push_recent(lua_State *L, char *text, size_t size)
{
    const struct wait *w = &sc_of(L)->wait;
    size_t n = w->recent_count < RECENT_MAX ? w->recent_count : RECENT_MAX;
    names_add(text, size, n ? "; the last events were:" : "; no event was seen on the way");
    for (size_t i = w->recent_count - n; i < w->recent_count; i++) {
        names_add(text, size, "\n    ");
        sc_push_event(L, &w->recent[i % RECENT_MAX]);
        sc_describe_event(L, -1, text, size);
        lua_pop(L, 1);
    }
}

static const char *halted(const struct host *h)
{
    return rs_awaits(h->m) ? "waits" : "halted";
}

/* must_come: await, not run_until. */
static int event_came(lua_State *L, int status, lua_KContext must_come)
{
    struct scenario *s = sc_of(L);
    struct wait *w = &s->wait;
    char why[256], text[1800];
    (void)status;
    if (s->why == RS_STOPPED && !w->hit && s->handler_error == LUA_NOREF)
        return sc_move_again(L, must_come, event_came); /* somebody else's stop */
    sc_wait_end(L);
    sc_moved(L);
    if (w->hit) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, w->event);
        luaL_unref(L, LUA_REGISTRYINDEX, w->event);
        return 1;
    }
    if (!must_come) {
        lua_pushnil(L);
        lua_pushstring(L, s->why == RS_HALTED ? halted(w->host) : "limit");
        return 2;
    }
    sc_wait_why(L, why, sizeof why);
    snprintf(text, sizeof text, "await: no such %s %s", rs_probe_info[w->probe].name, why);
    push_recent(L, text, sizeof text);
    return sc_unmet(L, text);
}

static struct wait *begin_event_wait(lua_State *L, const char *what)
{
    struct scenario *s = sc_of(L);
    struct host *h = sc_booted(L, 1);
    enum rs_probe probe = sc_probe(L, 2);
    lua_settop(L, 4);
    sc_may_move(L, what);
    bool filtered = lua_istable(L, 3) || lua_isfunction(L, 3);
    if (!filtered && !lua_isnil(L, 4) && !lua_isnil(L, 3))
        luaL_error(L, "%s: the filter must be a table or a function, not %s", what, luaL_typename(L, 3));
    uint64_t limit = sc_limit(L, filtered || lua_isnil(L, 3) ? 4 : 3, h);
    struct filter *filter = filtered ? sc_filter(L, 3, probe) : NULL;
    sc_wait_begin(L, h, limit);
    s->wait.filter = filter;
    s->wait.probe = probe;
    sc_wait_watch(L, probe, waited_event);
    return &s->wait;
}

static int run_until(lua_State *L)
{
    begin_event_wait(L, "run_until");
    return sc_wait_move(L, 0, event_came);
}

static int await(lua_State *L)
{
    static const enum rs_probe shown[] = {RS_PROBE_mark,     RS_PROBE_fault,   RS_PROBE_interrupt,
                                          RS_PROBE_vm_entry, RS_PROBE_vm_exit, RS_PROBE_hypercall,
                                          RS_PROBE_halt,     RS_PROBE_walk_end};
    begin_event_wait(L, "await");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        sc_wait_watch(L, shown[i], recent_event);
    return sc_wait_move(L, 1, event_came);
}

/* ------------------------------------------------------------------ run, step, back, undo */

static int moved(lua_State *L, int status, lua_KContext ctx)
{
    struct scenario *s = sc_of(L);
    (void)status;
    (void)ctx;
    if (s->why == RS_STOPPED && s->handler_error == LUA_NOREF && s->move.kind == MOVE_RUN)
        return sc_move_again(L, 0, moved); /* somebody else's stop */
    sc_moved(L);
    struct rs_position now = rs_position(s->host[0]->m);
    if ((s->move.kind == MOVE_BACK || s->move.kind == MOVE_UNDO) && s->why == RS_DONE &&
        now.atom == s->began.atom && now.micro == s->began.micro) {
        lua_pushnil(L);
        lua_pushliteral(L, "start"); /* there was nothing to go back to */
        return 2;
    }
    lua_pushstring(L, s->why == RS_HALTED ? halted(s->host[0]) : s->why == RS_LIMIT ? "limit" : "done");
    return 1;
}

static int run(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    uint64_t limit = sc_limit(L, 2, h);
    luaL_argcheck(L, lua_gettop(L) <= 2, 3, "run takes one limit");
    sc_may_move(L, "run");
    sc_wait_begin(L, h, limit);
    sc_wait_end(L);
    return sc_wait_move(L, 0, moved);
}

/* [N] [, UNIT] */
static int by_units(lua_State *L, enum move_kind kind, const char *what)
{
    struct move move = {.kind = kind, .n = 1, .unit = RS_INSN};
    sc_booted(L, 1);
    lua_settop(L, 3);
    if (lua_type(L, 2) == LUA_TSTRING && lua_isnil(L, 3))
        lua_insert(L, 2); /* UNIT alone */
    if (!lua_isnil(L, 2) && (!lua_isinteger(L, 2) || lua_tointeger(L, 2) < 1))
        return luaL_error(L, "%s: the number of steps must be a whole number from 1, not %s", what,
                          luaL_tolstring(L, 2, NULL));
    move.n = lua_isnil(L, 2) ? 1 : (uint64_t)lua_tointeger(L, 2);
    if (!lua_isnil(L, 3)) {
        const char *const *names = rs_unit_name, *unit = luaL_checkstring(L, 3);
        for (move.unit = 0; move.unit < RS_UNITS && strcmp(names[move.unit], unit) != 0;)
            move.unit = (enum rs_unit)(move.unit + 1);
        static const char *known[RS_UNITS + 1];
        memcpy(known, names, RS_UNITS * sizeof *names);
        if (move.unit == RS_UNITS)
            return sc_unknown(L, "unit", unit, sc_list_at, known);
    }
    sc_may_move(L, what);
    return sc_move(L, &move, 0, moved);
}

static int step(lua_State *L)
{
    return by_units(L, MOVE_STEP, "step");
}

static int back(lua_State *L)
{
    return by_units(L, MOVE_BACK, "back");
}

static int undo(lua_State *L)
{
    struct move move = {.kind = MOVE_UNDO};
    sc_booted(L, 1);
    sc_may_move(L, "undo");
    return sc_move(L, &move, 0, moved);
}

const luaL_Reg sc_run_methods[] = {{"run", run},   {"run_until", run_until}, {"await", await}, {"step", step},
                                   {"back", back}, {"undo", undo},           {NULL, NULL}};
