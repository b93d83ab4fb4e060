#include "virtio_blk.h"

#include <stddef.h>

#include "guests/lib/string.h"
#include "print.h"
#include "text.h"
#include "vm.h"

#define SLOT_ANY 0

/* ---- configuration (5.2.4 "Device configuration layout") ---- */

static struct virtio_blk *blk_of(const struct virtio_device *d)
{
    return (struct virtio_blk *)d;
}

static uint64_t features(const struct virtio_device *d)
{
    return FEATURE_BIT(VIRTIO_BLK_F_SEG_MAX) | FEATURE_BIT(VIRTIO_BLK_F_BLK_SIZE) |
           FEATURE_BIT(VIRTIO_BLK_F_FLUSH) | FEATURE_BIT(VIRTIO_BLK_F_CONFIG_WCE) |
           (blk_of(d)->machine && disk_readonly(blk_of(d)->machine) ? FEATURE_BIT(VIRTIO_BLK_F_RO) : 0);
}

static void put(uint8_t *to, uint64_t value, size_t n)
{
    memcpy(to, &value, n);
}

static uint64_t config_read(struct virtio_device *d, unsigned at, unsigned n)
{
    const struct virtio_blk *b = blk_of(d);
    uint8_t config[VIRTIO_BLK_CONFIG_BYTES] = {0};
    uint64_t value = 0;

    put(config + VIRTIO_BLK_CAPACITY, b->sectors, 8);
    put(config + VIRTIO_BLK_SEG_MAX, VIRTQUEUE_SIZE_MAX - 2, 4);
    put(config + VIRTIO_BLK_BLK_SIZE, SECTOR_BYTES, 4);
    put(config + VIRTIO_BLK_WRITEBACK, b->writeback, 1);
    memcpy(&value, config + at, n);
    return value;
}

/* 5.2.5.2: only a driver that has taken CONFIG_WCE may set it.  What was written before is for its next
 * flush.
 */
static void config_write(struct virtio_device *d, unsigned at, unsigned n, uint64_t value)
{
    if (at == VIRTIO_BLK_WRITEBACK && n == 1 && virtio_pci_has(d, VIRTIO_BLK_F_CONFIG_WCE))
        blk_of(d)->writeback = value & 1;
}

/* Without FLUSH the driver takes it that what is written stays (5.2.6.2). */
static bool writes_through(const struct virtio_blk *b)
{
    return !b->writeback || !virtio_pci_has(&b->device, VIRTIO_BLK_F_FLUSH);
}

/* Work of the machine's disk that is under way has nobody who waits for it any more. */
static void forget_requests(struct virtio_blk *b)
{
    for (unsigned i = 0; i < BLK_REQUESTS; i++) {
        if (b->request[i].work)
            b->request[i].work->of = NULL;
        b->request[i].work = NULL;
        b->request[i].under_way = b->request[i].wants_work = false;
    }
    if (b->machine)
        disk_forget(b->machine, &b->waiter);
}

static void reset(struct virtio_device *d)
{
    forget_requests(blk_of(d));
    blk_of(d)->writeback = true;
}

static void broken(struct virtio_blk *b)
{
    forget_requests(b);
    virtio_pci_break(&b->device);
}

/* ---- the end of a request ---- */

static void count(struct virtio_blk *b, uint32_t type, uint8_t status)
{
    b->reads += type == VIRTIO_BLK_T_IN;
    b->writes += type == VIRTIO_BLK_T_OUT;
    b->flushes += type == VIRTIO_BLK_T_FLUSH;
    b->errors += status != VIRTIO_BLK_S_OK;
    b->device.chains++;
}

/* The status is the last byte that the device writes; data that have not been written are left out. */
static void finish(struct blk_request *r, uint8_t status)
{
    struct virtio_blk *b = r->disk;
    struct virtqueue *q = &b->device.queue[0];

    if (r->work)
        disk_put_back(b->machine, r->work);
    r->work = NULL;
    r->under_way = false;
    count(b, r->type, status);
    virtq_skip(&r->chain, r->chain.write_bytes - 1);
    if (virtq_write(b->device.vm, &r->chain, &status, 1) && virtqueue_return(q, &r->chain))
        virtio_pci_returned(&b->device, q);
    else
        broken(b);
}

