/* network.c - link(), and the NICs of a machine: host:nic(N). */
#include "binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/pcap.h"

#define TYPE "NIC"

struct nic_handle {
    struct host *host;
    size_t nic;
};

static struct nic_handle *get(lua_State *L, int index)
{
    struct nic_handle *n = luaL_testudata(L, index, TYPE);
    if (!n)
        luaL_error(L, "a NIC is wanted here, such as host:nic(1), not %s", luaL_typename(L, index));
    return n;
}

int sc_nic(lua_State *L)
{
    struct host *h = sc_host(L, 1);
    size_t nics = rs_nics(h->m);
    if (!nics)
        return luaL_error(L, "machine %s has no NIC: machine { devices = { \"e1000\" } }",
                          rs_machine_name(h->m));
    uint64_t nic = sc_number(L, 2, "the number of a NIC", 1, nics);
    struct nic_handle *n = lua_newuserdatauv(L, sizeof *n, 0);
    *n = (struct nic_handle){h, (size_t)nic - 1};
    luaL_setmetatable(L, TYPE);
    return 1;
}

/* ------------------------------------------------------------------ methods */

static int send_frame(lua_State *L)
{
    struct nic_handle *n = get(L, 1);
    size_t bytes;
    const char *frame = luaL_checklstring(L, 2, &bytes);
    struct rs_error err;
    if (!n->host->booted)
        return luaL_error(L, "send: machine %s has not been booted", rs_machine_name(n->host->m));
    if (rs_input_frame(n->host->m, n->nic, frame, bytes, &err) != RS_OK)
        return sc_error(L, &err);
    sc_input_made(L, n->host->m);
    return 0;
}

static int capture(lua_State *L)
{
    struct nic_handle *n = get(L, 1);
    struct scenario *s = sc_of(L);
    const char *path = luaL_checkstring(L, 2);
    struct rs_error err;
    if (s->captures == PCAPS_MAX)
        return luaL_error(L, "pcap: a scenario writes %d files at most", PCAPS_MAX);
    for (size_t i = 0; i < s->captures; i++)
        if (rs_same_file(pcap_path(s->capture[i]), path))
            return luaL_error(L, "pcap: %s has the frames of a NIC already: choose another name", path);
    struct pcap *p = pcap_open(s->world, n->host->m, n->nic, path, &err);
    if (!p)
        return sc_error(L, &err);
    s->capture[s->captures++] = p;
    return pcap_begin(p, &err) == RS_OK ? 0 : sc_error(L, &err);
}

static const luaL_Reg methods[] = {{"send", send_frame}, {"pcap", capture}, {NULL, NULL}};
static const char *const members[] = {"send", "pcap", "mac", "kind", "up", NULL};

static void push_mac(lua_State *L, const uint8_t mac[6])
{
    char text[18];
    snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
    lua_pushstring(L, text);
}

static int member(lua_State *L)
{
    struct nic_handle *n = get(L, 1);
    const char *key = luaL_checkstring(L, 2);
    struct rs_link link;
    uint8_t mac[6];
    size_t peer;
    for (const luaL_Reg *r = methods; r->name; r++)
        if (strcmp(r->name, key) == 0) {
            lua_pushcfunction(L, r->func);
            return 1;
        }
    const char *kind = rs_nic(n->host->m, n->nic, mac);
    if (strcmp(key, "mac") == 0)
        push_mac(L, mac);
    else if (strcmp(key, "kind") == 0)
        lua_pushstring(L, kind);
    else if (strcmp(key, "up") == 0)
        lua_pushboolean(L, rs_link_of(n->host->m, n->nic, &link, &peer) == RS_OK && !link.cut);
    else
        return sc_unknown(L, "NIC method", key, sc_list_at, members);
    return 1;
}

/* ------------------------------------------------------------------ link() */

