/* vm.c - host:vm(NAME): a VM of the hypervisor, by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define TYPE "vm"

/* Of a long text for a VM: what one line of the management takes, and a VM's receiver; the time between. */
#define PIECE_BYTES  64
#define PIECE_CYCLES 100000

struct vm_handle {
    struct host *host;
    char name[RS_NAME_MAX];
};

static struct vm_handle *get(lua_State *L)
{
    struct vm_handle *v = luaL_testudata(L, 1, TYPE);
    if (!v)
        luaL_error(L, "a VM is wanted here, not %s: write vm:method(...), with a colon", luaL_typename(L, 1));
    else if (!v->host->booted)
        luaL_error(L, "VM %s is gone: its machine is switched off", v->name);
    return v;
}

static void find(lua_State *L, const struct vm_handle *v, struct scenario_vm *vm)
{
    if (!sc_vm_named(sc_of(L), v->host->m, v->name, vm))
        luaL_error(L, "VM %s is not there yet: run the machine until the hypervisor has started it", v->name);
}

/* ------------------------------------------------------------------ memory */

static bool read_guest(const rs_machine *m, uint64_t root, uint64_t gpa, char *bytes, size_t n)
{
    while (n > 0) {
        size_t piece = 4096 - (size_t)(gpa & 4095);
        uint64_t hpa;
        if (piece > n)
            piece = n;
        if (rs_gpa_to_hpa(m, root, gpa, &hpa) != RS_OK || rs_read(m, hpa, bytes, piece) != RS_OK)
            return false;
        gpa += piece;
        bytes += piece;
        n -= piece;
    }
    return true;
}

static int read_bytes(lua_State *L)
{
    struct vm_handle *v = get(L);
    uint64_t gpa = sc_address(L, 2, "the address"), n = sc_size(L, 3, "the number of bytes");
    struct scenario_vm vm;
    luaL_Buffer b;
    find(L, v, &vm);
    if (n > vm.ram_bytes)
        return luaL_error(L, "%I bytes are more than the VM has (%I)", (LUAI_UACINT)n,
                          (LUAI_UACINT)vm.ram_bytes);
    char *bytes = luaL_buffinitsize(L, &b, n);
    if (!read_guest(v->host->m, vm.root, gpa, bytes, n))
        return luaL_error(L, "guest-physical address %I is not mapped to memory", (LUAI_UACINT)gpa);
    luaL_pushresultsize(&b, n);
    return 1;
}

static bool guest_u64(const rs_machine *m, uint64_t root, uint64_t gpa, uint64_t *value)
{
    char b[8];
    if (!read_guest(m, root, gpa, b, sizeof b))
        return false;
    *value = 0;
    for (int i = 7; i >= 0; i--)
        *value = *value << 8 | (unsigned char)b[i];
    return true;
}

static int read_u64(lua_State *L)
{
    struct vm_handle *v = get(L);
    uint64_t gpa = sc_address(L, 2, "the address"), value;
    struct scenario_vm vm;
    find(L, v, &vm);
    if (!guest_u64(v->host->m, vm.root, gpa, &value))
        return luaL_error(L, "guest-physical address %I is not mapped to memory", (LUAI_UACINT)gpa);
    lua_pushinteger(L, (lua_Integer)value);
    return 1;
}

/* The guest's own tables, 4 levels (SDM vol. 3, 4.5 "4-Level Paging and 5-Level Paging"); false where not
 * present. */
static bool guest_walk(const rs_machine *m, uint64_t root, uint64_t cr3, uint64_t gva, uint64_t *gpa)
{
    const uint64_t frame = 0x000ffffffffff000u;
    uint64_t table = cr3 & frame, entry;
    for (unsigned shift = 39;; shift -= 9) {
        if (!guest_u64(m, root, table + 8 * (gva >> shift & 511), &entry) || !(entry & 1))
            return false;
        bool leaf = shift == 12 || (shift < 39 && entry & 0x80);
        uint64_t below = ((uint64_t)1 << shift) - 1;
        if (leaf) {
            *gpa = (entry & frame & ~below) | (gva & below);
            return true;
        }
        table = entry & frame;
    }
}

