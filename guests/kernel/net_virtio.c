/* net_virtio.c - a virtio NIC as an interface (VIRTIO 1.1, 5.1 "Network Device"; guests/lib/virtio.h): each
 * frame in one buffer, behind the header that virtio wants. */
#include <stddef.h>

#include "kernel/device.h"
#include "kernel/memory.h"
#include "kernel/netdev.h"
#include "lib/print.h"
#include "lib/virtio.h"

#define HEADER VIRTIO_NET_HDR_BYTES
#define FEATURES \
    (VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_NET_F_STATUS) | VIRTIO_BIT(VIRTIO_F_RING_EVENT_IDX))
#define HALF_OF_QUEUE (VIRTIO_QUEUE_ENTRIES / 2)

struct virtio_nic {
    struct netdev dev; /* first: the same address */
    struct virtio virtio;
    struct virtio_queue rx, tx;
    uint16_t head;  /* of the frame that is being received, */
    uint32_t bytes; /* and its bytes; 0: there is none */
    uint16_t slot;  /* of the room given last */
    uint32_t busy;  /* a bit for each buffer that is being sent */
    uint8_t in[VIRTIO_QUEUE_ENTRIES][NETDEV_BUFFER];
    uint8_t out[VIRTIO_QUEUE_ENTRIES][NETDEV_BUFFER];
};

static struct virtio_nic *of(struct netdev *dev)
{
    return (struct virtio_nic *)dev;
}

static bool has_link(const struct netdev *dev)
{
    const struct virtio *v = &((const struct virtio_nic *)dev)->virtio;

    return !(v->features & VIRTIO_BIT(VIRTIO_NET_F_STATUS)) ||
           virtio_config8(v, VIRTIO_NET_STATUS) & VIRTIO_NET_LINK_UP;
}

/* ---- out ---- */

static uint8_t *room(struct netdev *dev)
{
    struct virtio_nic *v = of(dev);
    uint32_t bytes;
    uint16_t head;

    while (virtio_next(&v->tx, &head, &bytes))
        v->busy &= ~(UINT32_C(1) << head);
    for (v->slot = 0; v->slot < VIRTIO_QUEUE_ENTRIES; v->slot++)
        if (!(v->busy >> v->slot & 1))
            return v->out[v->slot] + HEADER;
    return NULL;
}

static void send(struct netdev *dev, uint32_t bytes)
{
    struct virtio_nic *v = of(dev);

    v->busy |= UINT32_C(1) << v->slot;
    virtio_descriptor(v->tx.desc, v->slot, v->out[v->slot], HEADER + bytes, 0, 0);
    virtio_offer(&v->tx, v->slot);
    virtio_kick(&v->tx);
}

static void want_room(struct netdev *dev)
{
    virtio_interrupt_after(&of(dev)->tx, HALF_OF_QUEUE);
}

/* ---- in ---- */

static const uint8_t *receive(struct netdev *dev, uint32_t *bytes)
{
    struct virtio_nic *v = of(dev);

    if (!virtio_next(&v->rx, &v->head, &v->bytes))
        return NULL;
    *bytes = v->bytes <= HEADER || v->bytes - HEADER > FRAME_MOST ? 0 : v->bytes - HEADER;
    return v->in[v->head] + HEADER;
}

static void take(struct netdev *dev)
{
    virtio_offer(&of(dev)->rx, of(dev)->head);
    dev->taken = true;
}

static void give(struct netdev *dev)
{
    if (dev->taken)
        virtio_kick(&of(dev)->rx);
    dev->taken = false;
    virtio_interrupt_after(&of(dev)->rx, dev->polled ? 0 : 1);
}

static bool acknowledge(struct netdev *dev)
{
    virtio_interrupt_after(&of(dev)->tx, 0);
    return false; /* the link has a vector of its own */
}

static bool link_call(void *dev)
{
    netdev_link_changed(dev);
    return false;
}

static const struct netdev_driver driver = NETDEV_DRIVER("virtio");

/* ---- the device ---- */

static void start_queues(struct virtio_nic *v)
{
    uint16_t vector = v->dev.polled ? VIRTIO_NO_VECTOR : 0;

    virtio_queue_init(&v->rx, &v->virtio, VIRTIO_NET_RECEIVE, vector);
    virtio_queue_init(&v->tx, &v->virtio, VIRTIO_NET_TRANSMIT, vector);
    virtio_interrupt_after(&v->tx, 0);
    if (device_attach_entry(v->dev.slot, 1, link_call, &v->dev))
        virtio_config_vector(&v->virtio, 1);
    for (uint16_t i = 0; i < VIRTIO_QUEUE_ENTRIES; i++) {
        virtio_descriptor(v->rx.desc, i, v->in[i], NETDEV_BUFFER, VIRTQ_DESC_F_WRITE, 0);
        virtio_offer(&v->rx, i);
    }
    virtio_ready(&v->virtio);
    v->dev.taken = true;
    give(&v->dev);
}

bool net_virtio_find(unsigned n)
{
    struct virtio found;
    uint64_t pa = virtio_find(&found, VIRTIO_ID_NET, n) ? page_run(sizeof(struct virtio_nic)) : 0;
    struct virtio_nic *v = direct(pa);

    if (!pa)
        return false;
    device_map(found.slot);
    v->virtio = found;
    if (!virtio_negotiate(&v->virtio, FEATURES) || !(v->virtio.features & VIRTIO_BIT(VIRTIO_F_VERSION_1) &&
                                                     v->virtio.features & VIRTIO_BIT(VIRTIO_NET_F_MAC))) {
        print("kernel: the virtio NIC in slot %u is left alone: it does not agree to VERSION_1 and MAC\n",
              found.slot);
        return true;
    }
    for (unsigned i = 0; i < MAC_BYTES; i++)
        v->dev.mac[i] = virtio_config8(&v->virtio, VIRTIO_NET_MAC + i);
    if (!netdev_add(&v->dev, &driver, found.slot))
        return false;
    start_queues(v);
    return true;
}