/* ---- work: a request's sectors, some at a time ---- */

static unsigned piece(const struct blk_request *r)
{
    unsigned most = disk_filters_most(&r->disk->filters);

    return r->left < most ? (unsigned)r->left : most;
}

/* Calls each(request, bytes, sectors) for the pages of a piece of work; false: one of them has failed. */
static bool each_page(struct blk_request *r,
                      bool (*each)(struct blk_request *r, uint64_t sector, uint8_t *bytes, unsigned sectors))
{
    unsigned left = r->work->sectors;

    for (unsigned page = 0, n; left > 0; left -= n, page++) {
        n = left < PAGE_SECTORS ? left : PAGE_SECTORS;
        if (!each(r, r->sector + (uint64_t)page * PAGE_SECTORS, r->work->page[page], n))
            return false;
    }
    return true;
}

static bool fetch(struct blk_request *r, uint64_t sector, uint8_t *bytes, unsigned sectors)
{
    if (!virtq_read(r->disk->device.vm, &r->chain, bytes, (uint64_t)sectors * SECTOR_BYTES))
        return false;
    disk_filters_write(&r->disk->filters, sector, bytes, sectors);
    return true;
}

static bool deliver(struct blk_request *r, uint64_t sector, uint8_t *bytes, unsigned sectors)
{
    disk_filters_read(&r->disk->filters, sector, bytes, sectors);
    return virtq_write(r->disk->device.vm, &r->chain, bytes, (uint64_t)sectors * SECTOR_BYTES);
}

static void over(void *of, struct disk_work *w, bool good);

/* The next piece, with work that it has.  What the VM writes goes through the filters into pages of ours: the
 * guest may change its own meanwhile. */
static void go_on(struct blk_request *r)
{
    struct disk_work *w = r->work;

    w->done = over;
    w->of = r;
    w->verb = r->flushes ? DISK_FLUSH : r->type == VIRTIO_BLK_T_IN ? DISK_READ : DISK_WRITE;
    w->sector = r->disk->first + r->sector;
    w->sectors = r->flushes ? 0 : piece(r);
    if (w->verb == DISK_WRITE && !each_page(r, fetch))
        finish(r, VIRTIO_BLK_S_IOERR);
    else
        disk_give(r->disk->machine, w);
}

static void begin(struct blk_request *r)
{
    r->work = disk_take(r->disk->machine, &r->disk->waiter);
    r->wants_work = !r->work;
    if (r->work)
        go_on(r);
}

static void serve(struct virtio_device *d, unsigned queue);

