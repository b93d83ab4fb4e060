/* event.c - probe events as Lua tables, filters, host:on(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

/* ------------------------------------------------------------------ fields */

/* Fields that every event has, before those of probes.def. */
enum common { CYCLE, ATOM, MICRO, MACHINE, CORE, MODE, VMCS, EPTP, VPID, CR3, RIP, VM, COMMON };
static const char *const common_name[COMMON] = {"cycle", "atom", "micro", "machine", "core", "mode",
                                                "vmcs",  "eptp", "vpid",  "cr3",     "rip",  "vm"};

static const char *field_at(size_t i, const void *arg)
{
    const struct rs_probe_info *info = arg;
    if (i < info->fields)
        return info->field[i].name;
    return i - info->fields < COMMON ? common_name[i - info->fields] : NULL;
}

static const char *probe_at(size_t i, const void *arg)
{
    (void)arg;
    return i < RS_PROBES ? rs_probe_info[i].name : NULL;
}

enum rs_probe sc_probe(lua_State *L, int index)
{
    const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;
    if (!name) {
        luaL_error(L, "the name of an event is wanted, such as \"vm.exit\", not %s", luaL_typename(L, index));
        return RS_PROBES;
    }
    for (size_t i = 0; i < RS_PROBES; i++)
        if (strcmp(rs_probe_info[i].name, name) == 0)
            return (enum rs_probe)i;
    sc_unknown(L, "event", name, probe_at, NULL);
    return RS_PROBES;
}

/* For VM exits rip is the guest's: the state's own is the hypervisor's already. */
static uint64_t rip_of(const struct rs_event *e)
{
    const struct rs_probe_info *info = &rs_probe_info[e->probe];
    for (size_t i = 0; i < info->fields; i++)
        if (strcmp(info->field[i].name, "guest_rip") == 0)
            return e->field[i];
    return e->rip;
}

/* What only a core has: a device's event is without it. */
static bool is_there(const struct rs_event *e, enum common field)
{
    return e->core != RS_NO_CORE || field < CORE || field > RIP;
}

static uint64_t common_value(const struct rs_event *e, enum common field)
{
    switch (field) {
    case CYCLE: return e->cycle;
    case ATOM: return e->atom;
    case MICRO: return e->micro;
    case CORE: return (uint64_t)e->core + 1;
    case MODE: return e->guest;
    case VMCS: return e->vmcs;
    case EPTP: return e->eptp;
    case VPID: return e->vpid;
    case CR3: return e->cr3;
    case RIP: return rip_of(e);
    default: return 0;
    }
}

/* ------------------------------------------------------------------ events as tables */

static void push_value(lua_State *L, enum rs_format format, uint64_t value)
{
    const char *word = format == RS_BOOL ? NULL : rs_word(format, value);
    if (format == RS_BOOL)
        lua_pushboolean(L, value != 0);
    else if (word)
        lua_pushstring(L, word);
    else
        lua_pushinteger(L, (lua_Integer)rs_number(format, value));
}

static void push_common(lua_State *L, const struct rs_event *e, enum common field)
{
    struct scenario_vm vm;
    if (field == MACHINE)
        lua_pushstring(L, rs_machine_name(e->machine));
    else if (!is_there(e, field))
        lua_pushnil(L);
    else if (field == MODE)
        lua_pushstring(L, e->guest ? "non-root" : "root");
    else if (field != VM)
        lua_pushinteger(L, (lua_Integer)common_value(e, field));
    else if (scenario_vm_at(sc_of(L), e->machine, e->vmcs, &vm))
        lua_pushstring(L, vm.name);
    else
        lua_pushnil(L);
}

static void set_fields(lua_State *L, const struct rs_event *e)
{
    const struct rs_probe_info *info = &rs_probe_info[e->probe];
    for (size_t i = 0; i < info->fields; i++) {
        push_value(L, info->field[i].format, e->field[i]);
        lua_setfield(L, -2, info->field[i].name);
    }
}

/* Where a walk and its event have the same names, those of a reference are the reference's own; of the end,
 * those that say more. */
