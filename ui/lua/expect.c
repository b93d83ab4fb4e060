/* expect.c - waiting for text: consoles, and the hypervisor's management line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define CONSOLE    0
#define MANAGEMENT 1
#define RING_MAX   ((uint64_t)1 << 20)

static const uint64_t port[] = {0x3f8, 0x2f8};

/* ------------------------------------------------------------------ looking */

/* Output as far as it is kept: n bytes, the first of which is number `base`. */
struct output {
    const char *bytes;
    uint64_t base;
    size_t n;
};

static bool vm_output(struct scenario *s, struct output *out)
{
    struct wait *w = &s->wait;
    struct scenario_vm vm;
    if (!sc_vm_named(s, w->host->m, w->vm, &vm) || vm.console_bytes > RING_MAX)
        return false;
    if (w->ring_bytes < vm.console_bytes) {
        char *ring = realloc(w->ring, vm.console_bytes);
        if (!ring)
            return false;
        w->ring = ring;
        w->ring_bytes = vm.console_bytes;
    }
    out->n = scenario_vm_console(s, w->host->m, &vm, w->ring, w->ring_bytes);
    out->bytes = w->ring ? w->ring : "";
    out->base = vm.console_written - out->n;
    return true;
}

static bool get_output(struct scenario *s, struct output *out)
{
    struct wait *w = &s->wait;
    if (w->vm[0])
        return vm_output(s, out);
    const uint8_t *bytes = rs_console(w->host->m, w->uart, &out->n);
    out->bytes = bytes ? (const char *)bytes : "";
    out->base = 0;
    return true;
}

/* The end of the first line "ok" or "error: ..." in the text, 0 if there is none. */
static size_t reply_end(const char *text, size_t n)
{
    for (size_t line = 0, i = 0; i < n; i++) {
        if (text[i] != '\n')
            continue;
        size_t length = i - line;
        while (length > 0 && text[line + length - 1] == '\r')
            length--;
        if ((length == 2 && memcmp(text + line, "ok", 2) == 0) ||
            (length >= 6 && memcmp(text + line, "error:", 6) == 0))
            return i + 1;
        line = i + 1;
    }
    return 0;
}

static size_t text_end(const char *text, size_t n, const char *wanted, size_t wanted_bytes)
{
    for (size_t i = 0; i + wanted_bytes <= n; i++)
        if (memcmp(text + i, wanted, wanted_bytes) == 0)
            return i + wanted_bytes;
    return 0;
}

/* Looks for what the wait wants; sets w->end. */
static bool is_there(struct scenario *s)
{
    struct wait *w = &s->wait;
    struct output out;
    if (!get_output(s, &out))
        return false;
    if (w->from < out.base)
        w->from = out.base;
    if (w->from > out.base + out.n)
        w->from = out.base + out.n; /* the world has gone back to before this was written */
    size_t skip = (size_t)(w->from - out.base);
    size_t end = w->reply ? reply_end(out.bytes + skip, out.n - skip)
                          : text_end(out.bytes + skip, out.n - skip, w->text, w->text_bytes);
    w->end = w->from + end;
    return end > 0;
}

/* ------------------------------------------------------------------ watching */

/* True if `byte`, about to be written, would complete what is waited for; the look that follows decides. */
static bool completes(struct scenario *s, uint8_t byte)
{
    const struct wait *w = &s->wait;
    size_t n;
    const uint8_t *bytes = rs_console(w->host->m, w->uart, &n);
    if (w->reply)
        return byte == '\n';
    size_t before = w->text_bytes - 1;
    return n >= before && byte == (uint8_t)w->text[before] &&
           (before == 0 || memcmp(bytes + n - before, w->text, before) == 0);
}

static void port_written(const struct rs_event *event, void *arg)
{
    struct scenario *s = arg;
    const struct wait *w = &s->wait;
    if (!sc_waiting(s, event) || event->field[0] != port[w->uart] || !event->field[1])
        return;
    if (!completes(s, (uint8_t)event->field[3]))
        return;
    s->wait.hit = true;
    rs_stop_here(s->world);
}

static void vm_may_have_written(const struct rs_event *event, void *arg)
{
    struct scenario *s = arg;
    struct wait *w = &s->wait;
    struct scenario_vm vm;
    if (!sc_waiting(s, event))
        return;
    if (!sc_vm_named(s, w->host->m, w->vm, &vm) || vm.console_written == w->ring_written)
        return;
    w->ring_written = vm.console_written;
    if (!is_there(s))
        return;
    w->hit = true;
    rs_stop_here(s->world);
}

static void watch_output(lua_State *L)
{
    if (!sc_of(L)->wait.vm[0]) {
        sc_wait_watch(L, RS_PROBE_io, port_written);
        return;
    }
    static const enum rs_probe probes[] = {RS_PROBE_vm_entry, RS_PROBE_vm_exit, RS_PROBE_interrupt,
                                           RS_PROBE_halt};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        sc_wait_watch(L, probes[i], vm_may_have_written);
}

/* ------------------------------------------------------------------ waiting */

static void consume(struct scenario *s)
{
    struct wait *w = &s->wait;
    struct guest *g = w->vm[0] ? sc_guest(w->host, w->vm) : NULL;
    if (g)
        g->seen = w->end;
    else if (!w->vm[0])
        w->host->seen[w->uart] = (size_t)w->end;
}

