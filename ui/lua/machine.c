/* machine.c - machine{ ... } and the machine's attributes. */
#include "binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE         "machine"
#define SETTINGS_MAX 64

/* ------------------------------------------------------------------ handles */

void sc_new_type(lua_State *L, const char *type, const luaL_Reg *meta)
{
    luaL_newmetatable(L, type);
    luaL_setfuncs(L, meta, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

static bool is_alive(const struct scenario *s, const rs_machine *m)
{
    const rs_machine *other;
    for (size_t i = 0; (other = rs_world_machine(s->world, i)); i++)
        if (other == m)
            return true;
    return false;
}

struct host *sc_host(lua_State *L, int index)
{
    struct host **h = luaL_testudata(L, index, TYPE);
    if (!h) {
        luaL_error(L, "a machine is wanted here, not %s: write host:method(...), with a colon",
                   luaL_typename(L, index));
        return NULL;
    }
    if (!is_alive(sc_of(L), (*h)->m))
        luaL_error(L, "this machine is no longer part of the world");
    return *h;
}

struct host *sc_booted(lua_State *L, int index)
{
    struct host *h = sc_host(L, index);
    if (!h->booted)
        luaL_error(L, "machine %s has not been booted: call host:boot(IMAGE) first", rs_machine_name(h->m));
    return h;
}

struct host *sc_host_of(struct scenario *s, const rs_machine *m)
{
    for (size_t i = 0; i < s->hosts; i++)
        if (s->host[i]->m == m)
            return s->host[i];
    return NULL;
}

void sc_forget_boot(struct host *h)
{
    for (size_t i = 0; i < h->guests; i++)
        rs_symbols_free(h->guest[i].symbols);
    h->guests = 0;
    h->booted = false;
    h->boot = 0;
    h->image[0] = h->path[0] = h->entry[0] = h->registers[0] = '\0';
    h->seen[0] = h->seen[1] = 0;
}

void sc_push_host(lua_State *L, struct host *h)
{
    struct host **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = h;
    luaL_setmetatable(L, TYPE);
}

/* ------------------------------------------------------------------ machine{ ... } */

struct setting {
    const char *name;
    uint64_t value;
};

/* What machine{} says, checked and converted. */
struct plan {
    struct rs_config config;
    struct rs_device device[SC_DEVICES_MAX];
    const char *timing;
    struct setting setting[SETTINGS_MAX];
    size_t settings;
};

static const char *const own_keys[] = {"name", "cores", "ram", "timing", "firmware", "devices"};
#define OWN_KEYS (sizeof own_keys / sizeof *own_keys)

static const char *key_at(size_t i, const void *arg)
{
    (void)arg;
    if (i < OWN_KEYS)
        return own_keys[i];
    return i - OWN_KEYS < rs_param_count() ? rs_param_info(i - OWN_KEYS)->name : NULL;
}

static const char *preset_at(size_t i, const void *arg)
{
    (void)arg;
    return rs_preset_name(i);
}

static void plan_name(lua_State *L, int value, struct plan *plan)
{
    const char *name = lua_type(L, value) == LUA_TSTRING ? lua_tostring(L, value) : "";
    size_t n = strlen(name);
    if (n == 0 || n >= RS_NAME_MAX || strpbrk(name, ": \t\n"))
        luaL_error(L, "name must be a text of 1 to %d characters without spaces and colons", RS_NAME_MAX - 1);
    snprintf(plan->config.name, sizeof plan->config.name, "%s", name);
}

static void plan_firmware(lua_State *L, int value, struct plan *plan)
{
    static const char *const names[] = {"vtx", "xd", "ept", "vtd", "lock", NULL};
    if (!lua_istable(L, value))
        luaL_error(L, "firmware must be a table such as { vtx = true, ept = false }");
    sc_keys(L, value, "firmware setting", names);
    for (unsigned i = 0; names[i]; i++) {
        int type = sc_raw_field(L, value, names[i]);
        uint64_t bit = (uint64_t)1 << i;
        if (type != LUA_TNIL && type != LUA_TBOOLEAN)
            luaL_error(L, "firmware setting %s must be true or false", names[i]);
        if (type != LUA_TNIL)
            plan->config.firmware = (plan->config.firmware & ~bit) | (lua_toboolean(L, -1) ? bit : 0);
        lua_pop(L, 1);
    }
}

static void plan_timing(lua_State *L, int value, struct plan *plan)
{
    const char *preset, *name = lua_type(L, value) == LUA_TSTRING ? lua_tostring(L, value) : "";
    for (size_t i = 0; (preset = rs_preset_name(i)); i++)
        if (strcmp(preset, name) == 0)
            plan->timing = preset;
    if (!plan->timing)
        sc_unknown(L, "timing preset", luaL_tolstring(L, value, NULL), preset_at, NULL);
}

static void plan_param(lua_State *L, int value, const char *key, struct plan *plan)
{
    for (size_t i = 0; i < rs_param_count(); i++) {
        const struct rs_param_info *info = rs_param_info(i);
        if (strcmp(info->name, key) != 0)
            continue;
        if (plan->settings == SETTINGS_MAX)
            luaL_error(L, "machine: more than %d parameters", SETTINGS_MAX);
        bool flag = lua_isboolean(L, value), on_off = strcmp(info->unit, "on/off") == 0;
        if (on_off && lua_type(L, value) == LUA_TSTRING)
            luaL_error(L, "%s must be true or false, not \"%s\"", key, lua_tostring(L, value));
        if (flag && !on_off)
            luaL_error(L, "%s is counted in %s, so it cannot be %s", key, info->unit,
                       luaL_tolstring(L, value, NULL));
        uint64_t n = flag ? (uint64_t)lua_toboolean(L, value) : sc_size(L, value, key);
        plan->setting[plan->settings++] = (struct setting){info->name, n};
        return;
    }
    sc_unknown(L, "machine setting", key, key_at, NULL);
}

static void plan_key(lua_State *L, int value, const char *key, struct plan *plan)
{
    if (strcmp(key, "name") == 0)
        plan_name(L, value, plan);
    else if (strcmp(key, "cores") == 0)
        plan->config.cores = sc_number(L, value, key, 1, RS_CORES_MAX);
    else if (strcmp(key, "ram") == 0)
        plan->config.ram_bytes = sc_size(L, value, key);
    else if (strcmp(key, "timing") == 0)
        plan_timing(L, value, plan);
    else if (strcmp(key, "firmware") == 0)
        plan_firmware(L, value, plan);
    else if (strcmp(key, "devices") == 0)
        plan->config.device_count = sc_devices(L, value, plan->device);
    else
        plan_param(L, value, key, plan);
}

static void read_plan(lua_State *L, struct plan *plan)
{
    struct scenario *s = sc_of(L);
    rs_config_init(&plan->config);
    plan->config.device = plan->device;
    snprintf(plan->config.name, sizeof plan->config.name, "%c", (char)('A' + s->hosts));
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "machine settings are given by name: machine { ram = \"64M\" }");
        plan_key(L, lua_absindex(L, -1), lua_tostring(L, -2), plan);
    }
}

