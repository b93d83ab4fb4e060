/* pattern.c - Lua's patterns (Lua 5.4 Reference Manual, 6.4.1 "Patterns"), matched by backtracking.
 *
 * What a search costs is not bounded by its length, so its steps count against the scenario's budget. */
#include "pattern.h"

#include <ctype.h>
#include <string.h>

#include "binding.h"

#define CAPTURES_MAX 32
#define DEPTH_MAX    200
#define STEPS_MAX    200000000u /* of one search: a few seconds */
#define MANY_STEPS   100000u
#define OPEN         (-1) /* length of a capture that is not closed */
#define POSITION     (-2) /* length of the capture () */

struct match {
    lua_State *L;
    const char *start, *end; /* of the subject */
    const char *pattern_end;
    unsigned depth;
    uint64_t steps;
    int captures;
    struct {
        const char *at;
        ptrdiff_t n;
    } capture[CAPTURES_MAX];
};

static const char *match_here(struct match *m, const char *s, const char *p);

/* Steps count as instructions of the scenario; after many of them its budget is looked at right away. */
static void charge(const struct match *m)
{
    sc_of(m->L)->spent += m->steps;
    if (m->steps > MANY_STEPS)
        lua_sethook(m->L, lua_gethook(m->L), LUA_MASKCOUNT, 1);
}

static void count_step(struct match *m)
{
    if (++m->steps <= STEPS_MAX)
        return;
    charge(m);
    luaL_error(m->L, "this pattern needs more than %d million steps on this text",
               (int)(STEPS_MAX / 1000000));
}

/* ------------------------------------------------------------------ single characters */

static bool in_class(unsigned char c, char class)
{
    bool in;
    switch (tolower((unsigned char)class)) {
    case 'a': in = isalpha(c); break;
    case 'c': in = iscntrl(c); break;
    case 'd': in = isdigit(c); break;
    case 'g': in = isgraph(c); break;
    case 'l': in = islower(c); break;
    case 'p': in = ispunct(c); break;
    case 's': in = isspace(c); break;
    case 'u': in = isupper(c); break;
    case 'w': in = isalnum(c); break;
    case 'x': in = isxdigit(c); break;
    default: return (unsigned char)class == c;
    }
    return isupper((unsigned char)class) ? !in : in;
}