static void over(void *of, struct disk_work *w, bool good)
{
    struct blk_request *r = of;
    struct virtio_blk *b = r->disk;

    if (good && w->verb == DISK_READ)
        good = each_page(r, deliver);
    r->sector += w->sectors;
    r->left -= w->sectors;
    if (good && r->left > 0) {
        go_on(r);
        return;
    }
    if (good && w->verb == DISK_WRITE && writes_through(b) && disk_has_cache(b->machine)) {
        r->flushes = true;
        go_on(r);
        return;
    }
    finish(r, good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
    if (virtio_pci_live(&b->device))
        serve(&b->device, 0);
}

/* A piece of work of the machine's disk is free.  Another request that wants one waits again, behind other
 * VMs. */
static void work_is_free(void *of)
{
    struct virtio_blk *b = of;

    for (unsigned i = 0; i < BLK_REQUESTS; i++)
        if (b->request[i].wants_work)
            begin(&b->request[i]);
}

/* ---- the beginning ---- */

/* Whole sectors, that are there. */
static void begin_sectors(struct blk_request *r, uint64_t bytes)
{
    const struct virtio_blk *b = r->disk;

    r->left = bytes / SECTOR_BYTES;
    if (bytes % SECTOR_BYTES || r->sector > b->sectors || r->left > b->sectors - r->sector) {
        finish(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    disk_filters_request(&r->disk->filters, r->type == VIRTIO_BLK_T_IN ? DISK_READ : DISK_WRITE, r->sector,
                         r->left);
    if (r->left == 0)
        finish(r, VIRTIO_BLK_S_OK);
    else
        begin(r);
}

static void begin_flush(struct blk_request *r)
{
    disk_filters_request(&r->disk->filters, DISK_FLUSH, 0, 0);
    r->flushes = true;
    if (disk_has_cache(r->disk->machine))
        begin(r);
    else
        finish(r, VIRTIO_BLK_S_OK);
}

static void get_id(struct blk_request *r)
{
    char id[VIRTIO_BLK_ID_BYTES] = "";
    uint64_t room = r->chain.write_bytes - 1;
    const struct vm *vm = r->disk->device.vm;
    bool good;

    text_copy(id, vm->dir->name, sizeof id);
    good = virtq_write(r->disk->device.vm, &r->chain, id, room < sizeof id ? room : sizeof id);
    finish(r, good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
}

static void begin_request(struct blk_request *r)
{
    switch (r->type) {
    case VIRTIO_BLK_T_IN: begin_sectors(r, r->chain.write_bytes - 1); break;
    case VIRTIO_BLK_T_OUT:
        if (disk_readonly(r->disk->machine))
            finish(r, VIRTIO_BLK_S_IOERR);
        else
            begin_sectors(r, r->chain.read_bytes);
        break;
    case VIRTIO_BLK_T_FLUSH: begin_flush(r); break;
    case VIRTIO_BLK_T_GET_ID: get_id(r); break;
    default: finish(r, VIRTIO_BLK_S_UNSUPP);
    }
}

/* A header and room for the status, however they are cut into buffers (2.6.4 "Message Framing"); else there
 * is nobody to tell. */
static bool accept(struct virtio_blk *b, struct blk_request *r)
{
    uint8_t header[VIRTIO_BLK_HEADER_BYTES];

    if (r->chain.write_bytes == 0 || !virtq_read(b->device.vm, &r->chain, header, sizeof header))
        return false;
    memcpy(&r->type, header + VIRTIO_BLK_TYPE, sizeof r->type);
    memcpy(&r->sector, header + VIRTIO_BLK_SECTOR, sizeof r->sector);
    r->disk = b;
    r->work = NULL;
    r->under_way = true;
    r->wants_work = r->flushes = false;
    r->left = 0;
    begin_request(r);
    return true;
}

static struct blk_request *free_request(struct virtio_blk *b)
{
    for (unsigned i = 0; i < BLK_REQUESTS; i++)
        if (!b->request[i].under_way)
            return &b->request[i];
    return NULL;
}

/* As many as may be under way; the end of one takes the next, so nobody needs to notify until the queue has
 * been found empty. */
static void serve(struct virtio_device *d, unsigned queue)
{
    struct virtio_blk *b = blk_of(d);
    struct virtqueue *q = &d->queue[queue];
    struct blk_request *r;
    bool asked = false;

    if (!b->machine || !virtqueue_decline(q)) {
        broken(b);
        return;
    }
    while (virtio_pci_live(d) && (r = free_request(b))) {
        enum virtqueue_result result = virtqueue_take(q, &r->chain);

        if (result == VIRTQUEUE_EMPTY && asked)
            return;
        asked = result == VIRTQUEUE_EMPTY;
        if (result == VIRTQUEUE_BROKEN || (asked ? !virtqueue_ask(q) : !accept(b, r)))
            broken(b);
    }
}

/* ---- which disk ---- */

static bool overlaps(const struct virtio_blk *b, const struct disk *d, uint64_t first, uint64_t sectors)
{
    return b->machine == d && first < b->first + b->sectors && b->first < first + sectors;
}

/* The VM that has some of these sectors; NULL: none. */
static const struct vm *holder(const struct disk *d, uint64_t first, uint64_t sectors)
{
    for (unsigned i = 0; vm_at(i); i++)
        if (overlaps(&vm_at(i)->virtio_blk, d, first, sectors))
            return vm_at(i);
    return NULL;
}

/* The part of a disk that the VM's string asks for: 0 sectors are all behind the first. */
static uint64_t part_of(const struct vm_config *c, const struct disk *d)
{
    uint64_t all = disk_sectors(d);

    if (c->disk_first >= all || c->disk_sectors > all - c->disk_first)
        return 0;
    return c->disk_sectors ? c->disk_sectors : all - c->disk_first;
}

/* Of those that are open: the first with that part free. */
static unsigned shared_slot(const struct vm_config *c)
{
    const struct disk *d;

    for (unsigned i = 0; (d = disk_at(i)); i++)
        if (part_of(c, d) && !holder(d, c->disk_first, part_of(c, d)))
            return disk_slot(d);
    return SLOT_ANY;
}

static unsigned slot_of(const struct vm_config *c)
{
    uint32_t slots = c->passed[PHYSICAL_DISK].slots;

    return slots ? (unsigned)__builtin_ctz(slots) : shared_slot(c);
}

static bool claim(struct virtio_blk *b, const struct vm_config *c, struct disk *d, char *why, size_t size)
{
    uint64_t sectors = part_of(c, d);
    const struct vm *other = sectors ? holder(d, c->disk_first, sectors) : NULL;

    if (!sectors)
        format_text(why, size,
                    "the disk in slot %u has %lu sectors: disk_first=%lu disk_sectors=%lu is beyond",
                    disk_slot(d), disk_sectors(d), c->disk_first, c->disk_sectors);
    else if (other)
        format_text(why, size, "sectors %lu to %lu of the disk in slot %u: %s has some of them",
                    c->disk_first, c->disk_first + sectors - 1, disk_slot(d), other->dir->name);
    if (!sectors || other)
        return false;
    b->machine = d;
    b->first = c->disk_first;
    b->sectors = sectors;
    return true;
}

/* ---- the model ---- */

static const struct virtio_kind kind = {
    .pci = VIRTIO_PCI(VIRTIO_ID_BLOCK, 0x010000, 2),
    .name = "virtio-blk",
    .queues = 1,
    .config_bytes = VIRTIO_BLK_CONFIG_BYTES,
    .features = features,
    .reset = reset,
    .config_read = config_read,
    .config_write = config_write,
    .serve = serve,
};

bool virtio_blk_plug(struct virtio_blk *b, struct vm *vm, char *why, size_t size)
{
    const struct vm_config *c = &vm->config;
    struct disk *d = disk_open(slot_of(c), why, size);

    if (!d)
        return false;
    if (!claim(b, c, d, why, size)) {
        disk_close(d);
        return false;
    }
    b->reads = b->writes = b->flushes = b->errors = 0;
    b->waiter = (struct disk_waiter){.free = work_is_free, .of = b};
    disk_filters_begin(&b->filters, c->disk_filters, c->disk_key, b->sectors);
    return virtio_pci_plug(&b->device, vm, &kind);
}

void virtio_blk_end(struct virtio_blk *b)
{
    struct disk *d = b->machine;

    if (!d)
        return;
    forget_requests(b);
    b->machine = NULL;
    disk_close(d);
}

void virtio_blk_show(const struct virtio_blk *b, stats_line *line)
{
    char filters[32];

    disk_filters_name(b->filters.chosen, filters, sizeof filters);
    line("vm=%s slot=%u first=%lu sectors=%lu filter=%s reads=%lu writes=%lu flushes=%lu errors=%lu",
         b->device.vm->dir->name, disk_slot(b->machine), b->first, b->sectors, filters, b->reads, b->writes,
         b->flushes, b->errors);
}
