/* scenario.c - a scenario's life: load, resume, move the world, pause, end. */
#include "binding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAID_MAX ((size_t)64 << 20)

/* ------------------------------------------------------------------ narration */

static bool more_lines(struct scenario *s)
{
    if (s->lines < s->line_room)
        return true;
    size_t room = s->line_room ? 2 * s->line_room : 64;
    struct scenario_line *line = realloc(s->line, room * sizeof *line);
    if (!line)
        return false;
    s->line = line;
    s->line_room = room;
    return true;
}

void sc_tell(struct scenario *s, lua_State *L, enum scenario_kind kind, const char *text)
{
    size_t n = strlen(text) + 1;
    s->said_bytes += n + sizeof *s->line;
    char *copy = s->said_bytes > SAID_MAX || !more_lines(s) ? NULL : malloc(n);
    if (!copy) {
        luaL_error(L, "the scenario has said more than %d MiB", (int)(SAID_MAX >> 20));
        return;
    }
    memcpy(copy, text, n);
    s->line[s->lines++] = (struct scenario_line){.kind = kind, .text = copy};
    s->passed += kind == SCENARIO_CHECK_OK;
    s->failed += kind == SCENARIO_CHECK_FAILED;
}

bool scenario_line(const struct scenario *s, size_t i, struct scenario_line *line)
{
    if (i >= s->lines)
        return false;
    *line = s->line[i];
    return true;
}

size_t scenario_lines(const struct scenario *s)
{
    return s->lines;
}

size_t scenario_checks(const struct scenario *s, bool passed)
{
    return passed ? s->passed : s->failed;
}

/* ------------------------------------------------------------------ ending */

/* From here on, if anybody, it is the person who moves the world. */
static void hand_over(struct scenario *s, enum scenario_state state)
{
    s->state = state;
    rs_script_moves(s->world, false);
}

static void fail(struct scenario *s, int status, const char *text)
{
    snprintf(s->error, sizeof s->error, "%s", text);
    s->status = status;
    hand_over(s, SCENARIO_FAILED);
}

/* The message at the top of a thread's stack; nothing here may raise. */
static const char *message_of(lua_State *L)
{
    if (lua_type(L, -1) == LUA_TSTRING)
        return lua_tostring(L, -1);
    return "the scenario raised an error that is not a text";
}

static void fail_by_error(struct scenario *s, int error)
{
    char place[SC_PLACE], text[sizeof s->error];
    const char *message = s->exhausted          ? s->used_up
                          : error == LUA_ERRMEM ? SC_MEMORY_USED_UP
                                                : message_of(s->co);
    sc_place(s, s->co, place, sizeof place);
    snprintf(text, sizeof text, "%s%s", sc_has_place(s, message) ? "" : place, message);
    fail(s, s->failed_check && !s->exhausted ? 1 : 2, text);
}

static bool complain_of_arguments(struct scenario *s)
{
    char text[1024], name[64];
    for (int i = 0; i < s->options.argc && i < ARGUMENTS_MAX && !s->prompts; i++) {
        if (s->used[i])
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(s->options.argv[i], "="), s->options.argv[i]);
        if (s->params)
            names_complain(text, sizeof text, "parameter", name, sc_list_at, s->param);
        else
            snprintf(text, sizeof text, "the scenario takes no parameters, but '%s' is given", name);
        fail(s, 2, "");
        snprintf(s->error, sizeof s->error, "%.900s: %s", s->path, text);
        return true;
    }
    return false;
}

/* At the first movement all parameters are known: a name that is none is told before anything runs. */
static void check_arguments_at_first(struct scenario *s)
{
    if (!s->moved)
        complain_of_arguments(s);
    s->moved = true;
}

static bool complain_of_position(struct scenario *s)
{
    if (!s->options.at || s->at_reached || s->prompts)
        return false;
    char text[64] = "no machine was made";
    if (s->hosts)
        rs_position_format(s->host[0]->m, rs_position(s->host[0]->m), text);
    fail(s, 2, "");
    snprintf(s->error, sizeof s->error, "--at %.60s: the run ended before (at %s)", s->options.at, text);
    return true;
}

