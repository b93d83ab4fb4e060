/* virtio_pci.h - virtio devices of a VM, over PCI: what all have in common (VIRTIO 1.1, 4.1 "Virtio Over PCI
 * Bus").  The queues are served where the access is that notifies of them. */
#ifndef HV_VIRTIO_PCI_H
#define HV_VIRTIO_PCI_H

#include "arch/virtio.h"
#include "virtqueue.h"
#include "vpci.h"

#define VIRTIO_QUEUES    2      /* the most that a device has */
#define VIRTIO_BAR_BYTES 0x4000 /* BAR 0: the structures */
#define FEATURE_BIT(n)   (UINT64_C(1) << (n))

struct virtio_device;

struct virtio_kind {
    struct vpci_model pci; /* first: a function's model leads to it */
    const char *name;
    unsigned queues, config_bytes;
    /* What it offers, beside what all do. */
    uint64_t (*features)(const struct virtio_device *d);
    /* A reset: what is its own. */
    void (*reset)(struct virtio_device *d);
    /* Its configuration: n bytes, inside config_bytes. */
    uint64_t (*config_read)(struct virtio_device *d, unsigned at, unsigned n);
    void (*config_write)(struct virtio_device *d, unsigned at, unsigned n, uint64_t value); /* or NULL */
    /* The driver has notified of a queue that is enabled. */
    void (*serve)(struct virtio_device *d, unsigned queue);
};

/* First in the device's own struct. */
struct virtio_device {
    struct vm *vm;
    struct vpci_function *function;
    const struct virtio_kind *kind;
    uint32_t device_select, driver_select; /* of the features */
    uint64_t features;                     /* as the driver has chosen them */
    uint8_t status, isr, generation;
    uint8_t access; /* where its configuration access capability is */
    uint16_t msix_config, queue_select;
    uint64_t notifications, interrupts, chains; /* since the VM's start */
    struct virtqueue queue[VIRTIO_QUEUES];
};

/* A kind's `pci`, with so many vectors of MSI-X. */
#define VIRTIO_PCI(id, its_class, vectors) \
    { \
        .vendor = VIRTIO_VENDOR, .device = VIRTIO_DEVICE(id), .subvendor = VIRTIO_VENDOR, \
        .subsystem = 0x1100, .class = (its_class), .revision = 1, \
        .bar = {{.bytes = VIRTIO_BAR_BYTES, .registers = {virtio_pci_read, virtio_pci_write}}, \
                {.bytes = 0x1000}}, \
        .msix_vectors = (vectors), .msix_bar = 1, .build = virtio_pci_build, \
        .configuring = virtio_pci_configuring, .configured = virtio_pci_configured, \
    }

uint64_t virtio_pci_read(void *of, uint64_t offset, unsigned bytes);
void virtio_pci_write(void *of, uint64_t offset, unsigned bytes, uint64_t value);
void virtio_pci_build(struct vpci_function *f);
void virtio_pci_configuring(void *of, unsigned at);
void virtio_pci_configured(void *of, unsigned at);

/* A VM starts.  False: its bus is full. */
bool virtio_pci_plug(struct virtio_device *d, struct vm *vm, const struct virtio_kind *kind);

static inline bool virtio_pci_has(const struct virtio_device *d, unsigned feature)
{
    return d->features >> feature & 1;
}

/* The driver has set it up, lets it reach memory, and has made nothing that cannot be followed. */
bool virtio_pci_live(const struct virtio_device *d);
/* What the driver has made cannot be followed: the device needs a reset (2.1.2). */
void virtio_pci_break(struct virtio_device *d);
/* Chains have gone back: the driver gets an interrupt, if it wants one. */
void virtio_pci_returned(struct virtio_device *d, struct virtqueue *q);
/* Its configuration has changed (4.1.5.4). */
void virtio_pci_config_changed(struct virtio_device *d);

#endif
