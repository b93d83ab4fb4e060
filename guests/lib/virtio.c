/* virtio.c - see virtio.h. */
#include "lib/virtio.h"

#include <stddef.h>

#include "lib/bus.h"
#include "lib/pci.h"

/* Compilers keep the order of what the device sees; so does the processor (x86 stores are in order), but for
 * a load behind a store. */
static void barrier(void)
{
    __asm__ volatile("mfence" : : : "memory");
}

static uint32_t get32(uint64_t at)
{
    return *(volatile uint32_t *)at;
}

static uint16_t get16(uint64_t at)
{
    return *(volatile uint16_t *)at;
}

static uint8_t get8(uint64_t at)
{
    return *(volatile uint8_t *)at;
}

static void put32(uint64_t at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

static void put16(uint64_t at, uint16_t value)
{
    *(volatile uint16_t *)at = value;
}

static void put8(uint64_t at, uint8_t value)
{
    *(volatile uint8_t *)at = value;
}

/* ---- the device ---- */

static uint8_t config_byte(uint32_t slot, uint32_t at)
{
    return (uint8_t)(pci_read(slot, at & ~3u) >> 8 * (at & 3));
}

static void note_structure(struct virtio *v, uint32_t at)
{
    uint64_t bar = pci_bar(v->slot, config_byte(v->slot, at + VIRTIO_CAP_BAR));
    uint64_t place = bus_seen(bar + pci_read(v->slot, at + VIRTIO_CAP_OFFSET));

    switch (config_byte(v->slot, at + VIRTIO_CAP_TYPE)) {
    case VIRTIO_CAP_COMMON: v->common = place; break;
    case VIRTIO_CAP_ISR: v->isr = place; break;
    case VIRTIO_CAP_CONFIG: v->config = place; break;
    case VIRTIO_CAP_NOTIFY:
        v->notify = place;
        v->multiplier = pci_read(v->slot, at + VIRTIO_CAP_MULTIPLIER);
        break;
    default: break;
    }
}

bool virtio_at(struct virtio *v, uint32_t slot)
{
    *v = (struct virtio){.slot = slot};
    for (uint32_t at = 0; (at = pci_capability(v->slot, PCI_CAP_VENDOR, at));)
        note_structure(v, at);
    return v->common && v->notify && v->config;
}

bool virtio_find(struct virtio *v, uint16_t id, unsigned n)
{
    uint32_t slot = pci_find(VIRTIO_VENDOR, VIRTIO_DEVICE(id), n);

    if (slot == PCI_NOWHERE)
        return false;
    pci_enable(slot);
    return virtio_at(v, slot);
}

void virtio_reset(const struct virtio *v)
{
    put8(v->common + VIRTIO_DEVICE_STATUS, 0);
    while (get8(v->common + VIRTIO_DEVICE_STATUS))
        continue;
}

static void add_status(const struct virtio *v, uint8_t bits)
{
    put8(v->common + VIRTIO_DEVICE_STATUS, get8(v->common + VIRTIO_DEVICE_STATUS) | bits);
}

static uint64_t offered(const struct virtio *v)
{
    put32(v->common + VIRTIO_DEVICE_FEATURE_SELECT, 0);
    uint64_t low = get32(v->common + VIRTIO_DEVICE_FEATURE);
    put32(v->common + VIRTIO_DEVICE_FEATURE_SELECT, 1);
    return low | (uint64_t)get32(v->common + VIRTIO_DEVICE_FEATURE) << 32;
}

/* In the order of VIRTIO 1.1, 3.1.1 "Driver Requirements: Device Initialization". */
bool virtio_negotiate(struct virtio *v, uint64_t wanted)
{
    virtio_reset(v);
    add_status(v, VIRTIO_ACKNOWLEDGE);
    add_status(v, VIRTIO_DRIVER);
    v->features = offered(v) & (wanted | VIRTIO_BIT(VIRTIO_F_VERSION_1));
    for (uint32_t i = 0; i < 2; i++) {
        put32(v->common + VIRTIO_DRIVER_FEATURE_SELECT, i);
        put32(v->common + VIRTIO_DRIVER_FEATURE, (uint32_t)(v->features >> 32 * i));
    }
    add_status(v, VIRTIO_FEATURES_OK);
    return get8(v->common + VIRTIO_DEVICE_STATUS) & VIRTIO_FEATURES_OK;
}

void virtio_config_vector(const struct virtio *v, uint16_t vector)
{
    put16(v->common + VIRTIO_MSIX_CONFIG, vector);
}

void virtio_ready(struct virtio *v)
{
    add_status(v, VIRTIO_DRIVER_OK);
}

uint32_t virtio_config(const struct virtio *v, uint32_t at)
{
    return get32(v->config + at);
}

uint8_t virtio_config8(const struct virtio *v, uint32_t at)
{
    return get8(v->config + at);
}

/* ---- queues ---- */

static void put64(uint64_t at, uint64_t value)
{
    put32(at, (uint32_t)value);
    put32(at + 4, (uint32_t)(value >> 32));
}

void virtio_queue_init(struct virtio_queue *q, struct virtio *v, uint16_t number, uint16_t vector)
{
    *q = (struct virtio_queue){.device = v, .number = number};
    put16(v->common + VIRTIO_QUEUE_SELECT, number);
    put16(v->common + VIRTIO_QUEUE_SIZE, VIRTIO_QUEUE_ENTRIES);
    put16(v->common + VIRTIO_QUEUE_MSIX_VECTOR, vector);
    put64(v->common + VIRTIO_QUEUE_DESC, bus_address(q->desc) + v->shift);
    put64(v->common + VIRTIO_QUEUE_DRIVER, bus_address(q->avail) + v->shift);
    put64(v->common + VIRTIO_QUEUE_DEVICE, bus_address(q->used) + v->shift);
    q->bell = v->notify + (uint64_t)get16(v->common + VIRTIO_QUEUE_NOTIFY_OFF) * v->multiplier;
    put16(v->common + VIRTIO_QUEUE_ENABLE, 1);
}

void virtio_descriptor(uint8_t *table, uint16_t i, const volatile void *at, uint32_t bytes, uint16_t flags,
                       uint16_t next)
{
    uint64_t it = (uint64_t)table + (uint64_t)VIRTQ_DESC_BYTES * i;

    put64(it + VIRTQ_DESC_ADDR, bus_address(at));
    put32(it + VIRTQ_DESC_LEN, bytes);
    put16(it + VIRTQ_DESC_FLAGS, flags);
    put16(it + VIRTQ_DESC_NEXT, next);
}

static bool by_index(const struct virtio_queue *q)
{
    return q->device->features & VIRTIO_BIT(VIRTIO_F_RING_EVENT_IDX);
}

void virtio_offer(struct virtio_queue *q, uint16_t head)
{
    put16((uint64_t)q->avail + VIRTQ_AVAIL_RING(q->next % VIRTIO_QUEUE_ENTRIES), head);
    put16((uint64_t)q->avail + VIRTQ_AVAIL_IDX, ++q->next);
}

void virtio_kick(struct virtio_queue *q)
{
    uint16_t old = q->told;

    barrier();
    q->told = q->next;
    if (by_index(q)
            ? !VIRTQ_PASSED(get16((uint64_t)q->used + VIRTQ_AVAIL_EVENT(VIRTIO_QUEUE_ENTRIES)), q->next, old)
            : get16((uint64_t)q->used + VIRTQ_USED_FLAGS) & VIRTQ_USED_NO_NOTIFY)
        return;
    q->notifications++;
    put16(q->bell, q->number);
}

bool virtio_take(struct virtio_queue *q, uint16_t n)
{
    uint16_t back = get16((uint64_t)q->used + VIRTQ_USED_IDX);

    if ((uint16_t)(back - q->seen) < n)
        return false;
    q->seen += n;
    return true;
}

bool virtio_next(struct virtio_queue *q, uint16_t *head, uint32_t *bytes)
{
    uint64_t used = (uint64_t)q->used, entry = used + VIRTQ_USED_RING(q->seen % VIRTIO_QUEUE_ENTRIES);

    if (get16(used + VIRTQ_USED_IDX) == q->seen)
        return false;
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    *head = (uint16_t)(get32(entry) % VIRTIO_QUEUE_ENTRIES);
    *bytes = get32(entry + 4);
    q->seen++;
    return true;
}

void virtio_interrupt_after(struct virtio_queue *q, uint16_t n)
{
    put16((uint64_t)q->avail + VIRTQ_AVAIL_FLAGS, n ? 0 : VIRTQ_AVAIL_NO_INTERRUPT);
    put16((uint64_t)q->avail + VIRTQ_USED_EVENT(VIRTIO_QUEUE_ENTRIES), (uint16_t)(q->seen + n - 1));
    barrier();
}