/* The end of the single-character item at p: a character, %x, or a set. */
static const char *item_end(struct match *m, const char *p)
{
    char first = *p++;
    if (first == '%') {
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (first != '[')
        return p;
    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* a ] right at the start stands for itself */
        if (p >= m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        p += *p == '%' && p + 1 < m->pattern_end ? 2 : 1;
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

/* [set], from its bracket to before its closing one. */
static bool in_set(unsigned char c, const char *p, const char *close)
{
    bool negated = p[1] == '^';
    for (p += negated ? 2 : 1; p < close; p++) {
        if (*p == '%' && p + 1 < close) {
            if (in_class(c, *++p))
                return !negated;
        } else if (p + 2 < close && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return !negated;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return !negated;
        }
    }
    return negated;
}

/* Whether the character at s is one of the item from p to its end. */
static bool fits(const struct match *m, const char *s, const char *p, const char *item)
{
    if (s >= m->end)
        return false;
    if (*p == '.')
        return true;
    if (*p == '%')
        return in_class((unsigned char)*s, p[1]);
    if (*p == '[')
        return in_set((unsigned char)*s, p, item - 1);
    return *p == *s;
}

/* ------------------------------------------------------------------ repetitions */

/* As many as there are, then fewer. */
static const char *longest(struct match *m, const char *s, const char *p, const char *item, ptrdiff_t least)
{
    ptrdiff_t n = 0;
    while (fits(m, s + n, p, item)) {
        count_step(m);
        n++;
    }
    for (; n >= least; n--) {
        const char *end = match_here(m, s + n, item + 1);
        if (end)
            return end;
    }
    return NULL;
}

static const char *shortest(struct match *m, const char *s, const char *p, const char *item)
{
    for (;; s++) {
        const char *end = match_here(m, s, item + 1);
        if (end)
            return end;
        if (!fits(m, s, p, item))
            return NULL;
    }
}

/* ------------------------------------------------------------------ captures, %b, %f, %1 */

static const char *open_capture(struct match *m, const char *s, const char *p)
{
    bool position = p + 1 < m->pattern_end && p[1] == ')';
    if (m->captures == CAPTURES_MAX)
        luaL_error(m->L, "too many captures");
    m->capture[m->captures].at = s;
    m->capture[m->captures++].n = position ? POSITION : OPEN;
    const char *end = match_here(m, s, p + (position ? 2 : 1));
    if (!end)
        m->captures--;
    return end;
}

static const char *close_capture(struct match *m, const char *s, const char *p)
{
    int i = m->captures - 1;
    while (i >= 0 && m->capture[i].n != OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[i].n = s - m->capture[i].at;
    const char *end = match_here(m, s, p + 1);
    if (!end)
        m->capture[i].n = OPEN;
    return end;
}

static const char *match_capture_again(struct match *m, const char *s, char digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].n == OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    if (m->capture[i].n == POSITION)
        return NULL;
    size_t n = (size_t)m->capture[i].n;
    if ((size_t)(m->end - s) < n)
        return NULL;
    for (size_t k = 0; k < n; k++)
        if (m->capture[i].at[k] != s[k])
            return NULL;
    return s + n;
}

/* %bxy */
static const char *balanced(struct match *m, const char *s, const char *p)
{
    if (p + 3 >= m->pattern_end)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->end || *s != p[2])
        return NULL;
    for (size_t open = 1; ++s < m->end;) {
        count_step(m);
        if (*s == p[3] && --open == 0)
            return s + 1;
        if (*s == p[2] && p[2] != p[3])
            open++;
    }
    return NULL;
}

/* %f[set]: the end of the set if a character out of it is followed by one in it here. */
static const char *frontier(struct match *m, const char *s, const char *p)
{
    const char *set = p + 2;
    if (set >= m->pattern_end || *set != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    const char *item = item_end(m, set);
    unsigned char before = s == m->start ? 0 : (unsigned char)s[-1],
                  here = s == m->end ? 0 : (unsigned char)*s;
    return !in_set(before, set, item - 1) && in_set(here, set, item - 1) ? item : NULL;
}

/* The items that begin with a percent sign and are no single character; *handled is false for the others. */
static const char *match_percent(struct match *m, const char *s, const char *p, bool *handled)
{
    char what = p + 1 < m->pattern_end ? p[1] : '\0';
    *handled = true;
    if (what == 'b') {
        s = balanced(m, s, p);
        return s ? match_here(m, s, p + 4) : NULL;
    }
    if (what == 'f') {
        const char *next = frontier(m, s, p);
        return next ? match_here(m, s, next) : NULL;
    }
    if (isdigit((unsigned char)what)) {
        s = match_capture_again(m, s, what);
        return s ? match_here(m, s, p + 2) : NULL;
    }
    *handled = false;
    return NULL;
}

/* ------------------------------------------------------------------ the pattern */

/* Single-character items one after another, up to something else; sets *result when it is decided. */
static bool match_items(struct match *m, const char **s, const char **p, const char **result)
{
    const char *item = item_end(m, *p);
    char suffix = item < m->pattern_end ? *item : '\0';
    *result = NULL;
    if (suffix == '?') {
        if (fits(m, *s, *p, item) && (*result = match_here(m, *s + 1, item + 1)))
            return true;
        *p = item + 1;
        return false;
    }
    if (suffix == '*' || suffix == '+') {
        *result = longest(m, *s, *p, item, suffix == '+');
        return true;
    }
    if (suffix == '-') {
        *result = shortest(m, *s, *p, item);
        return true;
    }
    if (!fits(m, *s, *p, item))
        return true;
    ++*s;
    *p = item;
    return false;
}

/* The end of the match of the pattern from p on with the subject from s on; NULL if there is none. */
static const char *match_from(struct match *m, const char *s, const char *p)
{
    const char *result;
    while (p < m->pattern_end) {
        bool handled = false;
        count_step(m);
        if (*p == '(')
            return open_capture(m, s, p);
        if (*p == ')')
            return close_capture(m, s, p);
        if (*p == '$' && p + 1 == m->pattern_end)
            return s == m->end ? s : NULL;
        if (*p == '%')
            result = match_percent(m, s, p, &handled);
        if (handled || match_items(m, &s, &p, &result))
            return result;
    }
    return s;
}

static const char *match_here(struct match *m, const char *s, const char *p)
{
    count_step(m);
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->L, "pattern too complex");
    const char *end = match_from(m, s, p);
    m->depth--;
    return end;
}

/* ------------------------------------------------------------------ searching */

struct search {
    struct match m;
    const char *pattern; /* behind its ^ */
    bool anchored;
};

/* Subject and pattern are arguments 1 and 2. */
static void begin_search(lua_State *L, struct search *q, int subject, int pattern)
{
    size_t n, k;
    q->m = (struct match){.L = L, .start = luaL_checklstring(L, subject, &n)};
    q->pattern = luaL_checklstring(L, pattern, &k);
    if (!q->m.start || !q->pattern)
        return; /* never: the checks raise */
    q->m.end = q->m.start + n;
    q->m.pattern_end = q->pattern + k;
    q->anchored = k > 0 && *q->pattern == '^';
    q->pattern += q->anchored;
}

/* The first match at or after *s: its end, and *s its start; NULL if there is none. */
static const char *search_from(struct search *q, const char **s)
{
    do {
        q->m.captures = 0;
        q->m.depth = 0;
        const char *end = match_here(&q->m, *s, q->pattern);
        if (end)
            return end;
    } while (!q->anchored && ++*s <= q->m.end);
    return NULL;
}

/* Capture i; the whole match if there is none and i is 0. */
static void push_capture(struct match *m, int i, const char *s, const char *end)
{
    if (i >= m->captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, s, (size_t)(end - s));
    } else if (m->capture[i].n == POSITION) {
        lua_pushinteger(m->L, m->capture[i].at - m->start + 1);
    } else if (m->capture[i].n == OPEN) {
        luaL_error(m->L, "unfinished capture");
    } else {
        lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].n);
    }
}

