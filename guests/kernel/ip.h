/* ip.h - IPv4 (RFC 791) without fragments and options, ICMP's echo (RFC 792), and UDP (RFC 768). */
#ifndef KERNEL_IP_H
#define KERNEL_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/netdev.h"

/* Places in a frame that we send; ICMP's echo and UDP have headers of 8 bytes. */
#define IP_AT      ETHER_BYTES
#define IP_BYTES   20
#define INNER_AT   (IP_AT + IP_BYTES)
#define INNER_DATA 8
#define DATA_AT    (INNER_AT + INNER_DATA)

/* A frame of IPv4's: for a socket, or an echo that the kernel answers itself; what is damaged is counted. */
void ip_input(struct netdev *dev, const uint8_t *frame, uint32_t bytes);

/* The interface to send by, and who is next on the way; NULL: there is none. */
struct netdev *ip_route(uint32_t address, uint32_t *next);
/* The MAC of who is next, broadcasts included. */
bool ip_resolve(struct netdev *dev, uint32_t next, uint8_t mac[MAC_BYTES]);

/* Headers around `bytes` of data at DATA_AT, with their sums, and off it goes.  from: UDP's port, ICMP's
 * identifier; to->port: UDP's port, ICMP's sequence number. */
void ip_send(struct netdev *dev, uint8_t *frame, const uint8_t *mac, uint8_t protocol, uint16_t from,
             const struct net_datagram *to, uint32_t bytes);

#endif
