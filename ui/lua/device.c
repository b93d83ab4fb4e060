/* device.c - the devices of machine { devices = { "edu", { kind = "edu", slot = 4 } } }. */
#include <string.h>

#include "lua/binding.h"

static const char *kind_at(size_t i, const void *arg)
{
    (void)arg;
    return rs_device_kind(i, NULL);
}

static const char *kind_named(lua_State *L, const char *name)
{
    const char *kind;
    if (!name) {
        luaL_error(L, "a device is a name, or a table such as { kind = \"edu\", slot = 4 }");
        return NULL;
    }
    for (size_t i = 0; (kind = rs_device_kind(i, NULL)); i++)
        if (strcmp(kind, name) == 0)
            return kind;
    sc_unknown(L, "device", name, kind_at, NULL);
    return NULL;
}

static bool flag_of(lua_State *L, int value, const char *key)
{
    int type = sc_raw_field(L, value, key);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        luaL_error(L, "device setting %s must be true or false", key);
    return lua_toboolean(L, -1);
}

/* The value at the top of the stack.  Texts stay valid while its table has them. */
static struct rs_device device_of(lua_State *L)
{
    static const char *const keys[] = {"kind", "slot", "mac", "file", "overlay", "readonly", "size", NULL};
    int value = lua_gettop(L);
    struct rs_device device = {0};
    if (!lua_istable(L, value)) {
        device.kind = kind_named(L, lua_type(L, value) == LUA_TSTRING ? lua_tostring(L, value) : NULL);
        return device;
    }
    sc_keys(L, value, "device setting", keys);
    device.kind = kind_named(L, sc_text_field(L, value, "kind", "kind"));
    if (sc_raw_field(L, value, "slot") != LUA_TNIL)
        device.slot = sc_number(L, -1, "slot", 1, 31);
    const char *mac = sc_text_field(L, value, "mac", "mac");
    if (mac && !names_mac(mac, device.mac))
        luaL_error(L, "mac must be six bytes such as \"52:54:00:00:00:01\", not %s", mac);
    device.file = sc_text_field(L, value, "file", "file");
    device.overlay = sc_text_field(L, value, "overlay", "overlay");
    device.readonly = flag_of(L, value, "readonly");
    if (sc_raw_field(L, value, "size") != LUA_TNIL)
        device.bytes = sc_size(L, -1, "size");
    lua_settop(L, value);
    return device;
}

/* A name or number that is no place of the list would be passed over. */
static void refuse_other_keys(lua_State *L, int list, size_t n)
{
    for (lua_pushnil(L); lua_next(L, list); lua_pop(L, 1))
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || (size_t)lua_tointeger(L, -2) > n)
            luaL_error(L, "devices: the list has %d, and another key: write { { kind = \"edu\", slot = 4 } }",
                       (int)n);
}

size_t sc_devices(lua_State *L, int value, struct rs_device *device)
{
    size_t n = 0;
    if (!lua_istable(L, value))
        luaL_error(L, "devices must be a list such as { \"edu\" }");
    for (lua_Integer i = 1; lua_rawgeti(L, value, i) != LUA_TNIL; i++) {
        if (n == SC_DEVICES_MAX)
            luaL_error(L, "devices: a machine has room for %d", SC_DEVICES_MAX);
        device[n++] = device_of(L);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    refuse_other_keys(L, value, n);
    return n;
}
