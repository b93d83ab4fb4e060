/* virtio_net.h - the virtio network device (VIRTIO 1.1, 5.1 "Network Device"), on a port of its own. */
#ifndef RINGSIDE_DEV_VIRTIO_NET_H
#define RINGSIDE_DEV_VIRTIO_NET_H

#include "dev/virtio.h"

extern const struct virtio_model virtio_net_model;

#endif
