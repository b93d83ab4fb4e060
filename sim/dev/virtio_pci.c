/* virtio_pci.c - the transport: structures behind BAR 0, status, features, interrupts (VIRTIO 1.1, 4.1
 * "Virtio Over PCI Bus"). */
#include <string.h>

#include "dev/dma.h"
#include "dev/virtqueue.h"

/* ---- where the structures are, in BAR 0 ---- */

enum structure { COMMON = 0x0000, ISR = 0x1000, CONFIG = 0x2000, NOTIFY = 0x3000, STRUCTURE = 0x1000 };

#define MULTIPLIER 4 /* bytes of a queue's place in the notification structure */

static const u64 common_features = FEATURE(VIRTIO_F_RING_INDIRECT_DESC) | FEATURE(VIRTIO_F_RING_EVENT_IDX) |
                                   FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_ACCESS_PLATFORM);

static unsigned add_structure(struct pci_device *d, unsigned n, unsigned type, u32 offset, u32 length)
{
    unsigned at = pci_add_capability(d, PCI_CAP_VENDOR, n);
    pci_fixed(d, at + 2, 1, n);
    pci_fixed(d, at + VIRTIO_CAP_TYPE, 1, type);
    pci_fixed(d, at + VIRTIO_CAP_BAR, 1, VIRTIO_BAR);
    pci_fixed(d, at + VIRTIO_CAP_OFFSET, 4, offset);
    pci_fixed(d, at + VIRTIO_CAP_LENGTH, 4, length);
    return at;
}

void virtio_build(struct pci_device *d)
{
    const struct virtio_model *model = virtio_model(d);
    unsigned at = add_structure(d, VIRTIO_CAP_MORE_BYTES, VIRTIO_CAP_ACCESS, 0, 0);
    pci_writable(d, at + VIRTIO_CAP_BAR, 1, 0xff);
    pci_writable(d, at + VIRTIO_CAP_OFFSET, 4, ~0u);
    pci_writable(d, at + VIRTIO_CAP_LENGTH, 4, ~0u);
    pci_writable(d, at + VIRTIO_CAP_DATA, 4, ~0u);
    d->own_at = (u8)at;
    at = add_structure(d, VIRTIO_CAP_MORE_BYTES, VIRTIO_CAP_NOTIFY, NOTIFY, model->queues * MULTIPLIER);
    pci_fixed(d, at + VIRTIO_CAP_MULTIPLIER, 4, MULTIPLIER);
    add_structure(d, VIRTIO_CAP_BYTES, VIRTIO_CAP_CONFIG, CONFIG, model->config_bytes);
    add_structure(d, VIRTIO_CAP_BYTES, VIRTIO_CAP_ISR, ISR, 1);
    add_structure(d, VIRTIO_CAP_BYTES, VIRTIO_CAP_COMMON, COMMON, VIRTIO_COMMON_BYTES);
}

/* ---- interrupts (4.1.5.3, 4.1.5.4) ---- */

static void interrupt(struct pci_device *d, u64 vector, u64 isr)
{
    struct virtio *v = virtio_state(d);
    if (isr == VIRTIO_ISR_CONFIG || !pci_has_messages(d))
        v->isr |= isr;
    pci_interrupt_level(d, v->isr != 0);
    if (vector != VIRTIO_NO_VECTOR)
        pci_interrupt_message(d, (unsigned)vector);
}

void virtio_interrupt_queue(struct pci_device *d, const struct virtqueue *q)
{
    interrupt(d, q->vector, VIRTIO_ISR_QUEUE);
}

static void interrupt_config(struct pci_device *d)
{
    interrupt(d, virtio_state(d)->msix_config, VIRTIO_ISR_CONFIG);
}

void virtio_config_changed(struct pci_device *d)
{
    struct virtio *v = virtio_state(d);
    v->generation = (v->generation + 1) & 0xff;
    if (virtio_live(d))
        interrupt_config(d);
}

static u64 read_isr(struct pci_device *d)
{
    struct virtio *v = virtio_state(d);
    u64 isr = v->isr;
    v->isr = 0;
    pci_interrupt_level(d, false);
    return isr;
}

/* A vector that there is not reads back as none (4.1.5.1.2.1). */
static u64 vector_or_none(const struct pci_device *d, u64 value)
{
    return value < d->model->msix_vectors ? value : VIRTIO_NO_VECTOR;
}

/* ---- status and features ---- */