static void finish(struct scenario *s)
{
    if (s->exhausted) {
        fail(s, 2, s->used_up);
        return;
    }
    if (complain_of_arguments(s) || complain_of_position(s))
        return;
    hand_over(s, SCENARIO_FINISHED);
    s->status = s->failed ? 1 : 0;
}

/* ------------------------------------------------------------------ moving */

static struct rs_position position(const struct scenario *s)
{
    return s->hosts ? rs_position(s->host[0]->m) : (struct rs_position){0, 0};
}

static bool same_position(struct rs_position a, struct rs_position b)
{
    return a.atom == b.atom && a.micro == b.micro;
}

static bool is_before(struct rs_position a, struct rs_position b)
{
    return a.atom < b.atom || (a.atom == b.atom && a.micro < b.micro);
}

/* What goes back is not begun yet where it was interrupted: undo has nothing of it. */
static bool goes_forward(const struct move *m)
{
    return m->kind == MOVE_RUN || m->kind == MOVE_STEP;
}

static void begin(struct scenario *s)
{
    const struct move *m = &s->move;
    s->began = position(s);
    s->phase = PHASE_MOVE;
    switch (m->kind) {
    case MOVE_RUN: rs_begin_run(s->world, m->until); break;
    case MOVE_STEP: rs_begin_step(s->world, m->n, m->unit); break;
    case MOVE_BACK: rs_begin_back(s->world, m->n, m->unit); break;
    case MOVE_UNDO: rs_begin_undo(s->world); break;
    }
    if (s->again && goes_forward(m))
        rs_begun_again(s->world);
    s->again = false;
}

void sc_may_move(lua_State *L, const char *what)
{
    struct scenario *s = sc_of(L);
    if (s->in_handler)
        luaL_error(
            L, "%s: an event handler cannot move the world or stop the lesson; it can read, count and check",
            what);
    if (L != s->co)
        luaL_error(L, "%s: only the scenario itself can do this, not a coroutine that it made", what);
    if (!lua_isyieldable(L))
        luaL_error(L, "%s: not from inside a function that a library function calls, or a metamethod", what);
}

int sc_move(lua_State *L, const struct move *move, lua_KContext ctx, lua_KFunction k)
{
    struct scenario *s = sc_of(L);
    s->move = *move;
    begin(s);
    return lua_yieldk(L, 0, ctx, k);
}

int sc_move_again(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
    struct scenario *s = sc_of(L);
    s->again = true;
    begin(s);
    return lua_yieldk(L, 0, ctx, k);
}

void sc_moved(lua_State *L)
{
    struct scenario *s = sc_of(L);
    if (s->handler_error == LUA_NOREF)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->handler_error);
    luaL_unref(L, LUA_REGISTRYINDEX, s->handler_error);
    s->handler_error = LUA_NOREF;
    lua_error(L);
}

int sc_pause(lua_State *L, lua_KFunction k)
{
    struct scenario *s = sc_of(L);
    s->after = PHASE_SCRIPT;
    s->here = position(s);
    hand_over(s, SCENARIO_PAUSED);
    return lua_yieldk(L, 0, 0, k);
}

void sc_input_made(lua_State *L, const rs_machine *m)
{
    struct scenario *s = sc_of(L);
    char at[64], text[160];
    if (!rs_log_was_cut(s->world))
        return;
    rs_position_format(m, rs_position(m), at);
    snprintf(text, sizeof text, "(an input in the past, at %s: what came after it is no longer so)", at);
    sc_tell(s, L, SCENARIO_SAY, text);
}

int sc_unmet(lua_State *L, const char *text)
{
    sc_of(L)->failed_check = true;
    return luaL_error(L, "%s", text);
}

