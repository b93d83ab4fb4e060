/* walk.c - a page walk as a Lua table. */
#include "binding.h"

#include <string.h>

static const char *const access_name[] = {"read", "write", "fetch"};
static const char *const stage_name[] = {"guest", "nested", "root", "context", "second"};
static const char *const hit_name[RS_HITS] = {"l1", "l2", "mem", "core"};
static const char *const skip_name[] = {"pwc", "npwc", "ntlb", "context cache", "iotlb"};

static void set_u64(lua_State *L, const char *key, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, key);
}

static void set_text(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, key);
}

static void push_ref(lua_State *L, const struct rs_walk_ref *ref)
{
    lua_createtable(L, 0, 16);
    set_u64(L, "n", ref->n);
    set_text(L, "stage", stage_name[ref->stage]);
    set_u64(L, "level", ref->level);
    set_u64(L, "row", ref->row);
    set_u64(L, "col", ref->col);
    set_u64(L, "gpa", ref->gpa);
    set_u64(L, "hpa", ref->hpa);
    set_u64(L, "entry", ref->entry);
    set_u64(L, "before", ref->before);
    set_u64(L, "cycles", ref->cycles);
    set_text(L, "from", hit_name[ref->from]);
    set_u64(L, "base_ref", ref->base_ref);
    set_u64(L, "index", ref->index);
    set_flag(L, "leaf", ref->leaf);
}

static void push_skip(lua_State *L, const struct rs_walk_skip *skip)
{
    lua_createtable(L, 0, 3);
    set_u64(L, "row", skip->row);
    set_u64(L, "col", skip->col);
    set_text(L, "by", skip_name[skip->by]);
}

/* Puts a copy of the table on the top into grid[row][col]; the grid is at index `grid`. */
static void put_cell(lua_State *L, int grid, unsigned row, unsigned col)
{
    if (lua_rawgeti(L, grid, row) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, grid, row);
    }
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, col);
    lua_pop(L, 1);
}

static void set_cells(lua_State *L, const struct rs_walk *walk)
{
    int top = lua_gettop(L);
    lua_createtable(L, walk->ref_count, 0);
    lua_createtable(L, walk->skip_count, 0);
    lua_createtable(L, walk->rows, 0);
    for (unsigned row = 1; row <= walk->rows; row++) {
        lua_newtable(L);
        lua_rawseti(L, top + 3, row);
    }
    for (unsigned i = 0; i < walk->ref_count; i++) {
        push_ref(L, &walk->ref[i]);
        put_cell(L, top + 3, walk->ref[i].row, walk->ref[i].col);
        lua_rawseti(L, top + 1, i + 1);
    }
    for (unsigned i = 0; i < walk->skip_count; i++) {
        push_skip(L, &walk->skip[i]);
        put_cell(L, top + 3, walk->skip[i].row, walk->skip[i].col);
        lua_rawseti(L, top + 2, i + 1);
    }
    lua_setfield(L, top, "grid");
    lua_setfield(L, top, "skipped");
    lua_setfield(L, top, "refs");
}

static void set_outcome(lua_State *L, const struct rs_walk *walk)
{
    static const char *const owners[] = {NULL,         "guest",      "hypervisor", "hypervisor", "guest",
                                         "hypervisor", "hypervisor", "guest",      "hypervisor"};
    static const char *const faults[] = {NULL,         "#PF",         "EPT violation", "EPT misconfiguration",
                                         "#GP",        "APIC access", "log full",      "#VE",
                                         "IOMMU fault"};
    if (walk->owner == RS_NO_FAULT) {
        set_text(L, "fault", NULL); /* nil, also where the event's own field says false */
        set_u64(L, "hpa", walk->hpa);
        set_u64(L, "page_bytes", walk->page_bytes);
        return;
    }
    set_text(L, "fault", walk->fault_text ? walk->fault_text : faults[walk->owner]);
    set_text(L, "fault_kind", faults[walk->owner]);
    set_text(L, "owner", owners[walk->owner]);
    set_u64(L, "error", walk->error);
    set_u64(L, "qualification", walk->qualification);
    if (walk->owner == RS_IOMMU_FAULT)
        set_u64(L, "reason", walk->reason);
}