static u64 offered(const struct pci_device *d)
{
    return common_features | virtio_model(d)->features(d);
}

void virtio_reset(struct pci_device *d)
{
    struct virtio *v = virtio_state(d);
    *v = (struct virtio){.msix_config = VIRTIO_NO_VECTOR};
    for (unsigned i = 0; i < virtio_model(d)->queues; i++)
        v->queue[i] = (struct virtqueue){.size = VIRTQUEUE_SIZE_MAX, .vector = VIRTIO_NO_VECTOR};
    virtio_model(d)->reset(d);
    pci_cancel(d);
    pci_interrupt_level(d, false);
}

bool virtio_live(const struct pci_device *d)
{
    const u64 needed = VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;
    return (virtio_state(d)->status & (needed | VIRTIO_NEEDS_RESET)) == needed;
}

static void stop_queues(struct pci_device *d)
{
    struct virtio *v = virtio_state(d);
    for (unsigned i = 0; i < virtio_model(d)->queues; i++)
        v->queue[i].phase = QUEUE_IDLE;
    pci_cancel(d);
}

void virtio_break(struct pci_device *d)
{
    struct virtio *v = virtio_state(d);
    bool told = v->status & VIRTIO_NEEDS_RESET;
    v->status |= VIRTIO_NEEDS_RESET;
    stop_queues(d);
    if (!told && v->status & VIRTIO_DRIVER_OK)
        interrupt_config(d);
}

/* Features without VERSION_1 are those of the interface that this device does not have (6.1). */
static bool features_good(const struct pci_device *d)
{
    u64 features = virtio_state(d)->features;
    return !(features & ~offered(d)) && features & FEATURE(VIRTIO_F_VERSION_1);
}

/* The driver sets bits, and clears all by 0 (2.1.1). */
static void set_status(struct pci_device *d, u64 value)
{
    const u64 settable =
        VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK | VIRTIO_FAILED;
    struct virtio *v = virtio_state(d);
    if (value == 0) {
        virtio_reset(d);
        return;
    }
    if (!(v->status & VIRTIO_FEATURES_OK) && !features_good(d))
        value &= ~(u64)VIRTIO_FEATURES_OK;
    v->status |= value & settable;
}

static u32 device_feature(const struct pci_device *d)
{
    u64 select = virtio_state(d)->device_select;
    return select < 2 ? (u32)(offered(d) >> 32 * select) : 0;
}

static u32 driver_feature(const struct virtio *v)
{
    return v->driver_select < 2 ? (u32)(v->features >> 32 * v->driver_select) : 0;
}

static void set_feature(struct virtio *v, u64 value)
{
    u64 shift = 32 * v->driver_select;
    if (v->driver_select < 2 && !(v->status & VIRTIO_FEATURES_OK))
        v->features = (v->features & ~(UINT64_C(0xffffffff) << shift)) | (value & 0xffffffff) << shift;
}

/* ---- the common configuration (4.1.4.3) ---- */

/* The selected queue; NULL: there is none of that number. */
static struct virtqueue *selected(const struct pci_device *d)
{
    struct virtio *v = virtio_state(d);
    return v->queue_select < virtio_model(d)->queues ? &v->queue[v->queue_select] : NULL;
}

static u64 *address_register(struct virtqueue *q, u64 offset)
{
    switch (offset & ~UINT64_C(7)) {
    case VIRTIO_QUEUE_DESC: return &q->desc;
    case VIRTIO_QUEUE_DRIVER: return &q->driver;
    case VIRTIO_QUEUE_DEVICE: return &q->device;
    default: return NULL;
    }
}

static u64 read_queue(const struct pci_device *d, u64 offset)
{
    struct virtqueue *q = selected(d);
    if (!q)
        return offset == VIRTIO_QUEUE_MSIX_VECTOR ? VIRTIO_NO_VECTOR : 0;
    const u64 *address = address_register(q, offset);
    if (address)
        return *address >> 8 * (offset & 4);
    switch (offset) {
    case VIRTIO_QUEUE_SIZE: return q->size;
    case VIRTIO_QUEUE_MSIX_VECTOR: return q->vector;
    case VIRTIO_QUEUE_ENABLE: return q->enabled;
    case VIRTIO_QUEUE_NOTIFY_OFF: return virtio_state(d)->queue_select;
    default: return 0;
    }
}

