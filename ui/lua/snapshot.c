/* snapshot.c - snapshots of the world, and with them of what is noted of the machines' boot: images, VMs and
 * how far consoles have been read. */
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define TYPE "snapshot"

struct handle {
    rs_snapshot *snapshot;
    struct scenario *s;
    size_t hosts; /* 0: loaded from a file, which has nothing of what was noted */
    struct host host[];
};

static struct handle *get(lua_State *L, int index)
{
    struct handle *h = luaL_testudata(L, index, TYPE);
    if (!h)
        luaL_error(L, "a snapshot is wanted, not %s: s = host:snapshot()", luaL_typename(L, index));
    else if (!h->snapshot)
        luaL_error(L, "this snapshot has been freed");
    return h;
}

static int release(lua_State *L)
{
    struct handle *h = luaL_testudata(L, 1, TYPE);
    if (!h || !h->snapshot)
        return 0;
    rs_snapshot_free(h->snapshot);
    h->snapshot = NULL;
    h->s->snapshots--;
    return 0;
}

static int free_snapshot(lua_State *L)
{
    get(L, 1);
    return release(L);
}

/* An empty handle: made first, so that no snapshot is lost if memory runs out. */
static struct handle *push_handle(lua_State *L, size_t hosts)
{
    struct scenario *s = sc_of(L);
    sc_budget_moved(s); /* costs as much as a movement */
    if (s->snapshots >= SNAPSHOTS_MAX)
        lua_gc(L, LUA_GCCOLLECT);
    if (s->snapshots >= SNAPSHOTS_MAX)
        luaL_error(L, "%d snapshots are held already; free some with s:free()", SNAPSHOTS_MAX);
    struct handle *h = lua_newuserdatauv(L, sizeof *h + hosts * sizeof *h->host, 0);
    *h = (struct handle){NULL, s, hosts};
    luaL_setmetatable(L, TYPE);
    return h;
}

/* Symbols stay the machine's: a copy looks for them again. */
static void copy_host(struct host *to, const struct host *from)
{
    *to = *from;
    for (size_t i = 0; i < to->guests; i++) {
        to->guest[i].symbols = NULL;
        to->guest[i].tried = false;
    }
}

static int take(lua_State *L)
{
    sc_host(L, 1);
    sc_may_move(L, "snapshot");
    struct handle *h = push_handle(L, sc_of(L)->hosts);
    for (size_t i = 0; i < h->hosts; i++)
        copy_host(&h->host[i], h->s->host[i]);
    h->snapshot = rs_snapshot_take(h->s->world);
    if (!h->snapshot)
        return luaL_error(L, "no memory for a snapshot");
    h->s->snapshots++;
    return 1;
}

/* Switches the machine off, and on again with the image that it had when the snapshot was taken: the symbols
 * and the entry that a reset goes to are no part of the machine's state. */
static enum rs_status load_image(const struct host *saved, struct rs_error *err)
{
    struct rs_boot boot = {
        .path = saved->path, .entry = saved->entry[0] ? saved->entry : NULL, .registers = saved->registers};
    rs_power_cycle(saved->m);
    return saved->boot ? rs_boot(saved->m, &boot, err) : RS_OK;
}

/* Makes true again what was noted of a machine when the snapshot was taken. */
static enum rs_status restore_host(struct handle *h, struct host *now, const struct host *saved,
                                   struct rs_error *err)
{
    enum rs_status status = RS_OK;
    if (now->boot != saved->boot || !saved->booted) {
        sc_forget_boot(now);
        status = load_image(saved, err);
        if (status == RS_OK && saved->booted)
            status = rs_snapshot_restore(h->s->world, h->snapshot, err);
    }
    sc_forget_boot(now);
    if (status == RS_OK)
        copy_host(now, saved);
    return status;
}

static enum rs_status restore_hosts(struct handle *h, struct rs_error *err)
{
    enum rs_status status = RS_OK;
    for (size_t i = 0; i < h->hosts && status == RS_OK; i++)
        status = restore_host(h, h->s->host[i], &h->host[i], err);
    for (size_t i = 0; h->hosts == 0 && i < h->s->hosts; i++)
        h->s->host[i]->booted = true; /* only such machines are saved */
    return status;
}

static int restore(lua_State *L)
{
    struct rs_error err;
    sc_host(L, 1);
    struct handle *h = get(L, 2);
    sc_may_move(L, "restore");
    if (rs_snapshot_restore(h->s->world, h->snapshot, &err) != RS_OK || restore_hosts(h, &err) != RS_OK)
        return sc_error(L, &err);
    return 0;
}

static int save(lua_State *L)
{
    struct handle *h = get(L, 1);
    const char *path = luaL_checkstring(L, 2);
    struct rs_error err;
    for (size_t i = 0; i < h->hosts; i++)
        if (!h->host[i].booted)
            return luaL_error(L, "save: machine %s was not booted when the snapshot was taken",
                              rs_machine_name(h->host[i].m));
    if (rs_use_file(h->s->world, RS_FILE_SNAPSHOT, path, &err) != RS_OK ||
        rs_snapshot_save(h->snapshot, path, &err) != RS_OK)
        return sc_error(L, &err);
    return 0;
}

static int load(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct rs_error err;
    sc_may_move(L, "snapshot.load");
    if (sc_of(L)->hosts == 0)
        return luaL_error(L,
                          "snapshot.load: make the machines first, as they were when the snapshot was saved");
    struct handle *h = push_handle(L, 0);
    h->snapshot = rs_snapshot_load(h->s->world, path, &err);
    if (!h->snapshot)
        return sc_error(L, &err);
    h->s->snapshots++;
    return 1;
}

static int member(lua_State *L)
{
    static const char *const names[] = {"save", "free", NULL};
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "save") == 0)
        lua_pushcfunction(L, save);
    else if (strcmp(key, "free") == 0)
        lua_pushcfunction(L, free_snapshot);
    else
        return sc_unknown(L, "snapshot method", key, sc_list_at, names);
    return 1;
}

const luaL_Reg sc_snapshot_methods[] = {{"snapshot", take}, {"restore", restore}, {NULL, NULL}};

void sc_open_snapshot(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", member}, {"__gc", release}, {NULL, NULL}};
    sc_new_type(L, TYPE, meta);
    lua_newtable(L);
    lua_pushcfunction(L, load);
    lua_setfield(L, -2, "load");
    lua_setglobal(L, "snapshot");
}
