/* boot.c - host:boot(): images, modules, and the strings that tell the hypervisor of its VMs. */
#include "binding.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void find_image(lua_State *L, const char *name, char path[IMAGE_PATH_MAX])
{
    struct rs_error err;
    if (images_find(name, path, &err) != RS_OK)
        sc_error(L, &err);
}

static bool good_vm_name(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    return n > 0 && n < VMDIR_NAME;
}

static const char *one_of(lua_State *L, const char *what, const char *value, const char *const *known)
{
    for (size_t i = 0; known[i]; i++)
        if (strcmp(known[i], value) == 0)
            return value;
    sc_unknown(L, what, value, sc_list_at, known);
    return NULL;
}

/* Bytes as "8M" or "96K", as the hypervisor reads them. */
static void push_size(lua_State *L, uint64_t bytes)
{
    if (bytes == 0 || bytes % 4096)
        luaL_error(L, "ram must be a multiple of 4 KiB, and not 0");
    bool mega = bytes % (1 << 20) == 0;
    lua_pushfstring(L, "%I%s", (LUAI_UACINT)(bytes >> (mega ? 20 : 10)), mega ? "M" : "K");
}

static const char *vm_ram(lua_State *L, int vm)
{
    uint64_t bytes = (uint64_t)8 << 20;
    if (sc_raw_field(L, vm, "ram") != LUA_TNIL)
        bytes = sc_size(L, -1, "ram");
    lua_pop(L, 1);
    push_size(L, bytes);
    return lua_tostring(L, -1);
}

/* Notes the VM's name and image; the name is checked. */
static void note_guest(lua_State *L, struct host *h, const char *name, const char *path)
{
    if (h->guests == VMDIR_VMS)
        luaL_error(L, "%d VMs are the most that can be booted", VMDIR_VMS);
    if (!good_vm_name(name) || sc_guest(h, name))
        luaL_error(L,
                   "VM name '%s' must be of letters, digits, - and _, shorter than %d, and there only once",
                   name, VMDIR_NAME);
    struct guest *g = &h->guest[h->guests++];
    memset(g, 0, sizeof *g);
    strcpy(g->name, name);
    strcpy(g->path, path);
}

/* Pushes " KEY=yes" or " KEY=no" from a field that is true or false, "" if it is absent. */
static void push_yes_no(lua_State *L, int vm, const char *key)
{
    int type = sc_raw_field(L, vm, key);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        luaL_error(L, "%s must be true or false", key);
    bool yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (type == LUA_TNIL)
        lua_pushliteral(L, "");
    else
        lua_pushfstring(L, " %s=%s", key, yes ? "yes" : "no");
}

/* Pushes " KEY=VALUE" from a field whose value is one of `known`, "" if it is absent. */
static void push_choice(lua_State *L, int vm, const char *key, const char *const *known)
{
    const char *value = sc_text_field(L, vm, key, key);
    if (value)
        lua_pushfstring(L, " %s=%s", key, one_of(L, key, value, known));
    else
        lua_pushliteral(L, "");
}

/* Pushes " KEY=NUMBER", "" if it is absent; the hypervisor says what is possible. */
static void push_number(lua_State *L, int vm, const char *key)
{
    bool given = sc_raw_field(L, vm, key) != LUA_TNIL;
    uint64_t value = given ? sc_size(L, -1, key) : 0;
    lua_pop(L, 1);
    if (given)
        lua_pushfstring(L, " %s=%I", key, (LUAI_UACINT)value);
    else
        lua_pushliteral(L, "");
}

/* A number, or one of `known`. */
static void push_number_or(lua_State *L, int vm, const char *key, const char *const *known)
{
    bool number = sc_raw_field(L, vm, key) == LUA_TNUMBER;
    lua_pop(L, 1);
    if (number)
        push_number(L, vm, key);
    else
        push_choice(L, vm, key, known);
}

/* True, false, or one of `known`. */
static void push_yes_no_or(lua_State *L, int vm, const char *key, const char *const *known)
{
    bool text = sc_raw_field(L, vm, key) == LUA_TSTRING;
    lua_pop(L, 1);
    if (text)
        push_choice(L, vm, key, known);
    else
        push_yes_no(L, vm, key);
}

