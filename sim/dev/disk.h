/* disk.h - a disk: sectors in copy-on-write pages, from a raw image file that is read when the machine is
 * made and written only by a commit; or with an overlay over the image, which alone is written.
 *
 * What the machine writes is in the disk's cache until it flushes it: a power cut may lose that, sector by
 * sector.  Contents and cache are state: saved, hashed and replayed as memory is. */
#ifndef RINGSIDE_DEV_DISK_H
#define RINGSIDE_DEV_DISK_H

#include <sys/types.h>

#include "dev/overlay.h"
#include "machine.h"

#define SECTOR_BYTES   512u
#define DISK_BYTES_MAX (UINT64_C(4) << 30)

/* The file that a commit writes, as it was when it was last read or written; ino is 0 of an overlay that is
 * not there yet. */
struct disk_file {
    char *path; /* NULL: the disk is in none */
    dev_t dev;
    ino_t ino;
    i64 bytes, seconds, nanoseconds; /* its size, and when it was last written */
    struct mem_image *held;          /* what it holds; with the base, if it is an overlay */
    struct overlay_base base;
};

struct disk {
    u64 sectors;
    bool readonly;
    struct mem *data;         /* as the machine reads it; after the last sector zeros */
    struct mem_image *stable; /* as it was at the last flush */
    struct disk_file file;
};

/* What a saved state keeps of a disk. */
struct disk_saved {
    struct mem_image *data, *stable;
};

/* overlay: NULL for none.  NULL and a message: not a regular file of whole sectors, too large, or an overlay
 * that is damaged or another image's. */
struct disk *disk_open(const char *path, const char *overlay, bool readonly, struct rs_error *err);
/* A disk in no file, of zeros.  NULL and a message: no whole sectors, or too many. */
struct disk *disk_blank(u64 bytes, struct rs_error *err);
void disk_free(struct disk *d);

/* False and nothing done: no such sector, or it is read-only. */
bool disk_read(const struct disk *d, u64 sector, u8 bytes[SECTOR_BYTES]);
bool disk_write(struct disk *d, u64 sector, const u8 bytes[SECTOR_BYTES]);
/* The cache is empty. */
void disk_flush(struct disk *d);

/* Power fails.  Of the sectors that have not been flushed each is as it was last written or as it was at the
 * flush, as `seed` chooses; 0: all are as they were. */
void disk_cut(struct disk *d, u64 seed);

/* arch: without what only a power cut would show. */
u64 disk_hash(const struct disk *d, bool arch);

struct disk_saved disk_save(const struct disk *d);
struct disk_saved disk_saved_copy(const struct disk_saved *s);
void disk_restore(struct disk *d, const struct disk_saved *s);
void disk_saved_free(struct disk_saved *s);

#endif