void sc_push_event(lua_State *L, const struct rs_event *e)
{
    const struct rs_probe_info *info = &rs_probe_info[e->probe];
    bool walk_says_more = e->probe == RS_PROBE_walk_end || e->probe == RS_PROBE_iommu_end;
    lua_createtable(L, 0, 24);
    if (e->walk && !walk_says_more)
        sc_set_walk(L, e->walk);
    set_fields(L, e);
    if (e->walk && walk_says_more)
        sc_set_walk(L, e->walk);
    for (unsigned i = 0; i < COMMON; i++) {
        push_common(L, e, (enum common)i);
        lua_setfield(L, -2, common_name[i]);
    }
    if (e->frame) {
        lua_pushlstring(L, (const char *)e->frame, (size_t)e->field[2]);
        lua_setfield(L, -2, "bytes");
    }
    lua_pushstring(L, info->name);
    lua_setfield(L, -2, "event");
}

/* One value for a person. */
static void describe_field(lua_State *L, enum rs_format format, char *text, size_t size, const char *name)
{
    if (lua_type(L, -1) == LUA_TNUMBER && format == RS_HEX)
        names_add(text, size, " %s=0x%llx", name, (unsigned long long)lua_tointeger(L, -1));
    else if (lua_type(L, -1) == LUA_TNUMBER)
        names_add(text, size, " %s=%lld", name, (long long)lua_tointeger(L, -1));
    else if (lua_type(L, -1) == LUA_TSTRING)
        names_add(text, size, " %s=%s", name, lua_tostring(L, -1));
    else if (lua_type(L, -1) == LUA_TBOOLEAN)
        names_add(text, size, " %s=%s", name, lua_toboolean(L, -1) ? "true" : "false");
}

void sc_describe_event(lua_State *L, int index, char *text, size_t size)
{
    index = lua_absindex(L, index);
    lua_getfield(L, index, "event");
    enum rs_probe probe = sc_probe(L, -1);
    const struct rs_probe_info *info = &rs_probe_info[probe];
    names_add(text, size, "%s", info->name);
    lua_pop(L, 1);
    lua_getfield(L, index, "cycle");
    describe_field(L, RS_DEC, text, size, "cycle");
    lua_pop(L, 1);
    for (size_t i = 0; i < info->fields; i++) {
        lua_getfield(L, index, info->field[i].name);
        describe_field(L, info->field[i].format, text, size, info->field[i].name);
        lua_pop(L, 1);
    }
}

