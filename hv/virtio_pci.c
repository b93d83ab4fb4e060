#include "virtio_pci.h"

#include <stddef.h>

#include "vm.h"

/* ---- where the structures are, in BAR 0 ---- */

enum structure { COMMON = 0x0000, ISR = 0x1000, CONFIG = 0x2000, NOTIFY = 0x3000, STRUCTURE = 0x1000 };

#define BAR        0
#define MULTIPLIER 4 /* bytes of a queue's place in the notification structure */

static const uint64_t common_features =
    FEATURE_BIT(VIRTIO_F_RING_INDIRECT_DESC) | FEATURE_BIT(VIRTIO_F_RING_EVENT_IDX) |
    FEATURE_BIT(VIRTIO_F_VERSION_1) | FEATURE_BIT(VIRTIO_F_ACCESS_PLATFORM);

static unsigned add_structure(struct vpci_function *f, unsigned n, unsigned type, uint32_t offset,
                              uint32_t length)
{
    unsigned at = vpci_add_capability(f, PCI_CAP_VENDOR, n);

    vpci_set_config(f, at + 2, 1, n);
    vpci_set_config(f, at + VIRTIO_CAP_TYPE, 1, type);
    vpci_set_config(f, at + VIRTIO_CAP_BAR, 1, BAR);
    vpci_set_config(f, at + VIRTIO_CAP_OFFSET, 4, offset);
    vpci_set_config(f, at + VIRTIO_CAP_LENGTH, 4, length);
    return at;
}

void virtio_pci_build(struct vpci_function *f)
{
    struct virtio_device *d = f->of;
    unsigned at = add_structure(f, VIRTIO_CAP_MORE_BYTES, VIRTIO_CAP_ACCESS, 0, 0);

    vpci_set_writable(f, at + VIRTIO_CAP_BAR, 1, 0xff);
    vpci_set_writable(f, at + VIRTIO_CAP_OFFSET, 4, ~0u);
    vpci_set_writable(f, at + VIRTIO_CAP_LENGTH, 4, ~0u);
    vpci_set_writable(f, at + VIRTIO_CAP_DATA, 4, ~0u);
    d->access = (uint8_t)at;
    at = add_structure(f, VIRTIO_CAP_MORE_BYTES, VIRTIO_CAP_NOTIFY, NOTIFY, d->kind->queues * MULTIPLIER);
    vpci_set_config(f, at + VIRTIO_CAP_MULTIPLIER, 4, MULTIPLIER);
    add_structure(f, VIRTIO_CAP_BYTES, VIRTIO_CAP_CONFIG, CONFIG, d->kind->config_bytes);
    add_structure(f, VIRTIO_CAP_BYTES, VIRTIO_CAP_ISR, ISR, 1);
    add_structure(f, VIRTIO_CAP_BYTES, VIRTIO_CAP_COMMON, COMMON, VIRTIO_COMMON_BYTES);
}

/* ---- interrupts (4.1.5.3, 4.1.5.4) ---- */

static void interrupt(struct virtio_device *d, uint16_t vector, uint8_t isr)
{
    if (isr == VIRTIO_ISR_CONFIG || !vpci_has_messages(d->function))
        d->isr |= isr;
    if (vector == VIRTIO_NO_VECTOR)
        return;
    d->interrupts++;
    vpci_message(d->function, vector);
}

void virtio_pci_returned(struct virtio_device *d, struct virtqueue *q)
{
    bool wants;

    if (virtqueue_wants_interrupt(q, &wants) == VIRTQUEUE_BROKEN)
        virtio_pci_break(d);
    else if (wants)
        interrupt(d, q->vector, VIRTIO_ISR_QUEUE);
}

void virtio_pci_config_changed(struct virtio_device *d)
{
    d->generation++;
    if (virtio_pci_live(d))
        interrupt(d, d->msix_config, VIRTIO_ISR_CONFIG);
}

static uint8_t read_isr(struct virtio_device *d)
{
    uint8_t isr = d->isr;

    d->isr = 0;
    return isr;
}

/* A vector that there is not reads back as none (4.1.5.1.2.1). */
static uint16_t vector_or_none(const struct virtio_device *d, uint64_t value)
{
    return value < d->kind->pci.msix_vectors ? (uint16_t)value : VIRTIO_NO_VECTOR;
}

/* ---- status and features ---- */

static uint64_t offered(const struct virtio_device *d)
{
    return common_features | d->kind->features(d);
}

static void reset(struct virtio_device *d)
{
    d->device_select = d->driver_select = 0;
    d->features = 0;
    d->status = d->isr = d->generation = 0;
    d->msix_config = VIRTIO_NO_VECTOR;
    d->queue_select = 0;
    for (unsigned i = 0; i < d->kind->queues; i++)
        d->queue[i] = (struct virtqueue){.vm = d->vm, .size = VIRTQUEUE_SIZE_MAX, .vector = VIRTIO_NO_VECTOR};
    d->kind->reset(d);
}

bool virtio_pci_live(const struct virtio_device *d)
{
    const unsigned needed = VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;

    return (d->status & (needed | VIRTIO_NEEDS_RESET)) == needed && vpci_is_master(d->function);
}

