/* virtio_driver.h - a virtio driver that works from outside: a function's structures, and a queue that a test
 * fills as it likes. */
#ifndef TESTS_LIB_VIRTIO_DRIVER_H
#define TESTS_LIB_VIRTIO_DRIVER_H

#include "arch/virtio.h"
#include "dev/pci.h"
#include "lib/bare.h"

#define VIRTIO_FEATURE(bit) (UINT64_C(1) << (bit))

struct driver {
    struct bare *b;
    struct pci_device *device;
    u64 bar; /* of the structures */
};

/* A queue, and where a driver has it: tables of a page each. */
struct driver_queue {
    struct driver *driver;
    unsigned number, size;
    u64 desc, avail, used;
    u16 next, seen; /* of the available and the used ring */
};

/* Memory decoding and bus mastering on. */
void driver_open(struct driver *v, struct bare *b, unsigned slot);

u64 driver_get(const struct driver *v, unsigned at, unsigned n); /* of the common configuration */
void driver_set(const struct driver *v, unsigned at, unsigned n, u64 value);
u64 driver_config(const struct driver *v, unsigned at, unsigned n);
void driver_set_config(const struct driver *v, unsigned at, unsigned n, u64 value);
u64 driver_isr(const struct driver *v);
u64 driver_offered(const struct driver *v);

/* Up to FEATURES_OK, with these features and VERSION_1; then queues; then DRIVER_OK. */
void driver_negotiate(const struct driver *v, u64 features);
void driver_queue(struct driver_queue *q, struct driver *v, unsigned number, unsigned size, u64 memory);
void driver_ok(const struct driver *v);

/* A descriptor of the queue's table, or of one elsewhere. */
void driver_descriptor(const struct driver_queue *q, unsigned i, u64 address, u32 length, unsigned flags,
                       unsigned next);
void driver_descriptor_at(const struct driver *v, u64 table, unsigned i, u64 address, u32 length,
                          unsigned flags, unsigned next);
/* Makes a chain available; tells the device of it. */
void driver_offer(struct driver_queue *q, unsigned head);
void driver_notify(const struct driver_queue *q);

/* All atoms that the function asks for; fails after `most`. */
void driver_run(const struct driver *v, unsigned most);

/* The next entry of the used ring; false: there is none. */
bool driver_used(struct driver_queue *q, u32 *head, u32 *length);

u64 driver_memory(const struct driver *v, u64 address, unsigned n);
void driver_set_memory(const struct driver *v, u64 address, unsigned n, u64 value);

#endif
