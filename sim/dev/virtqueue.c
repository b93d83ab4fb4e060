/* virtqueue.c - see virtqueue.h.  All that a driver has written may be wrong: indices are bounded, a chain
 * has no more descriptors than the queue, and what cannot be followed ends in virtio_break. */
#include "dev/virtqueue.h"

#include "dev/dma.h"
#include "mmu/bytes.h"

static u64 slot(const struct virtqueue *q, u64 index)
{
    return index & (q->size - 1) & 0xffff;
}

/* A value of a ring; false, and the device is broken: it cannot be read. */
static bool get(struct pci_device *d, u64 address, unsigned n, u64 *value)
{
    u8 bytes[8];
    if (!dma_read(d, address, bytes, n)) {
        virtio_break(d);
        return false;
    }
    *value = load_le(bytes, n);
    return true;
}

static bool put(struct pci_device *d, u64 address, unsigned n, u64 value)
{
    if (dma_write_value(d, address, n, value))
        return true;
    virtio_break(d);
    return false;
}

/* ---- notifications (2.6.10 "Available Buffer Notification Suppression") ----
 *
 * With event indices `told` is the index whose entry the driver shall notify of; else whether it shall not
 * notify.  The device asks for notifications only when it has nothing to do, and then looks once more. */

static bool by_index(const struct pci_device *d)
{
    return virtio_has(d, VIRTIO_F_RING_EVENT_IDX);
}

/* False: it was told before, or could not be. */
static bool ask_for_notifications(struct pci_device *d, struct virtqueue *q)
{
    u64 wanted = by_index(d) ? q->next_avail : 0;
    if (q->told == wanted)
        return false;
    q->told = wanted;
    if (by_index(d))
        return put(d, q->device + VIRTQ_AVAIL_EVENT(q->size), 2, wanted);
    return put(d, q->device + VIRTQ_USED_FLAGS, 2, 0);
}

static bool decline_notifications(struct pci_device *d, struct virtqueue *q)
{
    if (by_index(d) || q->told)
        return true;
    q->told = 1;
    return put(d, q->device + VIRTQ_USED_FLAGS, 2, VIRTQ_USED_NO_NOTIFY);
}

/* ---- the available ring ---- */

static void begin_chain(struct virtqueue *q, u64 head)
{
    q->phase = QUEUE_DESCRIPTOR;
    q->next_avail = (q->next_avail + 1) & 0xffff;
    q->head = q->index = head;
    q->table = q->desc;
    q->table_size = q->size;
    q->indirect = q->fetched = q->buffers = q->readable = 0;
    q->read_bytes = q->write_bytes = q->written = q->gap = 0;
    q->read_buffer = q->read_offset = q->write_buffer = q->write_offset = 0;
}

static void take_available(struct pci_device *d, struct virtqueue *q)
{
    u64 head;
    if (!decline_notifications(d, q) ||
        !get(d, q->driver + VIRTQ_AVAIL_RING(slot(q, q->next_avail)), 2, &head))
        return;
    begin_chain(q, head);
}

static void look(struct pci_device *d, struct virtqueue *q)
{
    u64 index;
    if (!get(d, q->driver + VIRTQ_AVAIL_IDX, 2, &index))
        return;
    u64 waiting = (index - q->next_avail) & 0xffff;
    if (waiting > q->size)
        virtio_break(d);
    else if (waiting)
        take_available(d, q);
    else if (!ask_for_notifications(d, q) && q->phase == QUEUE_LOOK)
        q->phase = QUEUE_IDLE;
}

/* ---- descriptors ---- */

struct descriptor {
    u64 address, length, flags, next;
};

static bool read_descriptor(struct pci_device *d, const struct virtqueue *q, struct descriptor *it)
{
    u8 bytes[VIRTQ_DESC_BYTES];
    if (!dma_read(d, q->table + VIRTQ_DESC_BYTES * q->index, bytes, sizeof bytes))
        return false;
    *it = (struct descriptor){load_le(bytes + VIRTQ_DESC_ADDR, 8), load_le(bytes + VIRTQ_DESC_LEN, 4),
                              load_le(bytes + VIRTQ_DESC_FLAGS, 2), load_le(bytes + VIRTQ_DESC_NEXT, 2)};
    return true;
}

/* 2.6.5.3 "Indirect Descriptors": a table of its own ends the chain; there is none inside another. */
static bool enter_table(struct pci_device *d, struct virtqueue *q, const struct descriptor *it)
{
    u64 size = it->length / VIRTQ_DESC_BYTES;
    if (!virtio_has(d, VIRTIO_F_RING_INDIRECT_DESC) || q->indirect || it->flags & VIRTQ_DESC_F_NEXT ||
        it->length % VIRTQ_DESC_BYTES || size == 0)
        return false;
    q->table = it->address;
    q->table_size = size;
    q->index = 0;
    q->indirect = 1;
    return true;
}

/* All that the device reads comes before all that it writes (2.6.4.2), of 2^32 bytes at most (2.6.5). */
static bool add_buffer(struct virtqueue *q, const struct descriptor *it)
{
    bool write = it->flags & VIRTQ_DESC_F_WRITE;
    if ((!write && q->buffers > q->readable) || q->buffers >= VIRTQUEUE_SIZE_MAX)
        return false;
    q->buffer[2 * q->buffers] = it->address;
    q->buffer[2 * q->buffers + 1] = it->length;
    q->buffers++;
    q->readable += !write;
    *(write ? &q->write_bytes : &q->read_bytes) += it->length;
    return q->read_bytes + q->write_bytes <= UINT64_C(1) << 32;
}

