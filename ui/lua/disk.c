/* disk.c - a machine's disks: what they are, what is on them, commits and power cuts. */
#include <string.h>

#include "lua/binding.h"

/* The disk that argument 2 names, from 1; the first if there is none. */
static size_t disk_number(lua_State *L, const struct host *h, struct rs_disk *disk)
{
    size_t i = lua_isnoneornil(L, 2) ? 0 : (size_t)sc_number(L, 2, "the disk", 1, 64) - 1, n = 0;
    while (rs_disk(h->m, n, disk))
        n++;
    if (!rs_disk(h->m, i, disk))
        luaL_error(L,
                   "%s has no disk %I: it has %I; machine { devices = { { kind = \"virtio-blk\", file = "
                   "\"disk.img\" } } }",
                   rs_machine_name(h->m), (LUAI_UACINT)i + 1, (LUAI_UACINT)n);
    return i;
}

static void set_flag(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static int push_disk(lua_State *L)
{
    struct rs_disk disk;
    disk_number(L, sc_host(L, 1), &disk);
    lua_newtable(L);
    lua_pushstring(L, disk.path);
    lua_setfield(L, -2, "file");
    lua_pushinteger(L, (lua_Integer)disk.sectors);
    lua_setfield(L, -2, "sectors");
    set_flag(L, "overlay", disk.overlay);
    set_flag(L, "readonly", disk.readonly);
    set_flag(L, "changed", disk.changed);
    set_flag(L, "cached", disk.cached);
    return 1;
}

static int read_disk(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    struct rs_disk disk;
    size_t i = disk_number(L, h, &disk);
    uint64_t at = sc_address(L, 3, "the byte"), n = sc_size(L, 4, "the number of bytes"),
             size = disk.sectors * 512;
    if (n > size || at > size - n)
        return luaL_error(L, "%I bytes from %I lie outside the disk (%I bytes)", (LUAI_UACINT)n,
                          (LUAI_UACINT)at, (LUAI_UACINT)size);
    luaL_Buffer b;
    char *bytes = luaL_buffinitsize(L, &b, n);
    rs_disk_read(h->m, i, at, bytes, n);
    luaL_pushresultsize(&b, n);
    return 1;
}

/* A scenario replaces nothing but what is called a disk. */
static void check_name(lua_State *L, const char *path)
{
    const char *dot = strrchr(path, '.');
    if (!dot || (strcmp(dot, ".img") != 0 && strcmp(dot, ".raw") != 0 && strcmp(dot, ".ovl") != 0))
        luaL_error(L,
                   "commit: %s: a scenario writes disks only to files that are called *.img, *.raw or *.ovl",
                   path);
}

/* host:commit([N]): how many files were written. */
static int commit(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    struct rs_disk disk;
    struct rs_error err;
    bool all = lua_isnoneornil(L, 2);
    size_t first = disk_number(L, h, &disk), written = 0;
    sc_budget_moved(sc_of(L)); /* costs as much as a movement */
    for (size_t i = first; (all || i == first) && rs_disk(h->m, i, &disk); i++) {
        if (!disk.changed || (all && !disk.path))
            continue;
        if (disk.path)
            check_name(L, disk.path);
        if (rs_disk_commit(h->m, i, &err) != RS_OK)
            return sc_error(L, &err);
        written++;
    }
    lua_pushinteger(L, (lua_Integer)written);
    return 1;
}

static int power_cut(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    uint64_t seed = lua_isnoneornil(L, 2) ? 0 : sc_number(L, 2, "the seed", 0, INT64_MAX);
    sc_may_move(L, "power_cut");
    rs_power_cut(h->m, seed);
    sc_forget_boot(h);
    return 0;
}

const luaL_Reg sc_disk_methods[] = {{"disk", push_disk},
                                    {"disk_read", read_disk},
                                    {"commit", commit},
                                    {"power_cut", power_cut},
                                    {NULL, NULL}};
