/* virtio_blk.c - see virtio_blk.h.  Each slot has a request and three descriptors: header, data, status. */
#include "kernel/virtio_blk.h"

#include <stddef.h>

#include "kernel/clock.h"
#include "kernel/device.h"
#include "kernel/memory.h"
#include "kernel/process.h"
#include "lib/virtio.h"

#define SLOTS   (VIRTIO_QUEUE_ENTRIES / 3)
#define PENDING 0xff /* no status of the device's */

struct request {
    uint32_t type, reserved;
    uint64_t sector;
    volatile uint8_t status;
    bool busy;
};

/* What the device reads and writes. */
struct shared {
    struct virtio_queue queue;
    struct request request[SLOTS];
};

static struct virtio device;
static struct shared *shared; /* NULL: there is no disk */
static const char *way;
static bool failed;
static unsigned busy;

/* ---- requests that come back ---- */

static bool collect(void *of)
{
    uint16_t head;
    uint32_t bytes;

    (void)of;
    while (virtio_next(&shared->queue, &head, &bytes)) {
        struct request *r = &shared->request[head / 3 % SLOTS];

        if (!r->busy)
            continue; /* the device makes it up */
        failed |= r->status != VIRTIO_BLK_S_OK;
        r->busy = false;
        busy--;
    }
    process_wake(shared);
    return false;
}

/* Until less than `most` are under way. */
static void wait_for_less(unsigned most)
{
    for (collect(NULL); busy >= most; collect(NULL))
        if (current && !current->killed)
            process_wait_until(shared, CLOCK_NEVER);
        else
            __asm__ volatile("pause");
}

/* ---- requests that go out ---- */

static void offer(uint32_t type, const struct transfer *t)
{
    uint8_t *table = shared->queue.desc;
    uint16_t i = 0, head;
    struct request *r = shared->request;

    wait_for_less(SLOTS);
    while (r[i].busy)
        i++;
    r = &r[i];
    head = (uint16_t)(3 * i);
    *r = (struct request){.type = type, .sector = t->sector, .status = PENDING, .busy = true};
    busy++;
    virtio_descriptor(table, head, r, VIRTIO_BLK_HEADER_BYTES, VIRTQ_DESC_F_NEXT,
                      t->count ? head + 1 : head + 2);
    virtio_descriptor(table, head + 1, t->bytes, t->count,
                      VIRTQ_DESC_F_NEXT | (type == VIRTIO_BLK_T_IN ? VIRTQ_DESC_F_WRITE : 0), head + 2);
    virtio_descriptor(table, head + 2, &r->status, 1, VIRTQ_DESC_F_WRITE, 0);
    virtio_offer(&shared->queue, head);
    virtio_interrupt_after(&shared->queue, 1);
    virtio_kick(&shared->queue);
}

static bool finish(void)
{
    bool good;

    wait_for_less(1);
    good = !failed;
    failed = false;
    return good;
}

bool virtio_blk_move(const struct transfer *transfers, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        offer(transfers[i].write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, &transfers[i]);
    return finish();
}

bool virtio_blk_flush(void)
{
    if (!(device.features & VIRTIO_BIT(VIRTIO_BLK_F_FLUSH)))
        return true; /* what is written stays */
    offer(VIRTIO_BLK_T_FLUSH, &(struct transfer){0});
    return finish();
}

/* ---- the device ---- */

bool virtio_blk_init(void)
{
    uint64_t pa;

    if (!device_init() || !virtio_find(&device, VIRTIO_ID_BLOCK, 0))
        return false;
    device_map(device.slot);
    pa = page_run(sizeof *shared);
    if (!pa || !virtio_negotiate(&device, VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_RO)))
        return false;
    shared = direct(pa);
    way = device_attach(device.slot, collect, NULL);
    virtio_queue_init(&shared->queue, &device, 0, way && way[0] == 'M' ? 0 : VIRTIO_NO_VECTOR);
    virtio_ready(&device);
    return true;
}

uint64_t virtio_blk_sectors(void)
{
    return virtio_config(&device, VIRTIO_BLK_CAPACITY) |
           (uint64_t)virtio_config(&device, VIRTIO_BLK_CAPACITY + 4) << 32;
}

bool virtio_blk_readonly(void)
{
    return device.features & VIRTIO_BIT(VIRTIO_BLK_F_RO);
}

const char *virtio_blk_way(void)
{
    return way ? way : "polled";
}