void virtio_pci_break(struct virtio_device *d)
{
    bool told = d->status & VIRTIO_NEEDS_RESET;

    d->status |= VIRTIO_NEEDS_RESET;
    if (!told && d->status & VIRTIO_DRIVER_OK)
        interrupt(d, d->msix_config, VIRTIO_ISR_CONFIG);
}

/* Features without VERSION_1 are those of the interface that this device does not have (6.1). */
static bool features_good(const struct virtio_device *d)
{
    return !(d->features & ~offered(d)) && virtio_pci_has(d, VIRTIO_F_VERSION_1);
}

static void features_agreed(struct virtio_device *d)
{
    for (unsigned i = 0; i < d->kind->queues; i++) {
        d->queue[i].by_index = virtio_pci_has(d, VIRTIO_F_RING_EVENT_IDX);
        d->queue[i].indirect = virtio_pci_has(d, VIRTIO_F_RING_INDIRECT_DESC);
    }
}

/* The driver sets bits, and clears all by 0 (2.1.1). */
static void set_status(struct virtio_device *d, uint64_t value)
{
    const unsigned settable =
        VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK | VIRTIO_FAILED;

    if (value == 0) {
        reset(d);
        return;
    }
    if (!(d->status & VIRTIO_FEATURES_OK) && !features_good(d))
        value &= ~(uint64_t)VIRTIO_FEATURES_OK;
    d->status |= (uint8_t)(value & settable);
    if (d->status & VIRTIO_FEATURES_OK)
        features_agreed(d);
}