/* The preset first, single values over it. */
static enum rs_status apply(const struct plan *plan, const char *preset, struct rs_params *params,
                            struct rs_error *err)
{
    enum rs_status status = preset ? rs_params_preset(params, preset, err) : RS_OK;
    for (size_t i = 0; i < plan->settings && status == RS_OK; i++)
        status = rs_params_set(params, plan->setting[i].name, plan->setting[i].value, err);
    return status;
}

static rs_machine *make(struct scenario *s, struct plan *plan, struct rs_error *err)
{
    rs_machine *m = NULL;
    plan->config.params = rs_params_new();
    if (apply(plan, plan->timing ? plan->timing : s->options.timing, plan->config.params, err) == RS_OK)
        m = rs_machine_new(s->world, &plan->config, err);
    rs_params_free(plan->config.params);
    return m;
}

static int new_machine(lua_State *L)
{
    struct scenario *s = sc_of(L);
    struct plan plan = {.settings = 0};
    struct rs_error err;
    struct rs_position at;
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_argcheck(L, lua_istable(L, 1), 1, "a table of settings is wanted: machine { name = \"A\" }");
    sc_may_move(L, "machine");
    if (s->hosts == HOSTS_MAX)
        return luaL_error(L, "a world has %d machines at most", HOSTS_MAX);
    read_plan(L, &plan);
    rs_machine *m = make(s, &plan, &err);
    struct host *h = m ? calloc(1, sizeof *h) : NULL;
    if (!h)
        return m ? luaL_error(L, "no memory for the machine") : sc_error(L, &err);
    h->m = m;
    s->host[s->hosts++] = h;
    if (s->options.at && s->hosts == 1 && rs_position_parse(m, s->options.at, &at, &err) != RS_OK)
        return luaL_error(L, "--at: %s", err.text);
    sc_push_host(L, h);
    return 1;
}

