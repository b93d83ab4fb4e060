/* virtio.h - a driver's side of virtio over PCI: finding a device, agreeing on features, a split queue
 * (sim/arch/virtio.h). */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/virtio.h"

#define VIRTIO_BIT(feature)  (1ull << (feature))
#define VIRTIO_QUEUE_ENTRIES 16

/* A device, and where its structures are. */
struct virtio {
    uint32_t slot;
    uint64_t common, notify, isr, config;
    uint32_t multiplier;
    uint64_t features; /* as agreed on */
    uint64_t
        shift; /* how much higher memory is where the device sees it; the caller adds it in descriptors */
};

/* A queue of VIRTIO_QUEUE_ENTRIES; chains are given and taken back in their order. */
struct virtio_queue {
    struct virtio *device;
    uint16_t number;
    uint64_t bell; /* where a notification is written */
    uint16_t next, told, seen;
    uint32_t notifications;
    _Alignas(16) uint8_t desc[VIRTQ_DESC_BYTES * VIRTIO_QUEUE_ENTRIES];
    _Alignas(16) uint8_t avail[VIRTQ_AVAIL_BYTES(VIRTIO_QUEUE_ENTRIES)];
    _Alignas(16) uint8_t used[VIRTQ_USED_BYTES(VIRTIO_QUEUE_ENTRIES)];
};

/* The n-th device of that ID on the bus, with memory decoding and bus mastering on; false: there is none. */
bool virtio_find(struct virtio *v, uint16_t id, unsigned n);

/* The device in a slot, as it is; false: it is none. */
bool virtio_at(struct virtio *v, uint32_t slot);
void virtio_reset(const struct virtio *v);

/* Resets it and takes those of the features that it offers, and VERSION_1; false: it refuses. */
bool virtio_negotiate(struct virtio *v, uint64_t wanted);
/* Interrupts by entry `vector` of its MSI-X table, or none: VIRTIO_NO_VECTOR. */
void virtio_queue_init(struct virtio_queue *q, struct virtio *v, uint16_t number, uint16_t vector);
/* The same for changes of the device's own configuration. */
void virtio_config_vector(const struct virtio *v, uint16_t vector);
void virtio_ready(struct virtio *v);

/* A field of the device's own configuration. */
uint32_t virtio_config(const struct virtio *v, uint32_t at);
uint8_t virtio_config8(const struct virtio *v, uint32_t at);

void virtio_descriptor(uint8_t *table, uint16_t i, const volatile void *at, uint32_t bytes, uint16_t flags,
                       uint16_t next);
/* Makes a chain available; the device does not know yet. */
void virtio_offer(struct virtio_queue *q, uint16_t head);
/* Tells it of all that has been offered, if it wants to know. */
void virtio_kick(struct virtio_queue *q);
/* Whether `n` more chains have come back; then they are taken. */
bool virtio_take(struct virtio_queue *q, uint16_t n);
/* The next chain that has come back: its first descriptor, and the bytes that the device says it has written.
 */
bool virtio_next(struct virtio_queue *q, uint16_t *head, uint32_t *bytes);
/* Of chains to come, only the n-th is to interrupt; 0: none. */
void virtio_interrupt_after(struct virtio_queue *q, uint16_t n);

#endif