static uint32_t half(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void set_feature(struct virtio_device *d, uint64_t value)
{
    unsigned shift = 32 * (d->driver_select & 1);

    if (d->driver_select < 2 && !(d->status & VIRTIO_FEATURES_OK))
        d->features = (d->features & ~(UINT64_C(0xffffffff) << shift)) | (value & 0xffffffff) << shift;
}

/* ---- the common configuration (4.1.4.3 "Common configuration structure layout") ---- */

/* The selected queue; NULL: there is none of that number. */
static struct virtqueue *selected(struct virtio_device *d)
{
    return d->queue_select < d->kind->queues ? &d->queue[d->queue_select] : NULL;
}

static uint64_t *address_register(struct virtqueue *q, uint64_t offset)
{
    switch (offset & ~UINT64_C(7)) {
    case VIRTIO_QUEUE_DESC: return &q->desc;
    case VIRTIO_QUEUE_DRIVER: return &q->driver;
    case VIRTIO_QUEUE_DEVICE: return &q->device;
    default: return NULL;
    }
}

static uint64_t read_queue(struct virtio_device *d, uint64_t offset)
{
    struct virtqueue *q = selected(d);
    const uint64_t *address = q ? address_register(q, offset) : NULL;

    if (!q)
        return offset == VIRTIO_QUEUE_MSIX_VECTOR ? VIRTIO_NO_VECTOR : 0;
    if (address)
        return *address >> 8 * (offset & 4);
    switch (offset) {
    case VIRTIO_QUEUE_SIZE: return q->size;
    case VIRTIO_QUEUE_MSIX_VECTOR: return q->vector;
    case VIRTIO_QUEUE_ENABLE: return q->enabled;
    case VIRTIO_QUEUE_NOTIFY_OFF: return d->queue_select;
    default: return 0;
    }
}

static uint64_t read_common(struct virtio_device *d, uint64_t offset)
{
    switch (offset) {
    case VIRTIO_DEVICE_FEATURE_SELECT: return d->device_select;
    case VIRTIO_DEVICE_FEATURE: return half(offered(d), d->device_select);
    case VIRTIO_DRIVER_FEATURE_SELECT: return d->driver_select;
    case VIRTIO_DRIVER_FEATURE: return half(d->features, d->driver_select);
    case VIRTIO_MSIX_CONFIG: return d->msix_config;
    case VIRTIO_NUM_QUEUES: return d->kind->queues;
    case VIRTIO_DEVICE_STATUS: return d->status;
    case VIRTIO_CONFIG_GENERATION: return d->generation;
    case VIRTIO_QUEUE_SELECT: return d->queue_select;
    default: return read_queue(d, offset);
    }
}

static void write_address(uint64_t *address, uint64_t offset, unsigned n, uint64_t value)
{
    unsigned shift = 8 * (offset & 4);
    uint64_t bits = n == 8 ? UINT64_MAX : UINT64_C(0xffffffff) << shift;

    *address = (*address & ~bits) | (value << shift & bits);
}

static bool is_size(uint64_t value)
{
    return value && value <= VIRTQUEUE_SIZE_MAX && !(value & (value - 1));
}

/* What an enabled queue is made of stands until the reset. */
static void write_queue(struct virtio_device *d, uint64_t offset, unsigned n, uint64_t value)
{
    struct virtqueue *q = selected(d);
    uint64_t *address = q ? address_register(q, offset) : NULL;

    if (q && offset == VIRTIO_QUEUE_MSIX_VECTOR)
        q->vector = vector_or_none(d, value);
    if (!q || q->enabled)
        return;
    if (address)
        write_address(address, offset, n, value);
    else if (offset == VIRTIO_QUEUE_SIZE && is_size(value))
        q->size = (uint16_t)value;
    else if (offset == VIRTIO_QUEUE_ENABLE)
        q->enabled = value == 1;
}

static void write_common(struct virtio_device *d, uint64_t offset, unsigned n, uint64_t value)
{
    switch (offset) {
    case VIRTIO_DEVICE_FEATURE_SELECT: d->device_select = (uint32_t)value; break;
    case VIRTIO_DRIVER_FEATURE_SELECT: d->driver_select = (uint32_t)value; break;
    case VIRTIO_DRIVER_FEATURE: set_feature(d, value); break;
    case VIRTIO_MSIX_CONFIG: d->msix_config = vector_or_none(d, value); break;
    case VIRTIO_DEVICE_STATUS: set_status(d, value); break;
    case VIRTIO_QUEUE_SELECT: d->queue_select = (uint16_t)value; break;
    default: write_queue(d, offset, n, value);
    }
}

/* Each field by its own width, those of 64 bits also by their halves (4.1.3.1). */
static bool is_access(uint64_t offset, unsigned n)
{
    if (offset >= VIRTIO_COMMON_BYTES || offset % n)
        return false;
    if (offset >= VIRTIO_QUEUE_DESC)
        return n == 4 || n == 8;
    if (offset == VIRTIO_DEVICE_STATUS || offset == VIRTIO_CONFIG_GENERATION)
        return n == 1;
    return n == (offset < VIRTIO_MSIX_CONFIG ? 4 : 2);
}

/* ---- behind BAR 0 ---- */

static bool in_config(const struct virtio_device *d, uint64_t at, unsigned n)
{
    return at < d->kind->config_bytes && n <= d->kind->config_bytes - at;
}

static void notify(struct virtio_device *d, uint64_t at)
{
    uint64_t queue = at / MULTIPLIER;

    if (queue >= d->kind->queues || at % MULTIPLIER || !d->queue[queue].enabled || !virtio_pci_live(d))
        return;
    d->notifications++;
    d->kind->serve(d, (unsigned)queue);
}

uint64_t virtio_pci_read(void *of, uint64_t offset, unsigned bytes)
{
    struct virtio_device *d = of;
    uint64_t at = offset % STRUCTURE;

    switch (offset - at) {
    case COMMON: return is_access(at, bytes) ? read_common(d, at) : 0;
    case ISR: return at == 0 ? read_isr(d) : 0;
    case CONFIG: return in_config(d, at, bytes) ? d->kind->config_read(d, (unsigned)at, bytes) : 0;
    default: return 0;
    }
}

void virtio_pci_write(void *of, uint64_t offset, unsigned bytes, uint64_t value)
{
    struct virtio_device *d = of;
    uint64_t at = offset % STRUCTURE;

    if (bytes < 8)
        value &= (UINT64_C(1) << 8 * bytes) - 1;
    switch (offset - at) {
    case COMMON:
        if (is_access(at, bytes))
            write_common(d, at, bytes, value);
        break;
    case CONFIG:
        if (in_config(d, at, bytes) && d->kind->config_write)
            d->kind->config_write(d, (unsigned)at, bytes, value);
        break;
    case NOTIFY: notify(d, at); break;
    default: break;
    }
}

/* ---- the same by configuration space (4.1.4.7 "PCI configuration access capability") ---- */

/* The access that the driver has set up; false: it is none. */
static bool window(const struct virtio_device *d, uint64_t *offset, unsigned *n)
{
    *offset = vpci_config(d->function, d->access + VIRTIO_CAP_OFFSET, 4);
    *n = vpci_config(d->function, d->access + VIRTIO_CAP_LENGTH, 4);
    return vpci_config(d->function, d->access + VIRTIO_CAP_BAR, 1) == BAR &&
           (*n == 1 || *n == 2 || *n == 4) && *offset % *n == 0 && *offset < VIRTIO_BAR_BYTES;
}

void virtio_pci_configuring(void *of, unsigned at)
{
    struct virtio_device *d = of;
    uint64_t offset;
    unsigned n;

    if (at == d->access + (unsigned)VIRTIO_CAP_DATA && window(d, &offset, &n))
        vpci_set_config(d->function, at, n, (uint32_t)virtio_pci_read(d, offset, n));
}

void virtio_pci_configured(void *of, unsigned at)
{
    struct virtio_device *d = of;
    uint64_t offset;
    unsigned n;

    if (at == d->access + (unsigned)VIRTIO_CAP_DATA && window(d, &offset, &n))
        virtio_pci_write(d, offset, n, vpci_config(d->function, at, n));
}

/* ---- a VM starts ---- */

bool virtio_pci_plug(struct virtio_device *d, struct vm *vm, const struct virtio_kind *kind)
{
    d->vm = vm;
    d->kind = kind;
    d->notifications = d->interrupts = d->chains = 0;
    d->function = vpci_plug(vm, &kind->pci, d);
    if (!d->function)
        return false;
    reset(d);
    return true;
}
