/* virtio_net.h - the virtio NIC of a VM (nic=virtio; VIRTIO 1.1, 5.1 "Network Device"): a queue of frames to
 * send, a queue of buffers for those that come.  Both lead to a port of the virtual switch. */
#ifndef HV_VIRTIO_NET_H
#define HV_VIRTIO_NET_H

#include "virtio_pci.h"
#include "vswitch.h"

struct virtio_net {
    struct virtio_device device;
    struct vswitch_port *port;
    bool more;               /* the driver has offered more at once than are taken: the next turn goes on */
    bool returned;           /* frames have come since the driver has heard of any */
    struct virtio_net *next; /* the next of those */
    struct virtq_chain chain;
    uint8_t frame[FRAME_MOST]; /* to be sent */
};

/* A VM starts, in the bus and the switch.  False: one of them is full. */
bool virtio_net_plug(struct virtio_net *n, struct vm *vm);
/* A VM's turn begins. */
void virtio_net_turn(struct virtio_net *n);

/* Between these two frames may come to any NIC; their VMs have one interrupt for all of them, at the end.
 * Pairs may lie in each other. */
void virtio_net_hold(void);
void virtio_net_release(void);

/* A frame from the switch; false: no room. */
bool virtio_net_receive(void *of, const uint8_t *frame, unsigned bytes);

#endif
