/* virtio_blk.h - the virtio disk of a VM (disk=virtio; VIRTIO 1.1, 5.2 "Block Device"): a disk of the
 * machine's, or a part of one, through the filters that the VM's string asks for. */
#ifndef HV_VIRTIO_BLK_H
#define HV_VIRTIO_BLK_H

#include "disk.h"
#include "disk_filter.h"
#include "virtio_pci.h"

#define BLK_REQUESTS 4 /* of a VM, under way at a time */

struct virtio_blk;

/* One is under way from when it is taken from the queue to when it goes back. */
struct blk_request {
    struct virtio_blk *disk;
    bool under_way, wants_work; /* the latter: until a piece of the machine's disk's is free */
    bool flushes;               /* is a flush, or has only that left to do */
    uint32_t type;
    uint64_t sector, left; /* of the VM's disk: the next, and how many */
    struct disk_work *work;
    struct virtq_chain chain;
};

struct virtio_blk {
    struct virtio_device device;
    struct disk *machine;                    /* NULL: the VM has none now */
    uint64_t first, sectors;                 /* the part of it */
    bool writeback;                          /* as the driver has set it */
    uint64_t reads, writes, flushes, errors; /* requests that are over */
    struct disk_waiter waiter;
    struct disk_filters filters;
    struct blk_request request[BLK_REQUESTS];
};

/* A VM starts.  False, with a message in `why`: it cannot have the disk. */
bool virtio_blk_plug(struct virtio_blk *b, struct vm *vm, char *why, size_t size);
/* It has ended, and its disk is free for others.  What it has not been told the end of may have happened or
 * not. */
void virtio_blk_end(struct virtio_blk *b);

/* For the management line: what it is, and what it has done. */
void virtio_blk_show(const struct virtio_blk *b, stats_line *line);

#endif