static void run_script(struct scenario *s)
{
    int results = 0;
    s->failed_check = false;
    int end = lua_resume(s->co, s->L, 0, &results);
    if (end == LUA_OK)
        finish(s);
    else if (end != LUA_YIELD)
        fail_by_error(s, end);
    else if (s->phase == PHASE_MOVE)
        check_arguments_at_first(s);
}

void sc_set_text(struct scenario *s, const char *text)
{
    size_t n = strlen(text) + 1;
    free(s->text);
    s->text = malloc(n);
    if (s->text)
        memcpy(s->text, text, n);
}

enum rs_status scenario_at(const rs_machine *m, const char *text, struct rs_error *err)
{
    struct rs_position at, now = rs_position(m);
    char end[64];
    if (rs_position_parse(m, text, &at, err) != RS_OK)
        return RS_FAILED;
    if (same_position(at, now))
        return RS_OK;
    rs_position_format(m, now, end);
    return rs_fail(err, "--at %.60s: atom %llu has fewer than %llu micros, and ends at %s", text,
                   (unsigned long long)at.atom, (unsigned long long)at.micro, end);
}

static void stop_here(struct scenario *s, const char *why)
{
    char text[128], at[64] = "the start";
    if (s->hosts)
        rs_position_format(s->host[0]->m, rs_position(s->host[0]->m), at);
    snprintf(text, sizeof text, "%s %s", why, at);
    sc_set_text(s, text);
    hand_over(s, SCENARIO_PAUSED);
}

/* Stops the movement under way so that it can be begun again. */
static void interrupt(struct scenario *s)
{
    rs_cancel(s->world);
    s->after = PHASE_MOVE;
    s->here = s->move.kind == MOVE_RUN ? position(s) : s->began; /* steps are made again as a whole */
}

/* ---- --at ---- */

static bool at_is_to_come(const struct scenario *s, struct rs_position *at)
{
    struct rs_error err;
    return s->options.at && !s->at_reached && s->hosts &&
           rs_position_parse(s->host[0]->m, s->options.at, at, &err) == RS_OK;
}

/* From its atom, which the script itself has come to: what happens on the way inside is new to it. */
static void stop_at(struct scenario *s, struct rs_position at)
{
    struct rs_error err;
    s->at_reached = true;
    rs_begin_seek(s->world, at);
    rs_begun_again(s->world);
    while (rs_continue(s->world, UINT64_MAX) == RS_SLICE)
        continue;
    if (scenario_at(s->host[0]->m, s->options.at, &err) == RS_OK)
        stop_here(s, "at");
    else
        fail(s, 2, err.text);
}

/* Nothing runs past the position: neither handlers nor a trace would see the difference later.  True: it
 * stands there. */
static bool stops_at(struct scenario *s, struct rs_position at, uint64_t *atoms)
{
    struct rs_position now = position(s);
    if (!goes_forward(&s->move))
        return false;
    if (now.atom >= at.atom) {
        interrupt(s);
        stop_at(s, at);
        return true;
    }
    if (*atoms > at.atom - now.atom)
        *atoms = at.atom - now.atom;
    return false;
}

static void carry_on(struct scenario *s, uint64_t atoms)
{
    struct rs_position at;
    bool wanted = at_is_to_come(s, &at);
    if (wanted && stops_at(s, at, &atoms))
        return;
    enum rs_why why = rs_continue(s->world, atoms);
    if (why == RS_SLICE)
        return;
    s->why = why;
    s->phase = PHASE_SCRIPT;
    sc_budget_moved(s);
    if (!wanted || is_before(position(s), at))
        return;
    s->after = PHASE_SCRIPT;
    s->here = position(s);
    stop_at(s, at);
}

/* ---- pauses ---- */

static void leave_pause(struct scenario *s)
{
    s->phase = s->after;
    s->again = s->phase == PHASE_MOVE;
    rs_script_moves(s->world, true);
    if (s->again)
        begin(s);
}

