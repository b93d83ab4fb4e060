#include "disk.h"

#include "guests/lib/virtio.h"
#include "irq.h"
#include "physical.h"
#include "print.h"

#define DISKS       4
#define WORKS       8 /* under way at a time, of a disk */
#define DESCRIPTORS (WORK_PAGES + 2)
#define OWNER       "the hypervisor"

/* A piece of work, and how the device sees it. */
struct job {
    struct disk_work work; /* first */
    struct {
        uint32_t type, reserved;
        uint64_t sector;
    } header;
    uint8_t status;
    bool taken;
    _Alignas(16) uint8_t table[DESCRIPTORS * VIRTQ_DESC_BYTES];
};

struct disk {
    unsigned users; /* 0: free */
    struct physical *physical;
    struct virtio device;
    struct virtio_queue queue;
    uint8_t vector;
    uint64_t sectors;
    struct disk_waiter *first; /* of those who wait */
    struct job job[WORKS];
};

static struct disk disks[DISKS];

/* ---- work ---- */

static struct job *job_of(struct disk_work *w)
{
    return (struct job *)w;
}

struct disk_work *disk_take(struct disk *d, struct disk_waiter *waiter)
{
    struct disk_waiter **end = &d->first;

    for (unsigned i = 0; i < WORKS; i++)
        if (!d->job[i].taken) {
            d->job[i].taken = true;
            return &d->job[i].work;
        }
    if (!waiter || waiter->waits)
        return NULL;
    while (*end)
        end = &(*end)->next;
    *end = waiter;
    waiter->next = NULL;
    waiter->waits = true;
    return NULL;
}

void disk_forget(struct disk *d, struct disk_waiter *waiter)
{
    for (struct disk_waiter **at = &d->first; *at; at = &(*at)->next)
        if (*at == waiter) {
            *at = waiter->next;
            break;
        }
    waiter->waits = false;
}

/* Who has waited longest has the next turn. */
void disk_put_back(struct disk *d, struct disk_work *w)
{
    struct disk_waiter *waiter = d->first;

    job_of(w)->taken = false;
    if (!waiter)
        return;
    d->first = waiter->next;
    waiter->waits = false;
    waiter->free(waiter->of);
}

static uint32_t type_of(enum disk_verb verb)
{
    return verb == DISK_READ ? VIRTIO_BLK_T_IN : verb == DISK_WRITE ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_FLUSH;
}

static void describe(struct job *j)
{
    uint16_t flags = VIRTQ_DESC_F_NEXT | (j->work.verb == DISK_READ ? VIRTQ_DESC_F_WRITE : 0), n = 0;
    unsigned left = j->work.verb == DISK_FLUSH ? 0 : j->work.sectors;

    virtio_descriptor(j->table, n++, &j->header, sizeof j->header, VIRTQ_DESC_F_NEXT, 1);
    for (unsigned page = 0, some; left > 0; left -= some, page++, n++) {
        some = left < PAGE_SECTORS ? left : PAGE_SECTORS;
        virtio_descriptor(j->table, n, j->work.page[page], some * SECTOR_BYTES, flags, (uint16_t)(n + 1));
    }
    virtio_descriptor(j->table, n++, &j->status, 1, VIRTQ_DESC_F_WRITE, 0);
}

static unsigned descriptors(const struct job *j)
{
    return 2 + (j->work.verb == DISK_FLUSH ? 0 : (j->work.sectors + PAGE_SECTORS - 1) / PAGE_SECTORS);
}

void disk_give(struct disk *d, struct disk_work *w)
{
    struct job *j = job_of(w);
    uint16_t i = (uint16_t)(j - d->job);

    j->header.type = type_of(w->verb);
    j->header.reserved = 0;
    j->header.sector = w->verb == DISK_FLUSH ? 0 : w->sector;
    j->status = VIRTIO_BLK_S_IOERR;
    describe(j);
    virtio_descriptor(d->queue.desc, i, j->table, descriptors(j) * VIRTQ_DESC_BYTES, VIRTQ_DESC_F_INDIRECT,
                      0);
    virtio_offer(&d->queue, i);
    virtio_kick(&d->queue);
}

/* ---- the interrupt ---- */

static void end_of(struct disk *d, struct job *j)
{
    if (j->work.of)
        j->work.done(j->work.of, &j->work, j->status == VIRTIO_BLK_S_OK);
    else
        disk_put_back(d, &j->work);
}

