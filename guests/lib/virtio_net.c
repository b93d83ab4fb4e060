/* virtio_net.c - see virtio_net.h. */
#include "lib/virtio_net.h"

#include <stddef.h>

#include "lib/pci.h"

static const uint8_t header[VIRTIO_NET_HDR_BYTES];

bool vnic_open(struct vnic *n, uint8_t vector)
{
    struct virtio *v = &n->device;

    if (!virtio_find(v, VIRTIO_ID_NET, 0) ||
        !virtio_negotiate(v, VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_F_RING_EVENT_IDX)))
        return false;
    for (uint32_t i = 0; i < sizeof n->mac; i++)
        n->mac[i] = virtio_config8(v, VIRTIO_NET_MAC + i);
    if (vector && !pci_enable_msix(v->slot, 0, vector, 0))
        return false;
    virtio_queue_init(&n->rx, v, VIRTIO_NET_RECEIVE, vector ? 0 : VIRTIO_NO_VECTOR);
    virtio_queue_init(&n->tx, v, VIRTIO_NET_TRANSMIT, VIRTIO_NO_VECTOR);
    virtio_interrupt_after(&n->tx, 0);
    n->offered = n->reaped = 0;
    n->has = false;
    for (uint16_t i = 0; i < VIRTIO_QUEUE_ENTRIES; i++) {
        virtio_descriptor(n->rx.desc, i, n->buffer[i], VNIC_BUFFER, VIRTQ_DESC_F_WRITE, 0);
        virtio_offer(&n->rx, i);
    }
    virtio_ready(v);
    virtio_kick(&n->rx);
    virtio_interrupt_after(&n->rx, 1);
    return true;
}

bool vnic_send(struct vnic *n, const void *frame, uint32_t bytes)
{
    uint16_t at = (uint16_t)(2 * (n->offered % VNIC_SENDS));

    while (virtio_take(&n->tx, 1))
        n->reaped++;
    if ((uint16_t)(n->offered - n->reaped) == VNIC_SENDS)
        return false;
    virtio_descriptor(n->tx.desc, at, header, sizeof header, VIRTQ_DESC_F_NEXT, (uint16_t)(at + 1));
    virtio_descriptor(n->tx.desc, (uint16_t)(at + 1), frame, bytes, 0, 0);
    virtio_offer(&n->tx, at);
    n->offered++;
    return true;
}

void vnic_kick(struct vnic *n)
{
    virtio_kick(&n->tx);
}

static bool next(struct vnic *n)
{
    return n->has || (n->has = virtio_next(&n->rx, &n->at, &n->bytes));
}

/* One that comes after the first look and before the ring asks for an interrupt is found by the second. */
const uint8_t *vnic_received(struct vnic *n, uint32_t *bytes)
{
    if (!next(n)) {
        virtio_interrupt_after(&n->rx, 1);
        if (!next(n))
            return NULL;
    }
    *bytes = n->bytes - VIRTIO_NET_HDR_BYTES;
    return n->buffer[n->at] + VIRTIO_NET_HDR_BYTES;
}

void vnic_next(struct vnic *n)
{
    n->has = false;
    virtio_offer(&n->rx, n->at);
    virtio_kick(&n->rx);
}
