/* virtio_blk.c - see virtio_blk.h.  A request is its header, a wait for the disk, an atom for each sector,
 * and its status (docs/machine.md, V1 to V4). */
#include "dev/virtio_blk.h"

#include <stdio.h>
#include <string.h>

#include "dev/disk.h"
#include "dev/virtqueue.h"
#include "mmu/bytes.h"

enum blk_stage { BLK_HEADER, BLK_SECTORS, BLK_FLUSH };

static struct virtio_blk *state_of(const struct pci_device *d)
{
    return &d->m->b.virtio_blk[d->instance];
}

static struct disk *disk_of(const struct pci_device *d)
{
    return d->m->disk[d->instance];
}

static struct virtio *virtio_of(const struct pci_device *d)
{
    return &state_of(d)->virtio;
}

/* ---- configuration (5.2.4 "Device configuration layout") ---- */

static u64 features(const struct pci_device *d)
{
    return FEATURE(VIRTIO_BLK_F_SEG_MAX) | FEATURE(VIRTIO_BLK_F_BLK_SIZE) | FEATURE(VIRTIO_BLK_F_FLUSH) |
           FEATURE(VIRTIO_BLK_F_CONFIG_WCE) | (disk_of(d)->readonly ? FEATURE(VIRTIO_BLK_F_RO) : 0);
}

static u64 config_read(const struct pci_device *d, unsigned at, unsigned n)
{
    u8 config[VIRTIO_BLK_CONFIG_BYTES] = {0};
    store_le(config + VIRTIO_BLK_CAPACITY, 8, disk_of(d)->sectors);
    store_le(config + VIRTIO_BLK_SEG_MAX, 4, VIRTQUEUE_SIZE_MAX - 2);
    store_le(config + VIRTIO_BLK_BLK_SIZE, 4, SECTOR_BYTES);
    store_le(config + VIRTIO_BLK_WRITEBACK, 1, state_of(d)->writeback);
    return load_le(config + at, n);
}

/* 5.2.5.2: only a driver that has taken CONFIG_WCE may set it. */
static void config_write(struct pci_device *d, unsigned at, unsigned n, u64 value)
{
    if (at != VIRTIO_BLK_WRITEBACK || n != 1 || !virtio_has(d, VIRTIO_BLK_F_CONFIG_WCE))
        return;
    state_of(d)->writeback = value & 1;
    if (!state_of(d)->writeback)
        disk_flush(disk_of(d));
}

static void reset(struct pci_device *d)
{
    struct virtio_blk *b = state_of(d);
    b->type = b->sector = b->stage = 0;
    b->writeback = 1;
}

/* Without FLUSH the driver takes it that what is written stays (5.2.6.2). */
static bool writes_back(const struct pci_device *d)
{
    return state_of(d)->writeback && virtio_has(d, VIRTIO_BLK_F_FLUSH);
}

/* ---- requests ---- */

/* The status is the last byte that the device writes; data that have not been written are left out. */
static void finish(struct pci_device *d, struct virtqueue *q, u8 status)
{
    if (state_of(d)->type == VIRTIO_BLK_T_OUT && !writes_back(d))
        disk_flush(disk_of(d));
    virtqueue_skip(q, q->write_bytes - 1);
    virtqueue_write(d, q, &status, 1);
    state_of(d)->stage = BLK_HEADER;
    virtqueue_return(q);
}

static void wait(struct pci_device *d, struct virtqueue *q, enum blk_stage stage)
{
    state_of(d)->stage = stage;
    q->due = device_now(d->m) + d->m->p.disk_latency;
}

/* Whole sectors, that are there. */
static bool sectors_there(const struct pci_device *d, u64 bytes)
{
    u64 sectors = disk_of(d)->sectors, first = state_of(d)->sector;
    return bytes % SECTOR_BYTES == 0 && first <= sectors && bytes / SECTOR_BYTES <= sectors - first;
}