/* A slot, or several: "4,5". */
static void push_slots(lua_State *L, int vm, const char *key)
{
    if (sc_raw_field(L, vm, key) == LUA_TSTRING) {
        const char *text = lua_tostring(L, -1);
        if (!*text || strspn(text, "0123456789,") != strlen(text))
            luaL_error(L, "%s must be a slot, or several such as \"4,5\", not '%s'", key, text);
        lua_pushfstring(L, " %s=%s", key, text);
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    push_number(L, vm, key);
}

/* One word, which the hypervisor judges. */
static void push_word(lua_State *L, int vm, const char *key)
{
    const char *text = sc_text_field(L, vm, key, key);
    if (text && (!*text || strchr(text, ' ')))
        luaL_error(L, "%s must be one word, not '%s'", key, text);
    lua_pushfstring(L, "%s%s%s%s", text ? " " : "", text ? key : "", text ? "=" : "", text ? text : "");
}

/* The keys that say what devices it has. */
static void push_devices(lua_State *L, int vm)
{
    static const char *const edus[] = {"passthrough", NULL};
    static const char *const nics[] = {"none", "e1000", "virtio", "passthrough", NULL};
    static const char *const disks[] = {"none", "virtio", "passthrough", NULL}, *const vlans[] = {"trunk",
                                                                                                  NULL};
    int top = lua_gettop(L);
    push_yes_no_or(L, vm, "edu", edus);
    push_choice(L, vm, "nic", nics);
    push_slots(L, vm, "nic_slot");
    push_number_or(L, vm, "vlan", vlans);
    push_choice(L, vm, "disk", disks);
    push_slots(L, vm, "disk_slot");
    push_number(L, vm, "disk_first");
    push_number(L, vm, "disk_sectors");
    push_word(L, vm, "disk_filter");
    push_word(L, vm, "disk_key");
    push_yes_no(L, vm, "posted");
    push_yes_no(L, vm, "unsafe");
    lua_concat(L, lua_gettop(L) - top);
}

/* Pushes "NAME image=IMAGE ram=8M mmu=nested -- command line" and notes the VM's image. */
static void push_vm(lua_State *L, int vm, struct host *h, char path[IMAGE_PATH_MAX])
{
    static const char *const keys[] = {"name",      "image",      "ram",          "mmu",         "page",
                                       "start",     "lazy",       "faults",       "tables",      "weight",
                                       "vcpus",     "edu",        "nic",          "nic_slot",    "disk",
                                       "disk_slot", "disk_first", "disk_sectors", "disk_filter", "disk_key",
                                       "posted",    "unsafe",     "vlan",         "cmdline",     NULL};
    static const char *const mmus[] = {"nested", "shadow", NULL}, *const pages[] = {"4k", "2m", NULL};
    static const char *const faults[] = {"guest", "hypervisor", NULL};
    char short_name[RS_NAME_MAX];
    if (!lua_istable(L, vm))
        luaL_error(L, "each of vms is a table such as { name = \"vm1\", image = \"hello\" }");
    sc_keys(L, vm, "VM setting", keys);
    const char *image = sc_text_field(L, vm, "image", "image"), *name = sc_text_field(L, vm, "name", "name");
    const char *mmu = sc_text_field(L, vm, "mmu", "mmu"), *page = sc_text_field(L, vm, "page", "page");
    const char *cmdline = sc_text_field(L, vm, "cmdline", "cmdline");
    if (!image)
        luaL_error(L, "a VM needs an image: { name = \"vm1\", image = \"hello\" }");
    find_image(L, image, path);
    images_name(path, short_name);
    name = name ? name : short_name;
    note_guest(L, h, name, path);
    int top = lua_gettop(L);
    const char *ram = vm_ram(L, vm);
    lua_pushfstring(L, "%s image=%s ram=%s mmu=%s", name, short_name, ram,
                    one_of(L, "mmu", mmu ? mmu : "nested", mmus));
    lua_pushfstring(L, "%s%s", page ? " page=" : "", page ? one_of(L, "page size", page, pages) : "");
    push_yes_no(L, vm, "start");
    push_yes_no(L, vm, "lazy");
    push_choice(L, vm, "faults", faults);
    push_number(L, vm, "tables");
    push_number(L, vm, "weight");
    push_number(L, vm, "vcpus");
    push_devices(L, vm);
    lua_pushfstring(L, "%s%s", cmdline ? " -- " : "", cmdline ? cmdline : "");
    lua_concat(L, 10);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

/* Pushes the string of a plain module: "FILE" or { image = FILE, string = ... }. */
static void push_module(lua_State *L, int module, char path[IMAGE_PATH_MAX])
{
    static const char *const keys[] = {"image", "string", NULL};
    char name[RS_NAME_MAX];
    const char *image = lua_tostring(L, module), *string = NULL;
    if (lua_istable(L, module)) {
        sc_keys(L, module, "module setting", keys);
        image = sc_text_field(L, module, "image", "image");
        string = sc_text_field(L, module, "string", "string");
    }
    if (!image)
        luaL_error(L,
                   "each of modules is an image, or a table such as { image = \"hello\", string = \"vm1\" }");
    find_image(L, image, path);
    images_name(path, name);
    lua_pushstring(L, string ? string : name);
}

/* The modules of both lists, in an array; their strings stay on the Lua stack. */
static struct rs_boot_module *push_modules(lua_State *L, struct host *h, int vms, int modules, size_t *count)
{
    char path[IMAGE_PATH_MAX];
    size_t n = (vms ? lua_rawlen(L, vms) : 0) + (modules ? lua_rawlen(L, modules) : 0);
    if (n > 16 || (vms && lua_rawlen(L, vms) > VMDIR_VMS))
        luaL_error(L, "%d VMs and 16 modules are the most that can be booted", VMDIR_VMS);
    luaL_checkstack(L, (int)(2 * n + 20), "too many modules");
    struct rs_boot_module *list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 0);
    size_t vm_count = vms ? lua_rawlen(L, vms) : 0;
    for (size_t i = 0; i < n; i++) {
        bool is_vm = i < vm_count;
        lua_rawgeti(L, is_vm ? vms : modules, (lua_Integer)(is_vm ? i + 1 : i - vm_count + 1));
        int item = lua_gettop(L);
        if (is_vm)
            push_vm(L, item, h, path);
        else
            push_module(L, item, path);
        list[i].string = lua_tostring(L, -1);
        lua_pushstring(L, path);
        list[i].path = lua_tostring(L, -1);
        lua_remove(L, item);
    }
    *count = n;
    return list;
}

/* The field `key` of the options at index 3, a list: its stack index, 0 if absent. */
static int list_field(lua_State *L, const char *key)
{
    int type = sc_raw_field(L, 3, key);
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_error(L, "%s must be a list: { ... }", key);
    if (type == LUA_TNIL)
        return 0;
    int list = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    for (lua_pushnil(L); lua_next(L, list); lua_pop(L, 1))
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || lua_tointeger(L, -2) > count)
            luaL_error(L, "%s must be a list, without keys such as '%s': { { image = \"hello\" } }", key,
                       luaL_tolstring(L, -2, NULL));
    return list;
}

