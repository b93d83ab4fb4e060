/* disasm.c - host:disasm(): the code that a core runs, as text. */
#include "binding.h"

#define COUNT_MAX 10000
#define TEXT_MAX  160

/* The address at index 2: a number or a symbol; the core's RIP if there is none. */
static uint64_t first_address(lua_State *L, const rs_machine *m, uint32_t core,
                              const struct rs_symbols *symbols)
{
    uint64_t address = 0, size;
    if (lua_isnoneornil(L, 2))
        rs_reg(m, core, "rip", &address);
    else if (lua_type(L, 2) != LUA_TSTRING)
        address = sc_address(L, 2, "the address");
    else if (!symbols || rs_symbol_address(symbols, lua_tostring(L, 2), &address, &size) != RS_OK)
        luaL_error(L, "what runs on core %d has no symbol '%s'", (int)core + 1, lua_tostring(L, 2));
    return address;
}

/* One line on the top of the stack; its length, 0 if there is no instruction. */
static size_t push_line(lua_State *L, rs_machine *m, uint32_t core, const struct rs_symbols *symbols,
                        uint64_t address)
{
    char text[TEXT_MAX], place[96];
    size_t length = rs_disassemble_at(m, core, address, symbols, text, sizeof text);
    rs_symbol_format(symbols, address, place, sizeof place);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, (lua_Integer)address);
    lua_setfield(L, -2, "address");
    lua_pushinteger(L, (lua_Integer)length);
    lua_setfield(L, -2, "length");
    lua_pushstring(L, text);
    lua_setfield(L, -2, "text");
    if (place[0]) {
        lua_pushstring(L, place);
        lua_setfield(L, -2, "place");
    }
    return length;
}

int sc_disasm(lua_State *L)
{
    static const char *const keys[] = {"count", "core", NULL};
    struct host *h = sc_booted(L, 1);
    uint64_t count = 1;
    uint32_t core = 0;
    if (!lua_isnoneornil(L, 3)) {
        luaL_argcheck(L, lua_istable(L, 3), 3, "options are a table: { count = 5 }");
        sc_keys(L, 3, "option of disasm", keys);
        if (sc_raw_field(L, 3, "count") != LUA_TNIL)
            count = sc_number(L, -1, "count", 1, COUNT_MAX);
        core = sc_core_field(L, 3, h);
    }
    const struct rs_symbols *symbols = scenario_symbols(sc_of(L), h->m, core);
    uint64_t address = first_address(L, h->m, core, symbols);
    lua_newtable(L);
    for (uint64_t i = 1; i <= count; i++) {
        size_t length = push_line(L, h->m, core, symbols, address);
        lua_rawseti(L, -2, (lua_Integer)i);
        if (!length)
            break;
        address += length;
    }
    return 1;
}