/* What the tables in memory say of a VM that no core runs at the moment, or whose tables no core walks. */
static int translate_asleep(lua_State *L, const rs_machine *m, const struct scenario_vm *vm, uint64_t gva)
{
    uint64_t cr3 = vm->guest_cr3[0], gpa, hpa;
    if (!vm->shadow && rs_vmcs_get(m, vm->vmcs[0], "guest_cr3", &cr3) != RS_OK)
        return luaL_error(L, "VM %s has no VMCS to read", vm->name);
    lua_newtable(L);
    lua_pushinteger(L, (lua_Integer)gva);
    lua_setfield(L, -2, "gva");
    lua_pushinteger(L, (lua_Integer)cr3);
    lua_setfield(L, -2, "cr3");
    if (!guest_walk(m, vm->root, cr3, gva, &gpa)) {
        lua_pushliteral(L, "#PF: the guest's tables do not map it");
        lua_setfield(L, -2, "fault");
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)gpa);
    lua_setfield(L, -2, "gpa");
    if (rs_gpa_to_hpa(m, vm->root, gpa, &hpa) == RS_OK)
        lua_pushinteger(L, (lua_Integer)hpa);
    else
        lua_pushliteral(L, "EPT violation: the hypervisor's tables do not map it");
    lua_setfield(L, -2, lua_type(L, -1) == LUA_TNUMBER ? "hpa" : "fault");
    return 1;
}

static int translate(lua_State *L)
{
    struct vm_handle *v = get(L);
    uint64_t gva = sc_address(L, 2, "the address");
    const rs_machine *m = v->host->m;
    struct scenario_vm vm;
    find(L, v, &vm);
    for (uint32_t core = 0; core < rs_cores(m); core++)
        if (!vm.shadow && rs_guest_mode(m, core) && scenario_vm_has(&vm, rs_current_vmcs(m, core))) {
            sc_push_host(L, v->host); /* it runs: the core's own walk */
            lua_replace(L, 1);
            return sc_translate(L);
        }
    return translate_asleep(L, m, &vm, gva);
}

/* ------------------------------------------------------------------ console and management */

static int console(lua_State *L)
{
    struct vm_handle *v = get(L);
    struct scenario_vm vm;
    luaL_Buffer b;
    find(L, v, &vm);
    size_t size = vm.console_bytes < (1u << 20) ? (size_t)vm.console_bytes : 1u << 20;
    char *text = luaL_buffinitsize(L, &b, size);
    luaL_pushresultsize(&b, scenario_vm_console(sc_of(L), v->host->m, &vm, text, size));
    return 1;
}

static int expect(lua_State *L)
{
    struct vm_handle *v = get(L);
    return sc_expect(L, v->host, v->name, 2, 3);
}

/* Pushes "vm input NAME TEXT" with what the line gives another meaning escaped. */
static const char *push_input(lua_State *L, const char *name, const char *text, size_t n)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addstring(&b, "vm input ");
    luaL_addstring(&b, name);
    luaL_addchar(&b, ' ');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool blank = c == ' ' && (i == 0 || i + 1 == n); /* words are told apart by blanks */
        char code[8];
        snprintf(code, sizeof code, blank || c < 32 || c > 126 || c == '\\' ? "\\x%02x" : "%c", c);
        luaL_addstring(&b, c == '\n' ? "\\n" : code);
    }
    luaL_pushresult(&b);
    return lua_tostring(L, -1);
}

static int send_piece(lua_State *L, int status, lua_KContext ctx);

/* After a piece: time for the guest to read it, if another follows. */
static int piece_sent(lua_State *L, int status, lua_KContext ctx)
{
    size_t sent = (size_t)lua_tointeger(L, 3);
    (void)status;
    (void)ctx;
    if (sent >= lua_rawlen(L, 2))
        return 0;
    lua_settop(L, 3);
    struct move move = {.kind = MOVE_RUN, .until = rs_now(get(L)->host->m) + PIECE_CYCLES};
    return sc_move(L, &move, 0, send_piece);
}

