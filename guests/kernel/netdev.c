/* netdev.c - interfaces: found, and their frames given to those who know the protocol. */
#include "kernel/netdev.h"

#include <stddef.h>

#include "kernel/arp.h"
#include "kernel/clock.h"
#include "kernel/device.h"
#include "kernel/ip.h"
#include "kernel/net_bytes.h"
#include "kernel/process.h"
#include "lib/print.h"
#include "lib/string.h"

#define FRAMES_AT_ONCE 64 /* then others have their turn, however many there are */
#define PATIENCE       (1000 * CLOCK_MS)

static struct netdev *netdevs[NETDEVS];
static unsigned count;

struct netdev *netdev_nth(unsigned i)
{
    return i < count ? netdevs[i] : NULL;
}

/* ---- frames that arrive ---- */

static void input(struct netdev *dev, const uint8_t *frame, uint32_t bytes)
{
    if (bytes == 0) {
        dev->count[NET_rx_damaged]++;
        return;
    }
    dev->count[NET_rx_frames]++;
    dev->count[NET_rx_bytes] += bytes;
    if (bytes < ETHER_BYTES)
        dev->count[NET_rx_malformed]++;
    else if (!(frame[ETHER_TO] & 1) && memcmp(frame + ETHER_TO, dev->mac, MAC_BYTES) != 0)
        dev->count[NET_rx_address]++; /* a NIC need not look */
    else if (get16(frame + ETHER_TYPE) == ETHER_IPV4)
        ip_input(dev, frame, bytes);
    else if (get16(frame + ETHER_TYPE) == ETHER_ARP)
        arp_input(dev, frame, bytes);
    else
        dev->count[NET_rx_protocol]++;
}

/* What arrives while the driver arms its interrupt is found by the look after that. */
static bool take_frames(struct netdev *dev)
{
    bool given = false;

    for (unsigned n = 0; n < FRAMES_AT_ONCE;) {
        uint32_t bytes;
        const uint8_t *frame = dev->driver->receive(dev, &bytes);

        if (!frame && given)
            return false;
        given = !frame;
        if (given) {
            dev->driver->give(dev);
            continue;
        }
        input(dev, frame, bytes);
        dev->driver->take(dev);
        n++;
    }
    dev->driver->give(dev);
    return true;
}

/* What comes up for the first time is nothing to tell. */
void netdev_link_changed(struct netdev *dev)
{
    bool up = dev->driver->link(dev);
    unsigned i = 0;

    if (up == dev->up)
        return;
    while (netdevs[i] != dev)
        i++;
    if (dev->up || dev->lost)
        print("kernel: net%u: the link is %s\n", i, up ? "up" : "down");
    dev->lost = !up;
    dev->up = up;
}

static bool call(void *of)
{
    struct netdev *dev = of;

    if (!dev->polled) {
        dev->count[NET_interrupts]++;
        if (dev->driver->acknowledge(dev))
            netdev_link_changed(dev);
    }
    process_wake(dev); /* who wants room */
    return take_frames(dev);
}

/* ---- frames that are sent ---- */

uint8_t *netdev_wait_for_room(struct netdev *dev)
{
    uint64_t until = 0;

    for (;;) {
        uint8_t *room = dev->driver->room(dev);

        if (room)
            return room;
        if (!until)
            until = clock_ns() + PATIENCE;
        if (current->killed || clock_ns() >= until)
            return NULL;
        dev->driver->want_room(dev);
        if ((room = dev->driver->room(dev)) != NULL)
            return room;
        process_wait_until(dev, until);
    }
}

void netdev_send(struct netdev *dev, uint8_t *frame, uint32_t bytes)
{
    if (bytes < FRAME_LEAST) {
        memset(frame + bytes, 0, FRAME_LEAST - bytes);
        bytes = FRAME_LEAST;
    }
    dev->count[NET_tx_frames]++;
    dev->count[NET_tx_bytes] += bytes;
    dev->driver->send(dev, bytes);
}

void ether_header(const struct netdev *dev, uint8_t *frame, const uint8_t *to, uint16_t type)
{
    memcpy(frame + ETHER_TO, to, MAC_BYTES);
    memcpy(frame + ETHER_FROM, dev->mac, MAC_BYTES);
    put16(frame + ETHER_TYPE, type);
}

