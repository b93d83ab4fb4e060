/* virtio_blk.h - the virtio block device (VIRTIO 1.1, 5.2 "Block Device"), on the disk of its instance. */
#ifndef RINGSIDE_DEV_VIRTIO_BLK_H
#define RINGSIDE_DEV_VIRTIO_BLK_H

#include "dev/virtio.h"

extern const struct virtio_model virtio_blk_model;

#endif