/* Sends the text at index 2 from byte (index 3) on. */
static int send_piece(lua_State *L, int status, lua_KContext ctx)
{
    struct vm_handle *v = get(L);
    size_t n, sent = (size_t)lua_tointeger(L, 3);
    const char *text = lua_tolstring(L, 2, &n);
    (void)status;
    (void)ctx;
    sc_moved(L);
    text += sent;
    n = n - sent < PIECE_BYTES ? n - sent : PIECE_BYTES;
    lua_pushinteger(L, (lua_Integer)(sent + n));
    lua_replace(L, 3);
    return sc_command(L, v->host, push_input(L, v->name, text, n), piece_sent);
}

static int send(lua_State *L)
{
    get(L);
    luaL_checktype(L, 2, LUA_TSTRING);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    return send_piece(L, LUA_OK, 0);
}

/* The pairs KEY=NUMBER of a line into the table on the top; returns the text after "reason=", or NULL. */
static const char *add_pairs(lua_State *L, const char *line, const char *end)
{
    char key[32];
    long long value;
    while (line < end) {
        line += strspn(line, " ");
        if (strncmp(line, "reason=", 7) == 0)
            return line + 7;
        if (sscanf(line, "%31[a-z_]=%lld", key, &value) == 2) {
            lua_pushinteger(L, (lua_Integer)value);
            lua_setfield(L, -2, key);
        }
        line += strcspn(line, " \n");
        line += *line == ' ';
        if (*line == '\n')
            break;
    }
    return NULL;
}

