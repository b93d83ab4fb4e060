/* walk.c - a page walk as a Lua table. */
#include "binding.h"

#include <string.h>

static const char *const access_name[] = {"read", "write", "fetch"};
static const char *const stage_name[] = {"guest", "nested"};
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
    static const char *const owners[] = {NULL,    "guest",      "hypervisor", "hypervisor",
                                         "guest", "hypervisor", "hypervisor", "guest"};
    static const char *const faults[] = {NULL,  "#PF",         "EPT violation", "EPT misconfiguration",
                                         "#GP", "APIC access", "log full",      "#VE"};
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
}

void sc_set_walk(lua_State *L, const struct rs_walk *walk)
{
    luaL_checkstack(L, 12, "walk");
    set_u64(L, "gva", walk->gva);
    set_text(L, "gpa", NULL); /* nil, also where the event's own field says 0 */
    if (walk->gpa_known)
        set_u64(L, "gpa", walk->gpa);
    set_text(L, "access", access_name[walk->access]);
    set_flag(L, "user", walk->user);
    set_flag(L, "nested", walk->nested);
    set_flag(L, "paging", walk->paging);
    set_text(L, "mode", walk->guest ? "non-root" : "root");
    set_u64(L, "cr3", walk->cr3);
    set_u64(L, "eptp", walk->eptp);
    set_u64(L, "vpid", walk->vpid);
    set_u64(L, "pcid", walk->pcid);
    set_u64(L, "rip", walk->rip);
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

int sc_translate(lua_State *L)
{
    static const char *const keys[] = {"access", "caches", "core", NULL};
    static const char *const accesses[] = {"read", "write", "fetch", NULL};
    struct host *h = sc_booted(L, 1);
    uint64_t va = sc_address(L, 2, "the address");
    struct rs_walk walk = {.valid = false};
    unsigned access = RS_READ;
    uint32_t core = 0;
    bool caches = false;
    if (!lua_isnoneornil(L, 3)) {
        luaL_argcheck(L, lua_istable(L, 3), 3, "options are a table: { access = \"write\" }");
        sc_keys(L, 3, "option of translate", keys);
        const char *name = sc_text_field(L, 3, "access", "access");
        for (access = 0; name && access < 3 && strcmp(name, accesses[access]) != 0; access++)
            ;
        if (name && access == 3)
            return sc_unknown(L, "access", name, sc_list_at, accesses);
        access = name ? access : RS_READ;
        int type = sc_raw_field(L, 3, "caches");
        if (type != LUA_TNIL && type != LUA_TBOOLEAN)
            return luaL_error(L, "caches must be true or false");
        caches = lua_toboolean(L, -1);
        core = sc_core_field(L, 3, h);
    }
    rs_translate(h->m, core, va, (enum rs_access)access, caches, &walk);
    sc_push_walk(L, &walk);
    return 1;
}