/* ------------------------------------------------------------------ methods and attributes */

static int read_bytes(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    uint64_t hpa = sc_address(L, 2, "the address"), n = sc_size(L, 3, "the number of bytes"),
             ram = rs_ram_bytes(h->m);
    if (n > ram || hpa > ram - n)
        return luaL_error(L, "%I bytes at address %I lie outside RAM (%I bytes)", (LUAI_UACINT)n,
                          (LUAI_UACINT)hpa, (LUAI_UACINT)ram);
    luaL_Buffer b;
    char *bytes = luaL_buffinitsize(L, &b, n);
    if (rs_read(h->m, hpa, bytes, n) != RS_OK)
        return luaL_error(L, "this address is not RAM");
    luaL_pushresultsize(&b, n);
    return 1;
}

static int read_u64(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    uint64_t hpa = sc_address(L, 2, "the address");
    unsigned char b[8];
    if (rs_read(h->m, hpa, b, 8) != RS_OK)
        return luaL_error(L, "8 bytes at that address lie outside RAM (%I bytes)",
                          (LUAI_UACINT)rs_ram_bytes(h->m));
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | b[i];
    lua_pushinteger(L, (lua_Integer)value);
    return 1;
}

static int write_bytes(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    uint64_t hpa = sc_address(L, 2, "the address");
    struct rs_error err;
    size_t n;
    luaL_argcheck(L, lua_type(L, 3) == LUA_TSTRING, 3,
                  "the bytes are wanted as a text: string.pack(\"<I8\", value)");
    const char *bytes = lua_tolstring(L, 3, &n);
    if (rs_input_poke(h->m, hpa, bytes, n, &err) != RS_OK)
        return sc_error(L, &err);
    sc_input_made(L, h->m);
    return 0;
}

/* Of one core, by its number from 1, or of all together. */
static int push_stats(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    lua_Integer number = luaL_optinteger(L, 2, 0), cores = (lua_Integer)rs_cores(h->m);
    if (!lua_isnoneornil(L, 2) && (number < 1 || number > cores))
        return luaL_error(L, "machine %s has cores 1 to %d", rs_machine_name(h->m), (int)cores);
    uint32_t first = number ? (uint32_t)number - 1 : 0, last = number ? first + 1 : (uint32_t)cores;
    lua_newtable(L);
    for (size_t i = 0; i < rs_counter_count(); i++) {
        uint64_t sum = 0;
        for (uint32_t core = first; core < last; core++)
            sum += rs_counter(h->m, core, i);
        lua_pushinteger(L, (lua_Integer)sum);
        lua_setfield(L, -2, rs_counter_info(i)->name);
    }
    lua_pushinteger(L, (lua_Integer)(number ? rs_cycles(h->m, first) : rs_now(h->m)));
    lua_setfield(L, -2, "cycles");
    return 1;
}

static int push_iommu_stats(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    lua_newtable(L);
    for (size_t i = 0; i < rs_iommu_counter_count(); i++) {
        lua_pushinteger(L, (lua_Integer)rs_iommu_counter(h->m, i));
        lua_setfield(L, -2, rs_iommu_counter_info(i)->name);
    }
    return 1;
}

static uint64_t insns_of_all(const rs_machine *m)
{
    uint64_t sum = 0;
    for (uint32_t core = 0; core < rs_cores(m); core++)
        sum += rs_insns(m, core);
    return sum;
}

static int push_hash(lua_State *L)
{
    sc_host(L, 1);
    const char *kind = luaL_optstring(L, 2, "all");
    if (strcmp(kind, "all") != 0 && strcmp(kind, "arch") != 0)
        return luaL_error(L, "unknown hash '%s'; known: all, arch", kind);
    lua_pushinteger(L, (lua_Integer)rs_hash(sc_of(L)->world, kind[1] == 'l' ? RS_HASH_ALL : RS_HASH_ARCH));
    return 1;
}

