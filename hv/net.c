#include "net.h"

#include <stddef.h>

#include "print.h"
#include "text.h"
#include "vm.h"

#define MAC_TEXT sizeof "xx:xx:xx:xx:xx:xx"

static struct vswitch net;

struct vswitch *net_switch(void)
{
    return &net;
}

/* Administered locally, as the second bit says: "RIN", and the VM's number from 1. */
static void make_address(const struct vm *vm, uint8_t mac[MAC_BYTES])
{
    const uint8_t address[MAC_BYTES] = {0x52, 0x49, 0x4e, 0, 0, (uint8_t)(vm->number + 1)};

    for (unsigned i = 0; i < MAC_BYTES; i++)
        mac[i] = address[i];
}

/* True: it was something else before. */
static bool configure(struct vm *vm)
{
    struct vswitch_port before = *vm->port;

    vm->port->trunk = vm->config.trunk;
    vm->port->vlan = vm->config.vlan;
    return before.trunk != vm->config.trunk || before.vlan != vm->config.vlan;
}

struct vswitch_port *net_port(struct vm *vm, bool (*take)(void *of, const uint8_t *frame, unsigned bytes),
                              void *of)
{
    uint8_t mac[MAC_BYTES];

    if (vm->port)
        vswitch_remove(&net, vm->port);
    make_address(vm, mac);
    vm->port = vswitch_add(&net, vm->dir->name, mac, take, of);
    if (!vm->port)
        return NULL;
    configure(vm);
    vswitch_announce(vm->port);
    return vm->port;
}

void net_configured(struct vm *vm)
{
    if (vm->port && configure(vm))
        vswitch_announce(vm->port);
}

bool net_bond(const char *mode)
{
    if (!text_equal(mode, "failover") && !text_equal(mode, "spread"))
        return false;
    vswitch_spread(&net, text_equal(mode, "spread"));
    return true;
}

/* ---- for the management line ---- */

static void mac_text(const struct vswitch_port *p, char text[MAC_TEXT])
{
    const uint8_t *m = p->mac;

    format_text(text, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* Of an uplink: whether it is the active one.  Of a VM's: which it leaves by. */
static void way_text(const struct vswitch_port *p, char *text, size_t size)
{
    if (p->kind == VSWITCH_GUEST && p->way_out)
        format_text(text, size, " uplink=%s", p->way_out->name);
    else
        format_text(text, size, "%s", p == net.active ? " active=yes" : "");
}

void net_list(stats_line *line)
{
    char mac[MAC_TEXT], way[32];

    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        const struct vswitch_port *p = &net.port[i];

        if (p->kind == VSWITCH_FREE)
            continue;
        mac_text(p, mac);
        way_text(p, way, sizeof way);
        line("port=%s kind=%s mac=%s vlan=%u mode=%s link=%s%s", p->name,
             p->kind == VSWITCH_GUEST ? "vm" : "uplink", mac, (unsigned)p->vlan,
             p->trunk ? "trunk" : "access", p->link ? "up" : "down", way);
    }
}

void net_stats(stats_line *line)
{
    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        const struct vswitch_port *p = &net.port[i];

#define FORMAT(name) " " #name "=%lu"
#define VALUE(name)  , p->counts.name
        if (p->kind != VSWITCH_FREE)
            line("port=%s" VSWITCH_COUNTS(FORMAT), p->name VSWITCH_COUNTS(VALUE));
    }
}
