/* socket.c - a ring of datagrams each, in pages that come and go with the socket. */
#include "kernel/socket.h"

#include <stddef.h>

#include "kernel/clock.h"
#include "kernel/ip.h"
#include "kernel/memory.h"
#include "kernel/process.h"
#include "lib/string.h"

#define SOCKETS    16
#define PAGES      16
#define IN_A_PAGE  2
#define RING       (PAGES * IN_A_PAGE)
#define PORT_FIRST 50000 /* of those that are given out */
#define PORT_LAST  59999
#define PORT_MOST  65535

struct slot {
    uint32_t bytes;
    struct net_datagram other;
    uint8_t data[NET_DATA_MOST];
};

_Static_assert(sizeof(struct slot) * IN_A_PAGE <= PAGE_4K, "a page has room for two");

struct socket {
    uint8_t protocol; /* 0: free */
    uint16_t port;
    uint32_t put, taken; /* how many so far */
    uint64_t page[PAGES];
};

static struct socket sockets[SOCKETS];

static struct socket *find(uint64_t protocol, uint64_t port)
{
    for (struct socket *s = sockets; s < sockets + SOCKETS; s++)
        if (s->protocol == protocol && s->port == port)
            return s;
    return NULL;
}

static uint16_t free_port(uint64_t protocol)
{
    static uint16_t last = PORT_LAST;

    do
        last = last == PORT_LAST ? PORT_FIRST : (uint16_t)(last + 1);
    while (find(protocol, last));
    return last;
}

static void free_pages(struct socket *s)
{
    for (unsigned i = 0; i < PAGES; i++)
        if (s->page[i])
            page_drop(s->page[i], PAGE_4K);
}

static bool make_pages(struct socket *s)
{
    for (unsigned i = 0; i < PAGES; i++)
        if (!(s->page[i] = page_new(PAGE_4K))) {
            free_pages(s);
            return false;
        }
    return true;
}

struct socket *socket_new(uint64_t protocol, uint64_t port, int64_t *why)
{
    struct socket *s = find(0, 0);

    *why = -1;
    if (!s || (protocol != NET_UDP && protocol != NET_ICMP) || port > PORT_MOST)
        return NULL;
    if (port && find(protocol, port)) {
        *why = NET_PORT_TAKEN;
        return NULL;
    }
    *s = (struct socket){0};
    if (!make_pages(s)) {
        *s = (struct socket){0};
        return NULL;
    }
    s->port = port ? (uint16_t)port : free_port(protocol);
    s->protocol = (uint8_t)protocol;
    return s;
}

void socket_close(struct socket *socket)
{
    free_pages(socket);
    *socket = (struct socket){0};
}

/* ---- in ---- */

static struct slot *slot_of(const struct socket *s, uint32_t i)
{
    return (struct slot *)direct(s->page[i % RING / IN_A_PAGE]) + i % IN_A_PAGE;
}

enum socket_delivery socket_deliver(uint8_t protocol, uint16_t port, const struct net_datagram *other,
                                    const uint8_t *data, uint32_t bytes)
{
    struct socket *s = find(protocol, port);
    struct slot *slot;

    if (!s || bytes > NET_DATA_MOST)
        return SOCKET_NOBODY;
    if (s->put - s->taken == RING)
        return SOCKET_FULL;
    slot = slot_of(s, s->put++);
    slot->bytes = bytes;
    slot->other = *other;
    memcpy(slot->data, data, bytes);
    process_wake(s);
    return SOCKET_DELIVERED;
}

int64_t socket_await(struct socket *socket, uint64_t deadline)
{
    while (socket->put == socket->taken) {
        if (current->killed)
            return -1;
        if (deadline != CLOCK_NEVER && clock_ns() >= deadline)
            return 0;
        process_wait_until(socket, deadline);
    }
    return 1;
}

int64_t socket_read(struct socket *socket, uint64_t va, uint64_t n)
{
    struct slot *slot;
    uint64_t bytes;

    if (n < sizeof slot->other || socket_await(socket, CLOCK_NEVER) < 0)
        return -1;
    slot = slot_of(socket, socket->taken);
    bytes = n - sizeof slot->other < slot->bytes ? n - sizeof slot->other : slot->bytes;
    if (!copy_out(&current->space, va, &slot->other, sizeof slot->other) ||
        !copy_out(&current->space, va + sizeof slot->other, slot->data, bytes))
        return -1;
    socket->taken++;
    return (int64_t)(sizeof slot->other + bytes);
}

/* ---- out ---- */

/* All that may take time comes before the frame is written. */
int64_t socket_write(struct socket *socket, uint64_t va, uint64_t n)
{
    struct net_datagram to;
    uint8_t mac[MAC_BYTES], *frame;
    struct netdev *dev;
    uint32_t next, bytes = (uint32_t)(n - sizeof to);

    if (n < sizeof to || n - sizeof to > NET_DATA_MOST || !copy_in(&current->space, &to, va, sizeof to))
        return -1;
    if (!(dev = ip_route(to.address, &next)))
        return NET_NO_ROUTE;
    if (!ip_resolve(dev, next, mac))
        return NET_UNREACHABLE;
    if (!(frame = netdev_wait_for_room(dev)) ||
        !copy_in(&current->space, frame + DATA_AT, va + sizeof to, bytes))
        return -1;
    ip_send(dev, frame, mac, socket->protocol, socket->port, &to, bytes);
    return (int64_t)n;
}