static bool end_one(struct disk *d)
{
    uint16_t i;
    uint32_t bytes;

    if (d->users == 0 || !virtio_next(&d->queue, &i, &bytes))
        return false;
    if (i < WORKS && d->job[i].taken)
        end_of(d, &d->job[i]);
    return true;
}

/* What ends between the last look and the request for the next interrupt is found by another look. */
static void on_interrupt(void *of)
{
    struct disk *d = of;

    do {
        while (end_one(d))
            continue;
        virtio_interrupt_after(&d->queue, 1);
    } while (end_one(d));
}

/* ---- opened and closed ---- */

static void free_pages(struct disk *d)
{
    for (unsigned i = 0; i < WORKS; i++)
        for (unsigned page = 0; page < WORK_PAGES; page++) {
            if (d->job[i].work.page[page])
                page_free((uint64_t)d->job[i].work.page[page], PAGE_BYTES);
            d->job[i].work.page[page] = NULL;
        }
}

static bool alloc_pages(struct disk *d)
{
    for (unsigned i = 0; i < WORKS; i++)
        for (unsigned page = 0; page < WORK_PAGES; page++) {
            d->job[i].work.page[page] = (uint8_t *)page_alloc();
            if (!d->job[i].work.page[page])
                return false;
        }
    return true;
}

static bool start(struct disk *d)
{
    const uint64_t wanted = VIRTIO_BIT(VIRTIO_F_RING_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_RING_EVENT_IDX) |
                            VIRTIO_BIT(VIRTIO_F_ACCESS_PLATFORM) | VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) |
                            VIRTIO_BIT(VIRTIO_BLK_F_RO);

    d->vector = irq_take(on_interrupt, d);
    if (!d->vector || !virtio_at(&d->device, d->physical->slot) || !virtio_negotiate(&d->device, wanted) ||
        !(d->device.features & VIRTIO_BIT(VIRTIO_F_RING_INDIRECT_DESC)) ||
        !physical_interrupt(d->physical, 0, d->vector, IRQ_APIC_ID))
        return false;
    physical_set_master(d->physical, true);
    virtio_queue_init(&d->queue, &d->device, 0, 0);
    virtio_ready(&d->device);
    virtio_interrupt_after(&d->queue, 1);
    d->sectors = virtio_config(&d->device, VIRTIO_BLK_CAPACITY) |
                 (uint64_t)virtio_config(&d->device, VIRTIO_BLK_CAPACITY + 4) << 32;
    return true;
}

static void stop(struct disk *d)
{
    physical_reset(d->physical);
    if (d->vector)
        irq_give(d->vector);
    physical_give(d->physical);
    free_pages(d);
    d->users = 0;
}

static struct disk *open_free(struct disk *d, unsigned slot, char *why, size_t size)
{
    *d = (struct disk){.physical = physical_take(PHYSICAL_DISK, slot, OWNER, why, size)};
    if (!d->physical)
        return NULL;
    d->users = 1;
    if (alloc_pages(d) && start(d))
        return d;
    format_text(why, size,
                "the disk in slot %u of the machine cannot be driven: no memory, no vector or no indirect "
                "descriptors",
                (unsigned)d->physical->slot);
    stop(d);
    return NULL;
}

struct disk *disk_open(unsigned slot, char *why, size_t size)
{
    struct disk *d = NULL;

    for (unsigned i = 0; i < DISKS; i++) {
        if (disks[i].users && slot && disk_slot(&disks[i]) == slot) {
            disks[i].users++;
            return &disks[i];
        }
        if (!disks[i].users && !d)
            d = &disks[i];
    }
    if (d)
        return open_free(d, slot, why, size);
    format_text(why, size, "the hypervisor drives %u disks already", (unsigned)DISKS);
    return NULL;
}

void disk_close(struct disk *d)
{
    if (--d->users == 0)
        stop(d);
}

struct disk *disk_at(unsigned i)
{
    for (unsigned at = 0; at < DISKS; at++)
        if (disks[at].users && i-- == 0)
            return &disks[at];
    return NULL;
}

unsigned disk_slot(const struct disk *d)
{
    return d->physical->slot;
}

uint64_t disk_sectors(const struct disk *d)
{
    return d->sectors;
}

bool disk_readonly(const struct disk *d)
{
    return d->device.features & VIRTIO_BIT(VIRTIO_BLK_F_RO);
}

bool disk_has_cache(const struct disk *d)
{
    return d->device.features & VIRTIO_BIT(VIRTIO_BLK_F_FLUSH);
}