/* vms go to a hypervisor that has a directory of them (arch/vmdir.h). */
static void may_have_vms(lua_State *L, const char *path, const char *name)
{
    struct rs_error err;
    uint64_t address, size;
    struct rs_symbols *symbols = rs_symbols_load(path, &err);
    bool directory = symbols && rs_symbol_address(symbols, "vm_directory", &address, &size) == RS_OK;
    rs_symbols_free(symbols);
    if (!directory)
        luaL_error(L, "image '%s' is no hypervisor that starts vms: boot(\"hv\", { vms = { ... } })", name);
}

/* Keeps what the machine is booted with, for a snapshot that is restored after it was switched off. */
static void note_boot(struct scenario *s, struct host *h, const struct rs_boot *boot)
{
    h->booted = true;
    h->boot = ++s->boots;
    snprintf(h->path, sizeof h->path, "%s", boot->path);
    snprintf(h->entry, sizeof h->entry, "%s", boot->entry ? boot->entry : "");
    snprintf(h->registers, sizeof h->registers, "%s", boot->registers ? boot->registers : "");
}

int sc_boot(lua_State *L)
{
    static const char *const keys[] = {"cmdline", "modules", "entry", "registers", "vms", NULL};
    struct host *h = sc_host(L, 1);
    char path[IMAGE_PATH_MAX];
    struct rs_error err;
    struct rs_boot boot = {.path = path};
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    luaL_argcheck(L, lua_type(L, 2) == LUA_TSTRING, 2, "the name or file of an image is wanted");
    luaL_argcheck(L, lua_istable(L, 3), 3, "options are a table: { cmdline = \"...\" }");
    sc_may_move(L, "boot");
    if (h->booted)
        return luaL_error(L, "machine %s is booted already: call host:power_cycle() first",
                          rs_machine_name(h->m));
    sc_keys(L, 3, "boot option", keys);
    find_image(L, lua_tostring(L, 2), path);
    sc_forget_boot(h);
    images_name(path, h->image);
    int vms = list_field(L, "vms"), modules = list_field(L, "modules");
    if (vms)
        may_have_vms(L, path, h->image);
    const char *cmdline = sc_text_field(L, 3, "cmdline", "cmdline");
    boot.entry = sc_text_field(L, 3, "entry", "entry");
    boot.registers = sc_text_field(L, 3, "registers", "registers");
    boot.cmdline =
        lua_pushfstring(L, "%s%s%s", h->image, cmdline && *cmdline ? " " : "", cmdline ? cmdline : "");
    boot.modules = push_modules(L, h, vms, modules, &boot.module_count);
    if (rs_boot(h->m, &boot, &err) != RS_OK)
        return sc_error(L, &err);
    note_boot(sc_of(L), h, &boot);
    return 0;
}
