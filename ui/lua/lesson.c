/* lesson.c - what a lesson is made of: say, hex, param, pause, ask, check and must. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

/* ------------------------------------------------------------------ saying */

#define FORMAT "string.format" /* the library's own, in the registry */

/* Pushes FMT formatted by string.format with the arguments after it; a single argument is literal. */
static const char *push_text(lua_State *L, int first)
{
    int n = lua_gettop(L) - first + 1;
    if (n <= 1)
        return n == 1 ? luaL_tolstring(L, first, NULL) : (lua_pushliteral(L, ""), "");
    lua_getfield(L, LUA_REGISTRYINDEX, FORMAT);
    for (int i = first; i < first + n; i++)
        lua_pushvalue(L, i);
    if (lua_pcall(L, n, 1, 0) != LUA_OK)
        luaL_error(L, "%s", lua_tostring(L, -1)); /* with the script's line, not string.format's */
    return lua_tostring(L, -1);
}

static int say(lua_State *L)
{
    sc_tell(sc_of(L), L, SCENARIO_SAY, push_text(L, 1));
    return 0;
}

static int print(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    sc_tell(sc_of(L), L, SCENARIO_SAY, lua_tostring(L, -1));
    return 0;
}

static int hex(lua_State *L)
{
    char text[32];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)sc_address(L, 1, "the number"));
    lua_pushstring(L, text);
    return 1;
}

/* ------------------------------------------------------------------ param */

static const char *argument(struct scenario *s, const char *name)
{
    size_t n = strlen(name);
    const char *value = NULL;
    for (int i = 0; i < s->options.argc && i < ARGUMENTS_MAX; i++)
        if (strncmp(s->options.argv[i], name, n) == 0 && s->options.argv[i][n] == '=') {
            s->used[i] = true;
            value = s->options.argv[i] + n + 1;
        }
    return value;
}

/* A number that Lua would cut to fit, or make infinite, is none; nor is a broken one where whole ones are
 * meant. */
static int push_number(lua_State *L, int model, const char *name, const char *value)
{
    bool hex = strpbrk(value, "xX") && !strpbrk(value, ".pP-");
    uint64_t all;
    int good = lua_stringtonumber(L, value) != 0 && isfinite(lua_tonumber(L, -1));
    if (good && lua_isinteger(L, model)) {
        lua_Integer n = lua_tointegerx(L, -1, &good);
        good = good && (!hex || names_number(value, &all));
        lua_pushinteger(L, n);
    }
    if (!good)
        return luaL_error(L, "parameter %s must be a %snumber that 64 bits can hold, not '%s'", name,
                          lua_isinteger(L, model) ? "whole " : "", value);
    return 1;
}

static int push_like(lua_State *L, int model, const char *name, const char *value)
{
    if (lua_type(L, model) == LUA_TNUMBER)
        return push_number(L, model, name, value);
    if (lua_type(L, model) != LUA_TBOOLEAN) {
        lua_pushstring(L, value);
        return 1;
    }
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return luaL_error(L, "parameter %s must be true or false, not '%s'", name, value);
    lua_pushboolean(L, value[0] == 't');
    return 1;
}

/* param(NAME, DEFAULT, HELP): the argument NAME=VALUE of the command line, of DEFAULT's type.  Asked for
 * before the world moves, since what nobody has asked for is refused there. */
static int param(lua_State *L)
{
    struct scenario *s = sc_of(L);
    const char *name = luaL_checkstring(L, 1);
    int type = lua_type(L, 2);
    luaL_argcheck(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN, 2,
                  "the default must be a number, a text, true or false");
    luaL_checkstring(L, 3);
    if (s->moved && !s->prompts)
        return luaL_error(L, "param: ask for '%s' before the world first moves (run, step, expect ...)",
                          name);
    const char *value = argument(s, name);
    if (s->params + 1 < sizeof s->param / sizeof *s->param &&
        (s->param[s->params] = malloc(strlen(name) + 1)))
        strcpy(s->param[s->params++], name);
    if (value)
        return push_like(L, 2, name, value);
    lua_pushvalue(L, 2);
    return 1;
}

/* ------------------------------------------------------------------ checks */

/* "scenarios/trap.lua:12" of the script's line that runs. */
static const char *push_where(lua_State *L)
{
    char place[SC_PLACE];
    sc_place(sc_of(L), L, place, sizeof place);
    size_t n = strlen(place);
    lua_pushlstring(L, place, n > 2 ? n - 2 : 0);
    return lua_tostring(L, -1);
}

