/* protect.c - pcall, xpcall and coroutines as Lua has them (Lua 5.4 Reference Manual, 6.1 "Basic Functions"
 * and 6.2 "Coroutine Manipulation"), except that none of them holds up the end of a scenario whose budget is
 * used up. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "binding.h"

#define NESTED_MAX 100 /* calls of pcall inside one another: to unwind them takes their number squared */
#define CLOSES_MAX 50  /* coroutines closed while another closes: each takes some of the C stack */

#define KNOWN lua_upvalueindex(1)

/* What is known of a thread; a userdata in the table at upvalue 1, which has threads as weak keys. */
struct thread {
    int nested;   /* protected calls under way */
    bool stopped; /* in the middle of a hook, so that hooks run in it no more */
};

/* ---- where errors were raised ---- */

bool sc_place(const struct scenario *s, lua_State *L, char *text, size_t size)
{
    lua_Debug debug;
    text[0] = '\0';
    for (int level = 0; lua_getstack(L, level, &debug); level++) {
        lua_getinfo(L, "Sl", &debug);
        if (debug.currentline > 0 && strcmp(debug.short_src, s->source) == 0) {
            snprintf(text, size, "%s:%d: ", debug.short_src, debug.currentline);
            return true;
        }
    }
    return false;
}

bool sc_has_place(const struct scenario *s, const char *message)
{
    size_t n = strlen(s->source);
    return strncmp(message, s->source, n) == 0 && message[n] == ':' && isdigit((unsigned char)message[n + 1]);
}

void sc_add_place(lua_State *L, const char *place)
{
    if (lua_type(L, -1) != LUA_TSTRING || sc_has_place(sc_of(L), lua_tostring(L, -1)))
        return;
    lua_pushstring(L, place);
    lua_insert(L, -2);
    lua_concat(L, 2);
}

int sc_place_error(lua_State *L)
{
    char place[SC_PLACE];
    if (sc_place(sc_of(L), L, place, sizeof place))
        sc_add_place(L, place);
    return 1;
}

int sc_check_exhausted(lua_State *L)
{
    struct scenario *s = sc_of(L);
    if (s->exhausted) {
        lua_pushstring(L, s->used_up);
        lua_error(L);
    }
    return 0;
}

/* ---- pcall, xpcall ---- */

/* What is known of the thread at index. */
static struct thread *thread_at(lua_State *L, int index)
{
    lua_pushvalue(L, index);
    if (lua_rawget(L, KNOWN) == LUA_TNIL) {
        lua_pushvalue(L, index);
        *(struct thread *)lua_newuserdatauv(L, sizeof(struct thread), 0) = (struct thread){0, false};
        lua_rawset(L, KNOWN);
        lua_pop(L, 1);
        lua_pushvalue(L, index);
        lua_rawget(L, KNOWN);
    }
    struct thread *t = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return t;
}

/* Counts a protected call of the thread that runs, which keeps what is returned alive. */
static struct thread *enter(lua_State *L)
{
    lua_pushthread(L);
    struct thread *t = thread_at(L, lua_gettop(L));
    lua_pop(L, 1);
    if (t->nested >= NESTED_MAX)
        luaL_error(L, "more than %d calls of pcall or xpcall inside one another", NESTED_MAX);
    t->nested++;
    return t;
}

static bool leave(lua_State *L, int status, lua_KContext thread)
{
    ((struct thread *)thread)->nested--;
    sc_check_exhausted(L);
    return status == LUA_OK || status == LUA_YIELD;
}

/* The stack holds true and the results, or true and the message. */
static int after_pcall(lua_State *L, int status, lua_KContext thread)
{
    bool ok = leave(L, status, thread);
    lua_pushboolean(L, ok);
    lua_replace(L, 1);
    return lua_gettop(L);
}

static int protected_call(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_KContext thread = (lua_KContext)enter(L);
    lua_pushboolean(L, true);
    lua_insert(L, 1);
    return after_pcall(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, thread, after_pcall), thread);
}

/* The stack holds the handler, true, and the results or the message.  Lua itself calls the handler where the
 * error was raised, which can be in a hook: then no other hook stops it. */
static int after_xpcall(lua_State *L, int status, lua_KContext thread)
{
    if (leave(L, status, thread))
        return lua_gettop(L) - 1;
    lua_pushboolean(L, false);
    lua_replace(L, 2);
    lua_pushvalue(L, 1);
    lua_insert(L, 3);
    lua_pcall(L, 1, 1, 0);
    sc_check_exhausted(L);
    return 2;
}

static int protected_call_with_handler(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_KContext thread = (lua_KContext)enter(L);
    lua_pushvalue(L, 1);
    lua_remove(L, 1);
    lua_insert(L, 2); /* handler, function, arguments */
    lua_pushboolean(L, true);
    lua_insert(L, 2);
    return after_xpcall(L, lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 0, thread, after_xpcall), thread);
}

