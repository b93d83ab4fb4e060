/* virtio_blk.h - the first virtio disk on the bus. */
#ifndef KERNEL_VIRTIO_BLK_H
#define KERNEL_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#define SECTOR_BYTES 512

/* Bytes in one piece of physical memory, seen in the direct map; whole sectors. */
struct transfer {
    uint64_t sector;
    void *bytes;
    uint32_t count; /* of bytes */
    bool write;
};

/* Whether there is one that can be driven; before the first process. */
bool virtio_blk_init(void);
uint64_t virtio_blk_sectors(void);
bool virtio_blk_readonly(void);
/* How its interrupts come: "MSI-X", "MSI" or "polled". */
const char *virtio_blk_way(void);

/* Moves them all, several at a time, in any order; false: at least one failed.  Others have their turns
 * meanwhile: one caller at a time. */
bool virtio_blk_move(const struct transfer *transfers, unsigned n);
/* What was written before stays, whatever happens to the machine. */
bool virtio_blk_flush(void);

#endif