static int result(lua_State *L, bool ok, const char *what, const char *detail)
{
    struct scenario *s = sc_of(L);
    if (ok)
        sc_tell(s, L, SCENARIO_CHECK_OK, what);
    else
        sc_tell(s, L, SCENARIO_CHECK_FAILED, lua_pushfstring(L, "%s: %s (%s)", what, detail, push_where(L)));
    lua_pushboolean(L, ok);
    return 1;
}

static const char *what_of(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_argerror(L, index, "say in words what is checked");
    return lua_tostring(L, index);
}

/* A value for a person: large numbers in hexadecimal as well. */
static const char *push_shown(lua_State *L, int index)
{
    lua_Integer n = lua_isinteger(L, index) ? lua_tointeger(L, index) : 0;
    if (n > -4096 && n < 4096)
        return luaL_tolstring(L, index, NULL);
    char text[64];
    snprintf(text, sizeof text, "%lld (0x%llx)", (long long)n, (unsigned long long)n);
    lua_pushstring(L, text);
    return lua_tostring(L, -1);
}

static int check(lua_State *L)
{
    luaL_checkany(L, 1);
    return result(L, lua_toboolean(L, 1), what_of(L, 2), "does not hold");
}

static int check_eq(lua_State *L)
{
    const char *what = what_of(L, 3);
    bool equal = lua_compare(L, 1, 2, LUA_OPEQ);
    const char *detail = lua_pushfstring(L, "got %s, want %s", push_shown(L, 1), push_shown(L, 2));
    return result(L, equal, what, detail);
}

static int check_near(lua_State *L)
{
    double got = luaL_checknumber(L, 1), want = luaL_checknumber(L, 2), percent = luaL_checknumber(L, 3);
    const char *what = what_of(L, 4);
    char detail[160];
    snprintf(detail, sizeof detail, "got %g, want %g within %g %%", got, want, percent);
    return result(L, fabs(got - want) <= fabs(want) * percent / 100, what, detail);
}

/* The next name of "native < bt <= hw" and the relation after it ("" at the end). */
static const char *next_name(lua_State *L, const char *order, char name[64], char relation[4])
{
    int used = 0;
    relation[0] = '\0';
    if (sscanf(order, " %63[A-Za-z0-9_.-]%n", name, &used) != 1)
        luaL_error(L, "check_order: a name is wanted at '%s'; write \"native < bt < hw\"", order);
    order += used;
    used = 0;
    if (sscanf(order, " %3[<=]%n", relation, &used) != 1) {
        relation[0] = '\0';
        if (order[strspn(order, " ")])
            luaL_error(L, "check_order: '<', '<=' or '==' is wanted at '%s'", order);
    }
    if (relation[0] && strcmp(relation, "<") != 0 && strcmp(relation, "<=") != 0 &&
        strcmp(relation, "==") != 0)
        luaL_error(L, "check_order: '<', '<=' or '==' is wanted, not '%s'", relation);
    return order + used;
}

static double order_value(lua_State *L, const char *name)
{
    int is_number;
    sc_raw_field(L, 1, name);
    double value = lua_tonumberx(L, -1, &is_number);
    if (!is_number)
        luaL_error(L, "check_order: the table has no number '%s'", name);
    lua_pop(L, 1);
    return value;
}

static bool holds(double a, const char *relation, double b)
{
    if (strcmp(relation, "==") == 0)
        return a == b;
    return relation[1] ? a <= b : a < b;
}

static int check_order(lua_State *L)
{
    char name[64], relation[4], next_relation[4], detail[512] = "";
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *order = luaL_checkstring(L, 2), *what = luaL_optstring(L, 3, order);
    const char *rest = next_name(L, order, name, relation);
    double value = order_value(L, name);
    bool ok = true;
    names_add(detail, sizeof detail, "%s = %g", name, value);
    while (relation[0]) {
        rest = next_name(L, rest, name, next_relation);
        double next = order_value(L, name);
        ok = ok && holds(value, relation, next);
        names_add(detail, sizeof detail, ", %s = %g", name, next);
        value = next;
        memcpy(relation, next_relation, sizeof relation);
    }
    return result(L, ok, what, detail);
}

static int must(lua_State *L)
{
    luaL_checkany(L, 1);
    const char *what = what_of(L, 2);
    if (lua_toboolean(L, 1))
        return result(L, true, what, "");
    sc_of(L)->failed++;
    return sc_unmet(L, lua_pushfstring(L, "%s: does not hold, and the lesson needs it", what));
}

/* ------------------------------------------------------------------ pause and ask */