static int push_console(lua_State *L)
{
    size_t n;
    const uint8_t *bytes = rs_console(sc_host(L, 1)->m, 0, &n);
    lua_pushlstring(L, (const char *)bytes, n);
    return 1;
}

static int input_result(lua_State *L, struct host *h, enum rs_status status, const struct rs_error *err)
{
    if (status != RS_OK)
        return sc_error(L, err);
    sc_input_made(L, h->m);
    return 0;
}

static int send_text(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    struct rs_error err;
    size_t n;
    const char *text = luaL_checklstring(L, 2, &n);
    return input_result(L, h, rs_input_console(h->m, 0, text, n, &err), &err);
}

static int press_key(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    struct rs_error err;
    return input_result(L, h, rs_input_key(h->m, luaL_checkstring(L, 2), &err), &err);
}

static int type_text(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    struct rs_error err;
    size_t n;
    const char *text = luaL_checklstring(L, 2, &n);
    return input_result(L, h, rs_input_type(h->m, text, n, &err), &err);
}

/* A row without the blanks at its end; what is not ASCII is a question mark. */
static void push_row(lua_State *L, const uint16_t cell[80])
{
    char text[80];
    size_t n = 0;
    for (size_t i = 0; i < sizeof text; i++) {
        unsigned character = cell[i] & 0xff;
        text[i] = (char)(character >= ' ' && character < 0x7f ? character : character ? '?' : ' ');
        if (text[i] != ' ')
            n = i + 1;
    }
    lua_pushlstring(L, text, n);
}

/* Its rows; row and column of the cursor, from 1, if it is to be seen. */
static int push_screen(lua_State *L)
{
    struct rs_text_screen screen;
    rs_text_screen(sc_host(L, 1)->m, &screen);
    lua_createtable(L, 25, 2);
    for (int row = 0; row < 25; row++) {
        push_row(L, screen.cell[row]);
        lua_rawseti(L, -2, row + 1);
    }
    if (screen.cursor) {
        lua_pushinteger(L, screen.row + 1);
        lua_setfield(L, -2, "row");
        lua_pushinteger(L, screen.column + 1);
        lua_setfield(L, -2, "column");
    }
    return 1;
}

static int reset(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    sc_may_move(L, "reset");
    if (!h->boot)
        return luaL_error(L,
                          "reset: the image is not known, since the machine was not booted before its state "
                          "was loaded from a file");
    rs_reset(h->m);
    return 0;
}

/* host:power_cycle([SETTINGS]): timing, parameters and firmware settings may change while it is off; what it
 * is made of may not. */
static void read_new_settings(lua_State *L, struct plan *plan)
{
    luaL_argcheck(L, lua_istable(L, 2), 2, "settings are a table: { walk_caches = true }");
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        for (size_t i = 0; i < OWN_KEYS; i++)
            if (strcmp(key, own_keys[i]) == 0 && strcmp(key, "timing") != 0 && strcmp(key, "firmware") != 0)
                luaL_error(L, "power_cycle: %s was fixed when the machine was made", key);
        plan_key(L, lua_absindex(L, -1), key, plan);
    }
}

static int power_cycle(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    struct plan plan = {.settings = 0};
    struct rs_error err;
    lua_settop(L, 2);
    sc_may_move(L, "power_cycle");
    plan.config.firmware = rs_firmware(h->m);
    if (!lua_isnil(L, 2))
        read_new_settings(L, &plan);
    rs_set_firmware(h->m, plan.config.firmware);
    rs_power_cycle(h->m);
    sc_forget_boot(h);
    struct rs_params *params = rs_params_of(h->m);
    enum rs_status status = apply(&plan, plan.timing, params, &err);
    if (status == RS_OK)
        status = rs_set_params(h->m, params, &err);
    rs_params_free(params);
    return status == RS_OK ? 0 : sc_error(L, &err);
}

static int symbol(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    const char *name = luaL_checkstring(L, 2);
    const struct rs_symbols *symbols = rs_machine_symbols(h->m);
    uint64_t address, size;
    if (!symbols || rs_symbol_address(symbols, name, &address, &size) != RS_OK)
        return h->boot
                   ? luaL_error(L, "image '%s' has no symbol '%s'", h->image, name)
                   : luaL_error(L, "no symbols are known: boot the image before restoring a loaded snapshot");
    lua_pushinteger(L, (lua_Integer)address);
    lua_pushinteger(L, (lua_Integer)size);
    return 2;
}

