/* core.c - host.core[i]: registers, mode, the current VMCS. */
#include <stdio.h>
#include <string.h>

#include "binding.h"

#define CORE "core"
#define VMCS "vmcs"

struct core_handle {
    struct host *host;
    uint32_t id;
};

static const char *const attributes[] = {
    "regs", "mode", "vmcs", "eptp", "vm", "cpl", "cycles", "insns", "activity", "feature_control", NULL};
static const char *const others[] = {"rip", "rflags", "cr0", "cr2", "cr3", "cr4", "efer", "cs",  "ss",  "ds",
                                     "es",  "fs",     "gs",  "dr0", "dr1", "dr2", "dr3",  "dr6", "dr7", NULL};

static rs_machine *machine_of(lua_State *L, const struct core_handle *c)
{
    if (!sc_host_of(sc_of(L), c->host->m))
        luaL_error(L, "this machine is no longer part of the world");
    return c->host->m;
}

static const char *register_at(size_t i)
{
    if (i < 16)
        return rs_gpr_name[i];
    return i - 16 < sizeof others / sizeof *others - 1 ? others[i - 16] : NULL;
}

static const char *member_at(size_t i, const void *arg)
{
    size_t n = sizeof attributes / sizeof *attributes - 1;
    (void)arg;
    return i < n ? attributes[i] : register_at(i - n);
}

static int unknown_register(lua_State *L)
{
    return sc_unknown(L, "register", luaL_checkstring(L, 2), member_at, NULL);
}

static void push_registers(lua_State *L, const rs_machine *m, uint32_t core)
{
    const char *name;
    uint64_t value;
    lua_newtable(L);
    for (size_t i = 0; (name = register_at(i)); i++) {
        if (rs_reg(m, core, name, &value) != RS_OK)
            continue;
        lua_pushinteger(L, (lua_Integer)value);
        lua_setfield(L, -2, name);
    }
    lua_newtable(L);
    lua_pushcfunction(L, unknown_register);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

static void push_handle(lua_State *L, const char *type, struct host *h, uint32_t id)
{
    struct core_handle *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (struct core_handle){h, id};
    luaL_setmetatable(L, type);
}

static void push_vm(lua_State *L, const rs_machine *m, uint32_t core)
{
    struct scenario_vm vm;
    if (rs_guest_mode(m, core) && scenario_vm_at(sc_of(L), m, rs_current_vmcs(m, core), &vm))
        lua_pushstring(L, vm.name);
    else
        lua_pushnil(L);
}

/* nil in root mode. */
static void push_eptp(lua_State *L, const rs_machine *m, uint32_t core)
{
    uint64_t eptp;
    if (rs_guest_mode(m, core) && rs_vmcs_get(m, rs_current_vmcs(m, core), "eptp", &eptp) == RS_OK)
        lua_pushinteger(L, (lua_Integer)eptp);
    else
        lua_pushnil(L);
}

/* In the order of the VMCS's activity states (SDM vol. 3, 24.4.2). */
static void push_activity(lua_State *L, const rs_machine *m, uint32_t core)
{
    static const char *const name[] = {"active", "halted", "shutdown", "waits for SIPI"};
    uint64_t activity = 0;
    rs_state_get(m, core, "activity", 0, &activity);
    lua_pushstring(L, activity < sizeof name / sizeof *name ? name[activity] : "?");
}

static void push_feature_control(lua_State *L, const rs_machine *m, uint32_t core)
{
    uint64_t value = 0;
    rs_state_get(m, core, "feature_control", 0, &value);
    lua_pushinteger(L, (lua_Integer)value);
}

static bool push_attribute(lua_State *L, const struct core_handle *c, const char *key)
{
    const rs_machine *m = c->host->m;
    if (strcmp(key, "regs") == 0)
        push_registers(L, m, c->id);
    else if (strcmp(key, "mode") == 0)
        lua_pushstring(L, rs_guest_mode(m, c->id) ? "non-root" : "root");
    else if (strcmp(key, "vmcs") == 0)
        push_handle(L, VMCS, c->host, c->id);
    else if (strcmp(key, "eptp") == 0)
        push_eptp(L, m, c->id);
    else if (strcmp(key, "vm") == 0)
        push_vm(L, m, c->id);
    else if (strcmp(key, "activity") == 0)
        push_activity(L, m, c->id);
    else if (strcmp(key, "feature_control") == 0)
        push_feature_control(L, m, c->id);
    else if (strcmp(key, "cpl") == 0)
        lua_pushinteger(L, rs_cpl(m, c->id));
    else if (strcmp(key, "cycles") == 0)
        lua_pushinteger(L, (lua_Integer)rs_cycles(m, c->id));
    else if (strcmp(key, "insns") == 0)
        lua_pushinteger(L, (lua_Integer)rs_insns(m, c->id));
    else
        return false;
    return true;
}

static int core_member(lua_State *L)
{
    const struct core_handle *c = luaL_checkudata(L, 1, CORE);
    const char *key = luaL_checkstring(L, 2);
    uint64_t value;
    rs_machine *m = machine_of(L, c);
    if (push_attribute(L, c, key))
        return 1;
    if (rs_reg(m, c->id, key, &value) != RS_OK)
        return sc_unknown(L, "register", key, member_at, NULL);
    lua_pushinteger(L, (lua_Integer)value);
    return 1;
}

static const char *vmcs_at(size_t i, const void *arg)
{
    (void)arg;
    return i < rs_vmcs_count() ? rs_vmcs_info(i)->name : NULL;
}

static int vmcs_member(lua_State *L)
{
    const struct core_handle *c = luaL_checkudata(L, 1, VMCS);
    const char *key = luaL_checkstring(L, 2);
    rs_machine *m = machine_of(L, c);
    uint64_t hpa = rs_current_vmcs(m, c->id), value;
    size_t i = 0;
    while (i < rs_vmcs_count() && strcmp(rs_vmcs_info(i)->name, key) != 0)
        i++;
    if (i == rs_vmcs_count())
        return sc_unknown(L, "VMCS field", key, vmcs_at, NULL);
    if (hpa == UINT64_MAX || rs_vmcs_get(m, hpa, key, &value) != RS_OK)
        return luaL_error(L, "core %d has no current VMCS: the hypervisor has made none current by VMPTRLD",
                          (int)c->id + 1);
    lua_pushinteger(L, (lua_Integer)value);
    return 1;
}

static int no_such_core(lua_State *L)
{
    return luaL_error(L, "cores are numbered 1 to %d", (int)lua_rawlen(L, 1));
}

static int read_only(lua_State *L)
{
    return luaL_error(
        L, "registers and VMCS fields cannot be assigned: the machine changes by running and by inputs");
}

void sc_push_core_list(lua_State *L, struct host *h)
{
    lua_newtable(L);
    for (uint32_t i = 0; i < rs_cores(h->m); i++) {
        push_handle(L, CORE, h, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_newtable(L);
    lua_pushcfunction(L, no_such_core);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void sc_open_core(lua_State *L)
{
    static const luaL_Reg core_meta[] = {{"__index", core_member}, {"__newindex", read_only}, {NULL, NULL}};
    static const luaL_Reg vmcs_meta[] = {{"__index", vmcs_member}, {"__newindex", read_only}, {NULL, NULL}};
    sc_new_type(L, CORE, core_meta);
    sc_new_type(L, VMCS, vmcs_meta);
}
