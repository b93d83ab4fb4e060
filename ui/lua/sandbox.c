/* sandbox.c - the Lua that scenarios get: no files, no processes, no native code, and a budget of
 * instructions and memory that pcall cannot escape. */
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "binding.h"
#include "pattern.h"

#define HOOK_EVERY   1000u
#define INSTRUCTIONS 200000000u
#define MEMORY_BYTES ((size_t)256 << 20)
#define MOVE_COST    1000u   /* of a movement that brings nothing new, in instructions */
#define BYTES_A_TICK 16      /* bytes of memory asked for that count as an instruction */
#define REFUSED_COST 100000u /* of asking for memory that there is not */
#define LARGE_BYTES  ((size_t)1 << 20)
#define SECONDS      10       /* of Lua at a stretch: an operation on long texts is one instruction */
#define C_LOOP_MAX   10000000 /* elements that one library call may go through */

static bool within_budget(const struct scenario *s)
{
    return !s->exhausted && s->spent <= INSTRUCTIONS &&
           clock() - s->clock < (clock_t)SECONDS * CLOCKS_PER_SEC;
}

static void note_used_up(struct scenario *s, lua_State *L)
{
    char place[SC_PLACE];
    if (!sc_place(s, L, place, sizeof place))
        snprintf(place, sizeof place, "%s: ", s->source);
    snprintf(
        s->used_up, sizeof s->used_up,
        "%sthe scenario used up its budget of Lua (%d million instructions or %d seconds) without moving "
        "the world on: it seems to loop for ever",
        place, (int)(INSTRUCTIONS / 1000000), SECONDS);
    s->exhausted = true;
}

/* Once the budget is gone, every instruction raises the error, so that no pcall can go on. */
static void spend(lua_State *L, lua_Debug *debug)
{
    (void)debug;
    struct scenario *s = sc_of(L);
    s->spent += (uint64_t)lua_gethookcount(L);
    if (within_budget(s)) {
        if (lua_gethookcount(L) != HOOK_EVERY)
            lua_sethook(L, spend, LUA_MASKCOUNT, HOOK_EVERY);
        return;
    }
    if (!s->exhausted)
        note_used_up(s, L);
    lua_sethook(L, spend, LUA_MASKCOUNT, 1);
    sc_check_exhausted(L);
}

/* Makes the hook run at the next instruction instead of after HOOK_EVERY. */
static void look_now(struct scenario *s)
{
    if (s->co)
        lua_sethook(s->co, spend, LUA_MASKCOUNT, 1);
    if (s->handlers)
        lua_sethook(s->handlers, spend, LUA_MASKCOUNT, 1);
}

static void *allocate(void *arg, void *old, size_t old_bytes, size_t bytes)
{
    struct scenario *s = arg;
    size_t had = old ? old_bytes : 0;
    if (bytes == 0) {
        free(old);
        s->memory -= had;
        return NULL;
    }
    if (bytes > had && s->memory + (bytes - had) > MEMORY_BYTES) {
        s->spent += REFUSED_COST;
        look_now(s);
        return NULL;
    }
    s->spent += bytes > had ? (bytes - had) / BYTES_A_TICK : 0;
    if (bytes > LARGE_BYTES && !within_budget(s))
        look_now(s);
    void *block = realloc(old, bytes);
    if (block)
        s->memory += bytes - had;
    return block;
}

void sc_budget_fresh(struct scenario *s)
{
    s->spent = 0;
    s->exhausted = false;
    s->clock = clock();
}

/* Asking for the time costs more than a short handler, so it is asked now and then. */
void sc_budget_handler(struct scenario *s)
{
    s->spent = 0;
    if (++s->handler_calls % 1024 == 0)
        s->clock = clock();
}

void sc_budget_moved(struct scenario *s)
{
    struct rs_position now = rs_script_furthest(s->world);
    bool further = now.atom != s->furthest.atom || now.micro != s->furthest.micro;
    s->furthest = now;
    s->spent = further ? 0 : s->spent + MOVE_COST;
    s->clock = clock();
}

/* ---- library functions that could loop in C, out of the hook's reach ---- */