/* All captures, or the whole match if there are none; returns how many. */
static int push_captures(struct match *m, const char *s, const char *end, bool whole)
{
    int n = m->captures == 0 && whole ? 1 : m->captures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, end);
    return n;
}

/* The position from which argument `index` says to search; NULL: behind the end. */
static const char *start_of(lua_State *L, int index, const struct match *m)
{
    lua_Integer init = luaL_optinteger(L, index, 1), n = m->end - m->start;
    if (init < 0)
        init = -init > n ? 1 : n + init + 1;
    else if (init == 0)
        init = 1;
    return init > n + 1 ? NULL : m->start + init - 1;
}

static int find_or_match(lua_State *L, bool find)
{
    struct search q;
    begin_search(L, &q, 1, 2);
    const char *s = start_of(L, 3, &q.m), *end = s ? search_from(&q, &s) : NULL;
    charge(&q.m);
    if (!end) {
        lua_pushnil(L);
        return 1;
    }
    if (!find)
        return push_captures(&q.m, s, end, true);
    lua_pushinteger(L, s - q.m.start + 1);
    lua_pushinteger(L, end - q.m.start);
    return 2 + push_captures(&q.m, s, end, false);
}

static bool is_plain(const char *pattern, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strchr("^$*+?.([%-", pattern[i]) && pattern[i])
            return false;
    return true;
}

/* Plain searches are the library's own, upvalue 1: they take no more than length times length. */
static int find(lua_State *L)
{
    size_t n;
    const char *pattern = luaL_checklstring(L, 2, &n);
    luaL_checkstring(L, 1);
    luaL_optinteger(L, 3, 1);
    if (!lua_toboolean(L, 4) && !is_plain(pattern, n))
        return find_or_match(L, true);
    sc_of(L)->spent += lua_rawlen(L, 1) / 16;
    lua_settop(L, 4);
    lua_pushboolean(L, 1);
    lua_replace(L, 4);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 4, LUA_MULTRET);
    return lua_gettop(L);
}

