#include "virtqueue.h"

#include <stddef.h>

#include "dma.h"
#include "page.h"
#include "vm.h"

#define CHAIN_BYTES (UINT64_C(1) << 32) /* at most (2.6.5 "The Virtqueue Descriptor Table") */

/* ---- words of the rings: read and written at once, as other virtual CPUs do the same ---- */

/* NULL: outside RAM, or not where a ring may be (2.6 "Split Virtqueues", the table of alignments). */
static uint16_t *word_at(const struct virtqueue *q, uint64_t gpa)
{
    uint8_t *page = gpa % 2 ? NULL : vm_page(q->vm, gpa);

    return page ? (uint16_t *)(void *)(page + gpa % PAGE_BYTES) : NULL;
}

static bool get(const struct virtqueue *q, uint64_t gpa, uint16_t *value)
{
    const uint16_t *word = word_at(q, gpa);

    if (word)
        *value = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    return word;
}

static bool put(const struct virtqueue *q, uint64_t gpa, uint16_t value)
{
    uint16_t *word = word_at(q, gpa);

    if (!word)
        return false;
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    pager_written_by_device(q->vm, gpa);
    return true;
}

/* What has been written is seen by others before what is read after it (2.6.7.1, 2.6.9). */
static void barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint64_t slot(const struct virtqueue *q, uint16_t index)
{
    return index & (q->size - 1u);
}

/* ---- descriptors ---- */

struct descriptor {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};

_Static_assert(sizeof(struct descriptor) == VIRTQ_DESC_BYTES, "as in memory");

/* Where descriptors are read: the queue's own table, or an indirect one. */
struct table {
    uint64_t gpa, size;
    bool indirect;
};

/* 2.6.5.3 "Indirect Descriptors": a table of its own ends the chain; there is none inside another. */
static bool enter(const struct virtqueue *q, struct table *t, const struct descriptor *d)
{
    if (!q->indirect || t->indirect || d->flags & VIRTQ_DESC_F_NEXT || d->bytes % VIRTQ_DESC_BYTES ||
        d->bytes == 0)
        return false;
    *t = (struct table){d->gpa, d->bytes / VIRTQ_DESC_BYTES, true};
    return true;
}

/* All that the device reads comes before all that it writes (2.6.4.2). */
static bool add(struct virtq_chain *c, const struct descriptor *d)
{
    bool write = d->flags & VIRTQ_DESC_F_WRITE;

    if ((!write && c->buffers > c->readable) || c->buffers == VIRTQUEUE_SIZE_MAX)
        return false;
    c->buffer[c->buffers].gpa = d->gpa;
    c->buffer[c->buffers].bytes = d->bytes;
    c->buffers++;
    c->readable += !write;
    *(write ? &c->write_bytes : &c->read_bytes) += d->bytes;
    return c->read_bytes + c->write_bytes <= CHAIN_BYTES;
}

/* A chain is no longer than the queue, in whichever table (2.6.5.3.1): that ends loops too. */
static bool follow(const struct virtqueue *q, struct virtq_chain *c)
{
    struct table t = {q->desc, q->size, false};
    struct descriptor d;
    uint64_t index = c->head;

    for (unsigned n = 0; n <= q->size;) {
        if (index >= t.size || !dma_read(q->vm, t.gpa + index * VIRTQ_DESC_BYTES, &d, sizeof d))
            return false;
        if (d.flags & VIRTQ_DESC_F_INDIRECT) {
            if (!enter(q, &t, &d))
                return false;
            index = 0;
            continue;
        }
        if (++n > q->size || !add(c, &d))
            return false;
        if (!(d.flags & VIRTQ_DESC_F_NEXT))
            return true;
        index = d.next;
    }
    return false;
}

/* ---- the available ring ---- */

enum virtqueue_result virtqueue_take(struct virtqueue *q, struct virtq_chain *c)
{
    uint16_t index, waiting;

    if (!get(q, q->driver + VIRTQ_AVAIL_IDX, &index))
        return VIRTQUEUE_BROKEN;
    waiting = (uint16_t)(index - q->next_avail);
    if (waiting == 0)
        return VIRTQUEUE_EMPTY;
    c->buffers = c->readable = 0;
    c->read_bytes = c->write_bytes = c->written = 0;
    c->gap = false;
    c->reads = (struct virtq_cursor){0, 0};
    if (waiting > q->size || !get(q, q->driver + VIRTQ_AVAIL_RING(slot(q, q->next_avail)), &c->head) ||
        !follow(q, c))
        return VIRTQUEUE_BROKEN;
    c->writes = (struct virtq_cursor){c->readable, 0};
    q->next_avail++;
    return VIRTQUEUE_OK;
}