static lua_Integer length_of(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Integer n = luaL_len(L, index);
    if (n > C_LOOP_MAX)
        luaL_error(L, "a table of %d elements at most can be handled at once", C_LOOP_MAX);
    return n;
}

/* Calls the library's own function, upvalue 1, with the arguments as they are.  load() catches errors. */
static int call_original(lua_State *L)
{
    int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    sc_check_exhausted(L);
    return lua_gettop(L);
}

static int guarded_table(lua_State *L)
{
    length_of(L, 1);
    return call_original(L);
}

static int guarded_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    if (last >= first && (lua_Unsigned)last - (lua_Unsigned)first > C_LOOP_MAX)
        return luaL_error(L, "table.move can move %d elements at most", C_LOOP_MAX);
    return call_original(L);
}

static int guarded_rep(lua_State *L)
{
    size_t n, separator;
    luaL_checklstring(L, 1, &n);
    luaL_optlstring(L, 3, "", &separator);
    luaL_checkinteger(L, 2);
    if (n + separator == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    return call_original(L);
}

/* ---- pairs in an order that is the same in every run ---- */

/* Numbers, then texts, then the rest; Lua's own order of texts changes from run to run. */
static int rank(int type)
{
    return type == LUA_TNUMBER ? 0 : type == LUA_TSTRING ? 1 : type == LUA_TBOOLEAN ? 2 : 3;
}

static bool is_before(lua_State *L, int a, int b)
{
    int rank_a = rank(lua_type(L, a)), rank_b = rank(lua_type(L, b));
    if (rank_a != rank_b)
        return rank_a < rank_b;
    if (rank_a == 0)
        return lua_compare(L, a, b, LUA_OPLT);
    if (rank_a == 1)
        return strcmp(lua_tostring(L, a), lua_tostring(L, b)) < 0;
    return rank_a == 2 && !lua_toboolean(L, a) && lua_toboolean(L, b);
}

static int before(lua_State *L)
{
    lua_pushboolean(L, is_before(L, 1, 2));
    return 1;
}

/* Pushes the keys of the table at 1 as a list, in order. */
static void push_keys(lua_State *L)
{
    lua_Integer n = 0;
    bool ordered = true;
    lua_newtable(L);
    int keys = lua_gettop(L);
    lua_pushnil(L); /* the key before */
    for (lua_pushnil(L); lua_next(L, 1); n++) {
        lua_pop(L, 1);
        ordered = ordered && (n == 0 || is_before(L, keys + 1, -1));
        lua_copy(L, -1, keys + 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, keys, n + 1);
    }
    lua_settop(L, keys);
    if (ordered)
        return;
    lua_pushvalue(L, lua_upvalueindex(2)); /* table.sort */
    lua_pushvalue(L, keys);
    lua_pushcfunction(L, before);
    lua_call(L, 2, 0);
}

/* Upvalues: the keys, and how many have been visited. */
static int next_in_order(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
    for (;;) {
        lua_settop(L, 1);
        if (lua_rawgeti(L, lua_upvalueindex(1), ++i) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL) /* nil: removed on the way */
            break;
    }
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(2));
    return 2;
}

/* Upvalues: the library's own pairs, and table.sort. */
static int ordered_pairs(lua_State *L)
{
    if (!lua_istable(L, 1) || luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_settop(L, 1);
        return call_original(L);
    }
    lua_settop(L, 1);
    push_keys(L);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_in_order, 2);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static void order_pairs(lua_State *L)
{
    lua_getglobal(L, "pairs");
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "sort");
    lua_remove(L, -2);
    lua_pushcclosure(L, ordered_pairs, 2);
    lua_setglobal(L, "pairs");
}

/* A finaliser would run out of the hook's reach. */
static int guarded_setmetatable(lua_State *L)
{
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        lua_rawget(L, 2);
        if (!lua_isnil(L, -1))
            return luaL_error(L, "metatables with __gc are not available in scenarios");
        lua_pop(L, 1);
    }
    return call_original(L);
}

static int guarded_load(lua_State *L)
{
    lua_settop(L, 4);
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    if (lua_isnil(L, 4))
        lua_settop(L, 3);
    return call_original(L);
}