/* "1Gbit", "100Mbit", "64kbit", or a number: bits a second. */
static uint64_t bandwidth_of(lua_State *L, int value)
{
    static const struct {
        const char *name;
        uint64_t bits;
    } unit[] = {{"bit", 1}, {"kbit", 1000}, {"Mbit", 1000000}, {"Gbit", 1000000000}};
    const char *text = lua_type(L, value) == LUA_TSTRING ? lua_tostring(L, value) : NULL;
    char *end = NULL;
    if (!text)
        return sc_number(L, value, "bandwidth", 10000, 1000000000000);
    double amount = strtod(text, &end);
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
        if (end != text && strcmp(end, unit[i].name) == 0 && amount > 0 && amount < 1e13)
            return (uint64_t)(amount * (double)unit[i].bits + 0.5);
    luaL_error(L, "bandwidth must be bits a second, such as \"1Gbit\" or \"100Mbit\", not %s", text);
    return 0;
}

static uint64_t latency_of(lua_State *L, int value)
{
    uint64_t ps = 0;
    const char *text = lua_type(L, value) == LUA_TSTRING ? lua_tostring(L, value) : "";
    if (!text[strspn(text, "0123456789")] || !names_cycles(text, 1000000000000, &ps))
        luaL_error(L, "latency must be a time such as \"50us\", not %s", luaL_tolstring(L, value, NULL));
    return ps;
}

/* A part of 1, as frames of a million. */
static uint64_t loss_of(lua_State *L, int value)
{
    if (lua_type(L, value) != LUA_TNUMBER || !(lua_tonumber(L, value) >= 0 && lua_tonumber(L, value) <= 1))
        luaL_error(L, "loss must be a number from 0 to 1, such as 0.01, not %s",
                   luaL_tolstring(L, value, NULL));
    return (uint64_t)(lua_tonumber(L, value) * 1e6 + 0.5);
}

static struct rs_link link_options(lua_State *L, int index)
{
    static const char *const keys[] = {"bandwidth", "latency", "loss", "seed", "cut", NULL};
    struct rs_link link;
    rs_link_init(&link);
    if (lua_isnoneornil(L, index))
        return link;
    luaL_argcheck(L, lua_istable(L, index), index, "settings are a table: { latency = \"50us\" }");
    sc_keys(L, index, "link setting", keys);
    if (sc_raw_field(L, index, "bandwidth") != LUA_TNIL)
        link.bandwidth = bandwidth_of(L, -1);
    if (sc_raw_field(L, index, "latency") != LUA_TNIL)
        link.latency = latency_of(L, -1);
    if (sc_raw_field(L, index, "loss") != LUA_TNIL)
        link.loss = loss_of(L, -1);
    if (sc_raw_field(L, index, "seed") != LUA_TNIL)
        link.seed = sc_number(L, -1, "seed", 0, INT64_MAX);
    if (sc_raw_field(L, index, "cut") != LUA_TNIL) {
        if (!lua_isboolean(L, -1))
            luaL_error(L, "cut must be true or false");
        link.cut = (uint64_t)lua_toboolean(L, -1);
    }
    lua_pop(L, 5);
    return link;
}

static int new_link(lua_State *L)
{
    struct nic_handle *a = get(L, 1), *b = lua_isnoneornil(L, 2) ? NULL : get(L, 2);
    struct rs_link link = link_options(L, 3);
    struct rs_error err;
    if (rs_link(a->host->m, a->nic, b ? b->host->m : NULL, b ? b->nic : 0, &link, &err) != RS_OK)
        return sc_error(L, &err);
    if (a->host->booted)
        sc_input_made(L, a->host->m);
    return 0;
}

static int read_only(lua_State *L)
{
    return luaL_error(L, "a NIC's attributes cannot be assigned");
}

void sc_end_captures(struct scenario *s)
{
    for (size_t i = 0; i < s->captures; i++)
        pcap_end(s->capture[i], NULL);
    s->captures = 0;
}

void sc_open_network(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__index", member}, {"__newindex", read_only}, {NULL, NULL}};
    sc_new_type(L, TYPE, meta);
    lua_register(L, "link", new_link);
}
