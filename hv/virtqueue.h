/* virtqueue.h - the device's side of a split virtqueue in a VM's memory (VIRTIO 1.1, 2.6 "Split Virtqueues"):
 * indirect descriptors, event indices.
 *
 * All that the guest has written may be wrong, and may change while it is looked at: each value is read once,
 * indices are bounded, a chain has no more descriptors than the queue.  What cannot be followed is BROKEN. */
#ifndef HV_VIRTQUEUE_H
#define HV_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/virtio.h"

#define VIRTQUEUE_SIZE_MAX 128 /* descriptors, and those of a chain */

struct vm;

struct virtqueue {
    struct vm *vm;
    bool enabled, by_index, indirect; /* the last two: as agreed on */
    bool declined;                    /* the driver has been told not to notify */
    uint16_t size, vector;
    uint64_t desc, driver, device; /* gpa */
    uint16_t next_avail, next_used;
    uint16_t told; /* next_used, when it was last looked whether the driver wants an interrupt */
};

/* A chain of buffers: those that the device reads, then those that it writes, and where it is in both. */
struct virtq_chain {
    uint16_t head;
    unsigned buffers, readable;       /* in `buffer`: all, and the first of them that the device reads */
    uint64_t read_bytes, write_bytes; /* left */
    uint32_t written;                 /* from the first on, for the used ring */
    bool gap;                         /* bytes were left out: what follows does not count as written */
    struct virtq_cursor {
        unsigned buffer;
        uint32_t offset;
    } reads, writes;
    struct {
        uint64_t gpa;
        uint32_t bytes;
    } buffer[VIRTQUEUE_SIZE_MAX];
};

enum virtqueue_result { VIRTQUEUE_OK, VIRTQUEUE_EMPTY, VIRTQUEUE_BROKEN };

/* The next chain that the driver has made available. */
enum virtqueue_result virtqueue_take(struct virtqueue *q, struct virtq_chain *c);
/* As if the last one had not been taken. */
void virtqueue_put_back(struct virtqueue *q);
/* The chain goes back to the driver; false: broken. */
bool virtqueue_return(struct virtqueue *q, const struct virtq_chain *c);

/* Notifications are not wanted, or wanted again; false: broken.  After the latter the queue may have chains
 * that the driver has not notified of. */
bool virtqueue_decline(struct virtqueue *q);
bool virtqueue_ask(struct virtqueue *q);
/* Whether the driver wants an interrupt for what has gone back since this was last asked. */
enum virtqueue_result virtqueue_wants_interrupt(struct virtqueue *q, bool *wants);

/* Up to n bytes of the buffers, from where the last call ended.  False: there are fewer, or some lie outside
 * RAM; those in front of them have been moved. */
bool virtq_read(struct vm *vm, struct virtq_chain *c, void *to, uint64_t n);
bool virtq_write(struct vm *vm, struct virtq_chain *c, const void *from, uint64_t n);
/* Leaves out n bytes that could be written. */
void virtq_skip(struct virtq_chain *c, uint64_t n);

#endif