static int match(lua_State *L)
{
    return find_or_match(L, false);
}

/* ------------------------------------------------------------------ gmatch: upvalues subject, pattern, next,
 * last end */

static int next_match(lua_State *L)
{
    struct search q;
    begin_search(L, &q, lua_upvalueindex(1), lua_upvalueindex(2));
    q.pattern -= q.anchored; /* in gmatch ^ is no anchor */
    q.anchored = false;
    lua_Integer next = lua_tointeger(L, lua_upvalueindex(3)), last = lua_tointeger(L, lua_upvalueindex(4));
    for (const char *s = q.m.start + next, *end; s <= q.m.end; s++) {
        end = search_from(&q, &s);
        if (!end || end - q.m.start != last) {
            charge(&q.m);
            if (!end)
                return 0;
            lua_pushinteger(L, end - q.m.start);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return push_captures(&q.m, s, end, true);
        }
    }
    return 0;
}

static int gmatch(lua_State *L)
{
    struct search q;
    begin_search(L, &q, 1, 2);
    const char *s = start_of(L, 3, &q.m);
    lua_settop(L, 2);
    lua_pushinteger(L, s ? s - q.m.start : q.m.end - q.m.start + 1);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* ------------------------------------------------------------------ gsub */

/* The replacement text, argument 3, with %0 to %9 replaced. */
static void add_text(struct match *m, luaL_Buffer *b, const char *s, const char *end)
{
    size_t n;
    const char *text = lua_tolstring(m->L, 3, &n);
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '%') {
            luaL_addchar(b, text[i]);
        } else if (++i < n && text[i] == '%') {
            luaL_addchar(b, '%');
        } else if (i < n && text[i] == '0') {
            luaL_addlstring(b, s, (size_t)(end - s));
        } else if (i < n && isdigit((unsigned char)text[i])) {
            push_capture(m, text[i] - '1', s, end);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

/* What the table or function at 3 gives; the match itself if that is nil or false. */
static void add_value(struct match *m, luaL_Buffer *b, const char *s, const char *end)
{
    lua_State *L = m->L;
    if (lua_isfunction(L, 3)) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, end, true), 1);
    } else {
        push_capture(m, 0, s, end);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(end - s));
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
}

static void check_replacement(lua_State *L)
{
    int type = lua_type(L, 3);
    if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TFUNCTION && type != LUA_TTABLE)
        luaL_error(L, "gsub: the replacement is a text, a table or a function, not %s", luaL_typename(L, 3));
    if (type == LUA_TNUMBER)
        lua_tostring(L, 3);
}

static int gsub(lua_State *L)
{
    struct search q;
    luaL_Buffer b;
    lua_Integer count = 0;
    begin_search(L, &q, 1, 2);
    lua_Integer most = luaL_optinteger(L, 4, q.m.end - q.m.start + 1);
    check_replacement(L);
    luaL_buffinit(L, &b);
    const char *s = q.m.start, *last = NULL;
    while (count < most) {
        q.m.captures = 0;
        q.m.depth = 0;
        const char *end = match_here(&q.m, s, q.pattern);
        if (end && end != last) {
            count++;
            if (lua_type(L, 3) == LUA_TSTRING)
                add_text(&q.m, &b, s, end);
            else
                add_value(&q.m, &b, s, end);
            s = last = end;
        } else if (s < q.m.end) {
            luaL_addchar(&b, *s++);
        } else {
            break;
        }
        if (q.anchored)
            break;
    }
    charge(&q.m);
    luaL_addlstring(&b, s, (size_t)(q.m.end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, count);
    return 2;
}

void pattern_open(lua_State *L)
{
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "find");
    lua_pushcclosure(L, find, 1);
    lua_setfield(L, -2, "find");
    lua_pushcfunction(L, match);
    lua_setfield(L, -2, "match");
    lua_pushcfunction(L, gmatch);
    lua_setfield(L, -2, "gmatch");
    lua_pushcfunction(L, gsub);
    lua_setfield(L, -2, "gsub");
    lua_pop(L, 1);
}