static int found(lua_State *L)
{
    struct scenario *s = sc_of(L);
    struct output out = {.bytes = "", .base = s->wait.end};
    get_output(s, &out);
    consume(s);
    lua_pushlstring(L, out.bytes + (s->wait.from - out.base), (size_t)(s->wait.end - s->wait.from));
    return 1;
}

static int not_found(lua_State *L)
{
    struct scenario *s = sc_of(L);
    struct output out = {.n = 0};
    char why[256], text[1400], tail[200] = "";
    sc_wait_why(L, why, sizeof why);
    if (get_output(s, &out)) {
        size_t n = out.n < sizeof tail - 1 ? out.n : sizeof tail - 1;
        memcpy(tail, out.bytes + out.n - n, n);
        tail[n] = '\0';
    }
    if (s->wait.reply)
        snprintf(text, sizeof text, "hv: no reply %s; the line ends with: %s", why, tail);
    else
        snprintf(text, sizeof text, "expect: '%.200s' was not written %s; the console ends with: %s",
                 s->wait.text, why, tail);
    return sc_unmet(L, text);
}

/* Goes on until the text is there: pushes it, or raises the error.  Returns -1 if it has to yield again by
 * `move`. */
static int look_again(lua_State *L, struct move *move)
{
    struct scenario *s = sc_of(L);
    struct wait *w = &s->wait;
    bool stepped = s->move.kind == MOVE_STEP;
    bool there = is_there(s), can_go_on = s->why == RS_STOPPED || (stepped && s->why == RS_DONE);
    if (s->handler_error != LUA_NOREF || there || !can_go_on) {
        sc_wait_end(L);
        sc_moved(L);
        return there ? found(L) : not_found(L);
    }
    *move = (struct move){.kind = MOVE_RUN, .until = w->deadline};
    if (w->hit && !stepped)
        *move = (struct move){.kind = MOVE_STEP, .n = 1, .unit = RS_INSN}; /* the OUT itself */
    else
        w->hit = false;
    return -1;
}

static int expect_more(lua_State *L, int status, lua_KContext ctx)
{
    struct move move;
    (void)status;
    (void)ctx;
    int results = look_again(L, &move);
    return results >= 0 ? results : sc_move(L, &move, 0, expect_more);
}

int sc_expect(lua_State *L, struct host *h, const char *vm, int text, int limit)
{
    struct scenario *s = sc_of(L);
    size_t n;
    const char *wanted = luaL_checklstring(L, text, &n);
    struct guest *g = vm ? sc_guest(h, vm) : NULL;
    luaL_argcheck(L, n > 0, text, "a text is wanted that is not empty");
    sc_may_move(L, "expect");
    struct wait *w = sc_wait_begin(L, h, sc_limit(L, limit, h));
    w->text = malloc(n + 1);
    if (!w->text)
        return luaL_error(L, "no memory");
    memcpy(w->text, wanted, n + 1);
    w->text_bytes = n;
    w->from = g ? g->seen : vm ? 0 : h->seen[CONSOLE];
    snprintf(w->vm, sizeof w->vm, "%s", vm ? vm : "");
    if (is_there(s))
        return found(L);
    watch_output(L);
    return sc_wait_move(L, 0, expect_more);
}

static int expect(lua_State *L)
{
    return sc_expect(L, sc_booted(L, 1), NULL, 2, 3);
}

/* ------------------------------------------------------------------ the management line */

/* The reply's text without its last line, or an error. */
static int push_reply(lua_State *L)
{
    size_t n;
    const char *reply = lua_tolstring(L, -1, &n);
    size_t end = n - 1;
    while (end > 0 && reply[end - 1] != '\n')
        end--;
    if (reply[end] == 'e') {
        while (n > 0 && (reply[n - 1] == '\n' || reply[n - 1] == '\r'))
            n--;
        lua_pushlstring(L, reply + end, n - end);
        return luaL_error(L, "hv: %s", lua_tostring(L, -1));
    }
    lua_pushlstring(L, reply, end);
    luaL_gsub(L, lua_tostring(L, -1), "\r", "");
    return 1;
}

static int reply_more(lua_State *L, int status, lua_KContext ctx)
{
    struct move move;
    lua_KFunction then = sc_of(L)->wait.then;
    int results = look_again(L, &move);
    if (results >= 0) {
        push_reply(L);
        return then ? then(L, status, ctx) : 1;
    }
    return sc_move(L, &move, 0, reply_more);
}

int sc_command(lua_State *L, struct host *h, const char *line, lua_KFunction then)
{
    struct rs_error err;
    sc_may_move(L, "hv");
    if (strpbrk(line, "\r\n"))
        return luaL_error(L, "hv: a command is one line");
    struct wait *w = sc_wait_begin(L, h, ANY_LIMIT);
    w->uart = MANAGEMENT;
    w->reply = true;
    w->then = then;
    size_t n;
    rs_console(h->m, MANAGEMENT, &n);
    w->from = n;
    line = lua_pushfstring(L, "%s\n", line);
    if (rs_input_console(h->m, MANAGEMENT, line, strlen(line), &err) != RS_OK)
        return sc_error(L, &err);
    sc_input_made(L, h->m);
    watch_output(L);
    struct move move = {.kind = MOVE_RUN, .until = w->deadline};
    return sc_move(L, &move, 0, reply_more);
}

static int hv(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    return sc_command(L, h, luaL_checkstring(L, 2), NULL);
}

const luaL_Reg sc_text_methods[] = {{"expect", expect}, {"hv", hv}, {NULL, NULL}};