static const luaL_Reg own_methods[] = {{"boot", sc_boot},
                                       {"read", read_bytes},
                                       {"u64", read_u64},
                                       {"write", write_bytes},
                                       {"stats", push_stats},
                                       {"iommu_stats", push_iommu_stats},
                                       {"hash", push_hash},
                                       {"console", push_console},
                                       {"send", send_text},
                                       {"key", press_key},
                                       {"type", type_text},
                                       {"screen", push_screen},
                                       {"reset", reset},
                                       {"power_cycle", power_cycle},
                                       {"sym", symbol},
                                       {"translate", sc_translate},
                                       {"translate_device", sc_translate_device},
                                       {"vm", sc_vm},
                                       {"nic", sc_nic},
                                       {"disasm", sc_disasm},
                                       {NULL, NULL}};

static const char *const attributes[] = {"name",     "cycles", "insns",  "core", "ram", "hz",
                                         "position", "halted", "status", "next", NULL};

static int push_attribute(lua_State *L, struct host *h, const char *key)
{
    char at[64];
    switch (key[0]) {
    case 'n':
        if (key[1] == 'e' && rs_next_core(h->m) == RS_NO_CORE)
            lua_pushnil(L);
        else if (key[1] == 'e')
            lua_pushinteger(L, (lua_Integer)rs_next_core(h->m) + 1);
        else
            lua_pushstring(L, rs_machine_name(h->m));
        break;
    case 'r': lua_pushinteger(L, (lua_Integer)rs_ram_bytes(h->m)); break;
    case 'i': lua_pushinteger(L, (lua_Integer)insns_of_all(h->m)); break;
    case 'p':
        rs_position_format(h->m, rs_position(h->m), at);
        lua_pushstring(L, at);
        break;
    case 's':
        if (rs_halt_text(h->m) && !rs_awaits(h->m))
            lua_pushinteger(L, rs_halt_status(h->m));
        else
            lua_pushnil(L);
        break;
    case 'h':
        if (key[1] == 'z')
            lua_pushinteger(L, (lua_Integer)rs_param_get(h->m, 0));
        else
            lua_pushstring(L, rs_halt_text(h->m)); /* nil while running */
        break;
    default:
        if (key[1] == 'y')
            lua_pushinteger(L, (lua_Integer)rs_now(h->m));
        else
            sc_push_core_list(L, h);
    }
    return 1;
}

static const luaL_Reg *const method_lists[] = {own_methods,      sc_run_methods,      sc_text_methods,
                                               sc_event_methods, sc_snapshot_methods, sc_disk_methods};

/* Attributes, then methods. */
static const char *member_at(size_t i, const void *arg)
{
    size_t n = sizeof attributes / sizeof *attributes - 1;
    (void)arg;
    if (i < n)
        return attributes[i];
    i -= n;
    for (size_t list = 0; list < sizeof method_lists / sizeof *method_lists; list++)
        for (const luaL_Reg *r = method_lists[list]; r->name; r++)
            if (i-- == 0)
                return r->name;
    return NULL;
}

static int get_member(lua_State *L)
{
    const char *key = luaL_checkstring(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    struct host *h = sc_host(L, 1);
    for (size_t i = 0; attributes[i]; i++)
        if (strcmp(attributes[i], key) == 0)
            return push_attribute(L, h, key);
    return sc_unknown(L, "machine method", key, member_at, NULL);
}

static int set_member(lua_State *L)
{
    return luaL_error(L,
                      "a machine's attributes cannot be assigned; host:write and host:send change the world");
}

static int describe(lua_State *L)
{
    lua_pushfstring(L, "machine %s", rs_machine_name(sc_host(L, 1)->m));
    return 1;
}

void sc_open_machine(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__newindex", set_member}, {"__tostring", describe}, {NULL, NULL}};
    sc_new_type(L, TYPE, meta);
    luaL_getmetatable(L, TYPE);
    lua_newtable(L);
    for (size_t list = 0; list < sizeof method_lists / sizeof *method_lists; list++)
        luaL_setfuncs(L, method_lists[list], 0);
    lua_pushcclosure(L, get_member, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_register(L, "machine", new_machine);
}
