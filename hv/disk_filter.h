/* disk_filter.h - what stands between a VM's disk and the machine's without either of them knowing
 * (disk_filter=): each sees the requests of the VM, and their bytes on the way to the disk and back. */
#ifndef HV_DISK_FILTER_H
#define HV_DISK_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aes.h"
#include "disk.h"
#include "stats.h"

#define DISK_ZONES 64 /* parts of a disk, for the profile */
#define DISK_SIZES 8  /* of requests: 1, 2, 4 ... 64 sectors, and more */

/* What a disk is used for. */
struct disk_profile {
    uint64_t sectors; /* of the VM's disk */
    uint64_t flushes;
    struct disk_use {
        uint64_t requests, sectors;
        uint64_t sequential; /* that begin where the one before has ended */
        uint64_t next;       /* where that was */
        uint64_t size[DISK_SIZES];
        uint64_t zone[DISK_ZONES]; /* sectors in each */
    } reads, writes;
};

/* A bit each, in the order in which bytes go through them on their way to the disk. */
enum { DISK_FILTER_PROFILE = 1, DISK_FILTER_ENCRYPT = 2 };

struct disk_filters {
    unsigned chosen;
    struct disk_profile profile;
    struct xts key;
};

/* "none", or a list of names with commas between; false: one of them is none. */
bool disk_filters_parse(unsigned *chosen, const char *list);
/* The same back, into `size` bytes. */
void disk_filters_name(unsigned chosen, char *text, size_t size);

/* A VM starts, with a disk of so many sectors. */
void disk_filters_begin(struct disk_filters *f, unsigned chosen, const uint8_t key[XTS_KEY_BYTES],
                        uint64_t sectors);
/* A request of the VM; sectors are counted from the beginning of its disk. */
void disk_filters_request(struct disk_filters *f, enum disk_verb verb, uint64_t sector, uint64_t sectors);
/* Bytes that go to the disk, and that come from it. */
void disk_filters_write(struct disk_filters *f, uint64_t sector, uint8_t *bytes, unsigned sectors);
void disk_filters_read(struct disk_filters *f, uint64_t sector, uint8_t *bytes, unsigned sectors);
/* Sectors that may be done at a time: ciphers take their time, with the lock taken. */
unsigned disk_filters_most(const struct disk_filters *f);

/* disk_profile.c */
void disk_profile_count(struct disk_profile *p, enum disk_verb verb, uint64_t sector, uint64_t sectors);
void disk_profile_show(const struct disk_profile *p, stats_line *line);

#endif
