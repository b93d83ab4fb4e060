/* virtio_driver.c - see virtio_driver.h. */
#include "lib/virtio_driver.h"

#include "dev/board.h"
#include "mmu/mem.h"

#include <check.h>

#define COMMON 0x0000 /* in BAR 0 */
#define ISR    0x1000
#define CONFIG 0x2000
#define NOTIFY 0x3000

u64 driver_memory(const struct driver *v, u64 address, unsigned n)
{
    return mem_read(v->b->machine->mem, address, n);
}

void driver_set_memory(const struct driver *v, u64 address, unsigned n, u64 value)
{
    mem_write(v->b->machine->mem, address, n, value);
}

u64 driver_get(const struct driver *v, unsigned at, unsigned n)
{
    return board_mmio_read(v->b->core, v->bar + COMMON + at, n);
}

void driver_set(const struct driver *v, unsigned at, unsigned n, u64 value)
{
    board_mmio_write(v->b->core, v->bar + COMMON + at, n, value);
}

u64 driver_config(const struct driver *v, unsigned at, unsigned n)
{
    return board_mmio_read(v->b->core, v->bar + CONFIG + at, n);
}

void driver_set_config(const struct driver *v, unsigned at, unsigned n, u64 value)
{
    board_mmio_write(v->b->core, v->bar + CONFIG + at, n, value);
}

u64 driver_isr(const struct driver *v)
{
    return board_mmio_read(v->b->core, v->bar + ISR, 1);
}

void driver_open(struct driver *v, struct bare *b, unsigned slot)
{
    *v = (struct driver){.b = b, .device = b->machine->pci[slot]};
    v->bar = pci_config(v->device, PCI_BAR(0), 4);
    pci_config_write(b->machine, PCI_ADDRESS(0u, slot, 0u, PCI_COMMAND), 2,
                     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

u64 driver_offered(const struct driver *v)
{
    driver_set(v, VIRTIO_DEVICE_FEATURE_SELECT, 4, 0);
    u64 low = driver_get(v, VIRTIO_DEVICE_FEATURE, 4);
    driver_set(v, VIRTIO_DEVICE_FEATURE_SELECT, 4, 1);
    return low | driver_get(v, VIRTIO_DEVICE_FEATURE, 4) << 32;
}

void driver_negotiate(const struct driver *v, u64 features)
{
    features |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
    driver_set(v, VIRTIO_DEVICE_STATUS, 1, 0);
    driver_set(v, VIRTIO_DEVICE_STATUS, 1, VIRTIO_ACKNOWLEDGE);
    driver_set(v, VIRTIO_DEVICE_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    for (unsigned i = 0; i < 2; i++) {
        driver_set(v, VIRTIO_DRIVER_FEATURE_SELECT, 4, i);
        driver_set(v, VIRTIO_DRIVER_FEATURE, 4, features >> 32 * i & 0xffffffff);
    }
    driver_set(v, VIRTIO_DEVICE_STATUS, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
}

void driver_queue(struct driver_queue *q, struct driver *v, unsigned number, unsigned size, u64 memory)
{
    *q = (struct driver_queue){v, number, size, memory, memory + 0x1000, memory + 0x2000, 0, 0};
    for (u64 at = memory; at < memory + 0x3000; at += 8)
        driver_set_memory(v, at, 8, 0);
    driver_set(v, VIRTIO_QUEUE_SELECT, 2, number);
    driver_set(v, VIRTIO_QUEUE_SIZE, 2, size);
    driver_set(v, VIRTIO_QUEUE_DESC, 8, q->desc);
    driver_set(v, VIRTIO_QUEUE_DRIVER, 4, q->avail);
    driver_set(v, VIRTIO_QUEUE_DRIVER + 4, 4, q->avail >> 32);
    driver_set(v, VIRTIO_QUEUE_DEVICE, 8, q->used);
    driver_set(v, VIRTIO_QUEUE_ENABLE, 2, 1);
}

void driver_ok(const struct driver *v)
{
    driver_set(v, VIRTIO_DEVICE_STATUS, 1, driver_get(v, VIRTIO_DEVICE_STATUS, 1) | VIRTIO_DRIVER_OK);
}

void driver_descriptor_at(const struct driver *v, u64 table, unsigned i, u64 address, u32 length,
                          unsigned flags, unsigned next)
{
    u64 at = table + VIRTQ_DESC_BYTES * i;
    driver_set_memory(v, at + VIRTQ_DESC_ADDR, 8, address);
    driver_set_memory(v, at + VIRTQ_DESC_LEN, 4, length);
    driver_set_memory(v, at + VIRTQ_DESC_FLAGS, 2, flags);
    driver_set_memory(v, at + VIRTQ_DESC_NEXT, 2, next);
}

void driver_descriptor(const struct driver_queue *q, unsigned i, u64 address, u32 length, unsigned flags,
                       unsigned next)
{
    driver_descriptor_at(q->driver, q->desc, i, address, length, flags, next);
}

void driver_offer(struct driver_queue *q, unsigned head)
{
    driver_set_memory(q->driver, q->avail + VIRTQ_AVAIL_RING(q->next % q->size), 2, head);
    driver_set_memory(q->driver, q->avail + VIRTQ_AVAIL_IDX, 2, ++q->next);
}

void driver_notify(const struct driver_queue *q)
{
    board_mmio_write(q->driver->b->core, q->driver->bar + NOTIFY + 4 * q->number, 2, q->number);
}

void driver_run(const struct driver *v, unsigned most)
{
    struct machine *m = v->b->machine;
    while (device_due(m, v->device->slot) != UINT64_MAX) {
        ck_assert_uint_gt(most--, 0);
        devices_atom(m);
    }
}

bool driver_used(struct driver_queue *q, u32 *head, u32 *length)
{
    u64 at = q->used + VIRTQ_USED_RING(q->seen % q->size);
    if ((u16)driver_memory(q->driver, q->used + VIRTQ_USED_IDX, 2) == q->seen)
        return false;
    *head = (u32)driver_memory(q->driver, at, 4);
    *length = (u32)driver_memory(q->driver, at + 4, 4);
    q->seen++;
    return true;
}
