/* virtio_net.h - a driver of a virtio NIC (VIRTIO 1.1, 5.1 "Network Device"): two queues, event indices;
 * interrupts by MSI-X, or polled. */
#ifndef GUEST_VIRTIO_NET_H
#define GUEST_VIRTIO_NET_H

#include "lib/virtio.h"

#define VNIC_SENDS  (VIRTIO_QUEUE_ENTRIES / 2) /* frames on their way: each takes two descriptors */
#define VNIC_BUFFER 2048

struct vnic {
    struct virtio device;
    struct virtio_queue rx, tx;
    uint8_t mac[6];
    uint16_t offered, reaped; /* frames given to be sent, and those of them that have been */
    bool has;                 /* a frame that has arrived, and has not been given back: */
    uint16_t at;              /* its buffer */
    uint32_t bytes;
    uint8_t buffer[VIRTIO_QUEUE_ENTRIES][VNIC_BUFFER];
};

/* The first on the bus, with an interrupt of that vector (0: none) for frames that come.  False: there is
 * none, or it refuses. */
bool vnic_open(struct vnic *n, uint8_t vector);
/* Gives it a frame, which stays where it is until it has been sent; vnic_kick tells it of all.  False:
 * VNIC_SENDS are on their way. */
bool vnic_send(struct vnic *n, const void *frame, uint32_t bytes);
void vnic_kick(struct vnic *n);
/* The next frame that has arrived, and its length; NULL: none, and then there will be an interrupt for the
 * next.  To be given back by vnic_next. */
const uint8_t *vnic_received(struct vnic *n, uint32_t *bytes);
void vnic_next(struct vnic *n);

#endif
