/* arp.c - see arp.h.  Nobody is remembered but those who talk to us, so that others cannot fill the table. */
#include "kernel/arp.h"

#include <stddef.h>

#include "kernel/clock.h"
#include "kernel/net_bytes.h"
#include "kernel/process.h"
#include "lib/string.h"

#define NEIGHBOURS 16
#define GOOD_FOR   (60000 * CLOCK_MS)
#define TRIES      10
#define A_TRY      (100 * CLOCK_MS)

/* Places in a frame. */
#define ARP_HARDWARE  14
#define ARP_PROTOCOL  16
#define ARP_LENGTHS   18
#define ARP_OPERATION 20
#define ARP_SENDER    22 /* MAC, address */
#define ARP_TARGET    32
#define ARP_END       42

#define ETHERNET       1
#define MAC_AND_IPV4   0x0604 /* bytes of each */
#define ARP_REQUEST    1
#define ARP_REPLY      2
#define ADDRESS_OF(at) ((at) + MAC_BYTES)

static struct neighbour {
    const struct netdev *dev; /* NULL: free */
    uint32_t address;
    uint8_t mac[MAC_BYTES];
    uint64_t heard; /* when */
} neighbours[NEIGHBOURS];

static struct neighbour *find(const struct netdev *dev, uint32_t address)
{
    for (struct neighbour *n = neighbours; n < neighbours + NEIGHBOURS; n++)
        if (n->dev == dev && n->address == address)
            return n;
    return NULL;
}

/* A place that is free, or that of whom we have not heard for longest. */
static struct neighbour *place(void)
{
    struct neighbour *oldest = neighbours;

    for (struct neighbour *n = neighbours; n < neighbours + NEIGHBOURS; n++)
        if (!n->dev)
            return n;
        else if (n->heard < oldest->heard)
            oldest = n;
    return oldest;
}

static void write_packet(const struct netdev *dev, uint8_t *frame, uint16_t operation, const uint8_t *mac,
                         uint32_t address)
{
    put16(frame + ARP_HARDWARE, ETHERNET);
    put16(frame + ARP_PROTOCOL, ETHER_IPV4);
    put16(frame + ARP_LENGTHS, MAC_AND_IPV4);
    put16(frame + ARP_OPERATION, operation);
    memcpy(frame + ARP_SENDER, dev->mac, MAC_BYTES);
    put32(frame + ADDRESS_OF(ARP_SENDER), dev->setting.address);
    memcpy(frame + ARP_TARGET, mac, MAC_BYTES);
    put32(frame + ADDRESS_OF(ARP_TARGET), address);
}

static void answer(struct netdev *dev, const uint8_t *request)
{
    uint8_t *frame = dev->driver->room(dev);

    if (!frame) {
        dev->count[NET_tx_no_room]++;
        return;
    }
    ether_header(dev, frame, request + ARP_SENDER, ETHER_ARP);
    write_packet(dev, frame, ARP_REPLY, request + ARP_SENDER, get32(request + ADDRESS_OF(ARP_SENDER)));
    netdev_send(dev, frame, ARP_END);
}

/* RFC 826, "Packet Reception". */
static void remember(const struct netdev *dev, const uint8_t *frame, bool for_us)
{
    uint32_t address = get32(frame + ADDRESS_OF(ARP_SENDER));
    struct neighbour *n = find(dev, address);

    if (!address || (!n && !for_us))
        return;
    if (!n)
        n = place();
    *n = (struct neighbour){.dev = dev, .address = address, .heard = clock_ns()};
    memcpy(n->mac, frame + ARP_SENDER, MAC_BYTES);
    process_wake(neighbours);
}

void arp_input(struct netdev *dev, const uint8_t *frame, uint32_t bytes)
{
    uint16_t operation;
    bool for_us;

    if (bytes < ARP_END || get16(frame + ARP_HARDWARE) != ETHERNET ||
        get16(frame + ARP_PROTOCOL) != ETHER_IPV4 || get16(frame + ARP_LENGTHS) != MAC_AND_IPV4 ||
        frame[ARP_SENDER] & 1) { /* a group is nobody's MAC */
        dev->count[NET_rx_malformed]++;
        return;
    }
    operation = get16(frame + ARP_OPERATION);
    for_us = get32(frame + ADDRESS_OF(ARP_TARGET)) == dev->setting.address;
    remember(dev, frame, for_us);
    if (operation == ARP_REQUEST && for_us)
        answer(dev, frame);
}

static bool known(const struct netdev *dev, uint32_t address, uint8_t mac[MAC_BYTES])
{
    const struct neighbour *n = find(dev, address);

    if (!n || clock_ns() - n->heard > GOOD_FOR)
        return false;
    memcpy(mac, n->mac, MAC_BYTES);
    return true;
}

static bool ask(struct netdev *dev, uint32_t address)
{
    static const uint8_t all[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nobody[MAC_BYTES];
    uint8_t *frame = netdev_wait_for_room(dev);

    if (!frame)
        return false;
    ether_header(dev, frame, all, ETHER_ARP);
    write_packet(dev, frame, ARP_REQUEST, nobody, address);
    netdev_send(dev, frame, ARP_END);
    return true;
}

bool arp_resolve(struct netdev *dev, uint32_t address, uint8_t mac[MAC_BYTES])
{
    for (unsigned tries = 0; !known(dev, address, mac); tries++) {
        uint64_t until = clock_ns() + A_TRY;

        if (tries == TRIES || !ask(dev, address))
            return false;
        while (!known(dev, address, mac) && clock_ns() < until && !current->killed)
            process_wait_until(neighbours, until);
        if (current->killed)
            return false;
    }
    return true;
}

bool arp_nth(unsigned i, struct net_neighbour *neighbour)
{
    for (const struct neighbour *n = neighbours; n < neighbours + NEIGHBOURS; n++) {
        if (!n->dev || i-- > 0)
            continue;
        *neighbour = (struct net_neighbour){.address = n->address};
        memcpy(neighbour->mac, n->mac, MAC_BYTES);
        while (netdev_nth(neighbour->interface) != n->dev)
            neighbour->interface++;
        return true;
    }
    return false;
}