/* A chain is no longer than the queue (2.6.5.3.1), which ends loops too. */
static bool follow(struct virtqueue *q, const struct descriptor *it)
{
    if (!(it->flags & VIRTQ_DESC_F_NEXT)) {
        q->phase = QUEUE_WORK;
        q->write_buffer = q->readable;
        return true;
    }
    q->index = it->next;
    return ++q->fetched < q->size;
}

static void fetch(struct pci_device *d, struct virtqueue *q)
{
    struct descriptor it;
    bool good = q->index < q->table_size && read_descriptor(d, q, &it);
    if (good && it.flags & VIRTQ_DESC_F_INDIRECT)
        good = enter_table(d, q, &it);
    else if (good)
        good = add_buffer(q, &it) && follow(q, &it);
    if (!good)
        virtio_break(d);
}

/* ---- buffers ---- */

/* A place in the buffers, and where they end. */
struct cursor {
    u64 *buffer, *offset, *left, end;
};

static struct cursor reader(struct virtqueue *q)
{
    return (struct cursor){&q->read_buffer, &q->read_offset, &q->read_bytes,
                           min(q->readable, VIRTQUEUE_SIZE_MAX)};
}

static struct cursor writer(struct virtqueue *q)
{
    return (struct cursor){&q->write_buffer, &q->write_offset, &q->write_bytes,
                           min(q->buffers, VIRTQUEUE_SIZE_MAX)};
}

/* Moves on by up to n bytes of one buffer; 0: there are none.  *address: where they are. */
static u64 take(const struct virtqueue *q, const struct cursor *c, u64 n, u64 *address)
{
    while (*c->buffer < c->end && *c->offset >= q->buffer[2 * *c->buffer + 1]) {
        ++*c->buffer;
        *c->offset = 0;
    }
    if (*c->buffer >= c->end)
        return 0;
    u64 part = min(n, q->buffer[2 * *c->buffer + 1] - *c->offset);
    *address = q->buffer[2 * *c->buffer] + *c->offset;
    *c->offset += part;
    *c->left -= part;
    return part;
}

bool virtqueue_read(struct pci_device *d, struct virtqueue *q, void *bytes, unsigned n)
{
    struct cursor c = reader(q);
    bool good = true;
    u64 address;
    for (u8 *to = bytes; n;) {
        unsigned part = (unsigned)take(q, &c, n, &address);
        if (!part)
            return false;
        good = dma_read(d, address, to, part) && good;
        to += part;
        n -= part;
    }
    return good;
}

bool virtqueue_write(struct pci_device *d, struct virtqueue *q, const void *bytes, unsigned n)
{
    struct cursor c = writer(q);
    bool good = true;
    u64 address;
    for (const u8 *from = bytes; n;) {
        unsigned part = (unsigned)take(q, &c, n, &address);
        if (!part)
            return false;
        good = dma_write(d, address, from, part) && good;
        q->gap |= !good;
        q->written += q->gap ? 0 : part;
        from += part;
        n -= part;
    }
    return good;
}

void virtqueue_skip(struct virtqueue *q, u64 n)
{
    struct cursor c = writer(q);
    u64 address, part;
    q->gap |= n > 0;
    while (n && (part = take(q, &c, n, &address)))
        n -= part;
}

void virtqueue_put_back(struct virtqueue *q)
{
    q->next_avail = (q->next_avail - 1) & 0xffff;
    q->phase = QUEUE_LOOK;
}

void virtqueue_return(struct virtqueue *q)
{
    q->phase = QUEUE_USED;
}

/* ---- the used ring ---- */

/* 2.6.7 "Used Buffer Notification Suppression" */
static bool wants_interrupt(struct pci_device *d, const struct virtqueue *q, bool *wants)
{
    u64 value;
    u64 at = by_index(d) ? VIRTQ_USED_EVENT(q->size) : VIRTQ_AVAIL_FLAGS;
    if (!get(d, q->driver + at, 2, &value))
        return false;
    *wants = by_index(d) ? VIRTQ_PASSED(value, q->next_used, q->next_used - 1)
                         : !(value & VIRTQ_AVAIL_NO_INTERRUPT);
    return true;
}

/* The entry is there before the index says so (2.6.8.1). */
static void give_back(struct pci_device *d, struct virtqueue *q)
{
    bool wants;
    u64 entry = q->head | (q->written & 0xffffffff) << 32;
    if (!put(d, q->device + VIRTQ_USED_RING(slot(q, q->next_used)), 8, entry))
        return;
    q->next_used = (q->next_used + 1) & 0xffff;
    if (!put(d, q->device + VIRTQ_USED_IDX, 2, q->next_used) || !wants_interrupt(d, q, &wants))
        return;
    q->phase = QUEUE_LOOK;
    if (wants)
        virtio_interrupt_queue(d, q);
}

void virtqueue_step(struct pci_device *d, struct virtqueue *q)
{
    switch (q->phase) {
    case QUEUE_LOOK: look(d, q); break;
    case QUEUE_DESCRIPTOR: fetch(d, q); break;
    case QUEUE_USED: give_back(d, q); break;
    default: q->phase = QUEUE_IDLE;
    }
}