enum scenario_state scenario_advance(struct scenario *s, uint64_t atoms)
{
    if (s->state != SCENARIO_MOVING)
        return s->state;
    switch (s->phase) {
    case PHASE_SCRIPT: run_script(s); break;
    case PHASE_MOVE: carry_on(s, atoms); break;
    case PHASE_RETURN:
        if (rs_continue(s->world, atoms) != RS_SLICE)
            leave_pause(s);
        break;
    }
    return s->state;
}

enum scenario_state scenario_state(const struct scenario *s)
{
    return s->state;
}

void scenario_interrupt(struct scenario *s)
{
    if (s->state != SCENARIO_MOVING || s->phase != PHASE_MOVE)
        return;
    interrupt(s);
    stop_here(s, "stopped at");
}

/* The movement ended by a stop for which nothing here has asked. */
static bool was_cut_short(const struct scenario *s)
{
    bool own = (s->wait.active && s->wait.hit) || s->handler_error != LUA_NOREF;
    return s->phase == PHASE_SCRIPT && s->why == RS_STOPPED && !own;
}

void scenario_hold(struct scenario *s)
{
    if (s->state != SCENARIO_MOVING)
        return;
    if (was_cut_short(s))
        s->phase = PHASE_MOVE;
    if (s->phase == PHASE_MOVE) {
        scenario_interrupt(s);
        return;
    }
    if (s->phase == PHASE_SCRIPT) {
        s->after = PHASE_SCRIPT;
        s->here = position(s);
    }
    stop_here(s, "held at");
}

/* What has been cut from the past cannot be returned to. */
static void stay_in_the_run(struct scenario *s)
{
    struct rs_position far = rs_furthest(s->world);
    if (is_before(far, s->here))
        s->here = position(s);
}

void scenario_continue(struct scenario *s)
{
    if (s->state != SCENARIO_PAUSED)
        return;
    stay_in_the_run(s);
    free(s->text);
    s->text = NULL;
    s->state = SCENARIO_MOVING;
    if (!s->hosts || same_position(position(s), s->here)) {
        leave_pause(s);
        return;
    }
    rs_begin_seek(s->world, s->here);
    s->phase = PHASE_RETURN;
}

void scenario_answer(struct scenario *s, size_t i)
{
    if (i < s->choices)
        s->given = (long)i;
    scenario_continue(s);
}

/* ------------------------------------------------------------------ loading and freeing */

/* How messages name the chunk on the top of the coroutine's stack. */
static void note_source(struct scenario *s)
{
    lua_Debug debug;
    lua_pushvalue(s->co, -1);
    lua_getinfo(s->co, ">S", &debug);
    snprintf(s->source, sizeof s->source, "%s", debug.short_src);
}

static enum rs_status new_coroutine(struct scenario *s, const char *code, const char *chunk,
                                    struct rs_error *err)
{
    lua_settop(s->L, 0);
    errno = 0;
    s->co = lua_newthread(s->L); /* stays on L's stack, and so alive */
    int end =
        code ? luaL_loadbufferx(s->co, code, strlen(code), chunk, "t") : luaL_loadfilex(s->co, chunk, "t");
    if (end == LUA_OK) {
        note_source(s);
        return RS_OK;
    }
    if (end == LUA_ERRFILE)
        return rs_fail(err, "%s: cannot be read as a scenario: %s", chunk, strerror(errno));
    return rs_fail(err, "%s",
                   end == LUA_ERRMEM ? "the scenario does not fit into its 256 MiB of memory"
                                     : message_of(s->co));
}

enum rs_status sc_start(struct scenario *s, const char *code, const char *chunk, struct rs_error *err)
{
    sc_budget_fresh(s);
    if (new_coroutine(s, code, chunk, err) != RS_OK)
        return RS_FAILED;
    s->state = SCENARIO_MOVING;
    s->phase = PHASE_SCRIPT;
    rs_script_moves(s->world, true);
    s->error[0] = '\0';
    return RS_OK;
}

