#include "virtio_net.h"

#include <stddef.h>

#include "guests/lib/string.h"
#include "net.h"
#include "vm.h"

#define AT_ONCE 256 /* frames of one notification: the rest waits for the next turn */

/* ---- configuration (5.1.4 "Device configuration layout") ---- */

static struct virtio_net *net_of(const struct virtio_device *d)
{
    return (struct virtio_net *)d;
}

static uint64_t features(const struct virtio_device *d)
{
    (void)d;
    return FEATURE_BIT(VIRTIO_NET_F_MAC) | FEATURE_BIT(VIRTIO_NET_F_STATUS);
}

static uint64_t config_read(struct virtio_device *d, unsigned at, unsigned n)
{
    const struct vswitch_port *port = net_of(d)->port;
    uint8_t config[VIRTIO_NET_CONFIG_BYTES] = {0};
    uint64_t value = 0;

    memcpy(config + VIRTIO_NET_MAC, port->mac, MAC_BYTES);
    config[VIRTIO_NET_STATUS] = port->link ? VIRTIO_NET_LINK_UP : 0;
    memcpy(&value, config + at, n);
    return value;
}

static void reset(struct virtio_device *d)
{
    net_of(d)->more = false;
}

/* ---- frames that come: one interrupt for all that come together ---- */

static unsigned held;
static struct virtio_net *first_told; /* those that have something to tell their drivers */

void virtio_net_hold(void)
{
    held++;
}

void virtio_net_release(void)
{
    struct virtio_net *n;

    if (--held > 0)
        return;
    while ((n = first_told)) {
        first_told = n->next;
        n->returned = false;
        if (virtio_pci_live(&n->device))
            virtio_pci_returned(&n->device, &n->device.queue[VIRTIO_NET_RECEIVE]);
    }
}

static void tell(struct virtio_net *n)
{
    if (n->returned)
        return;
    n->returned = true;
    n->next = first_told;
    first_told = n;
}

/* There is one chain of buffers for a frame, and neither sums nor segments (5.1.6.4). */
static bool fill(struct virtio_net *n, struct virtqueue *q, const uint8_t *frame, unsigned bytes)
{
    static const uint8_t header[VIRTIO_NET_HDR_BYTES] = {[VIRTIO_NET_HDR_BUFFERS] = 1};
    struct vm *vm = n->device.vm;

    return virtq_write(vm, &n->chain, header, sizeof header) && virtq_write(vm, &n->chain, frame, bytes) &&
           virtqueue_return(q, &n->chain);
}

/* A buffer that is too small waits for a smaller frame.  Notifications of buffers are of no use: a frame that
 * finds none is lost, and the next one looks again. */
bool virtio_net_receive(void *of, const uint8_t *frame, unsigned bytes)
{
    struct virtio_net *n = of;
    struct virtqueue *q = &n->device.queue[VIRTIO_NET_RECEIVE];
    enum virtqueue_result result;

    if (!vm_alive(n->device.vm) || !virtio_pci_live(&n->device) || !q->enabled)
        return false;
    result = virtqueue_decline(q) ? virtqueue_take(q, &n->chain) : VIRTQUEUE_BROKEN;
    if (result == VIRTQUEUE_EMPTY)
        return false;
    if (result == VIRTQUEUE_OK && n->chain.write_bytes < VIRTIO_NET_HDR_BYTES + bytes) {
        virtqueue_put_back(q);
        return false;
    }
    virtio_net_hold();
    if (result == VIRTQUEUE_BROKEN || !fill(n, q, frame, bytes)) {
        virtio_pci_break(&n->device);
    } else {
        n->device.chains++;
        tell(n);
    }
    virtio_net_release();
    return result == VIRTQUEUE_OK;
}

/* ---- frames that are sent ---- */

/* What is no frame is not sent; a chain without a header is none. */
static bool send(struct virtio_net *n)
{
    uint8_t header[VIRTIO_NET_HDR_BYTES];
    uint64_t bytes;

    if (!virtq_read(n->device.vm, &n->chain, header, sizeof header))
        return false;
    bytes = n->chain.read_bytes;
    if (bytes > sizeof n->frame) {
        n->port->counts.malformed++;
        return true;
    }
    if (!virtq_read(n->device.vm, &n->chain, n->frame, bytes))
        return false;
    vswitch_send(net_switch(), n->port, n->frame, (unsigned)bytes);
    return true;
}

/* Until the queue is empty, also of what the driver adds meanwhile: only then does it ask for notifications,
 * and looks once more. */
static bool send_all(struct virtio_net *n, struct virtqueue *q)
{
    bool asked = false;

    if (!virtqueue_decline(q))
        return false;
    for (unsigned sent = 0; sent < AT_ONCE;) {
        enum virtqueue_result result = virtqueue_take(q, &n->chain);

        if (result == VIRTQUEUE_EMPTY && asked)
            return true;
        if (result == VIRTQUEUE_EMPTY) {
            asked = true;
            if (!virtqueue_ask(q))
                return false;
            continue;
        }
        if (result == VIRTQUEUE_BROKEN || !send(n) || !virtqueue_return(q, &n->chain))
            return false;
        asked = false;
        sent++;
        n->device.chains++;
    }
    n->more = true;
    return true;
}

static void serve(struct virtio_device *d, unsigned queue)
{
    struct virtio_net *n = net_of(d);
    struct virtqueue *q = &d->queue[queue];

    if (queue != VIRTIO_NET_TRANSMIT)
        return;
    virtio_net_hold();
    n->more = false;
    if (send_all(n, q))
        virtio_pci_returned(d, q);
    else
        virtio_pci_break(d);
    virtio_net_release();
}

void virtio_net_turn(struct virtio_net *n)
{
    if (n->more && virtio_pci_live(&n->device))
        serve(&n->device, VIRTIO_NET_TRANSMIT);
}

/* ---- the model ---- */

static const struct virtio_kind kind = {
    .pci = VIRTIO_PCI(VIRTIO_ID_NET, 0x020000, 3),
    .name = "virtio-net",
    .queues = 2,
    .config_bytes = VIRTIO_NET_CONFIG_BYTES,
    .features = features,
    .reset = reset,
    .config_read = config_read,
    .serve = serve,
};

bool virtio_net_plug(struct virtio_net *n, struct vm *vm)
{
    n->port = net_port(vm, virtio_net_receive, n);
    return n->port && virtio_pci_plug(&n->device, vm, &kind);
}
