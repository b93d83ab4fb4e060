/* arp.h - which MAC has an address (RFC 826). */
#ifndef KERNEL_ARP_H
#define KERNEL_ARP_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/netdev.h"

/* A frame of ARP's: remembers who is there, and answers for the interface's own address. */
void arp_input(struct netdev *dev, const uint8_t *frame, uint32_t bytes);
/* Asks until somebody answers, for a second at most, during which the process waits. */
bool arp_resolve(struct netdev *dev, uint32_t address, uint8_t mac[MAC_BYTES]);
/* The i-th neighbour that is known; false: there is none. */
bool arp_nth(unsigned i, struct net_neighbour *neighbour);

#endif