static u64 read_common(const struct pci_device *d, u64 offset)
{
    const struct virtio *v = virtio_state(d);
    switch (offset) {
    case VIRTIO_DEVICE_FEATURE_SELECT: return v->device_select;
    case VIRTIO_DEVICE_FEATURE: return device_feature(d);
    case VIRTIO_DRIVER_FEATURE_SELECT: return v->driver_select;
    case VIRTIO_DRIVER_FEATURE: return driver_feature(v);
    case VIRTIO_MSIX_CONFIG: return v->msix_config;
    case VIRTIO_NUM_QUEUES: return virtio_model(d)->queues;
    case VIRTIO_DEVICE_STATUS: return v->status;
    case VIRTIO_CONFIG_GENERATION: return v->generation;
    case VIRTIO_QUEUE_SELECT: return v->queue_select;
    default: return read_queue(d, offset);
    }
}

static void write_address(u64 *address, u64 offset, unsigned n, u64 value)
{
    unsigned shift = 8 * (offset & 4);
    u64 bits = n == 8 ? UINT64_MAX : UINT64_C(0xffffffff) << shift;
    *address = (*address & ~bits) | (value << shift & bits);
}

static bool is_size(u64 value)
{
    return value && value <= VIRTQUEUE_SIZE_MAX && !(value & (value - 1));
}

/* What an enabled queue is made of stands until the reset. */
static void write_queue(const struct pci_device *d, u64 offset, unsigned n, u64 value)
{
    struct virtqueue *q = selected(d);
    u64 *address = q ? address_register(q, offset) : NULL;
    if (q && offset == VIRTIO_QUEUE_MSIX_VECTOR)
        q->vector = vector_or_none(d, value);
    if (!q || q->enabled)
        return;
    if (address)
        write_address(address, offset, n, value);
    else if (offset == VIRTIO_QUEUE_SIZE && is_size(value))
        q->size = value;
    else if (offset == VIRTIO_QUEUE_ENABLE)
        q->enabled = value == 1;
}

static void write_common(struct pci_device *d, u64 offset, unsigned n, u64 value)
{
    struct virtio *v = virtio_state(d);
    switch (offset) {
    case VIRTIO_DEVICE_FEATURE_SELECT: v->device_select = value; break;
    case VIRTIO_DRIVER_FEATURE_SELECT: v->driver_select = value; break;
    case VIRTIO_DRIVER_FEATURE: set_feature(v, value); break;
    case VIRTIO_MSIX_CONFIG: v->msix_config = vector_or_none(d, value); break;
    case VIRTIO_DEVICE_STATUS: set_status(d, value); break;
    case VIRTIO_QUEUE_SELECT: v->queue_select = value; break;
    default: write_queue(d, offset, n, value);
    }
}

/* Each field by its own width, those of 64 bits also by their halves (4.1.3.1). */
static bool is_access(u64 offset, unsigned n)
{
    if (offset >= VIRTIO_COMMON_BYTES || offset % n)
        return false;
    if (offset >= VIRTIO_QUEUE_DESC)
        return n == 4 || n == 8;
    if (offset == VIRTIO_DEVICE_STATUS || offset == VIRTIO_CONFIG_GENERATION)
        return n == 1;
    return n == (offset < VIRTIO_MSIX_CONFIG ? 4 : 2);
}

/* ---- the device's own configuration ---- */

static bool in_config(const struct pci_device *d, u64 at, unsigned n)
{
    return at < virtio_model(d)->config_bytes && n <= virtio_model(d)->config_bytes - at;
}

/* ---- notifications (4.1.5.2) ---- */

/* At the cycle for which the first of its queues waits. */
static void schedule(struct pci_device *d)
{
    const struct virtio *v = virtio_state(d);
    u64 due = UINT64_MAX;
    for (unsigned i = 0; i < virtio_model(d)->queues; i++)
        if (v->queue[i].phase != QUEUE_IDLE)
            due = min(due, v->queue[i].due);
    if (due == UINT64_MAX)
        pci_cancel(d);
    else
        pci_schedule(d, max(due, device_now(d->m)));
}

void virtio_look(struct pci_device *d, unsigned queue)
{
    const struct virtio_model *model = virtio_model(d);
    struct virtqueue *q = &virtio_state(d)->queue[queue];
    if (!virtio_live(d) || !q->enabled || q->phase != QUEUE_IDLE || (model->wants && !model->wants(d, queue)))
        return;
    q->phase = QUEUE_LOOK;
    q->due = 0;
    schedule(d);
}