static const struct {
    const char *library, *name;
    lua_CFunction guard;
} guards[] = {
    {"_G", "setmetatable", guarded_setmetatable},
    {"_G", "load", guarded_load},
    {"string", "rep", guarded_rep},
    {"table", "insert", guarded_table},
    {"table", "remove", guarded_table},
    {"table", "sort", guarded_table},
    {"table", "concat", guarded_table},
    {"table", "move", guarded_move},
};

static const struct {
    const char *library, *name;
} removed[] = {
    {"_G", "dofile"}, {"_G", "loadfile"}, {"_G", "collectgarbage"},
    {"_G", "warn"},   {"string", "dump"}, {"math", "randomseed"},
};

static void open_libraries(lua_State *L)
{
    static const luaL_Reg libraries[] = {
        {"_G", luaopen_base},   {"string", luaopen_string}, {"table", luaopen_table},
        {"math", luaopen_math}, {"utf8", luaopen_utf8},     {"coroutine", luaopen_coroutine},
    };
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
        lua_pop(L, 1);
    }
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, (lua_Integer)sc_of(L)->options.seed);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

static void fence(lua_State *L)
{
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++) {
        lua_getglobal(L, guards[i].library);
        lua_getfield(L, -1, guards[i].name);
        lua_pushcclosure(L, guards[i].guard, 1);
        lua_setfield(L, -2, guards[i].name);
        lua_pop(L, 1);
    }
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++) {
        lua_getglobal(L, removed[i].library);
        lua_pushnil(L);
        lua_setfield(L, -2, removed[i].name);
        lua_pop(L, 1);
    }
}

/* ---- reading a global that does not exist ---- */

static const char *const absent[] = {"io",     "os",       "debug",          "package", "require",
                                     "dofile", "loadfile", "collectgarbage", "warn",    NULL};

static const char *global_at(size_t i, const void *arg)
{
    static const char *const names[] = {
        "machine",  "link",     "snapshot", "say",        "hex",         "param",  "pause",
        "ask",      "check",    "check_eq", "check_near", "check_order", "must",   "print",
        "pairs",    "ipairs",   "string",   "table",      "math",        "utf8",   "type",
        "tostring", "tonumber", "pcall",    "error",      "assert",      "select", NULL};
    (void)arg;
    return names[i];
}

static int unknown_global(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    if (!name)
        return luaL_error(L, "globals have names");
    for (size_t i = 0; absent[i]; i++)
        if (strcmp(name, absent[i]) == 0)
            return luaL_error(L, "'%s' is not available in scenarios", name);
    for (size_t i = 0; global_at(i, NULL); i++)
        if (strcmp(name, global_at(i, NULL)) == 0)
            return luaL_error(L, "'%s' is no longer there: the scenario has set it to nil", name);
    const char *nearest = names_nearest(name, global_at, NULL);
    if (nearest)
        return luaL_error(L, "unknown name '%s': did you mean '%s'?", name, nearest);
    return luaL_error(L, "unknown name '%s': nothing has been assigned to it", name);
}

static void make_strict(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_newtable(L);
    lua_pushcfunction(L, unknown_global);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

static int set_up(lua_State *L)
{
    struct scenario *s = sc_of(L);
    open_libraries(L);
    fence(L);
    pattern_open(L);
    order_pairs(L);
    sc_open_protected(L);
    sc_open_machine(L);
    sc_open_core(L);
    sc_open_snapshot(L);
    sc_open_lesson(L);
    sc_open_event(L);
    sc_open_vm(L);
    sc_open_network(L);
    make_strict(L);
    s->handlers = lua_newthread(L);
    luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

lua_State *sc_sandbox(struct scenario *s)
{
    lua_State *L = lua_newstate(allocate, s);
    if (!L)
        return NULL;
    *(struct scenario **)lua_getextraspace(L) = s;
    lua_sethook(L, spend, LUA_MASKCOUNT, HOOK_EVERY);
    lua_pushcfunction(L, set_up);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_close(L);
        return NULL;
    }
    return L;
}
