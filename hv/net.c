#include "net.h"

#include <stddef.h>

#include "print.h"
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

struct vswitch_port *net_port(struct vm *vm, bool (*take)(void *of, const uint8_t *frame, unsigned bytes),
                              void *of)
{
    uint8_t mac[MAC_BYTES];

    if (vm->port)
        vswitch_remove(&net, vm->port);
    make_address(vm, mac);
    vm->port = vswitch_add(&net, vm->dir->name, mac, take, of);
    net_configured(vm);
    return vm->port;
}

void net_configured(struct vm *vm)
{
    if (!vm->port)
        return;
    vm->port->trunk = vm->config.trunk;
    vm->port->vlan = vm->config.vlan;
}

/* ---- for the management line ---- */

static void mac_text(const struct vswitch_port *p, char text[MAC_TEXT])
{
    const uint8_t *m = p->mac;

    if (p->kind == VSWITCH_GUEST)
        format_text(text, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    else
        format_text(text, MAC_TEXT, "-");
}

void net_list(stats_line *line)
{
    char mac[MAC_TEXT];

    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        const struct vswitch_port *p = &net.port[i];

        if (p->kind == VSWITCH_FREE)
            continue;
        mac_text(p, mac);
        line("port=%s kind=%s mac=%s vlan=%u mode=%s link=%s%s", p->name,
             p->kind == VSWITCH_GUEST ? "vm" : "uplink", mac, (unsigned)p->vlan,
             p->trunk ? "trunk" : "access", p->link ? "up" : "down", p == net.active ? " active=yes" : "");
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