static void notify(struct pci_device *d, u64 at)
{
    if (at / MULTIPLIER < virtio_model(d)->queues && at % MULTIPLIER == 0)
        virtio_look(d, (unsigned)(at / MULTIPLIER));
}

/* ---- behind BAR 0 ---- */

u64 virtio_read(struct pci_device *d, unsigned bar, u64 offset, unsigned n)
{
    u64 at = offset % STRUCTURE;
    (void)bar;
    switch (offset - at) {
    case COMMON: return is_access(at, n) ? read_common(d, at) : 0;
    case ISR: return at == 0 ? read_isr(d) : 0;
    case CONFIG: return in_config(d, at, n) ? virtio_model(d)->config_read(d, (unsigned)at, n) : 0;
    default: return 0;
    }
}

void virtio_write(struct pci_device *d, unsigned bar, u64 offset, unsigned n, u64 value)
{
    u64 at = offset % STRUCTURE;
    (void)bar;
    if (n < 8)
        value &= (UINT64_C(1) << 8 * n) - 1;
    switch (offset - at) {
    case COMMON:
        if (is_access(at, n))
            write_common(d, at, n, value);
        break;
    case CONFIG:
        if (in_config(d, at, n) && virtio_model(d)->config_write)
            virtio_model(d)->config_write(d, (unsigned)at, n, value);
        break;
    case NOTIFY: notify(d, at); break;
    default: break;
    }
}

/* ---- the same by configuration space (4.1.4.7 "PCI configuration access capability") ---- */

/* The access that the driver has set up; false: it is none. */
static bool window(const struct pci_device *d, u64 *offset, unsigned *n)
{
    *offset = pci_config(d, d->own_at + VIRTIO_CAP_OFFSET, 4);
    *n = pci_config(d, d->own_at + VIRTIO_CAP_LENGTH, 4);
    return pci_config(d, d->own_at + VIRTIO_CAP_BAR, 1) == VIRTIO_BAR && (*n == 1 || *n == 2 || *n == 4) &&
           *offset % *n == 0 && *offset < d->model->bar[VIRTIO_BAR].bytes;
}

void virtio_configuring(struct pci_device *d, unsigned at)
{
    u64 offset;
    unsigned n;
    if (at == d->own_at + (unsigned)VIRTIO_CAP_DATA && window(d, &offset, &n))
        pci_set_config(d, at, n, (u32)virtio_read(d, VIRTIO_BAR, offset, n));
}

void virtio_configured(struct pci_device *d, unsigned at)
{
    u64 offset;
    unsigned n;
    if (at == d->own_at + (unsigned)VIRTIO_CAP_DATA && window(d, &offset, &n))
        virtio_write(d, VIRTIO_BAR, offset, n, pci_config(d, at, n));
}

/* ---- atoms ---- */

/* Queues that may do something now take turns.  NULL: none does. */
static struct virtqueue *next_queue(const struct pci_device *d, unsigned *number)
{
    struct virtio *v = virtio_state(d);
    unsigned queues = virtio_model(d)->queues;
    for (unsigned i = 0; i < queues; i++) {
        struct virtqueue *q = &v->queue[ *number = (unsigned)((v->turn + i) % queues)];
        if (q->phase != QUEUE_IDLE && q->due <= device_now(d->m))
            return q;
    }
    return NULL;
}

/* Nobody needs what the queue could look for. */
static bool rests(const struct pci_device *d, const struct virtqueue *q, unsigned number)
{
    const struct virtio_model *model = virtio_model(d);
    return q->phase == QUEUE_LOOK && model->wants && !model->wants(d, number);
}

/* It takes a cycle at least: a driver whose rings lie in one another can keep the device busy for ever, but
 * not stop the clock. */
static void step(struct pci_device *d, struct virtqueue *q, unsigned number)
{
    u64 begins = device_now(d->m);
    q->due = 0;
    if (q->phase == QUEUE_WORK)
        virtio_model(d)->work(d, number);
    else
        virtqueue_step(d, q);
    if (rests(d, q, number))
        q->phase = QUEUE_IDLE;
    virtio_state(d)->turn = number + 1;
    if (device_now(d->m) == begins)
        device_wait(d->m, 1);
}

void virtio_run(struct pci_device *d)
{
    unsigned number;
    struct virtqueue *q = virtio_live(d) ? next_queue(d, &number) : NULL;
    if (q)
        step(d, q, number);
    if (virtio_live(d))
        schedule(d);
}