/* Of a core's walk, and of the IOMMU's. */
static void set_core(lua_State *L, const struct rs_walk *walk)
{
    set_u64(L, "gva", walk->gva);
    set_text(L, "gpa", NULL); /* nil, also where the event's own field says 0 */
    if (walk->gpa_known)
        set_u64(L, "gpa", walk->gpa);
    set_flag(L, "user", walk->user);
    set_flag(L, "nested", walk->nested);
    set_flag(L, "paging", walk->paging);
    set_text(L, "mode", walk->guest ? "non-root" : "root");
    set_u64(L, "cr3", walk->cr3);
    set_u64(L, "eptp", walk->eptp);
    set_u64(L, "vpid", walk->vpid);
    set_u64(L, "pcid", walk->pcid);
    set_u64(L, "rip", walk->rip);
}

static void set_device(lua_State *L, const struct rs_walk *walk)
{
    set_u64(L, "address", walk->gva);
    set_u64(L, "device", walk->requester);
    set_text(L, "domain", NULL);
    if (walk->domain_known)
        set_u64(L, "domain", walk->domain);
}

void sc_set_walk(lua_State *L, const struct rs_walk *walk)
{
    luaL_checkstack(L, 12, "walk");
    if (walk->device)
        set_device(L, walk);
    else
        set_core(L, walk);
    set_text(L, "access", access_name[walk->access]);
    set_u64(L, "rows", walk->rows);
    set_u64(L, "cols", walk->cols);
    set_u64(L, "cycles", walk->cycles);
    set_cells(L, walk);
    lua_createtable(L, walk->rows, 0);
    for (unsigned row = 1; row <= walk->rows && row <= RS_WALK_ROWS; row++) {
        lua_pushinteger(L, (lua_Integer)walk->row_gpa[row]);
        lua_rawseti(L, -2, row);
    }
    lua_setfield(L, -2, "row_gpa");
    set_outcome(L, walk);
}

void sc_push_walk(lua_State *L, const struct rs_walk *walk)
{
    lua_newtable(L);
    sc_set_walk(L, walk);
}

/* The fields `access` (read, write, fetch) and `caches` of the options at index 3; true if there are any. */
static bool read_options(lua_State *L, const char *const *keys, const char *what, enum rs_access *access,
                         bool *caches)
{
    static const char *const accesses[] = {"read", "write", "fetch", NULL};
    *access = RS_READ;
    *caches = false;
    if (lua_isnoneornil(L, 3))
        return false;
    luaL_argcheck(L, lua_istable(L, 3), 3, "options are a table: { access = \"write\" }");
    sc_keys(L, 3, what, keys);
    const char *name = sc_text_field(L, 3, "access", "access");
    unsigned i = 0;
    while (name && i < 3 && strcmp(name, accesses[i]) != 0)
        i++;
    if (i == 3)
        sc_unknown(L, "access", name, sc_list_at, accesses);
    *access = (enum rs_access)i;
    int type = sc_raw_field(L, 3, "caches");
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        luaL_error(L, "caches must be true or false");
    *caches = lua_toboolean(L, -1);
    return true;
}

int sc_translate(lua_State *L)
{
    static const char *const keys[] = {"access", "caches", "core", NULL};
    struct host *h = sc_booted(L, 1);
    uint64_t va = sc_address(L, 2, "the address");
    struct rs_walk walk = {.valid = false};
    enum rs_access access;
    uint32_t core = 0;
    bool caches;
    if (read_options(L, keys, "option of translate", &access, &caches))
        core = sc_core_field(L, 3, h);
    rs_translate(h->m, core, va, access, caches, &walk);
    sc_push_walk(L, &walk);
    return 1;
}

/* translate_device(ADDRESS, { device =, access =, caches = }): nil if the IOMMU does not translate. */
int sc_translate_device(lua_State *L)
{
    static const char *const keys[] = {"device", "access", "caches", NULL};
    struct host *h = sc_booted(L, 1);
    uint64_t address = sc_address(L, 2, "the address"), device = 0;
    struct rs_walk walk = {.valid = false};
    enum rs_access access;
    bool caches;
    if (read_options(L, keys, "option of translate_device", &access, &caches) &&
        sc_raw_field(L, 3, "device") != LUA_TNIL)
        device = (uint64_t)luaL_checkinteger(L, -1);
    if (device > 0xffff || access == RS_FETCH)
        return luaL_error(L, device > 0xffff ? "device is a requester ID: 8 times its slot on bus 0"
                                             : "a device reads or writes");
    if (rs_translate_device(h->m, (uint16_t)device, address, access == RS_WRITE, caches, &walk) != RS_OK) {
        lua_pushnil(L);
        return 1;
    }
    sc_push_walk(L, &walk);
    return 1;
}