static int event_text(lua_State *L)
{
    char text[1024] = "";
    sc_describe_event(L, 1, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

/* ------------------------------------------------------------------ filters */

#define CONDITIONS_MAX 16
#define VALUES_MAX     64

struct condition {
    bool common;
    unsigned field; /* of probes.def, or enum common */
    enum rs_format format;
    int function; /* registry reference, or LUA_NOREF: one of the values */
    size_t values;
    uint64_t value[VALUES_MAX];
    char name[VALUES_MAX][RS_NAME_MAX]; /* for VM and MACHINE */
};

struct filter {
    int self;     /* registry reference of the block of memory */
    int function; /* of the whole event, or LUA_NOREF */
    size_t conditions;
    struct condition condition[CONDITIONS_MAX];
};

/* The i-th word of a format; formats have gaps. */
static const char *word_at(size_t i, const void *arg)
{
    enum rs_format format = *(const enum rs_format *)arg;
    for (uint64_t value = 0; value < 256; value++) {
        const char *word = rs_word(format, value);
        if (word && i-- == 0)
            return word;
    }
    return NULL;
}

static uint64_t word_value(lua_State *L, const char *field, enum rs_format format, const char *name)
{
    for (uint64_t value = 0; value < 256; value++) {
        const char *word = rs_word(format, value);
        if (word && strcmp(word, name) == 0)
            return value;
    }
    if (!word_at(0, &format))
        luaL_error(L, "field %s is a number, so it can never be '%s'", field, name);
    char what[64];
    snprintf(what, sizeof what, "%s", field);
    sc_unknown(L, what, name, word_at, &format);
    return 0;
}

static uint64_t mode_value(lua_State *L, const char *name)
{
    static const char *const modes[] = {"root", "non-root", NULL};
    for (unsigned i = 0; modes[i]; i++)
        if (strcmp(modes[i], name) == 0)
            return i;
    sc_unknown(L, "mode", name, sc_list_at, modes);
    return 0;
}

static const char *machine_at(size_t i, const void *arg)
{
    const struct scenario *s = arg;
    return i < s->hosts ? rs_machine_name(s->host[i]->m) : NULL;
}

/* Raises an error if nothing has this name.  Of VMs that can be said only of a machine that is booted. */
static void check_name(lua_State *L, enum common field, const char *name)
{
    struct scenario *s = sc_of(L);
    struct host *h = sc_host(L, 1);
    bool known = false;
    for (size_t i = 0; i < s->hosts; i++)
        known = known || strcmp(machine_at(i, s), name) == 0;
    if (field == MACHINE && !known)
        sc_unknown(L, "machine", name, machine_at, s);
    if (field == VM && h->booted)
        sc_vm_known(L, h, name);
}

/* Adds the value at the top of the stack to those that the condition lets through. */
static void add_value(lua_State *L, struct condition *c, const char *field)
{
    int type = lua_type(L, -1);
    if (c->values == VALUES_MAX)
        luaL_error(L, "a set in a filter has %d values at most", VALUES_MAX);
    uint64_t *value = &c->value[c->values];
    bool named = c->common && (c->field == VM || c->field == MACHINE);
    if (named && type != LUA_TSTRING)
        luaL_error(L, "field %s is a name, not %s", field, luaL_typename(L, -1));
    if (named) {
        check_name(L, (enum common)c->field, lua_tostring(L, -1));
        snprintf(c->name[c->values], RS_NAME_MAX, "%s", lua_tostring(L, -1));
    } else if (type == LUA_TBOOLEAN && c->format == RS_BOOL)
        *value = (uint64_t)lua_toboolean(L, -1);
    else if (type == LUA_TSTRING && c->common && c->field == MODE)
        *value = mode_value(L, lua_tostring(L, -1));
    else if (type == LUA_TSTRING)
        *value = word_value(L, field, c->format, lua_tostring(L, -1));
    else if (lua_isinteger(L, -1) && c->format != RS_BOOL)
        *value = (uint64_t)lua_tointeger(L, -1);
    else
        luaL_error(L, "field %s cannot be compared with %s", field, luaL_tolstring(L, -1, NULL));
    c->values++;
}

static void find_field(lua_State *L, struct condition *c, enum rs_probe probe, const char *name)
{
    const struct rs_probe_info *info = &rs_probe_info[probe];
    c->format = RS_HEX;
    c->function = LUA_NOREF;
    c->values = 0;
    for (unsigned i = 0; i < COMMON; i++)
        if (strcmp(common_name[i], name) == 0) {
            c->common = true;
            c->field = i;
            return;
        }
    for (unsigned i = 0; i < info->fields; i++)
        if (strcmp(info->field[i].name, name) == 0) {
            c->common = false;
            c->field = i;
            c->format = info->field[i].format;
            return;
        }
    char what[64];
    snprintf(what, sizeof what, "field of %s", info->name);
    sc_unknown(L, what, name, field_at, info);
}

/* The condition from key (at -2) and value (at -1). */
static void read_condition(lua_State *L, struct filter *f, enum rs_probe probe)
{
    if (lua_type(L, -2) != LUA_TSTRING)
        luaL_error(L, "a filter is a table of field = value: { reason = \"CPUID\" }");
    if (f->conditions == CONDITIONS_MAX)
        luaL_error(L, "a filter has %d fields at most", CONDITIONS_MAX);
    const char *name = lua_tostring(L, -2);
    struct condition *c = &f->condition[f->conditions++];
    find_field(L, c, probe, name);
    if (lua_isfunction(L, -1)) {
        lua_pushvalue(L, -1);
        c->function = luaL_ref(L, LUA_REGISTRYINDEX);
    } else if (lua_istable(L, -1)) {
        lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
        for (lua_Integer i = 1; i <= n; i++) {
            lua_rawgeti(L, -1, i);
            add_value(L, c, name);
            lua_pop(L, 1);
        }
    } else {
        add_value(L, c, name);
    }
}

struct filter *sc_filter(lua_State *L, int index, enum rs_probe probe)
{
    if (lua_isnoneornil(L, index))
        return NULL;
    struct filter *f = lua_newuserdatauv(L, sizeof *f, 0);
    memset(f, 0, sizeof *f);
    f->function = LUA_NOREF;
    f->self = luaL_ref(L, LUA_REGISTRYINDEX);
    if (lua_isfunction(L, index)) {
        lua_pushvalue(L, index);
        f->function = luaL_ref(L, LUA_REGISTRYINDEX);
        return f;
    }
    if (!lua_istable(L, index))
        luaL_error(L, "a filter is a table of field = value, or a function, not %s", luaL_typename(L, index));
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        read_condition(L, f, probe);
    return f;
}

void sc_filter_free(lua_State *L, struct filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->conditions; i++)
        luaL_unref(L, LUA_REGISTRYINDEX, f->condition[i].function);
    luaL_unref(L, LUA_REGISTRYINDEX, f->function);
    luaL_unref(L, LUA_REGISTRYINDEX, f->self);
}

/* 1 yes, 0 no, -1: a function must be asked. */
static int quick_match(lua_State *L, const struct condition *c, const struct rs_event *e)
{
    struct scenario_vm vm;
    const char *name = NULL;
    if (c->common && !is_there(e, (enum common)c->field))
        return 0;
    if (c->function != LUA_NOREF)
        return -1;
    if (c->common && c->field == MACHINE)
        name = rs_machine_name(e->machine);
    else if (c->common && c->field == VM)
        name = scenario_vm_at(sc_of(L), e->machine, e->vmcs, &vm) ? vm.name : "";
    uint64_t value =
        c->common ? common_value(e, (enum common)c->field) : rs_number(c->format, e->field[c->field]);
    for (size_t i = 0; i < c->values; i++)
        if (name ? strcmp(name, c->name[i]) == 0 : value == c->value[i])
            return 1;
    return 0;
}

static bool ask_function(lua_State *L, const struct condition *c, const struct rs_event *e)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->function);
    if (c->common)
        push_common(L, e, (enum common)c->field);
    else
        push_value(L, c->format, e->field[c->field]);
    lua_call(L, 1, 1);
    bool yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

