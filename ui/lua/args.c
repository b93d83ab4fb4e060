/* args.c - arguments of the functions that scenarios call: checked, with errors that say what is known. */
#include <string.h>

#include "binding.h"

int sc_unknown(lua_State *L, const char *what, const char *name, names_at *at, const void *arg)
{
    char text[2048];
    names_complain(text, sizeof text, what, name, at, arg);
    return luaL_error(L, "%s", text);
}

int sc_error(lua_State *L, const struct rs_error *err)
{
    return luaL_error(L, "%s", err->text);
}

const char *sc_list_at(size_t i, const void *arg)
{
    return ((const char *const *)arg)[i];
}

static bool whole(lua_State *L, int index, uint64_t *value)
{
    int is_integer;
    lua_Integer n = lua_tointegerx(L, index, &is_integer);
    *value = (uint64_t)n;
    return is_integer && lua_type(L, index) == LUA_TNUMBER;
}

uint64_t sc_size(lua_State *L, int index, const char *what)
{
    uint64_t bytes;
    if (whole(L, index, &bytes) && (int64_t)bytes >= 0)
        return bytes;
    if (lua_type(L, index) != LUA_TSTRING || !names_size(lua_tostring(L, index), &bytes))
        luaL_error(L, "%s must be a size such as \"64M\" or a number of bytes, not %s", what,
                   luaL_tolstring(L, index, NULL));
    return bytes;
}

uint64_t sc_number(lua_State *L, int index, const char *what, uint64_t least, uint64_t most)
{
    uint64_t n;
    if (!whole(L, index, &n) || n < least || n > most)
        luaL_error(L, "%s must be a number from %I to %I, not %s", what, (LUAI_UACINT)least,
                   (LUAI_UACINT)most, luaL_tolstring(L, index, NULL));
    return n;
}

uint64_t sc_limit(lua_State *L, int index, const struct host *h)
{
    uint64_t cycles;
    if (lua_isnoneornil(L, index))
        return ANY_LIMIT;
    if (whole(L, index, &cycles)) {
        if ((int64_t)cycles < 0)
            luaL_error(L, "a limit cannot be negative");
        return cycles;
    }
    if (lua_type(L, index) != LUA_TSTRING ||
        !names_cycles(lua_tostring(L, index), rs_param_get(h->m, 0), &cycles))
        luaL_error(L, "a limit is a number of cycles or a time such as \"10us\", not %s",
                   luaL_tolstring(L, index, NULL));
    return cycles;
}

uint64_t sc_address(lua_State *L, int index, const char *what)
{
    uint64_t value;
    if (!whole(L, index, &value))
        luaL_error(L, "%s must be a whole number, not %s", what, luaL_tolstring(L, index, NULL));
    return value;
}

void sc_keys(lua_State *L, int index, const char *what, const char *const *known)
{
    index = lua_absindex(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%ss are given by name: { %s = ... }", what, known[0]);
        size_t i = 0;
        while (known[i] && strcmp(known[i], lua_tostring(L, -2)) != 0)
            i++;
        if (!known[i])
            sc_unknown(L, what, lua_tostring(L, -2), sc_list_at, known);
    }
}

uint32_t sc_core_field(lua_State *L, int index, const struct host *h)
{
    uint64_t core = 1;
    if (sc_raw_field(L, index, "core") != LUA_TNIL)
        core = sc_number(L, -1, "core", 1, rs_cores(h->m));
    lua_pop(L, 1);
    return (uint32_t)(core - 1);
}

int sc_raw_field(lua_State *L, int index, const char *key)
{
    index = lua_absindex(L, index);
    lua_pushstring(L, key);
    return lua_rawget(L, index);
}

const char *sc_text_field(lua_State *L, int index, const char *key, const char *what)
{
    int type = sc_raw_field(L, index, key);
    const char *text = type == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (!text && type != LUA_TNIL)
        luaL_error(L, "%s must be a text, not %s", what, luaL_typename(L, -1));
    lua_pop(L, 1);
    return text;
}