/* All are known to be apart before the first is opened. */
static enum rs_status use_files(struct scenario *s, const char *path, struct rs_error *err)
{
    const struct scenario_options *o = &s->options;
    const struct {
        enum rs_file use;
        const char *path;
    } file[] = {{RS_FILE_SCENARIO, path},
                {RS_FILE_REPLAY, o->replay},
                {RS_FILE_RECORD, o->record},
                {RS_FILE_TRACE, o->trace}};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++)
        if (file[i].path && rs_use_file(s->world, file[i].use, file[i].path, err) != RS_OK)
            return RS_FAILED;
    return RS_OK;
}

static enum rs_status make_world(struct scenario *s, const char *path, struct rs_error *err)
{
    s->world = rs_world_new();
    if (!s->world)
        return rs_fail(err, "no memory for a world");
    rs_set_max_cycles(s->world, s->options.max_cycles);
    s->L = sc_sandbox(s);
    return s->L ? use_files(s, path, err) : rs_fail(err, "no memory for Lua");
}

static enum rs_status open_logs(struct scenario *s, struct rs_error *err)
{
    const struct scenario_options *o = &s->options;
    if (o->replay && rs_replay(s->world, o->replay, err) != RS_OK)
        return RS_FAILED;
    return o->record ? rs_record(s->world, o->record, err) : RS_OK;
}

struct scenario *scenario_load(const char *path, const struct scenario_options *options, struct rs_error *err)
{
    struct scenario *s = calloc(1, sizeof *s);
    if (!s) {
        rs_fail(err, "no memory for the scenario");
        return NULL;
    }
    s->options = *options;
    s->handler_error = LUA_NOREF;
    s->prompts = !path;
    snprintf(s->path, sizeof s->path, "%s", path ? path : "prompt");
    enum rs_status status = make_world(s, path, err);
    if (status == RS_OK)
        status = path ? sc_start(s, NULL, s->path, err) : sc_start(s, "", "=prompt", err);
    if (status == RS_OK)
        status = open_logs(s, err);
    if (status == RS_OK)
        return s;
    scenario_free(s);
    return NULL;
}

static void free_hosts(struct scenario *s)
{
    for (size_t i = 0; i < s->hosts; i++) {
        for (size_t j = 0; j < s->host[i]->guests; j++)
            if (s->host[i]->guest[j].symbols)
                rs_symbols_free(s->host[i]->guest[j].symbols);
        free(s->host[i]);
    }
}

void scenario_free(struct scenario *s)
{
    if (!s)
        return;
    if (s->L)
        lua_close(s->L);
    sc_end_captures(s);
    free_hosts(s);
    if (s->world)
        rs_world_free(s->world);
    for (size_t i = 0; i < s->lines; i++)
        free((char *)s->line[i].text);
    for (size_t i = 0; i < s->choices; i++)
        free(s->choice[i]);
    for (size_t i = 0; i < s->params; i++)
        free(s->param[i]);
    free(s->line);
    free(s->text);
    free(s->wait.text);
    free(s->wait.ring);
    free(s);
}

/* ------------------------------------------------------------------ accessors */

int scenario_status(const struct scenario *s)
{
    return s->status == 0 && s->failed ? 1 : s->status;
}

const char *scenario_error(const struct scenario *s)
{
    return s->state == SCENARIO_FAILED ? s->error : NULL;
}

const char *scenario_text(const struct scenario *s)
{
    return s->state == SCENARIO_PAUSED ? s->text : NULL;
}

const char *scenario_choice(const struct scenario *s, size_t i)
{
    return s->state == SCENARIO_PAUSED && i < s->choices ? s->choice[i] : NULL;
}

const char *scenario_hides(const struct scenario *s)
{
    return s->state == SCENARIO_PAUSED && s->hides[0] ? s->hides : NULL;
}

rs_world *scenario_world(const struct scenario *s)
{
    return s->world;
}