/* Whether any Lua must run to decide: 1 match, 0 none, -1 ask sc_filter_match. */
int sc_filter_quick(lua_State *L, const struct filter *f, const struct rs_event *e)
{
    int result = f && f->function != LUA_NOREF ? -1 : 1;
    for (size_t i = 0; f && i < f->conditions; i++) {
        int one = quick_match(L, &f->condition[i], e);
        if (one == 0)
            return 0;
        if (one < 0)
            result = -1;
    }
    return result;
}

bool sc_filter_match(lua_State *L, const struct filter *f, const struct rs_event *e)
{
    int quick = sc_filter_quick(L, f, e);
    if (quick >= 0 || !f)
        return quick != 0;
    for (size_t i = 0; i < f->conditions; i++)
        if (f->condition[i].function != LUA_NOREF && !ask_function(L, &f->condition[i], e))
            return false;
    if (f->function == LUA_NOREF)
        return true;
    lua_rawgeti(L, LUA_REGISTRYINDEX, f->function);
    sc_push_event(L, e);
    lua_call(L, 1, 1);
    bool yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

/* ------------------------------------------------------------------ handlers */

void sc_in_handler(struct scenario *s, lua_CFunction fn, void *arg)
{
    lua_State *L = s->handlers;
    uint64_t spent = s->spent;
    if (s->handler_error != LUA_NOREF)
        return; /* the movement is ending by an error */
    sc_budget_handler(s);
    s->in_handler++;
    lua_pushcfunction(L, sc_place_error);
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, arg);
    if (lua_pcall(L, 1, 0, -3) != LUA_OK) {
        s->handler_error = luaL_ref(L, LUA_REGISTRYINDEX);
        rs_stop_here(s->world);
    }
    lua_pop(L, 1);
    s->in_handler--;
    s->spent = spent;
}

