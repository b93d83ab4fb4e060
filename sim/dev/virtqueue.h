/* virtqueue.h - the device's side of a split virtqueue (VIRTIO 1.1, 2.6 "Split Virtqueues"), a step an atom.
 */
#ifndef RINGSIDE_DEV_VIRTQUEUE_H
#define RINGSIDE_DEV_VIRTQUEUE_H

#include "dev/virtio.h"

enum virtqueue_phase {
    QUEUE_IDLE,       /* waits for a notification */
    QUEUE_LOOK,       /* reads the available ring */
    QUEUE_DESCRIPTOR, /* reads the next descriptor of a chain */
    QUEUE_WORK,       /* the chain is there: the device's turn */
    QUEUE_USED,       /* returns it */
    QUEUE_PHASES
};

/* The step of a phase that is not the device's own. */
void virtqueue_step(struct pci_device *d, struct virtqueue *q);

/* In QUEUE_WORK: up to n bytes of the buffers that the device reads, or writes, from where the last call
 * ended. False: a transfer was refused, or there are fewer; those that are count as read or written. */
bool virtqueue_read(struct pci_device *d, struct virtqueue *q, void *bytes, unsigned n);
bool virtqueue_write(struct pci_device *d, struct virtqueue *q, const void *bytes, unsigned n);
/* Leaves out n bytes that it could write: those behind them do not count in the used ring. */
void virtqueue_skip(struct virtqueue *q, u64 n);
/* The chain is as if it had not been taken, and is what the device finds when it looks again. */
void virtqueue_put_back(struct virtqueue *q);
/* The work is done. */
void virtqueue_return(struct virtqueue *q);

#endif
