/* virtio_disk.h - a machine with a virtio disk, and its driver: what suites of virtio have in common. */
#ifndef TESTS_LIB_VIRTIO_DISK_H
#define TESTS_LIB_VIRTIO_DISK_H

#include "lib/virtio_driver.h"

#define SLOT    5
#define SECTORS 64 /* each is full of its number */

#define QUEUE  UINT64_C(0x600000)
#define HEADER UINT64_C(0x610000)
#define STATUS UINT64_C(0x611000)
#define TABLE  UINT64_C(0x612000)
#define DATA   UINT64_C(0x620000)

#define NEXT     VIRTQ_DESC_F_NEXT
#define WRITE    VIRTQ_DESC_F_WRITE
#define INDIRECT VIRTQ_DESC_F_INDIRECT

extern struct virtio_disk {
    struct bare bare;
    struct machine *m;
    struct driver driver;
    struct driver_queue queue;
    struct virtio *state;
} vd;

void vd_open(bool readonly);
/* Fixtures: one that can be written. */
void vd_set_up(void);
void vd_tear_down(void);

u64 vd_status(void); /* of the device */
bool vd_broken(void);
u32 vd_config(unsigned at, unsigned n); /* configuration space */
void vd_set_config(unsigned at, unsigned n, u32 value);

/* A driver with these features has a queue of `size`. */
void vd_start(u64 features, unsigned size);
/* A request's header and status; with data, in descriptors 0 to 2. */
void vd_header(u32 type, u64 sector);
void vd_chain(u32 type, u64 sector, u32 bytes);
u64 vd_blk_status(void);
/* Offers a chain and lets the device run. */
void vd_request(unsigned head);
/* The next in the used ring is that; there is none. */
void vd_ck_used(u32 head, u32 length);
void vd_ck_none_used(void);

#endif
