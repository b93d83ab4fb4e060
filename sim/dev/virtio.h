/* virtio.h - virtio devices over PCI: what all have in common (VIRTIO 1.1, 4.1 "Virtio Over PCI Bus"). */
#ifndef RINGSIDE_DEV_VIRTIO_H
#define RINGSIDE_DEV_VIRTIO_H

#include "arch/virtio.h"
#include "dev/pci.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))

/* A kind of device; `pci` is its first field, so that a function's model leads to it. */
struct virtio_model {
    struct pci_model pci;
    unsigned queues, config_bytes;
    struct virtio *(*state)(const struct pci_device *d);
    /* Beside those of all devices. */
    u64 (*features)(const struct pci_device *d);
    /* A reset: what is the device's own. */
    void (*reset)(struct pci_device *d);
    /* Its configuration: a field or a part of one, inside config_bytes. */
    u64 (*config_read)(const struct pci_device *d, unsigned at, unsigned n);
    void (*config_write)(struct pci_device *d, unsigned at, unsigned n, u64 value); /* NULL: read-only */
    /* Whether it has a use for a buffer of that queue; NULL: always. */
    bool (*wants)(const struct pci_device *d, unsigned queue);
    /* An atom of a queue whose chain is there; virtqueue_return ends it.  The next is at once, or at a cycle
     * that it puts into the queue's `due`. */
    void (*work)(struct pci_device *d, unsigned queue);
};

#define VIRTIO_BAR 0 /* the structures; BAR 1 has the MSI-X table */

/* For the `pci` of a model. */
void virtio_build(struct pci_device *d);
void virtio_reset(struct pci_device *d);
u64 virtio_read(struct pci_device *d, unsigned bar, u64 offset, unsigned n);
void virtio_write(struct pci_device *d, unsigned bar, u64 offset, unsigned n, u64 value);
void virtio_run(struct pci_device *d);
void virtio_configuring(struct pci_device *d, unsigned at);
void virtio_configured(struct pci_device *d, unsigned at);

#define VIRTIO_PCI(kind, id, device_class, vectors, builder) \
    { \
        .name = (kind), .vendor = VIRTIO_VENDOR, .device = VIRTIO_DEVICE(id), .subvendor = VIRTIO_VENDOR, \
        .subsystem = 0x1100, .class = (device_class), .revision = 1, \
        .bar = {{.bytes = 0x4000}, {.bytes = 0x1000}}, .intx = true, .msix_vectors = (vectors), \
        .msix_bar = 1, .build = (builder), .reset = virtio_reset, .read = virtio_read, \
        .write = virtio_write, .run = virtio_run, .configuring = virtio_configuring, \
        .configured = virtio_configured, \
    }

static inline const struct virtio_model *virtio_model(const struct pci_device *d)
{
    return (const struct virtio_model *)d->model;
}

static inline struct virtio *virtio_state(const struct pci_device *d)
{
    return virtio_model(d)->state(d);
}

static inline bool virtio_has(const struct pci_device *d, unsigned feature)
{
    return virtio_state(d)->features >> feature & 1;
}

/* The driver has set it up, and the device has not given up. */
bool virtio_live(const struct pci_device *d);
/* What the driver has made cannot be followed: the device needs a reset (2.1.2). */
void virtio_break(struct pci_device *d);
void virtio_interrupt_queue(struct pci_device *d, const struct virtqueue *q);
/* Its own configuration has changed: the driver hears of it (4.1.5.4). */
void virtio_config_changed(struct pci_device *d);
/* The device has a use for buffers of that queue now. */
void virtio_look(struct pci_device *d, unsigned queue);

#endif