static void begin_sectors(struct pci_device *d, struct virtqueue *q, u64 bytes)
{
    if (sectors_there(d, bytes))
        wait(d, q, BLK_SECTORS);
    else
        finish(d, q, VIRTIO_BLK_S_IOERR);
}

static void get_id(struct pci_device *d, struct virtqueue *q)
{
    char id[VIRTIO_BLK_ID_BYTES + 1] = "";
    snprintf(id, sizeof id, "ringside-%u", d->instance + 1);
    u64 room = q->write_bytes - 1;
    bool good = room == 0 || virtqueue_write(d, q, id, (unsigned)min(VIRTIO_BLK_ID_BYTES, room));
    finish(d, q, good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
}

static void begin(struct pci_device *d, struct virtqueue *q)
{
    switch (state_of(d)->type) {
    case VIRTIO_BLK_T_IN: begin_sectors(d, q, q->write_bytes - 1); break;
    case VIRTIO_BLK_T_OUT:
        if (disk_of(d)->readonly)
            finish(d, q, VIRTIO_BLK_S_IOERR);
        else
            begin_sectors(d, q, q->read_bytes);
        break;
    case VIRTIO_BLK_T_FLUSH: wait(d, q, BLK_FLUSH); break;
    case VIRTIO_BLK_T_GET_ID: get_id(d, q); break;
    default: finish(d, q, VIRTIO_BLK_S_UNSUPP);
    }
}

/* A header and room for the status, however they are cut into buffers (2.6.4 "Message Framing"); else there
 * is nobody to tell. */
static void header(struct pci_device *d, struct virtqueue *q)
{
    struct virtio_blk *b = state_of(d);
    u8 bytes[VIRTIO_BLK_HEADER_BYTES];
    if (q->write_bytes == 0 || !virtqueue_read(d, q, bytes, sizeof bytes)) {
        virtio_break(d);
        return;
    }
    b->type = load_le(bytes + VIRTIO_BLK_TYPE, 4);
    b->sector = load_le(bytes + VIRTIO_BLK_SECTOR, 8);
    begin(d, q);
}

/* ---- sectors ---- */

static bool move_sector(struct pci_device *d, struct virtqueue *q)
{
    struct virtio_blk *b = state_of(d);
    u8 bytes[SECTOR_BYTES];
    if (b->type == VIRTIO_BLK_T_IN)
        return disk_read(disk_of(d), b->sector++, bytes) && virtqueue_write(d, q, bytes, sizeof bytes);
    return virtqueue_read(d, q, bytes, sizeof bytes) && disk_write(disk_of(d), b->sector++, bytes);
}

static void sectors(struct pci_device *d, struct virtqueue *q)
{
    u64 left = state_of(d)->type == VIRTIO_BLK_T_IN ? q->write_bytes - 1 : q->read_bytes;
    if (left == 0)
        finish(d, q, VIRTIO_BLK_S_OK);
    else if (!move_sector(d, q))
        finish(d, q, VIRTIO_BLK_S_IOERR);
}

static void flush(struct pci_device *d, struct virtqueue *q)
{
    disk_flush(disk_of(d));
    finish(d, q, VIRTIO_BLK_S_OK);
}

static void work(struct pci_device *d, unsigned queue)
{
    struct virtqueue *q = &virtio_of(d)->queue[queue];
    switch (state_of(d)->stage) {
    case BLK_SECTORS: sectors(d, q); break;
    case BLK_FLUSH: flush(d, q); break;
    default: header(d, q);
    }
}

const struct virtio_model virtio_blk_model = {
    .pci = VIRTIO_PCI("virtio-blk", VIRTIO_ID_BLOCK, 0x010000, 2, virtio_build),
    .queues = 1,
    .config_bytes = VIRTIO_BLK_CONFIG_BYTES,
    .state = virtio_of,
    .features = features,
    .reset = reset,
    .config_read = config_read,
    .config_write = config_write,
    .work = work,
};
