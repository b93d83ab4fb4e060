/* virtio_state.h - what virtio devices remember: state.def's (dev/virtio.h, dev/virtqueue.h). */
#ifndef RINGSIDE_DEV_VIRTIO_STATE_H
#define RINGSIDE_DEV_VIRTIO_STATE_H

#include <stdint.h>

#define VIRTIO_QUEUES      2   /* the most that a device has */
#define VIRTQUEUE_SIZE_MAX 128 /* descriptors, and those of a chain */

/* A split virtqueue, and the chain of descriptors that the device is at. */
struct virtqueue {
    uint64_t size, vector, enabled, desc, driver, device; /* as the driver has set them */
    uint64_t phase;                                       /* enum virtqueue_phase */
    uint64_t due;                                         /* no step before this cycle */
    uint64_t next_avail, next_used;                       /* modulo 2^16 */
    uint64_t told; /* what the driver was last told of notifications: see virtqueue.c */
    uint64_t head;
    uint64_t table, table_size;        /* where descriptors are read: the queue's, or an indirect one */
    uint64_t index;                    /* of the next to be read */
    uint64_t indirect;                 /* the table is one */
    uint64_t fetched;                  /* read of this chain */
    uint64_t buffers, readable;        /* in `buffer`; those that the device reads come first */
    uint64_t read_bytes, write_bytes;  /* left to read and to write */
    uint64_t read_buffer, read_offset; /* where the next byte is */
    uint64_t write_buffer, write_offset;
    uint64_t written, gap;                   /* bytes from the first on, up to a gap, for the used ring */
    uint64_t buffer[2 * VIRTQUEUE_SIZE_MAX]; /* address, length */
};

struct virtio {
    uint64_t device_select, driver_select; /* of the features */
    uint64_t features;                     /* as the driver has chosen them */
    uint64_t status, msix_config, queue_select, isr, generation;
    uint64_t turn; /* the queue that is served next */
    struct virtqueue queue[VIRTIO_QUEUES];
};

struct virtio_blk {
    struct virtio virtio;
    uint64_t writeback;    /* writes may stay in the disk's cache */
    uint64_t type, sector; /* of the request under way */
    uint64_t stage;        /* enum blk_stage */
};

/* Frames that wait for buffers. */
#define VIRTIO_NET_FRAMES 8
#define VIRTIO_NET_WORDS  190

struct virtio_net {
    struct virtio virtio;
    uint64_t first, frames;             /* those that have arrived: the first that waits, and how many */
    uint64_t length[VIRTIO_NET_FRAMES]; /* bytes */
    uint64_t frame[VIRTIO_NET_FRAMES * VIRTIO_NET_WORDS]; /* byte i of a frame at bits 8 (i mod 8) */
    uint64_t received; /* bytes of the first that are in the driver's buffers, its header too */
    uint64_t gathered; /* bytes of the one to send, likewise */
    uint64_t out[VIRTIO_NET_WORDS];
};

#endif
