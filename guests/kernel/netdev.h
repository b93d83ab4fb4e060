/* netdev.h - network interfaces: what drivers of NICs have in common. */
#ifndef KERNEL_NETDEV_H
#define KERNEL_NETDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/net_call.h"

#define NETDEVS       4
#define MAC_BYTES     6
#define FRAME_LEAST   60 /* without FCS */
#define FRAME_MOST    1514
#define ETHER_BYTES   14
#define ETHER_TO      0 /* places in a frame */
#define ETHER_FROM    6
#define ETHER_TYPE    12
#define ETHER_IPV4    0x0800
#define ETHER_ARP     0x0806
#define NETDEV_BUFFER 2048 /* a frame, and what a NIC may want before it */

struct netdev;

struct netdev_driver {
    const char *name;
    bool (*link)(const struct netdev *dev);
    /* Where the next frame to be sent is written, FRAME_MOST bytes; NULL while all are under way. */
    uint8_t *(*room)(struct netdev *dev);
    /* Sends what has been written there. */
    void (*send)(struct netdev *dev, uint32_t bytes);
    /* An interrupt when there is room again. */
    void (*want_room)(struct netdev *dev);
    /* The frame that has arrived next; NULL: none.  *bytes: 0 if the NIC says that it is damaged. */
    const uint8_t *(*receive)(struct netdev *dev, uint32_t *bytes);
    /* The kernel has done with it. */
    void (*take)(struct netdev *dev);
    /* The NIC gets all that were taken, and is to interrupt with the next frame. */
    void (*give)(struct netdev *dev);
    /* An interrupt has come; whether the link may have changed. */
    bool (*acknowledge)(struct netdev *dev);
};

/* Of a file that has them by these names. */
#define NETDEV_DRIVER(text) \
    { \
        text, has_link, room, send, want_room, receive, take, give, acknowledge \
    }

struct netdev {
    const struct netdev_driver *driver;
    const char *interrupts; /* "MSI-X", "MSI", "polled" */
    uint32_t slot;
    bool polled;
    bool up, lost; /* the link, as far as interrupts have told; lost: it was said to be down */
    bool taken;    /* frames that the driver has still to give back */
    uint8_t mac[MAC_BYTES];
    struct net_setting setting;
    uint64_t count[NET_COUNTS];
};

/* Finds NICs; gives each its address: the i-th of the words "ip=ADDRESS[/PREFIX]" that the command line
 * begins with ("gw=ADDRESS" behind one is its gateway), else one that comes of its MAC.  What follows these
 * words. */
const char *netdev_init(const char *command_line);
struct netdev *netdev_nth(unsigned i);
/* What programs may know of the i-th, and change; false: there is none, or no such address or prefix. */
bool netdev_info(unsigned i, struct net_info *info);
bool netdev_set(unsigned i, const struct net_setting *setting);

/* A driver's: says so if the link has come or gone. */
void netdev_link_changed(struct netdev *dev);
/* Names an interface that it has found, and attaches its interrupts.  False: there are enough. */
bool netdev_add(struct netdev *dev, const struct netdev_driver *driver, uint32_t slot);
/* net_e1000.c, net_virtio.c: the n-th on the bus; false: there are no more. */
bool net_e1000_find(unsigned n);
bool net_virtio_find(unsigned n);

/* Room for a frame, which a process waits for; NULL: there was none for a second, or it is killed. */
uint8_t *netdev_wait_for_room(struct netdev *dev);
/* Sends what has been written to the room that the driver gave last, padded if it is short. */
void netdev_send(struct netdev *dev, uint8_t *frame, uint32_t bytes);

/* Puts the frame's three first fields there: from `dev`. */
void ether_header(const struct netdev *dev, uint8_t *frame, const uint8_t *to, uint16_t type);

#endif
