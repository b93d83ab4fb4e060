/* overlay.h - a disk's overlay file: the pages that differ from its base, an image which never changes
 * (docs/machine.md, "Overlays"). */
#ifndef RINGSIDE_DEV_OVERLAY_H
#define RINGSIDE_DEV_OVERLAY_H

#include "machine.h"

struct mem_image;

/* What an overlay is of. */
struct overlay_base {
    struct mem_image *held; /* NULL: there is no overlay */
    u64 bytes, hash;        /* of the base's file: its size, and XXH3-64 of what it holds */
};

/* Puts the pages of the file over `data`, which holds the base; RS_FAILED and a message if it is not whole,
 * or another base's.  An empty file has no pages. */
enum rs_status overlay_read(const char *path, const struct overlay_base *base, struct mem *data,
                            struct rs_error *err);
/* Writes an overlay of the pages in which data differs; false with errno set. */
bool overlay_write(int fd, const struct overlay_base *base, const struct mem *data);

#endif
