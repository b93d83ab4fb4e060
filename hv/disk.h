/* disk.h - the machine's virtio disks, as the hypervisor drives them: work is given to a disk, and its owner
 * hears of the end by an interrupt; VMs run meanwhile. */
#ifndef HV_DISK_H
#define HV_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "page.h"

#define SECTOR_BYTES 512
#define WORK_PAGES   4 /* of one piece of work */
#define WORK_SECTORS (WORK_PAGES * (unsigned)PAGE_BYTES / SECTOR_BYTES)
#define PAGE_SECTORS ((unsigned)PAGE_BYTES / SECTOR_BYTES)

struct disk;

enum disk_verb { DISK_READ, DISK_WRITE, DISK_FLUSH };

/* A piece of work. */
struct disk_work {
    uint8_t *page[WORK_PAGES]; /* the bytes, eight sectors in each */
    enum disk_verb verb;
    uint64_t sector;
    unsigned sectors; /* up to WORK_SECTORS */
    /* It is over: good, or the disk says that it has failed.  It may be given again from here.  of: NULL is
     * nobody, who has gone meanwhile. */
    void (*done)(void *of, struct disk_work *w, bool good);
    void *of;
};

/* Who waits for a piece of work to become free. */
struct disk_waiter {
    void (*free)(void *of);
    void *of;
    bool waits;
    struct disk_waiter *next;
};

/* The disk in a slot of the machine, which is the hypervisor's from then on.  NULL, with a message in `why`:
 * there is none, or somebody else has it, or it does not work. */
struct disk *disk_open(unsigned slot, char *why, size_t size);
/* One that is open: the i-th; NULL after the last. */
struct disk *disk_at(unsigned i);
/* As many times as it was opened; at the end it is nobody's, and what was still under way is not heard of. */
void disk_close(struct disk *d);

unsigned disk_slot(const struct disk *d);
uint64_t disk_sectors(const struct disk *d);
bool disk_readonly(const struct disk *d);
/* What is written is in its cache until a flush; else it stays at once, and there is no flush. */
bool disk_has_cache(const struct disk *d);

/* A piece of work to be filled in and given; NULL: all are under way.  Then the waiter, if it is not NULL,
 * has its turn when one is free. */
struct disk_work *disk_take(struct disk *d, struct disk_waiter *waiter);
void disk_give(struct disk *d, struct disk_work *w);
/* It is not needed any more. */
void disk_put_back(struct disk *d, struct disk_work *w);
/* A waiter has gone. */
void disk_forget(struct disk *d, struct disk_waiter *waiter);

#endif