void virtqueue_put_back(struct virtqueue *q)
{
    q->next_avail--;
}

/* ---- the used ring ---- */

/* The entry is there before the index says so (2.6.8.1). */
bool virtqueue_return(struct virtqueue *q, const struct virtq_chain *c)
{
    const uint32_t entry[] = {c->head, c->written};

    if (!dma_write(q->vm, q->device + VIRTQ_USED_RING(slot(q, q->next_used)), entry, sizeof entry))
        return false;
    return put(q, q->device + VIRTQ_USED_IDX, ++q->next_used);
}

/* ---- notifications and interrupts ---- */

/* With event indices an index that the driver has passed says so already (2.6.10). */
bool virtqueue_decline(struct virtqueue *q)
{
    if (q->by_index || q->declined)
        return true;
    q->declined = true;
    return put(q, q->device + VIRTQ_USED_FLAGS, VIRTQ_USED_NO_NOTIFY);
}

bool virtqueue_ask(struct virtqueue *q)
{
    bool good = q->by_index ? put(q, q->device + VIRTQ_AVAIL_EVENT(q->size), q->next_avail)
                            : put(q, q->device + VIRTQ_USED_FLAGS, 0);

    q->declined = false;
    barrier();
    return good;
}

/* 2.6.7 "Used Buffer Notification Suppression" */
enum virtqueue_result virtqueue_wants_interrupt(struct virtqueue *q, bool *wants)
{
    uint16_t value, before = q->told;

    *wants = false;
    if (before == q->next_used)
        return VIRTQUEUE_OK;
    barrier();
    q->told = q->next_used;
    if (!get(q, q->driver + (q->by_index ? VIRTQ_USED_EVENT(q->size) : VIRTQ_AVAIL_FLAGS), &value))
        return VIRTQUEUE_BROKEN;
    *wants = q->by_index ? VIRTQ_PASSED(value, q->next_used, before) : !(value & VIRTQ_AVAIL_NO_INTERRUPT);
    return VIRTQUEUE_OK;
}

/* ---- buffers ---- */

/* Up to n bytes of one buffer, before `end`; 0: there are none. */
static uint32_t next_piece(const struct virtq_chain *c, struct virtq_cursor *at, unsigned end, uint64_t n,
                           uint64_t *gpa)
{
    uint32_t left;

    while (at->buffer < end && at->offset == c->buffer[at->buffer].bytes) {
        at->buffer++;
        at->offset = 0;
    }
    if (at->buffer >= end)
        return 0;
    left = c->buffer[at->buffer].bytes - at->offset;
    left = n < left ? (uint32_t)n : left;
    *gpa = c->buffer[at->buffer].gpa + at->offset;
    at->offset += left;
    return left;
}

bool virtq_read(struct vm *vm, struct virtq_chain *c, void *to, uint64_t n)
{
    uint8_t *at = to;
    uint64_t gpa;

    for (uint32_t piece; n > 0; n -= piece, at += piece) {
        piece = next_piece(c, &c->reads, c->readable, n, &gpa);
        c->read_bytes -= piece;
        if (!piece || !dma_read(vm, gpa, at, piece))
            return false;
    }
    return true;
}

bool virtq_write(struct vm *vm, struct virtq_chain *c, const void *from, uint64_t n)
{
    const uint8_t *at = from;
    uint64_t gpa;

    for (uint32_t piece; n > 0; n -= piece, at += piece) {
        piece = next_piece(c, &c->writes, c->buffers, n, &gpa);
        c->write_bytes -= piece;
        if (!piece || !dma_write(vm, gpa, at, piece)) {
            c->gap = true;
            return false;
        }
        c->written += c->gap ? 0 : piece;
    }
    return true;
}

void virtq_skip(struct virtq_chain *c, uint64_t n)
{
    uint64_t gpa;

    c->gap |= n > 0;
    for (uint32_t piece; n > 0; n -= piece) {
        piece = next_piece(c, &c->writes, c->buffers, n, &gpa);
        if (!piece)
            return;
        c->write_bytes -= piece;
    }
}