/* The numbers of one virtual CPU, which go to the end of vcpus. */
static void add_vcpu(lua_State *L, const char *line, const char *end)
{
    lua_getfield(L, -1, "vcpus");
    lua_newtable(L);
    add_pairs(L, line, end);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* The numbers of one cause, which go into table[NAME]. */
static void add_cause(lua_State *L, const char *table, const char *line, const char *end)
{
    lua_getfield(L, -1, table);
    lua_newtable(L);
    const char *reason = add_pairs(L, line, end);
    if (reason) {
        lua_pushlstring(L, reason, (size_t)(end - reason));
        lua_insert(L, -2);
        lua_settable(L, -3);
    } else {
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* A line of the reply: a virtual CPU's, an exit reason's, that of a kind of page fault, or totals. */
static void add_line(lua_State *L, const char *line, const char *end)
{
    if (strncmp(line, "exit=", 5) == 0)
        add_cause(L, "reasons", line, end);
    else if (strncmp(line, "fault=", 6) == 0)
        add_cause(L, "faults", line, end);
    else if (strncmp(line, "vcpu=", 5) == 0)
        add_vcpu(L, line, end);
    else
        add_pairs(L, line, end);
}

static int push_stats(lua_State *L, int status, lua_KContext ctx)
{
    const char *line = lua_tostring(L, -1);
    (void)status;
    (void)ctx;
    lua_newtable(L);
    lua_newtable(L);
    lua_setfield(L, -2, "reasons");
    lua_newtable(L);
    lua_setfield(L, -2, "faults");
    lua_newtable(L);
    lua_setfield(L, -2, "vcpus");
    while (*line) {
        const char *end = line + strcspn(line, "\n");
        add_line(L, line, end);
        line = *end ? end + 1 : end;
    }
    return 1;
}

static int stats(lua_State *L)
{
    struct vm_handle *v = get(L);
    return sc_command(L, v->host, lua_pushfstring(L, "stats %s", v->name), push_stats);
}

static int symbol(lua_State *L)
{
    struct vm_handle *v = get(L);
    const char *name = luaL_checkstring(L, 2);
    const struct rs_symbols *symbols = scenario_vm_symbols(sc_of(L), v->host->m, v->name);
    uint64_t address, size;
    if (!symbols)
        return luaL_error(L, "the symbols of VM %s are not known", v->name);
    if (rs_symbol_address(symbols, name, &address, &size) != RS_OK)
        return luaL_error(L, "the image of VM %s has no symbol '%s'", v->name, name);
    lua_pushinteger(L, (lua_Integer)address);
    lua_pushinteger(L, (lua_Integer)size);
    return 2;
}

/* ------------------------------------------------------------------ the handle */

static const luaL_Reg methods[] = {{"console", console}, {"send", send},    {"expect", expect},
                                   {"read", read_bytes}, {"u64", read_u64}, {"translate", translate},
                                   {"stats", stats},     {"sym", symbol},   {NULL, NULL}};
static const char *const attributes[] = {"name", "state",  "image", "ram",  "vmcs",
                                         "root", "status", "vcpus", "work", NULL};

static const char *member_at(size_t i, const void *arg)
{
    size_t n = sizeof attributes / sizeof *attributes - 1;
    (void)arg;
    if (i < n)
        return attributes[i];
    return i - n < sizeof methods / sizeof *methods ? methods[i - n].name : NULL;
}

/* nil: it has no shadow tables. */
static void push_work(lua_State *L, const struct scenario_vm *vm)
{
    if (!vm->shadow) {
        lua_pushnil(L);
        return;
    }
    lua_newtable(L);
#define COUNT(name) lua_pushinteger(L, (lua_Integer)vm->work.name), lua_setfield(L, -2, #name);
    VMDIR_SHADOW_WORK(COUNT)
#undef COUNT
}

static bool push_attribute(lua_State *L, const struct vm_handle *v, const char *key)
{
    struct scenario_vm vm;
    size_t i = 0;
    while (attributes[i] && strcmp(attributes[i], key) != 0)
        i++;
    if (!attributes[i])
        return false;
    if (i == 0) {
        lua_pushstring(L, v->name);
        return true;
    }
    find(L, v, &vm);
    switch (i) {
    case 1: lua_pushstring(L, vm.state); break;
    case 2: lua_pushstring(L, vm.image); break;
    case 3: lua_pushinteger(L, (lua_Integer)vm.ram_bytes); break;
    case 4: lua_pushinteger(L, (lua_Integer)vm.vmcs[0]); break;
    case 5: lua_pushinteger(L, (lua_Integer)vm.root); break;
    case 6: lua_pushinteger(L, (lua_Integer)vm.status); break;
    case 7: lua_pushinteger(L, (lua_Integer)vm.vcpus); break;
    default: push_work(L, &vm);
    }
    return true;
}

static int member(lua_State *L)
{
    struct vm_handle *v = get(L);
    const char *key = luaL_checkstring(L, 2);
    for (const luaL_Reg *r = methods; r->name; r++)
        if (strcmp(r->name, key) == 0) {
            lua_pushcfunction(L, r->func);
            return 1;
        }
    if (push_attribute(L, v, key))
        return 1;
    return sc_unknown(L, "VM method", key, member_at, NULL);
}

struct names {
    struct scenario *s;
    struct host *h;
};

/* VMs that boot() named, then those of the directory. */
static const char *name_at(size_t i, const void *arg)
{
    static struct scenario_vm vm;
    const struct names *n = arg;
    if (i < n->h->guests)
        return n->h->guest[i].name;
    for (size_t j = 0, skipped = n->h->guests; scenario_vm(n->s, n->h->m, j, &vm); j++)
        if (!sc_guest(n->h, vm.name) && skipped++ == i)
            return vm.name;
    return NULL;
}

void sc_vm_known(lua_State *L, struct host *h, const char *name)
{
    struct scenario *s = sc_of(L);
    struct scenario_vm vm;
    struct names names = {s, h};
    if (sc_guest(h, name) || sc_vm_named(s, h->m, name, &vm))
        return;
    if (name_at(0, &names))
        sc_unknown(L, "VM", name, name_at, &names);
    luaL_error(L, "machine %s runs no VMs", rs_machine_name(h->m));
}

int sc_vm(lua_State *L)
{
    struct host *h = sc_booted(L, 1);
    const char *name = luaL_checkstring(L, 2);
    sc_vm_known(L, h, name);
    struct vm_handle *v = lua_newuserdatauv(L, sizeof *v, 0);
    v->host = h;
    snprintf(v->name, sizeof v->name, "%s", name);
    luaL_setmetatable(L, TYPE);
    return 1;
}

static int read_only(lua_State *L)
{
    return luaL_error(L, "a VM's attributes cannot be assigned");
}

void sc_open_vm(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", member}, {"__newindex", read_only}, {NULL, NULL}};
    sc_new_type(L, TYPE, meta);
}