/* ---- coroutines ---- */

/* The coroutine at index 1; not one of the scenario's own threads, which the face resumes. */
static lua_State *coroutine_at(lua_State *L, const char *what)
{
    const struct scenario *s = sc_of(L);
    luaL_checktype(L, 1, LUA_TTHREAD);
    lua_State *co = lua_tothread(L, 1);
    if (co == s->co || co == s->handlers)
        luaL_error(L, "coroutine.%s: a coroutine is wanted, not the scenario itself", what);
    return co;
}

/* Resumes the coroutine at 1 with the arguments after it by the library's own function, upvalue 2: what that
 * returns follows the coroutine on the stack. */
static void resume_it(lua_State *L)
{
    struct thread *t = thread_at(L, 1);
    int n = lua_gettop(L);
    sc_check_exhausted(L);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    lua_rotate(L, 2, 2);
    lua_call(L, n, LUA_MULTRET);
    t->stopped = sc_of(L)->exhausted;
    sc_check_exhausted(L);
}

static int resume(lua_State *L)
{
    coroutine_at(L, "resume");
    resume_it(L);
    return lua_gettop(L) - 1;
}

/* Closes what the coroutine left open; LUA_OK, or an error, which is then on its stack.  The C stack that
 * this takes is counted here, Lua does not. */
static int close_it(lua_State *L, lua_State *co)
{
    struct scenario *s = sc_of(L);
    if (s->closing >= CLOSES_MAX)
        luaL_error(L, "more than %d coroutines are closed inside one another", CLOSES_MAX);
    s->closing++;
    int status = lua_resetthread(co);
    s->closing--;
    return status;
}

static int close_coroutine(lua_State *L)
{
    lua_State *co = coroutine_at(L, "close");
    lua_Debug debug;
    if (co == L || (lua_status(co) == LUA_OK && lua_getstack(co, 0, &debug)))
        return luaL_error(L, "coroutine.close: this coroutine is running");
    if (thread_at(L, 1)->stopped)
        return luaL_error(L, "coroutine.close: this coroutine used up the budget");
    bool ok = close_it(L, co) == LUA_OK;
    sc_check_exhausted(L);
    lua_pushboolean(L, ok);
    if (!ok)
        lua_xmove(co, L, 1);
    return ok ? 1 : 2;
}

/* The coroutine at 1 ended by an error, whose message is on the top. */
static int raise_from(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    char place[SC_PLACE];
    int status = lua_status(co);
    if (!sc_place(sc_of(L), co, place, sizeof place))
        sc_place(sc_of(L), L, place, sizeof place);
    if (status == LUA_ERRMEM)
        return luaL_error(L, "%s" SC_MEMORY_USED_UP, place);
    if (status > LUA_YIELD && close_it(L, co) != LUA_OK)
        lua_xmove(co, L, 1);
    sc_check_exhausted(L);
    sc_add_place(L, place);
    return lua_error(L);
}

/* What wrap() returns; upvalue 3 is the coroutine. */
static int wrapped(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(3));
    lua_insert(L, 1);
    resume_it(L);
    return lua_toboolean(L, 2) ? lua_gettop(L) - 2 : raise_from(L);
}

static int wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, wrapped, 3);
    return 1;
}

static int yield(lua_State *L)
{
    const struct scenario *s = sc_of(L);
    if (L == s->co || L == s->handlers)
        return luaL_error(L, "coroutine.yield: the scenario itself has nobody to yield to");
    if (!lua_isyieldable(L))
        return luaL_error(L, "coroutine.yield: not from inside a function that a library function calls");
    return lua_yield(L, lua_gettop(L));
}

/* ---- the fence ---- */

/* Puts functions into a library; their upvalues are on the top: what is known, and the library's own resume.
 */
static void put(lua_State *L, const char *library, const luaL_Reg *functions)
{
    lua_getglobal(L, library);
    lua_pushvalue(L, -3);
    lua_pushvalue(L, -3);
    luaL_setfuncs(L, functions, 2);
    lua_pop(L, 1);
}

void sc_open_protected(lua_State *L)
{
    static const luaL_Reg base[] = {
        {"pcall", protected_call}, {"xpcall", protected_call_with_handler}, {NULL, NULL}};
    static const luaL_Reg coroutines[] = {
        {"resume", resume}, {"close", close_coroutine}, {"wrap", wrap}, {"yield", yield}, {NULL, NULL}};
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_getglobal(L, "coroutine");
    lua_getfield(L, -1, "resume");
    lua_remove(L, -2);
    put(L, "_G", base);
    put(L, "coroutine", coroutines);
    lua_pop(L, 2);
}