static int go_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)L;
    (void)status;
    (void)ctx;
    return 0;
}

static int pause(lua_State *L)
{
    struct scenario *s = sc_of(L);
    const char *text = push_text(L, 1);
    sc_may_move(L, "pause");
    sc_tell(s, L, SCENARIO_PAUSE, text);
    if (!s->options.interactive)
        return 0;
    sc_set_text(s, text);
    return sc_pause(L, go_on);
}

static void forget_question(struct scenario *s)
{
    for (size_t i = 0; i < s->choices; i++)
        free(s->choice[i]);
    s->choices = 0;
    s->hides[0] = '\0';
}

static void read_choices(lua_State *L, struct scenario *s)
{
    if (sc_raw_field(L, 1, "choices") != LUA_TTABLE)
        luaL_error(L, "ask: choices must be a list of texts or numbers");
    lua_Unsigned n = lua_rawlen(L, -1);
    if (n < 2 || n > sizeof s->choice / sizeof *s->choice)
        luaL_error(L, "ask: 2 to 16 choices are wanted");
    forget_question(s);
    for (lua_Integer i = 1; i <= (lua_Integer)n; i++) {
        lua_rawgeti(L, -1, i);
        if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
            luaL_error(L, "ask: choice %d must be a text or a number", (int)i);
        const char *text = lua_tostring(L, -1); /* no __tostring, which would run the script */
        char *copy = malloc(strlen(text) + 1);
        if (!copy)
            luaL_error(L, "no memory");
        else
            s->choice[s->choices++] = strcpy(copy, text);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* The answer is on the top of the stack: tells it, and whether the one given was right. */
static int tell_answer(lua_State *L, int status, lua_KContext ctx)
{
    struct scenario *s = sc_of(L);
    const char *answer = luaL_tolstring(L, -1, NULL);
    size_t right = 0;
    (void)status;
    (void)ctx;
    while (right < s->choices && strcmp(s->choice[right], answer) != 0)
        right++;
    const char *given = s->given >= 0 && (size_t)s->given < s->choices ? s->choice[s->given] : NULL;
    if (right == s->choices) {
        forget_question(s);
        return result(L, false, lua_pushfstring(L, "the answer, %s, is one of the choices", answer),
                      "it is not");
    }
    const char *verdict = !given ? "" : (size_t)s->given == right ? "Right: " : "No: ";
    sc_tell(s, L, SCENARIO_ANSWER, lua_pushfstring(L, "%s%s", verdict, answer));
    lua_pushboolean(L, given && (size_t)s->given == right);
    forget_question(s);
    return 1;
}

static int compute_answer(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    sc_raw_field(L, 1, "answer");
    lua_callk(L, 0, 1, 0, tell_answer);
    return tell_answer(L, LUA_OK, 0);
}

static int ask(lua_State *L)
{
    static const char *const keys[] = {"q", "choices", "answer", "hides", NULL};
    struct scenario *s = sc_of(L);
    lua_settop(L, 1);
    luaL_argcheck(L, lua_istable(L, 1), 1,
                  "a table is wanted: ask { q = ..., choices = { ... }, answer = function() ... end }");
    sc_keys(L, 1, "part of a question", keys);
    sc_may_move(L, "ask");
    const char *q = sc_text_field(L, 1, "q", "q"), *hides = sc_text_field(L, 1, "hides", "hides");
    if (!q)
        return luaL_error(L, "ask: the question q is missing");
    if (sc_raw_field(L, 1, "answer") != LUA_TFUNCTION)
        return luaL_error(L, "ask: answer must be a function that computes the answer from the run");
    lua_settop(L, 1);
    read_choices(L, s);
    s->given = -1;
    snprintf(s->hides, sizeof s->hides, "%s", hides ? hides : "");
    sc_tell(s, L, SCENARIO_ASK, q);
    if (!s->options.interactive)
        return compute_answer(L, LUA_OK, 0);
    sc_set_text(s, q);
    return sc_pause(L, compute_answer);
}

static void keep_format(lua_State *L)
{
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "format");
    lua_setfield(L, LUA_REGISTRYINDEX, FORMAT);
    lua_pop(L, 1);
}

void sc_open_lesson(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"say", say},
        {"print", print},
        {"hex", hex},
        {"param", param},
        {"check", check},
        {"check_eq", check_eq},
        {"check_near", check_near},
        {"check_order", check_order},
        {"must", must},
        {"pause", pause},
        {"ask", ask},
    };
    keep_format(L);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        lua_register(L, functions[i].name, functions[i].func);
}