/* A handler that on() has set; memory of a Lua userdata, kept alive by the registry while it is on. */
struct handler {
    bool on;
    int id; /* of rs_watch */
    int self, function;
    struct filter *filter;
    struct host *host;
    struct scenario *s;
};

#define HANDLER "handler"

struct handler_call {
    struct handler *handler;
    const struct rs_event *event;
};

static int run_handler(lua_State *L)
{
    const struct handler_call *call = lua_touserdata(L, 1);
    const struct handler *h = call->handler;
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->self); /* both stay alive even if the script calls off() now */
    if (h->filter)
        lua_rawgeti(L, LUA_REGISTRYINDEX, h->filter->self);
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->function);
    if (!sc_filter_match(L, h->filter, call->event))
        return 0;
    sc_push_event(L, call->event);
    lua_call(L, 1, 0);
    return 0;
}

static void on_event(const struct rs_event *event, void *arg)
{
    struct handler *h = arg;
    struct handler_call call = {h, event};
    if (event->machine == h->host->m && h->on && sc_filter_quick(h->s->handlers, h->filter, event) != 0)
        sc_in_handler(h->s, run_handler, &call);
}

/* host:on(EVENT [, FILTER], FN) */
static int on(lua_State *L)
{
    struct scenario *s = sc_of(L);
    struct host *host = sc_host(L, 1);
    enum rs_probe probe = sc_probe(L, 2);
    int fn = lua_isnoneornil(L, 4) && lua_isfunction(L, 3) ? 3 : 4;
    if (!lua_isfunction(L, fn))
        return luaL_error(L, "on: a function is wanted to call at each %s", rs_probe_info[probe].name);
    if (s->watches >= WATCHES_MAX)
        return luaL_error(L, "on: %d handlers are set already; take some off with h:off()", WATCHES_MAX);
    struct filter *filter = fn == 4 ? sc_filter(L, 3, probe) : NULL;
    struct handler *h = lua_newuserdatauv(L, sizeof *h, 0);
    *h = (struct handler){.on = true, .filter = filter, .host = host, .s = s};
    luaL_setmetatable(L, HANDLER);
    lua_pushvalue(L, -1);
    h->self = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, fn);
    h->function = luaL_ref(L, LUA_REGISTRYINDEX);
    h->id = rs_watch_script(s->world, probe, on_event, h);
    if (h->id == 0)
        return luaL_error(L, "on: too many handlers are set; take some off with h:off()");
    s->watches++;
    return 1;
}

const luaL_Reg sc_event_methods[] = {{"on", on}, {NULL, NULL}};

static int off(lua_State *L)
{
    struct handler *h = luaL_testudata(L, 1, HANDLER);
    if (!h)
        return luaL_error(L, "off: a handler is wanted: h = host:on(...), then h:off()");
    if (!h->on)
        return luaL_error(L, "off: this handler is off already");
    h->on = false;
    rs_unwatch(h->s->world, h->id);
    h->s->watches--;
    sc_filter_free(L, h->filter);
    luaL_unref(L, LUA_REGISTRYINDEX, h->function);
    luaL_unref(L, LUA_REGISTRYINDEX, h->self);
    return 0;
}

static int handler_member(lua_State *L)
{
    static const char *const names[] = {"off", NULL};
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "off") != 0)
        return sc_unknown(L, "handler method", key, sc_list_at, names);
    lua_pushcfunction(L, off);
    return 1;
}

void sc_open_event(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", handler_member}, {NULL, NULL}};
    sc_new_type(L, HANDLER, meta);
    lua_register(L, "event_text", event_text);
}