/* ---- what programs know ---- */

static void copy_name(char to[NET_NAME_BYTES], const char *from)
{
    for (unsigned i = 0; i < NET_NAME_BYTES - 1 && from[i]; i++)
        to[i] = from[i];
}

bool netdev_info(unsigned i, struct net_info *info)
{
    const struct netdev *dev = netdev_nth(i);

    if (!dev)
        return false;
    *info = (struct net_info){
        .name = "net", .up = dev->driver->link(dev), .setting = dev->setting, .slot = dev->slot};
    info->name[3] = (char)('0' + i);
    copy_name(info->driver, dev->driver->name);
    copy_name(info->interrupts, dev->interrupts);
    memcpy(info->mac, dev->mac, MAC_BYTES);
    memcpy(info->count, dev->count, sizeof info->count);
    return true;
}

bool netdev_set(unsigned i, const struct net_setting *setting)
{
    struct netdev *dev = netdev_nth(i);

    if (!dev || !setting->address || setting->prefix > 32)
        return false;
    dev->setting = *setting;
    return true;
}

/* ---- what there is ---- */

bool netdev_add(struct netdev *dev, const struct netdev_driver *driver, uint32_t slot)
{
    if (count == NETDEVS)
        return false;
    dev->driver = driver;
    dev->slot = slot;
    dev->interrupts = device_attach(slot, call, dev);
    if (!dev->interrupts)
        return false;
    dev->polled = dev->interrupts[0] == 'p';
    dev->up = driver->link(dev);
    netdevs[count++] = dev;
    return true;
}

/* 10.a.b.c, of the last three bytes of the MAC. */
static void set_default_address(struct netdev *dev)
{
    dev->setting =
        (struct net_setting){.address = UINT32_C(10) << 24 | (get32(dev->mac + 2) & 0xffffff), .prefix = 8};
}

/* A number up to `most`; NULL: there is none. */
static const char *parse_number(const char *s, uint32_t most, uint32_t *value)
{
    if (*s < '0' || *s > '9')
        return NULL;
    for (*value = 0; *s >= '0' && *s <= '9'; s++)
        if ((*value = *value * 10 + (uint32_t)(*s - '0')) > most)
            return NULL;
    return s;
}

static const char *parse_address(const char *s, uint32_t *address)
{
    uint32_t byte = 0;

    *address = 0;
    for (unsigned i = 0; s && i < 4; i++) {
        if (i > 0 && *s++ != '.')
            return NULL;
        s = parse_number(s, 255, &byte);
        *address = *address << 8 | byte;
    }
    return s;
}

/* "ip=" or "gw=", and what is behind it; NULL: it is neither, or no address. */
static const char *parse_setting(const char *s, struct netdev *dev, bool *own)
{
    struct net_setting *t = &dev->setting;

    *own = s[0] == 'i' && s[1] == 'p' && s[2] == '=';
    if (!*own && !(s[0] == 'g' && s[1] == 'w' && s[2] == '='))
        return NULL;
    s = parse_address(s + 3, *own ? &t->address : &t->gateway);
    if (*own)
        t->prefix = 24;
    if (s && *own && *s == '/')
        s = parse_number(s + 1, 32, &t->prefix);
    return s && (*s == ' ' || *s == 0) ? s : NULL;
}

static const char *configure(const char *line)
{
    struct netdev nobody = {0}, *dev = &nobody;
    unsigned next = 0;
    bool own;

    for (const char *end; (end = parse_setting(line, &nobody, &own)) != NULL;) {
        if (own)
            dev = next < count ? netdevs[next++] : &nobody;
        parse_setting(line, dev, &own);
        for (line = end; *line == ' ';)
            line++;
    }
    return line;
}

const char *netdev_init(const char *command_line)
{
    if (device_init()) {
        for (unsigned n = 0; net_e1000_find(n); n++)
            ;
        for (unsigned n = 0; net_virtio_find(n); n++)
            ;
    }
    for (unsigned i = 0; i < count; i++)
        set_default_address(netdevs[i]);
    return configure(command_line);
}
