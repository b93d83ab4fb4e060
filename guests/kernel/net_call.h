/* net_call.h - what the kernel's calls for networks and the programs agree on.  Internet addresses and ports
 * are numbers here, not bytes in the order of the network: 10.0.0.1 is 0x0a000001. */
#ifndef KERNEL_NET_CALL_H
#define KERNEL_NET_CALL_H

#include <stdint.h>

/* Protocols of sockets (the numbers of IPv4). */
#define NET_ICMP 1 /* echo requests, with the port as identifier, and their replies */
#define NET_UDP  17

/* Of a call that fails, where more is to be said than -1. */
#define NET_NO_ROUTE    (-2) /* no interface leads there, or none has a link */
#define NET_UNREACHABLE (-3) /* nobody answers to that address */
#define NET_PORT_TAKEN  (-4)

#define NET_DATA_MOST 1472 /* bytes of a datagram, besides what follows */

/* What is read and written begins with the other side. */
struct net_datagram {
    uint32_t address;
    uint16_t port; /* ICMP: the sequence number */
    uint16_t ttl;  /* of one that has been read */
};

struct net_setting {
    uint32_t address, gateway; /* gateway: 0 for none */
    uint32_t prefix;           /* bits of the address that are the network's */
};

enum net_count {
#define N(name, text) NET_##name,
#include "kernel/net_counts.def"
#undef N
    NET_COUNTS
};

#define NET_NAME_BYTES 8

struct net_info {
    char name[NET_NAME_BYTES], driver[NET_NAME_BYTES], interrupts[NET_NAME_BYTES];
    uint8_t mac[6], up, reserved;
    struct net_setting setting;
    uint32_t slot; /* on PCI's bus 0 */
    uint64_t count[NET_COUNTS];
};

struct net_neighbour {
    uint32_t address;
    uint8_t mac[6];
    uint8_t interface, reserved;
};

#endif
